"""`restmcts grade audit` and `restmcts grade override` as commands."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from store.check import check
from store.records import Evaluation
from tests.cli.commands import restmcts
from tests.store.build import open_run, record

PHASE = "final.evaluate"
ROW = Evaluation("", PHASE, 1, "mcts", 100, 3.0, 3, 2, 2 / 3, 0.1, 0.9, 12.0, 23.0)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A store whose run has three trees with the answer 5; the oracle answer of one problem is wrong."""
    file = tmp_path / "problems.jsonl"
    searches = [
        record(number, PHASE, correct=number != 1, oracle="6" if number == 1 else "5") for number in range(3)
    ]
    rows = [
        {"id": one.header.problem, "problem": one.header.question, "answer": one.header.oracle}
        for one in searches
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = f'recipe = "r"\nseed = 1\n[models]\npolicy = "p"\n[problems]\ntest = "{file}"\n'
    root = tmp_path / "store"
    with open_run(root, config=config) as writer:
        writer.note_input(file)
        for name, kind in (("0.train-policy", "train"), ("1.search", "search"), ("1.label", "label")):
            writer.start_phase(name, kind, 1)
            writer.finish_phase(name, {})
        writer.start_phase(PHASE, "evaluate", 1)
        for one in searches:
            writer.add_tree(one)
        writer.add_evaluation(ROW)
        writer.finish_phase(PHASE, {})
        writer.finish_run()
    return root


def test_an_answer_is_overridden_wherever_it_is_read_and_taken_back(root: Path) -> None:
    trees = (root / "runs" / "first" / "trees" / f"{PHASE}.jsonl").read_bytes()
    words = ("grade", "override", "first", "problem-1", " 5.0 ", "--root", root)
    done = restmcts(*words, "--right", "--reason", "the oracle answer is wrong\x1b[31m")
    assert "5 is right now, in 1 solutions of 1 trees" in done.output
    assert "note: verdicts were overridden after 1.label" in done.errors
    shown = restmcts("show", "first", "--root", root, "--json").json()
    (row,) = shown["evaluations"]
    assert (row["correct"], row["problems"], row["accuracy"]) == (3, 3, 1.0)
    tree = restmcts("show", f"first/{PHASE}/1", "--root", root).output
    assert "5 is correct: the oracle answer is wrong" in tree and "\x1b" not in tree
    (measured,) = restmcts("compare", "first", "--root", root, "--json").json()["accuracies"]
    assert (measured["accuracy"]["value"], measured["problems"]) == (1.0, 3)
    listed = restmcts("grade", "override", "first", "--list", "--root", root, "--json").json()
    assert [(one["problem"], one["answer"], one["correct"]) for one in listed] == [("problem-1", "5", True)]
    assert check(root) == []
    restmcts(*words, "--undo")
    (row,) = restmcts("show", "first", "--root", root, "--json").json()["evaluations"]
    assert (row["correct"], row["problems"]) == (2, 3)
    assert restmcts("grade", "override", "first", "--list", "--root", root, "--json").json() == []
    assert (root / "runs" / "first" / "trees" / f"{PHASE}.jsonl").read_bytes() == trees
    assert check(root) == []


def test_an_audit_lists_what_graders_see_differently(root: Path) -> None:
    nothing = restmcts("grade", "audit", "first", "--root", root)
    assert "3 solutions, 3 different answers, 0 overridden: nothing to look at" in nothing.output
    restmcts("grade", "override", "first", "problem-1", "5", "--right", "--reason", "x", "--root", root)
    told = restmcts("grade", "audit", "first", "--root", root, "--json").json()
    assert (told["grader"], told["other"], told["phases"]) == ("math", "exact", [PHASE])
    assert (told["overridden"], told["doubts"]) == (1, [])


def test_an_audit_may_be_a_table_for_a_spreadsheet(root: Path) -> None:
    """To the grader of choices, 5 is no letter: it has no verdict, and finds no answer where there is one."""
    with open_run(root, config=(root / "runs" / "first" / "run.toml").read_text()) as writer:
        writer.start_phase("eval", "evaluate", 1)
        writer.add_tree(record(7, "eval", correct=True, oracle="6"))
        writer.finish_phase("eval", {})
    output = restmcts("grade", "audit", "first", "--phase", "eval", "--root", root, "--csv").output
    columns, row = csv.reader(io.StringIO(output))
    assert dict(zip(columns, row, strict=True)) == {
        "kind": "disagreement",
        "problem": "problem-7",
        "answer": "5",
        "oracle answer": "6",
        "verdict": "right",
        "other": "wrong",
        "solutions": "1",
        "trees": "1",
        "look at": "first/eval/7 node 3",
    }


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("override", "first", "problem-1", "9", "--right", "--reason", "x"), "the answers are '5'"),
        (
            ("override", "first", "problem-9", "5", "--right", "--reason", "x"),
            "no tree of problem 'problem-9'",
        ),
        (("override", "first", "problem-1", "5", "--right"), "--reason is missing"),
        (("override", "first", "problem-1", "5", "--reason", "x"), "one of --right, --wrong and --undo"),
        (("override", "first", "problem-1", "5", "--undo"), "no verdict on the answer '5'"),
        (("override", "first", "problem-1"), "name a run, a problem and an answer"),
        (("override", "first", "problem-1", "--list"), "--list goes with the name of a run alone"),
        (("override", "none", "--list"), "no run 'none'"),
        (("audit", "none"), "no run 'none'"),
        (("audit", "first", "--phase", "x"), "no trees in phase 'x'; phases with trees: final.evaluate"),
        (("audit", "first", "--with", "x"), "unknown grader 'x'"),
        (("audit", "first", "--with", "judge"), "--with judge needs a --policy"),
        (("audit", "first", "--policy", "x"), "--with judge needs a --policy"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(root: Path, words: tuple[str, ...], message: str) -> None:
    done = restmcts("grade", *words, "--root", root, code=2)
    assert message in done.errors
    assert len(done.errors.splitlines()) == 1
