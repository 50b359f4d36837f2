"""The control of every self-training method: the policy is trained on the worked solutions alone."""

from __future__ import annotations

from restmcts.errors import PhaseError
from restmcts.loops import phases
from restmcts.loops.registry import Loop, NoSettings
from restmcts.loops.results import Evaluated, Trained
from restmcts.loops.run import Run
from restmcts.loops.work.labelling import demonstration_samples
from restmcts.loops.work.training import tune_policy
from restmcts.workers.base import Models


def demonstrations(run: Run, settings: NoSettings) -> Evaluated | None:
    """Train on the worked solutions in each iteration; nothing is searched for data."""
    policy = phases.base_policy(run)
    start = phases.validate(run, policy)
    accuracy = start.accuracy
    phases.measure(run, 0, Models(policy), start.trace_tokens)
    for iteration in run.iterations:
        trained = train_on_demonstrations(run, iteration, policy)
        accepted = phases.accept_policy(run, iteration, trained, policy, accuracy)
        policy, accuracy = accepted.policy, accepted.carried_accuracy
        phases.measure(run, iteration, Models(policy), start.trace_tokens)
    return phases.final_evaluation(run, Models(policy), start.trace_tokens)


def train_on_demonstrations(run: Run, iteration: int, parent: str) -> Trained:
    """Fine-tune the policy ``parent`` on all worked solutions of the training problems.

    Raises:
        PhaseError: there are none.
    """

    def work(phase: str) -> Trained:
        samples = demonstration_samples(run, phase, len(run.problems.demonstrations))
        if not samples:
            raise PhaseError(f"{phase}: no training problem has a 'solution' to train on")
        return tune_policy(run, phase, iteration, samples, parent)

    return run.phase(f"{iteration}.train-policy", "train", iteration, Trained, work)


DEMONSTRATIONS = Loop(
    demonstrations, "train on the worked solutions alone: the control of the others", NoSettings, False
)
