"""The phases of a self-training loop; each is done once, and returns its stored result from then on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from restmcts.errors import PhaseError
from restmcts.loops.results import (
    Accepted,
    Evaluated,
    Judged,
    Labelled,
    Paired,
    Searched,
    Selected,
    Trained,
    Tuned,
    Validated,
)
from restmcts.loops.run import BOOTSTRAP, Run
from restmcts.loops.work.evaluating import GREEDY, budgets_in_tokens, evaluate
from restmcts.loops.work.labelling import label_trees, select_traces
from restmcts.loops.work.pairing import judged_pairs, tree_pairs
from restmcts.loops.work.searching import drawn_problems, note_data, run_tasks, search_tasks
from restmcts.loops.work.self_judgement import SelfJudgement, judge_traces
from restmcts.loops.work.training import (
    make_policy,
    record_checkpoint,
    tune_control,
    tune_policy,
    tune_preference,
)
from restmcts.loops.work.tuning import tuned_temperature
from restmcts.problems.problem import Problem
from restmcts.recipe import RuleChoice
from restmcts.search.choice import GenerationSettings
from restmcts.search.registry import method_settings
from restmcts.workers.base import Models


@dataclass(frozen=True, slots=True)
class LabelledTrees:
    """The trees of a search phase, and the phase that labelled them."""

    search: Searched
    labels: Labelled


def base_policy(run: Run) -> str:
    """The policy that everything starts from: a given folder, or one that the data set makes."""
    given = run.recipe.models.policy_name
    if given is not None:
        return given

    def work(phase: str) -> Trained:
        trained = make_policy(run, phase)
        record_checkpoint(run, 0, "policy", trained, carried=True)
        return trained

    return run.phase("0.train-policy", "train", 0, Trained, work).checkpoint


def validate(run: Run, policy: str) -> Validated:
    """Greedy accuracy of the base policy on the validation problems, and the length of a trace.

    Raises:
        PhaseError: the data set says that such a base policy will not do.
    """
    validated = run.phase("0.validate", "search", 0, Validated, partial(_validated, run, policy=policy))
    objection = run.data_set.check_policy(run.recipe.problems, validated.accuracy)
    if objection is not None:
        raise PhaseError(
            f"{validated.phase}: the base policy solves {validated.accuracy:.0%} of the validation problems"
            f" by greedy decoding, {objection}"
        )
    return validated


def _validated(run: Run, phase: str, *, policy: str) -> Validated:
    with run.workers(Models(policy)) as workers:
        tasks = search_tasks(run, phase, run.problems.validation, "greedy", GREEDY.build())
        searched = run_tasks(run, phase, tasks, workers)
    return Validated(
        **vars(searched),
        accuracy=searched.solved / max(1, searched.trees - searched.unverified),
        trace_tokens=searched.policy_tokens / searched.trees,
    )


def bootstrap(run: Run, policy: str) -> Searched:
    """Sample unguided traces of training problems; equal beginnings are merged into trees."""
    wanted = run.recipe.bootstrap
    values = {"samples": wanted.traces, "early_stop": False}
    settings = method_settings("self-consistency", values, "bootstrap")

    def work(phase: str) -> Searched:
        problems = run.problems.train[: wanted.problems]
        with run.workers(Models(policy)) as workers:
            tasks = search_tasks(run, phase, problems, "self-consistency", settings)
            searched = run_tasks(run, phase, tasks, workers)
        note_data(run, phase, 0)
        return searched

    return run.phase(BOOTSTRAP, "search", 0, Searched, work)


def search(
    run: Run, iteration: int, models: Models, generation: GenerationSettings | None = None
) -> Searched:
    """Search training problems with the models so far; ``generation`` is the recipe's unless it is given."""
    wanted = generation or run.recipe.generation
    budget = wanted.budget_within(run.recipe.sampling.trace_tokens)
    tuned = tune(run, iteration, models, wanted) if wanted.temperatures else None

    def work(phase: str) -> Searched:
        problems = drawn_problems(run, phase, wanted.problems, shuffled=wanted.tokens is not None)
        tokens, temperature = wanted.tokens, None
        if tuned is not None:
            tokens, temperature = None if tokens is None else tokens - tuned.policy_tokens, tuned.temperature
        with run.workers(models) as workers:
            tasks = search_tasks(
                run,
                phase,
                problems,
                wanted.method,
                wanted.build(),
                budget=budget,
                limits=wanted.limits,
                temperature=temperature,
            )
            searched = run_tasks(run, phase, tasks, workers, tokens)
        note_data(run, phase, iteration)
        return searched

    return run.phase(f"{iteration}.search", "search", iteration, Searched, work)


def tune(run: Run, iteration: int, models: Models, generation: GenerationSettings) -> Tuned:
    """Choose the sampling temperature of an iteration by the balance of traces of a few problems."""
    work = partial(tuned_temperature, run, policy=models.policy, generation=generation)
    return run.phase(f"{iteration}.tune", "search", iteration, Tuned, work)


def label(
    run: Run,
    iteration: int,
    searched: Searched,
    labels: RuleChoice | None = None,
    name: str | None = None,
) -> LabelledTrees:
    """Infer a quality value for every step of the trees; write the value samples.

    Args:
        labels: the rule; None: that of the recipe.
        name: tells this labelling from others of the iteration: in the name of the phase, and of the labels.
    """
    work = partial(label_trees, run, search=searched.phase, labels=labels, name=name)
    phase = f"{iteration}.label" + (f"-{name}" if name else "")
    return LabelledTrees(searched, run.phase(phase, "label", iteration, Labelled, work))


def select(run: Run, iteration: int, searches: Sequence[Searched]) -> Selected:
    """Choose the correct traces that the policy learns from; write the policy samples."""
    work = partial(select_traces, run, searches=[searched.phase for searched in searches])
    return run.phase(f"{iteration}.select", "label", iteration, Selected, work)


def judge(
    run: Run, iteration: int, searched: Searched, policy: str, settings: SelfJudgement, tokens: int | None
) -> Judged:
    """Let the policy judge its own finished traces, within ``tokens`` (None: without a limit)."""
    work = partial(
        judge_traces,
        run,
        iteration=iteration,
        search=searched.phase,
        policy=policy,
        settings=settings,
        tokens=tokens,
    )
    return run.phase(f"{iteration}.judge", "label", iteration, Judged, work)


def pair_traces(run: Run, iteration: int, judged: Judged, margin: float) -> Paired:
    """Pair the best with the worst judged trace of each problem; write the preference samples."""
    work = partial(judged_pairs, run, iteration=iteration, search=judged.search, margin=margin)
    return run.phase(f"{iteration}.pair", "label", iteration, Paired, work)


def pair_steps(run: Run, iteration: int, searches: Sequence[Searched], most: int) -> Paired:
    """Pair right with wrong next steps, ``most`` times a problem at most; write the preference samples."""
    work = partial(tree_pairs, run, searches=[searched.phase for searched in searches], most=most)
    return run.phase(f"{iteration}.pair", "label", iteration, Paired, work)


def train_policy(
    run: Run, iteration: int, selected: Selected, parent: str, *, role: str = "policy"
) -> Trained:
    """Fine-tune the policy ``parent`` on the selected traces.

    ``role``: the name of the checkpoint; another one than ``policy`` where something is trained from it.
    """

    def work(phase: str) -> Trained:
        samples = run.policy_samples(selected.phase)
        trained = replace(
            tune_policy(run, phase, iteration, samples, parent, role=role), samples_from=[selected.phase]
        )
        if role != "policy":
            record_checkpoint(run, iteration, role, trained, carried=True)
        return trained

    return run.phase(f"{iteration}.train-policy", "train", iteration, Trained, work)


def train_preference(
    run: Run, iteration: int, paired: Paired, parent: str, *, name: str = "train-preference"
) -> Trained:
    """Train the policy ``parent`` on pairs; ``name``: that of the phase in its iteration."""

    def work(phase: str) -> Trained:
        samples = run.preference_samples(paired.phase)
        return replace(tune_preference(run, phase, iteration, samples, parent), samples_from=[paired.phase])

    return run.phase(f"{iteration}.{name}", "train", iteration, Trained, work)


def accept_policy(run: Run, iteration: int, trained: Trained, before: str, accuracy: float) -> Accepted:
    """Measure a new policy on validation; one that is worse than the one ``before`` is not carried on.

    ``accuracy`` is that of the policy before.
    """

    def work(phase: str) -> Accepted:
        found = _validated(run, phase, policy=trained.checkpoint)
        carried = found.accuracy >= accuracy
        record_checkpoint(
            run, iteration, "policy", trained, carried=carried, validation_accuracy=found.accuracy
        )
        if not carried:
            run.progress.note(
                f"iteration {iteration}: the new policy solves {found.accuracy:.1%} of the validation"
                f" problems, the one before {accuracy:.1%}; it is kept in the store, but not carried on"
            )
        return Accepted(
            **vars(found),
            carried=carried,
            policy=trained.checkpoint if carried else before,
            carried_accuracy=found.accuracy if carried else accuracy,
        )

    return run.phase(f"{iteration}.validate", "search", iteration, Accepted, work)


def control_arm(run: Run, iteration: int, parent: str, updates: int) -> str:
    """Train and measure the control arm, where the recipe asks for one; returns its policy.

    It is trained from ``parent`` on the demonstrations alone, for as many ``updates`` as the policy was.
    """
    if not run.recipe.control:
        return parent

    def work(phase: str) -> Trained:
        control = tune_control(run, phase, iteration, parent, updates)
        record_checkpoint(run, iteration, "control", control, carried=True)
        return control

    control = run.phase(f"{iteration}.train-control", "train", iteration, Trained, work).checkpoint
    _measure_control(run, iteration, control)
    return control


def measure(run: Run, iteration: int, models: Models, trace_tokens: float) -> Evaluated:
    """Measure the models of an iteration on the test problems; nothing is decided by it."""
    wanted = run.recipe.evaluation
    methods = [GREEDY, *wanted.each_iteration]
    budgets = budgets_in_tokens(wanted.iteration_traces, trace_tokens)

    def work(phase: str) -> Evaluated:
        return evaluate(run, phase, iteration, models, methods, test_problems(run), budgets=budgets)

    return run.phase(f"{iteration}.evaluate", "evaluate", iteration, Evaluated, work)


def _measure_control(run: Run, iteration: int, control: str) -> Evaluated:
    """Greedy accuracy of the control arm on the test problems."""
    label, problems = "greedy, demonstrations only", test_problems(run)

    def work(phase: str) -> Evaluated:
        return evaluate(run, phase, iteration, Models(control), [GREEDY], problems, budgets={}, label=label)

    return run.phase(f"{iteration}.evaluate-control", "evaluate", iteration, Evaluated, work)


def final_evaluation(run: Run, models: Models, trace_tokens: float) -> Evaluated | None:
    """Every method at every budget on the test problems; None where the recipe compares no methods."""
    wanted, last = run.recipe.evaluation, run.recipe.iterations
    if not wanted.methods:
        return None
    budgets = budgets_in_tokens(wanted.traces, trace_tokens)

    def work(phase: str) -> Evaluated:
        return evaluate(run, phase, last, models, wanted.methods, test_problems(run), budgets=budgets)

    return run.phase("final.evaluate", "evaluate", last, Evaluated, work)


def test_problems(run: Run) -> list[Problem]:
    """The test problems that the recipe measures on."""
    return run.problems.test[: run.recipe.evaluation.problems]
