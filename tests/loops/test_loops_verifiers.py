"""The comparison of verifiers from end to end, on models so small that a run takes seconds."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import pytest

from restmcts.loops.stored.measured import read_run
from store.check import check
from store.events import Valued
from store.files.layout import RunLayout
from store.index.reader import StoreReader
from store.queries import Side
from store.records import ValueSample
from store.runs.reading import read_evaluations
from store.runs.writer import RunWriter
from store.tree import fold
from tests.cli.commands import SMALL, Done, refused, restmcts, start_command
from tests.support.stores import contents, problems_of

VERIFIERS = """[
    {name="orm",labels={rule="outcome"}},
    {name="hard",trees="completions",labels={rule="math-shepherd"},value_aggregation="minimum"},
    {name="soft",trees="completions",labels={rule="math-shepherd",settings={estimate="soft"}}},
    {name="quality",labels={rule="rest-mcts"},value_training={updates=4}},
]""".replace("\n", "")
OPTIONS = (
    "-o", "loop=verifiers", "-o", "bootstrap.perturbed=0",
    "-o", "problems.test=24", "-o", "problems.validation=16", "-o", "evaluation.problems=20",
    "-o", f"loop_settings={{samples=6,completions=3,verifiers={VERIFIERS}}}",
)  # fmt: skip
NAMES = ("orm", "hard", "soft", "quality")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    root = tmp_path_factory.mktemp("verifiers") / "store"
    return root, restmcts("iterate", SMALL, "--root", root, *OPTIONS, "--json")


@pytest.fixture(scope="module")
def root(finished: tuple[Path, Done]) -> Path:
    return finished[0]


@pytest.fixture(scope="module")
def rows(finished: tuple[Path, Done]) -> dict[str, dict[str, Any]]:
    return {row["method"]: row for row in finished[1].json()["rows"]}


def opened(root: Path) -> RunWriter:
    config = (root / "runs" / "small" / "run.toml").read_text("utf-8")
    return RunWriter.create_or_open(root, "small", config=config, environment={})


def test_every_choice_has_a_row(rows: dict[str, dict[str, Any]], root: Path) -> None:
    chosen = [name for verifier in NAMES for name in (verifier, f"self-consistency + {verifier}")]
    assert list(rows) == ["pass@1", "self-consistency", "likelihood", *chosen, "pass@k"]
    for row in rows.values():
        assert 0 <= row["low"] <= row["accuracy"] <= row["high"] <= 1
        assert row["problems"] == 20
    assert all(row["accuracy"] <= rows["pass@k"]["accuracy"] for row in rows.values())
    stored = restmcts("show", "small", "--root", root, "--json").json()["evaluations"]
    assert {row["method"]: row["accuracy"] for row in stored} == {
        name: row["accuracy"] for name, row in rows.items()
    }
    assert check(root) == []


def test_verifiers_learn_from_as_many_tokens(rows: dict[str, dict[str, Any]]) -> None:
    traces, completions = (rows[name]["training_tokens"] for name in ("orm", "hard"))
    assert traces * 0.9 < completions <= traces
    assert rows["soft"]["training_tokens"] == completions
    assert rows["soft"]["start_tokens"] == 0


def test_a_verifier_is_compared_with_the_vote_on_the_same_problems(rows: dict[str, dict[str, Any]]) -> None:
    vote = rows["self-consistency"]["accuracy"]
    for name in ("likelihood", *NAMES, "pass@k"):
        found = rows[name]["against_vote"]
        assert found["difference"] == pytest.approx(rows[name]["accuracy"] - vote)
        assert found["low"] <= found["difference"] <= found["high"]
        assert 0 <= found["p"] <= 1
    itself = rows["self-consistency"]["against_vote"]
    assert (itself["difference"], itself["p"]) == (0.0, 1.0)
    assert -itself["low"] == pytest.approx(itself["high"]) and itself["high"] > 0


def test_validation_problems_decide_how_a_trace_is_ranked(rows: dict[str, dict[str, Any]]) -> None:
    for name in NAMES:
        tried = rows[name]["validation"]
        assert list(tried) == ["best-last", "best-minimum", "best-product"]
        assert tried[rows[name]["rule"]] == max(tried.values())
        assert rows[f"self-consistency + {name}"]["rule"] == "value-vote"


def test_what_each_problem_was_worth_is_stored_and_compared(
    rows: dict[str, dict[str, Any]], root: Path
) -> None:
    """The searches are those of other phases than the rows, and `compare` and the screens find them."""
    found = read_run(root, "small", "small")
    assert found.notes == []
    closing = {point.method: measured for point, measured in found.measured.items() if point.closing}
    assert closing.keys() == rows.keys()
    for name, measured in closing.items():
        assert measured.answers is not None, name
        assert len(measured.answers) == 20
    rules = {row.method: row.rule for row in read_evaluations(RunLayout(root, "small"))}
    hard, vote = (
        Side("small", "final.evaluate", name, rules[name]) for name in ("hard", "self-consistency + hard")
    )
    with StoreReader(root) as reader:
        both = reader.compare(hard, vote)
    assert {pair.tree_a.partition("/")[0] for pair in both.pairs} == {"test.value-hard"}
    assert all(pair.question for pair in both.pairs)


def test_steps_and_traces_are_ranked(rows: dict[str, dict[str, Any]]) -> None:
    for name in ("likelihood", *NAMES):
        for kind in ("trace_auc", "step_auc"):
            found = rows[name][kind]
            assert 0 <= found["low"] <= found["auc"] <= found["high"] <= 1
        assert rows[name]["step_auc"] != rows[name]["trace_auc"]
    assert rows["likelihood"]["trace_auc"]["auc"] > 0.6


def test_all_verifiers_start_alike_and_from_no_verifier(root: Path) -> None:
    shown = restmcts("show", "small", "--root", root, "--json").json()
    rows = {row["kind"]: row["parent"] for row in shown["checkpoints"]}
    assert rows == {"policy": None} | {f"verifier-{name}": "checkpoints/0/policy" for name in NAMES}
    with opened(root) as writer:
        updates = [writer.phase_summary(f"0.train-{name}")["updates"] for name in NAMES]
    assert updates == [10, 10, 10, 4]


def test_rules_label_the_same_trees_side_by_side(root: Path) -> None:
    folder = root / "runs" / "small"
    assert {path.name for path in (folder / "labels").iterdir()} == {
        f"0.{trees}.{name}.jsonl"
        for trees, names in (
            ("search", ("orm", "quality", "rest-mcts")),
            ("complete-steps", ("hard", "soft", "rest-mcts")),
        )
        for name in names
    }
    with opened(root) as writer:
        samples = {name: writer.read_samples(f"0.label-{name}") for name in NAMES}
        found = {
            name: {row.labels for row in rows if isinstance(row, ValueSample)}
            for name, rows in samples.items()
        }
    assert {label for labels in found["orm"] for label in labels[:-1]} == {None}
    assert {label for labels in found["hard"] for label in labels} <= {None, 0.0, 1.0}
    assert found["soft"] != found["hard"] and found["quality"] != found["orm"]


def test_all_verifiers_value_the_same_traces(root: Path) -> None:
    with opened(root) as writer:
        sampled = list(writer.read_trees("test.sample"))
        for name in NAMES:
            valued = list(writer.read_trees(f"test.value-{name}"))
            assert [record.header.problem for record in valued] == [each.header.problem for each in sampled]
            for record, before in zip(valued, sampled, strict=True):
                tree, other = fold(record.events), fold(before.events)
                assert [node.step for node in tree.nodes] == [node.step for node in other.nodes]
                assert [node.correct for node in tree.nodes] == [node.correct for node in other.nodes]
                assert all(node.score is not None for node in tree.nodes[1:])
                assert record.header.value == f"checkpoints/0/verifier-{name}"
                assert record.result.cost.policy == before.result.cost.policy
        assert not any(isinstance(event, Valued) for record in sampled for event in record.events)
        assert writer.phase_summary("test.value-orm")["policy_tokens"] == 0


def test_each_verifier_aggregates_in_its_own_way(root: Path) -> None:
    falling = {}
    with opened(root) as writer:
        for name in NAMES:
            trees = [fold(record.events) for record in writer.read_trees(f"test.value-{name}")]
            steps = [
                (tree.nodes[node.parent or 0].score, node.score) for tree in trees for node in tree.nodes
            ]
            falling[name] = all(after <= before for before, after in steps if before is not None and after)
    assert falling == {"orm": False, "hard": True, "soft": False, "quality": False}


def test_a_comparison_that_is_killed_again_and_again_ends_as_if_nothing_was(
    root: Path, tmp_path: Path
) -> None:
    moments = (
        "trees/0.complete-steps.jsonl",
        "samples/0.label-hard.jsonl",
        "trees/test.sample.jsonl",
        "trees/test.value-hard.jsonl",
    )
    for moment in moments:
        process = start_command("iterate", SMALL, "--root", tmp_path, *OPTIONS)
        path = tmp_path / "runs" / "small" / moment
        while process.poll() is None and not (path.exists() and path.stat().st_size):
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL, moment
    restmcts("iterate", SMALL, "--root", tmp_path, *OPTIONS)
    assert contents(tmp_path, "small") == contents(root, "small")
    assert problems_of(tmp_path, contents(tmp_path, "small"), "small") == []


@pytest.mark.parametrize(
    ("verifiers", "message"),
    [
        ("[]", "verifiers"),
        ('[{name="a",labels={rule="outcome"}},{name="a",labels={}}]', "two verifiers are called 'a'"),
        ('[{name="a",labels={rule="outcom"}}]', "unknown label rule 'outcom'"),
        ('[{name="a",labels={},value_training={update=3}}]', "did you mean 'updates'?"),
        ('[{name="A b",labels={}}]', "verifiers.0.name"),
        ('[{name="rest-mcts",labels={rule="outcome"}}]', "'rest-mcts' is another label rule"),
    ],
)
def test_what_is_wrong_with_a_verifier_is_said(tmp_path: Path, verifiers: str, message: str) -> None:
    options = ("-o", "loop=verifiers", "-o", f"loop_settings={{verifiers={verifiers}}}")
    line = refused("iterate", SMALL, "--root", tmp_path, *options)
    assert message in line and "loop_settings of 'verifiers'" in line


def test_completions_without_verdicts_end_the_run_with_what_is_missing(tmp_path: Path) -> None:
    settings = ("-o", 'loop_settings={verifiers=[{name="a",labels={rule="math-shepherd"}}]}')
    options = ("-o", "loop=verifiers", "-o", "bootstrap.perturbed=0", *settings)
    line = restmcts("iterate", SMALL, "--root", tmp_path, *options, code=1).errors.splitlines()[-1]
    assert "0.label-a: the rule 'math-shepherd' labels no step of the 40 trees of 0.search" in line
    assert "step-completions samples them" in line
