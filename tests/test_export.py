"""Training samples in the forms that other trainers read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from restmcts.errors import InputError
from restmcts.export import FORMATS, export_sample
from store.encoding.lines import parse_line
from store.encoding.rows import encode_sample
from store.events import Step
from store.records import PolicySample
from store.writer import RunWriter
from tests.cli.commands import refused, restmcts
from tests.store.build import VALUE_SAMPLE, open_run

STEPS = (Step("Add 1.\n", (1, 2)), Step("The answer is 2.", (3,), ended=True))
SAMPLE = PolicySample("p", "What is 1 + 1?", STEPS, ("1.search/0",), 0.9, "trace")


def row(format: str | None, instruction: str = "") -> Any:
    return orjson.loads(export_sample(SAMPLE, format, instruction))


def test_a_conversation_has_the_problem_and_the_steps() -> None:
    assert row("messages") == {
        "messages": [
            {"role": "user", "content": "What is 1 + 1?"},
            {"role": "assistant", "content": "Add 1.\nThe answer is 2."},
        ]
    }
    assert row("messages", "Be brief.")["messages"][0]["content"] == "What is 1 + 1?\n\nBe brief."


def test_plain_text_has_a_prompt_that_the_steps_follow() -> None:
    assert row("prompt-completion") == {
        "prompt": "What is 1 + 1?\n",
        "completion": "Add 1.\nThe answer is 2.",
    }
    assert row("prompt-completion", "Be brief.")["prompt"] == "What is 1 + 1?\n\nBe brief.\n"


def test_the_own_form_is_that_of_the_store() -> None:
    exported = orjson.loads(export_sample(SAMPLE, None, ""))
    assert exported == parse_line(encode_sample(SAMPLE))
    assert "crc32" not in exported


@pytest.mark.parametrize("format", FORMATS)
def test_values_of_steps_have_no_place_elsewhere(format: str) -> None:
    with pytest.raises(InputError, match="--kind policy"):
        export_sample(VALUE_SAMPLE, format, "")


@given(st.text(), st.lists(st.text(), max_size=3), st.sampled_from([*FORMATS]))
def test_every_text_is_one_line_that_can_be_read(prompt: str, texts: list[str], format: str) -> None:
    sample = PolicySample("p", prompt, tuple(map(Step, texts)), (), None, "trace")
    line = export_sample(sample, format, "")
    assert b"\n" not in line and b"\r" not in line
    assert orjson.loads(line).keys() == ({"messages"} if format == "messages" else {"prompt", "completion"})


def test_the_command_writes_the_samples_of_a_run(tmp_path: Path) -> None:
    with open_run(tmp_path) as writer:
        fill(writer)
    asked = ("export", "samples", "first", "--root", tmp_path)
    lines = restmcts(*asked, "--format", "messages", "--instruction", "Be brief.").output.splitlines()
    assert [orjson.loads(line) for line in lines] == [row("messages", "Be brief.")] * 2
    for odd in (("--format", "sharegpt"), ("--instruction", "Be brief.")):
        assert odd[0] in refused(*asked, *odd)


def fill(writer: RunWriter) -> None:
    writer.start_phase("1.select", "select", 1)
    writer.write_samples("1.select", [SAMPLE, SAMPLE])
    writer.finish_phase("1.select", {})
