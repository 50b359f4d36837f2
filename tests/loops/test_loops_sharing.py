"""A shared budget in a run of scripted models: the total holds, and the course is the one of stored trees."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from restmcts.errors import InputError
from restmcts.evaluation.shared_budget import Gate, course, spend
from restmcts.loops.commands import Comparison, share_budget
from restmcts.loops.results import Evaluated
from restmcts.loops.run import Run
from restmcts.loops.work.sharing import number_of
from restmcts.problems.problem import Problem
from restmcts.problems.splits import Splits
from restmcts.progress import Figures
from restmcts.search.choice import EvaluatedMethod
from store.check import check
from store.events import SearchRecord
from tests.loops.scripted import Heard, InterruptedRunError, Scripts, opened, recipe
from tests.support.stores import contents

VALUED: dict[str, Any] = {
    "models": {"policy": "/base", "value": "/judge"},
    "evaluation": {"orders": 0},  # so that rows can be compared with single searches
}
MEANS = (14, 30)


def problems(count: int = 16) -> Splits:
    made = {
        name: [Problem(f"{name}-{number}", f"{name} {number}", "1") for number in range(count)]
        for name in ("train", "validation", "test")
    }
    return Splits(made["train"], made["validation"], made["test"], [])


def methods() -> list[EvaluatedMethod]:
    votes = {
        "method": "self-consistency",
        "settings": {"early_stop": False},
        "answers": ["majority", "value-vote"],
    }
    improved = {"method": "mcts-improved", "settings": {"early_stop": False, "rounds": 0}}
    return [EvaluatedMethod.model_validate(votes), EvaluatedMethod.model_validate(improved)]


def shared(root: Path, **more: Any) -> tuple[Evaluated, Evaluated, list[SearchRecord]]:
    with opened(root, recipe(**VALUED), more.pop("problems", problems())) as run:
        fixed, found = share_budget(run, Comparison(methods(), MEANS, None))
        return fixed, found, list(run.writer.read_trees(found.phase))


@pytest.fixture
def done(tmp_path: Path, scripts: Scripts) -> tuple[Evaluated, Evaluated, list[SearchRecord]]:
    return shared(tmp_path / "store")


def test_all_problems_together_keep_to_the_budget(
    done: tuple[Evaluated, Evaluated, list[SearchRecord]], tmp_path: Path
) -> None:
    fixed, found, records = done
    taken: dict[int, int] = defaultdict(int)
    for record in records:
        taken[number_of(record) % len(found.rows)] += record.result.cost.generated
        assert (
            record.header.settings["confidence_gate"]
            in found.rows[number_of(record) % len(found.rows)]["thresholds"]
        )
    for place, row in enumerate(found.rows):
        assert taken[place] <= row["budget"] * 16 and row["policy_tokens"] == taken[place] / 16
        (same,) = [
            other
            for other in fixed.rows
            if (other["method"] + ", shared budget", other["budget"]) == (row["method"], row["budget"])
        ]
        assert (row["fixed_accuracy"], row["problems"]) == (same["accuracy"], 16)
        assert row["accuracy"] - row["fixed_accuracy"] == pytest.approx(row["against_fixed.difference"])
    assert [row["budget"] for row in found.rows] == [*MEANS] * 3
    assert any(row["caps"][0] > row["budget"] for row in found.rows)
    assert check(tmp_path / "store") == []


def test_the_searches_are_those_that_stored_trees_tell(
    done: tuple[Evaluated, Evaluated, list[SearchRecord]], tmp_path: Path
) -> None:
    _, found, records = done
    whole = whole_searches(tmp_path / "whole")
    for place, row in enumerate(found.rows):
        method, rule = ("self-consistency", "majority") if place < 2 else ("self-consistency", "value-vote")
        if place > 3:
            method = "mcts-improved"
        gate = Gate(row["thresholds"][0], row["caps"][0])
        courses = [course(record, rule) for record in whole[method]]
        expected = spend(courses, gate, row["budget"] * 16)
        ours = [record for record in records if number_of(record) % len(found.rows) == place]
        assert [(end.tokens, end.correct) for end in expected] == [
            (record.result.cost.generated, record.result.correct) for record in ours
        ]


def whole_searches(root: Path) -> dict[str, list[SearchRecord]]:
    """The test problems, searched as validation problems are: to the largest cap."""
    swapped = problems()
    swapped = replace(swapped, validation=swapped.test, test=swapped.train)
    with opened(root, recipe(**VALUED), swapped) as run:
        _, found = share_budget(run, Comparison(methods(), MEANS, None))
        records: dict[str, list[SearchRecord]] = defaultdict(list)
        for record in run.writer.read_trees(f"{found.phase}-validate"):
            records[record.header.method].append(record)
        return records


class Breaking(Heard):
    """Progress that breaks the run after so many searches of the phase with the shared budget."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.after = after
        self.here = False

    def start(self, phase: str, kind: str, total: int | None) -> None:
        self.here = phase.startswith("shared-") and not phase.endswith("-validate")

    def update(self, done: int, figures: Figures) -> None:
        if self.here and done == self.after:
            raise InterruptedRunError


def test_the_same_again_after_interruptions(tmp_path: Path, scripts: Scripts) -> None:
    shared(tmp_path / "at-once")
    for after in (9, 40, 90):
        with (
            pytest.raises(InterruptedRunError),
            opened(tmp_path / "parts", recipe(**VALUED), problems()) as run,
        ):
            share_budget(replace(run, progress=Breaking(after)), Comparison(methods(), MEANS, None))
    spent = scripts.generated
    shared(tmp_path / "parts")
    assert scripts.generated > spent
    assert contents(tmp_path / "parts") == contents(tmp_path / "at-once")


def test_what_is_needed_is_said(tmp_path: Path, scripts: Scripts) -> None:
    def refused(wanted: list[EvaluatedMethod], splits: Splits) -> str:
        with opened(tmp_path, recipe(**VALUED), splits) as run, pytest.raises(InputError) as error:
            share_budget(run, Comparison(wanted, MEANS, None))
        return str(error.value)

    greedy = [EvaluatedMethod.model_validate({"method": "greedy"})]
    assert "none of the methods says how sure it is" in refused(greedy, problems())
    assert "validation problems, and there are none" in refused(methods(), replace(problems(), validation=[]))
    same = replace(problems(), validation=problems().test[3:])
    assert "'test-3' is also the test problem 'test-3'" in refused(methods(), same)
    with opened(tmp_path / "more", recipe(**VALUED), problems(6)) as run:
        share_budget(run, Comparison([*methods(), *greedy], (14,), None))
        assert any("greedy left out" in note for note in heard(run))


def heard(run: Run) -> list[str]:
    assert isinstance(run.progress, Heard)
    return run.progress.notes
