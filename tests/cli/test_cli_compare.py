"""`restmcts compare` on stored runs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from restmcts.evaluation.comparison.differences import Figure
from restmcts.evaluation.comparison.tables import figure_tables
from restmcts.evaluation.statistics import mcnemar
from tests.cli.commands import refused, restmcts


@pytest.fixture
def pair(store: Path, tmp_path: Path) -> Path:
    """A store with the small run, and a second one: a copy whose recipe says that its budget was another."""
    root = tmp_path / "store"
    shutil.copytree(store / "runs" / "small", root / "runs" / "small")
    other = root / "runs" / "other"
    shutil.copytree(root / "runs" / "small", other)
    config = other / "run.toml"
    config.write_text(config.read_text().replace("budget = 40", "budget = 41"))
    return root


def test_a_run_does_not_differ_from_its_copy(pair: Path) -> None:
    found = json.loads(restmcts("compare", "small", "other", "--root", pair, "--json").output)
    assert [arm["arm"] for arm in found["arms"]] == ["small (budget=40)", "small (budget=41)"]
    assert {row["point"]["method"] for row in found["differences"]} >= {"greedy", "mcts-improved", "mcts"}
    for row in found["differences"]:
        assert row["paired"] and not row["shown"] and row["problems"] == 8, row
        assert row["interval"]["value"] == 0 and row["interval"]["high"] > 0.3, "eight problems show little"
        assert row["p_value"] == row["corrected"] == 1 and row["family"] == len(found["differences"])
        assert row["needed"] is None and "flips" not in row
    data = [row for row in found["spending"] if (row["iteration"], row["part"]) == (1, "data")]
    assert [row["generated_tokens"] for row in data] == [800, 800]


def test_runs_of_other_stores_and_the_forms_of_output(pair: Path, tmp_path: Path) -> None:
    picture = tmp_path / "picture.svg"
    done = restmcts("compare", f"{pair}/small", "other", "--root", pair, "--markdown", "--picture", picture)
    assert (
        "| 1 | greedy | small (budget=40) | small (budget=41) | +0.0 | -32.4 to 32.4 | 1 | 1 | 8 |"
        in done.output
    )
    assert "- no difference shown between small (budget=40) and small (budget=41)" in done.output
    assert b"<svg" in picture.read_bytes()
    plain = restmcts("compare", "small", "--root", pair).output
    assert "accuracy on held-out problems" in plain and "differences" not in plain
    assert "figures of iterations" in plain


def test_figures_by_depth_are_a_table_of_their_own() -> None:
    names = "value.auc", "value.auc.depth_10", "value.auc.depth_2"
    first, second = figure_tables([Figure("a", 0, name, 0.5, 1) for name in names])
    assert (first.columns, first.rows) == (("arm", "iteration", "value.auc"), [["a", 0, "0.500"]])
    assert (second.columns, second.rows) == (("arm", "iteration", "2", "10"), [["a", 0, "0.500", "0.500"]])


def test_methods_are_compared_at_each_budget(store: Path) -> None:
    """greedy has no budget, and takes part at each of them; the verdict of every pair is printed."""
    found = json.loads(restmcts("compare", "small", "--root", store, "--methods", "--flips", "--json").output)
    closing = {row["method"] for row in found["accuracies"] if row["point"]["made"] == "closing"}
    assert closing == {"best-of-n, last", "mcts", "self-consistency"}
    pairs = [row for row in found["differences"] if row["point"]["made"] == "closing"]
    assert len(pairs) == 3 and all(row["point"]["traces"] == 2 for row in pairs)
    iteration = {row["method"] for row in found["accuracies"] if row["point"]["traces"] == 3}
    assert iteration == {"greedy", "greedy, demonstrations only", "mcts-improved"}
    for row in found["differences"]:
        won, lost = (len(row["flips"][kind]) for kind in ("right_to_wrong", "wrong_to_right"))
        assert row["paired"]
        if row["point"]["made"] == "loop":  # no sampling methods, whose outcomes are shares
            assert row["interval"]["value"] * row["problems"] == pytest.approx(won - lost)
    assert {row["family"] for row in found["differences"]} == {len(found["differences"])}


def test_methods_against_one_of_them_as_text(store: Path) -> None:
    done = restmcts("compare", "small", "--root", store, "--methods", "--against", "mcts", "--markdown")
    assert "| closing | 2 traces | best-of-n, last | mcts |" in done.output
    assert "self-consistency | mcts |" in done.output and "best-of-n, last | self" not in done.output
    assert "at 2 traces at the end (" in done.output
    assert "p-values are corrected for that number" in done.errors
    plain = restmcts("compare", "small", "--root", store, "--methods", "--flips", "--margin", "2").output
    assert "accuracy of methods" in plain and "problems that change" in plain


def test_nothing_is_written_to_the_store(pair: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in pair.rglob("*")}
    restmcts("compare", "small", "other", "--root", pair)
    assert {path: path.stat().st_mtime_ns for path in pair.rglob("*")} == before


def test_hostile_names_stay_text(pair: Path) -> None:
    config = pair / "runs" / "other" / "run.toml"
    config.write_text(config.read_text().replace('recipe = "small"', 'recipe = "<b>|\\u001b[31m"'))
    plain = restmcts("compare", "small", "other", "--root", pair)
    assert "\x1b" not in plain.output + plain.errors
    marked = restmcts("compare", "small", "other", "--root", pair, "--markdown").output
    assert "\\<b\\>\\|" in marked and "\x1b" not in marked


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nothing",), "no run 'nothing'"),
        (("elsewhere/small",), "no such folder"),
        (("small", "--picture", "a.pdf"), ".svg or .png"),
        (("small", "--json", "--markdown"), "exclude each other"),
        (("small", "--phase", "final.evaluate"), "--phase goes with --methods"),
        (("small", "--methods", "--picture", "a.svg"), "restmcts report"),
        (("small", "--methods", "--phase", "9.evaluate"), "no evaluation '9.evaluate'; it has"),
        (("small", "--methods", "--against", "mctz"), "--against 'mctz': nothing of that name; there are"),
        (("small", "other", "--against", "mctz"), "there are small (budget=40), small (budget=41)"),
    ],
)
def test_bad_input_is_named(pair: Path, arguments: tuple[str, ...], message: str) -> None:
    assert message in refused("compare", *arguments, "--root", pair)


def test_two_sides_problem_by_problem(store: Path) -> None:
    sides = "small/final.evaluate/mcts", "small/final.evaluate/best-of-n, last"
    found = json.loads(restmcts("compare", *sides, "--root", store, "--json").output)
    assert (found["a"]["method"], found["b"]["method"]) == ("mcts", "best-of-n, last")
    assert found["figures"]["problems"] == sum(len(pairs) for pairs in found["problems"].values()) == 8
    alone = [len(found["problems"][name]) for name in ("only_a", "only_b")]
    assert found["figures"]["p_value"] == pytest.approx(mcnemar(*alone))
    text = restmcts("compare", *sides, "--root", store).output
    assert f"A less B: {100 * found['figures']['difference']['value']:+.1f} points" in text
    assert "8 problems" in text and "who is right" in text
    marked = restmcts("compare", *sides, "--root", store, "--markdown").output
    assert f"| only A | {alone[0]} |" in marked


def test_sides_that_there_are_not(store: Path) -> None:
    side = "small/final.evaluate/mcts"
    for arguments, message in (
        ([side, "small/final.evaluate/mtcs"], "did you mean 'mcts'"),
        ([side], "write RUN/PHASE/METHOD"),
        ([side, side, "--methods"], "go with --markdown and --json alone"),
        ([side, "nowhere"], "no run 'nowhere'"),
    ):
        assert message in refused("compare", *arguments, "--root", store)
