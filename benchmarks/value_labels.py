"""What a value model learns from which labels, and how its values are read.

Run from the repository as ``python -m benchmarks.value_labels --seeds 1,2,3``. For each seed, the built-in
task makes a base policy, unguided trees and the value model of the start stage (recipe ``tiny``). From the
same start and the same trees value models are then trained with different labels and objectives, and judged
on the trees of held-out problems:

- first errors, a partial solution valued by the product over its steps;
- the share of right answers below a step, valued by its last step;
- quality values of the paper, said directly and valued by the last step;
- quality values of the paper through the chances of single steps, valued by their product.

With ``--scratch`` they are also trained from the policy without the start stage, for as many updates as
given.

Figures: AUC of partial solutions by depth and of all depths, the same for all value models, on every node of
a tree with a right answer; the squared error of the quality value, said directly or implied by the steps.
The truth is that of the task, which knows the right steps. The JSON has all figures with their 95 %
intervals.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from restmcts.aggregations import Aggregation
from restmcts.cli.session import open_run
from restmcts.evaluation.values.value_report import ValueReport, value_report
from restmcts.labels import label_rule
from restmcts.loops import phases, value_phases
from restmcts.loops.run import BOOTSTRAP, Run
from restmcts.loops.work.judging import known_prefixes, truth
from restmcts.problems.registry import load_splits
from restmcts.problems.splits import held_out
from restmcts.recipe import load_recipe
from restmcts.samples.judged import Judging
from restmcts.samples.trees import to_judge_by
from restmcts.samples.value import labelled_chains
from restmcts.training.settings import ValueObjective, ValueTraining
from restmcts.training.values.held_out import predict_values
from restmcts.training.values.training import train_value
from store.records import ValueSample


@dataclass(frozen=True)
class Arm:
    """A label rule, what the head says, and how the value of a partial solution follows."""

    rule: str
    objective: ValueObjective
    aggregation: Aggregation

    @property
    def name(self) -> str:
        return f"{self.rule}, {self.objective} -> {self.aggregation}"


ARMS = (
    Arm("first-error", "factorized", "product"),
    Arm("correct-share", "regression", "last"),
    Arm("rest-mcts", "regression", "last"),
    Arm("rest-mcts", "factorized", "product"),
)


class Bench:
    """The base policy, the trees and the start model of one seed."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.policy = phases.base_policy(run)
        self.searched = phases.bootstrap(run, self.policy)
        phases.label(run, 0, self.searched)
        self.start = value_phases.start_value_model(run, self.searched, self.policy).checkpoint
        problems = {problem.id: problem for problem in run.problems.train}
        known = known_prefixes(to_judge_by(run.trees(BOOTSTRAP)), problems, run.data_set.right_step)
        self.held_out = [sample for sample in self.samples("rest-mcts") if held_out(sample.problem)]
        self.truths = [truth(sample, known) for sample in self.held_out]

    def samples(self, rule: str) -> Iterator[ValueSample]:
        """The chains of the trees with the labels of a rule."""
        label = label_rule(rule)
        for record, tree in self.run.trees(BOOTSTRAP):
            yield from labelled_chains(record, tree, label(tree))

    def train(self, arm: Arm, source: str, settings: ValueTraining, folder: Path) -> dict[str, Any]:
        """Train one value model, judge it, and give its figures."""
        target = folder / arm.name.replace(" ", "")
        samples = [sample for sample in self.samples(arm.rule) if not held_out(sample.problem)]
        settings = settings.model_copy(update={"objective": arm.objective})
        trained = train_value(self.run.folder(source), samples, settings, target, device="cpu")
        report = self.judge(target, arm.aggregation, settings.max_length)
        return {
            "arm": arm.name,
            "from": source,
            "updates": trained.updates,
            "seconds": trained.seconds,
            "last_loss": trained.last_loss,
            "report": asdict(report),
        }

    def judge(self, folder: Path, aggregation: Aggregation, max_length: int) -> ValueReport:
        """The figures of the value model in ``folder``."""
        predictions = predict_values(folder, self.held_out, max_length=max_length, device="cpu")
        judging = Judging(self.held_out, self.truths, predictions, aggregation)
        return value_report(list(judging.steps()), list(judging.chains()))


def measure(root: Path, seed: int, scratch: int, overrides: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The figures of one seed, one value model after the other."""
    recipe = load_recipe("tiny", [f"seed={seed}", "models.threads=1", *overrides])
    splits = load_splits(recipe.problems, recipe.seed)
    with (
        open_run(root, f"base-{seed}", recipe, splits) as run,
        tempfile.TemporaryDirectory() as folder,
    ):
        bench = Bench(run)
        settings = recipe.value_training.model_copy(update={"seed": seed})
        long = recipe.value_start.model_copy(update={"seed": seed, "updates": scratch or None})
        for source, wanted in ((bench.start, settings), *([(bench.policy, long)] if scratch else [])):
            for arm in ARMS:
                figures = {"seed": seed, **bench.train(arm, source, wanted, Path(folder))}
                print(row(figures), flush=True)
                yield figures


def row(figures: dict[str, Any]) -> str:
    """One line for a value model."""
    report = figures["report"]
    depths = " ".join(f"{one['value']['value']:.3f}" if one["value"] else "-" for one in report["depths"])
    direct = "product" not in figures["arm"]
    error = report["squared_error"] if direct else report["quality_squared_error"]
    near = report["near"] if direct else report["quality_near"]
    auc, found = report["overall"]["value"]["value"], report["first_error"]
    return (
        f"{figures['seed']} {figures['from']:<22} {figures['arm']:<36} auc {auc:.3f} by depth {depths}"
        f" | quality error {error['value']:.4f} near {near['value']:.3f}"
        f" | first error F1 {found['f1']['value'] if found else float('nan'):.3f}"
        f" | {figures['updates']} updates {figures['seconds']:.0f} s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", default="1,2,3", help="seeds, separated by commas")
    parser.add_argument(
        "--scratch", type=int, default=0, help="updates without the start stage; 0: leave it out"
    )
    parser.add_argument(
        "--root", type=Path, help="store to keep base policies and trees in, and to go on from"
    )
    parser.add_argument("--json", type=Path, help="file for all figures")
    parser.add_argument("-o", dest="overrides", action="append", default=[], help="key=value of the recipe")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = arguments.root or Path(folder)
        seeds = [int(seed) for seed in arguments.seeds.split(",")]
        found = [
            figures
            for seed in seeds
            for figures in measure(root, seed, arguments.scratch, arguments.overrides)
        ]
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
