"""Samples in the forms that other trainers read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from restmcts.errors import InputError
from restmcts.export.formats import FORMATS, KINDS, Origin, check_format, good_steps, line, parquet, rows
from restmcts.export.samples import label_rule, sample_files
from restmcts.export.trees import Trace, traces
from store.encoding.lines import parse_line
from store.encoding.rows import encode_sample
from store.events import Step
from store.records import PolicySample, PreferenceSample, Sample, ValueSample
from store.runs.writer import RunWriter
from tests.cli.commands import refused, restmcts
from tests.store.build import open_run, record

STEPS = (Step("Add 1.\n", (1, 2)), Step("The answer is 2.", (3,), ended=True))
QUESTION = "What is 1 + 1?"
POLICY = PolicySample("p", QUESTION, STEPS, ("1.search/0",), 0.9, "trace")
PAIR = PreferenceSample(
    "p", QUESTION, STEPS[:1], STEPS[1:], (Step("The answer is 3."),), ("1.search/0",), 0.25
)
VALUE = ValueSample("p", QUESTION, STEPS, (0.5, 1.0), ("1.search/0",))
TRACE = Trace("p", QUESTION, "The answer is 3.", False, "1.search/0", None)
ORIGIN = Origin("run", 1, "rest-mcts")
KNOWN = {"run": "run", "iteration": 1, "problem": "p", "trees": ["1.search/0"]}


def plain(sample: Sample | Trace, format: str | None, instruction: str = "", origin: Origin = ORIGIN) -> Any:
    return rows(sample, format, instruction, origin, provenance=False)


def test_a_conversation_has_the_problem_and_the_steps() -> None:
    (row,) = plain(POLICY, "messages")
    assert row == {
        "messages": [
            {"role": "user", "content": QUESTION},
            {"role": "assistant", "content": "Add 1.\nThe answer is 2."},
        ]
    }
    (row,) = plain(POLICY, "messages", "Be brief.")
    assert row["messages"][0]["content"] == f"{QUESTION}\n\nBe brief."


def test_plain_text_has_a_prompt_that_the_steps_follow() -> None:
    (row,) = plain(POLICY, "prompt-completion", "Be brief.")
    assert row == {"prompt": f"{QUESTION}\n\nBe brief.\n", "completion": "Add 1.\nThe answer is 2."}


def test_the_common_steps_of_a_pair_belong_to_its_prompt() -> None:
    assert plain(PAIR, "preference") == [
        {"prompt": f"{QUESTION}\nAdd 1.\n", "chosen": "The answer is 2.", "rejected": "The answer is 3."}
    ]


def test_a_pair_is_a_wanted_and_an_unwanted_text() -> None:
    prompt = f"{QUESTION}\nAdd 1.\n"
    assert plain(PAIR, "unpaired-preference") == [
        {"prompt": prompt, "completion": "The answer is 2.", "label": True},
        {"prompt": prompt, "completion": "The answer is 3.", "label": False},
    ]


def test_a_trace_has_its_verdict() -> None:
    assert plain(TRACE, "unpaired-preference") == [
        {"prompt": f"{QUESTION}\n", "completion": "The answer is 3.", "label": False}
    ]


def test_steps_have_verdicts_and_values() -> None:
    assert plain(VALUE, "stepwise") == [
        {
            "prompt": f"{QUESTION}\n",
            "completions": ["Add 1.\n", "The answer is 2."],
            "labels": [True, True],
            "values": [0.5, 1.0],
        }
    ]


def test_steps_without_labels_join_the_next_label() -> None:
    steps = tuple(Step(f"{letter}\n") for letter in "abcde")
    sample = ValueSample("p", "Q", steps, (None, 1.0, 0.0, None, None), ())
    (row,) = plain(sample, "stepwise", origin=Origin("run", 0, "first-error"))
    assert row["completions"] == ["a\nb\n", "c\n"]
    assert row["labels"] == [True, False]
    assert plain(replace(sample, labels=(None,) * 5), "stepwise") == []


def test_a_step_is_good_by_the_paper_if_it_raises_the_value() -> None:
    """The golden chain a b c d (ok) is .25 .5 .75 1; a wrong step after b takes it to .3333."""
    assert good_steps([0.25, 0.5, 0.75, 1.0], "rest-mcts") == [True] * 4
    assert good_steps([0.25, 0.5, 1 / 3], "rest-mcts") == [True, True, False]
    assert good_steps([0.0, 0.0], "rest-mcts") == [False, False]
    assert good_steps([0.25, 0.5, 1.0, 0.0], "correct-share") == [False, True, True, False]


def test_rows_say_where_they_come_from() -> None:
    known = [
        rows(sample, format, "", ORIGIN)[0]
        for sample, format in (
            (POLICY, "messages"),
            (PAIR, "preference"),
            (TRACE, "unpaired-preference"),
            (VALUE, "stepwise"),
        )
    ]
    assert all(row.items() >= KNOWN.items() for row in known)
    assert [row.get("value") for row in known] == [0.9, None, None, None]
    assert known[1]["rated_margin"] == 0.25
    assert "margin" not in known[1], "the RewardTrainer of TRL takes such a column into its loss"


@pytest.mark.parametrize("sample", [POLICY, VALUE, PAIR])
def test_the_own_form_is_that_of_the_store(sample: Sample) -> None:
    assert rows(sample, None, "", ORIGIN) == [parse_line(encode_sample(sample))]
    assert "crc32" not in rows(sample, None, "", ORIGIN)[0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("format", FORMATS)
def test_a_format_is_for_its_kinds_alone(kind: str, format: str) -> None:
    if kind in FORMATS[format].kinds:
        check_format(kind, format)
        return
    with pytest.raises(InputError, match=f"--format '{format}': choose .* for --kind {kind}"):
        check_format(kind, format)


def test_traces_are_the_finished_solutions_with_a_verdict() -> None:
    (found,) = traces(record(3))
    assert found == Trace(
        "problem-3", "What is 2 + 3? (3)", "2 + 3 = 5\nthe answer is 5", True, "1.search/3", 0.875
    )


TEXTS = st.text() | st.sampled_from(["\ud800", "\u2028", '"}\n{"', "<|im_end|>", "\x00", "$x$"])


@given(TEXTS, st.lists(TEXTS, min_size=1, max_size=3), st.sampled_from([*FORMATS]))
def test_every_text_is_one_line_that_can_be_read(prompt: str, texts: list[str], format: str) -> None:
    steps = tuple(map(Step, texts))
    samples: dict[str, Sample] = {
        "policy": PolicySample("p", prompt, steps, (), None, "trace"),
        "preference": PreferenceSample("p", prompt, steps[:1], steps[1:], steps, (), None),
        "value": ValueSample("p", prompt, steps, (0.5,) * len(steps), ()),
    }
    for row in rows(samples[FORMATS[format].kinds[0]], format, "", ORIGIN):
        text = line(row)
        assert text.endswith(b"\n") and text.count(b"\n") == 1 and b"\r" not in text
        assert orjson.loads(text).keys() == row.keys()


def test_parquet_holds_the_same_rows(tmp_path: Path) -> None:
    from pyarrow import parquet as pq

    path = tmp_path / "rows.parquet"
    found = rows(replace(POLICY, prompt="\ud800"), "messages", "", ORIGIN) + rows(
        POLICY, "messages", "", ORIGIN
    )
    path.write_bytes(parquet(found))
    assert pq.read_table(path).to_pylist() == [orjson.loads(line(row)) for row in found]


def fill(writer: RunWriter) -> None:
    writer.start_phase("0.label", "label", 0)
    writer.write_samples("0.label", [VALUE])
    writer.finish_phase("0.label", {"rule": "first-error"})
    writer.start_phase("1.search", "search", 1)
    writer.add_tree(record(0))
    writer.add_tree(record(1, correct=False))
    writer.finish_phase("1.search", {})
    writer.start_phase("1.select", "label", 1)
    writer.write_samples("1.select", [POLICY, POLICY])
    writer.finish_phase("1.select", {})
    writer.start_phase("1.pair", "label", 1)
    writer.write_samples("1.pair", [PAIR])
    writer.finish_phase("1.pair", {})
    for name, kind in (("1.validate", "search"), ("1.evaluate", "evaluate")):
        writer.start_phase(name, kind, 1)
        writer.add_tree(record(0, name))
        writer.finish_phase(name, {})


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("store")
    with open_run(root) as writer:
        fill(writer)
    return root


def test_the_rule_of_labels_is_that_of_the_phase_or_of_the_recipe(root: Path, tmp_path: Path) -> None:
    (file,) = sample_files(root, "first", "value", None)
    assert label_rule(root, "first", file) == "first-error"
    with open_run(tmp_path, config='recipe = "tiny"\n[labels]\nrule = "any-correct"\n') as writer:
        writer.start_phase("0.label", "label", 0)
        writer.finish_phase("0.label", {})
    assert label_rule(tmp_path, "first", file) == "any-correct"


def exported(root: Path, *options: object) -> list[Any]:
    done = restmcts("export", "samples", "first", "--root", root, *options)
    return [orjson.loads(text) for text in done.output.splitlines()]


def test_the_command_writes_every_kind(root: Path) -> None:
    found = exported(root, "--format", "messages", "--instruction", "Be brief.", "--no-provenance")
    assert found == plain(POLICY, "messages", "Be brief.") * 2
    assert exported(root, "--kind", "value") == rows(VALUE, None, "", ORIGIN)
    labels = exported(root, "--kind", "value", "--format", "stepwise")[0]["labels"]
    assert labels == [True, True]
    assert len(exported(root, "--kind", "preference", "--format", "unpaired-preference")) == 2


def test_traces_are_of_training_problems_alone(root: Path) -> None:
    found = exported(root, "--kind", "traces", "--format", "unpaired-preference")
    assert [(row["trees"], row["label"]) for row in found] == [
        (["1.search/0"], True),
        (["1.search/1"], False),
    ]


def test_a_parquet_file_is_written_by_its_name(root: Path, tmp_path: Path) -> None:
    from pyarrow import parquet as pq

    path = tmp_path / "x.parquet"
    restmcts("export", "samples", "first", "--root", root, "--format", "messages", "--output", path)
    assert pq.read_table(path).num_rows == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--format", "sharegpt"), "--format 'sharegpt'"),
        (("--kind", "pairs"), "--kind 'pairs'"),
        (("--kind", "traces"), "--kind traces needs a --format"),
        (("--kind", "value", "--format", "messages"), "choose stepwise for --kind value"),
        (("--instruction", "Be brief."), "--instruction goes with --format"),
        (("--no-provenance",), "--no-provenance goes with --format"),
        (("--kind", "preference", "--iteration", "7"), "has no preference samples of iteration 7"),
        (
            ("--kind", "traces", "--format", "unpaired-preference", "--iteration", "7"),
            "has no trees of training",
        ),
    ],
)
def test_bad_input_is_named(root: Path, options: tuple[str, ...], message: str) -> None:
    assert message in refused("export", "samples", "first", "--root", root, *options)
