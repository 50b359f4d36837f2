"""An engine of another distribution: chosen by name, with settings of its own; nothing here knows it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from restmcts.engines.registry import ENGINES
from restmcts.engines.settings import ModelSettings
from store.index.reader import StoreReader
from tests.cli.commands import Done, refused, restmcts, write_lines

SOURCE = '''
from pydantic import Field

from restmcts.engines.base import Sample, SamplingRequest
from restmcts.engines.registry import Engine
from restmcts.engines.token_limit import draw_in_turns
from restmcts.settings import Settings
from store.events import Step


class ParrotSettings(Settings):
    answer: int = Field(default=7, ge=0)


class Parrot:
    """A policy that always says the same; a token is a byte."""

    context = 100_000

    def __init__(self, name, settings):
        self.name, self.text = name, f"The answer is {settings.answer}.\\n"

    def prompt(self, problem):
        return tuple(problem.encode())

    def question(self, text, reply):
        return tuple((text + reply).encode())

    def tokens(self, step):
        return step.tokens

    async def propose(self, request: SamplingRequest):
        if request.total_tokens is None:
            return await self.draw(request)
        return await draw_in_turns(self.draw, request, request.total_tokens)

    async def draw(self, request: SamplingRequest):
        whole = tuple(self.text.encode())
        tokens = whole[: request.max_tokens]
        step = Step(self.text, tokens, -1.0, True)
        return [Sample((step,), len(tokens), len(tokens) < len(whole)) for _ in request.seeds]

    def stats(self):
        return {}

    def close(self):
        pass


PARROT = Engine(
    summary="always says the same",
    open_policy=lambda folder, models, name: Parrot(name, models.of_engine("parrot")),
    settings=ParrotSettings,
)
LOST = Engine(
    summary="its library is missing",
    open_policy=lambda folder, models, name: 1 / 0,
    requires="no_such_library",
    install="`pip install no-such-library`",
)
'''

PROBLEM = {"problem": "Apply +1, +2 to 4", "answer": "7"}


@pytest.fixture
def aviary(tmp_path: Path) -> Path:
    """A folder with an installed distribution that declares two engines."""
    folder = tmp_path / "installed"
    declared = folder / "aviary-0.2.dist-info"
    declared.mkdir(parents=True)
    (declared / "METADATA").write_text("Metadata-Version: 2.1\nName: aviary\nVersion: 0.2\n")
    (declared / "entry_points.txt").write_text(
        "[restmcts.engines]\nparrot = aviary:PARROT\nlost = aviary:LOST\n"
    )
    (folder / "aviary.py").write_text(SOURCE)
    return folder


def search(
    aviary: Path,
    tmp_path: Path,
    *more: object,
    engine: str = "parrot",
    method: str = "self-consistency",
    code: int = 0,
) -> Done:
    problems = write_lines(tmp_path / "problems.jsonl", PROBLEM)
    words = ("search", "--problems", problems, "--policy", "polly", "--budget", 90)
    chosen = ("--method", method, "-o", f"models.engine={engine}", "--root", tmp_path / "store", *more)
    path = os.pathsep.join(filter(None, (str(aviary), os.environ.get("PYTHONPATH"))))
    return restmcts(*words, *chosen, code=code, PYTHONPATH=path)


def test_search_runs_on_it_and_the_store_names_it(aviary: Path, tmp_path: Path) -> None:
    search(aviary, tmp_path, "-o", "models.settings.parrot.answer=8")
    with StoreReader(tmp_path / "store") as reader:
        record = reader.record("search-self-consistency", "search/0")
    assert (record.header.policy, record.header.value) == ("polly", None)
    assert (record.result.answer, record.result.correct) == ("8", False)
    run = tmp_path / "store" / "runs" / "search-self-consistency"
    assert '"engines":{"parrot":"aviary 0.2"}' in (run / "phases.jsonl").read_text("utf-8")
    assert 'engine = "parrot"' in (run / "run.toml").read_text("utf-8")


def test_its_settings_are_checked(aviary: Path, tmp_path: Path) -> None:
    errors = search(aviary, tmp_path, "-o", "models.settings.parrot.anser=8", code=2).errors
    assert "engine 'parrot': unknown key 'anser': did you mean 'answer'?" in errors


def test_a_missing_library_is_said(aviary: Path, tmp_path: Path) -> None:
    errors = search(aviary, tmp_path, engine="lost", code=2).errors
    assert "the lost engine needs the package no_such_library: `pip install no-such-library`" in errors


def test_values_need_an_engine_that_has_them(aviary: Path, tmp_path: Path) -> None:
    errors = search(aviary, tmp_path, "--value", "polly", method="best-of-n", code=2).errors
    assert "the engine parrot runs no value models: set models.value_engine" in errors


def test_an_unknown_engine_is_refused_with_the_names_there_are(tmp_path: Path) -> None:
    problems = write_lines(tmp_path / "problems.jsonl", PROBLEM)
    line = refused("search", "--problems", problems, "--policy", "polly", "-o", "models.engine=parrot")
    assert "unknown engine 'parrot': choose from transformers, vllm, openai" in line
    with pytest.raises(ValidationError, match="unknown engine 'vlm'"):
        ModelSettings(value_engine="vlm")


def test_engines_without_settings_of_their_own_take_none() -> None:
    with pytest.raises(ValidationError, match="engine 'vllm': unknown key 'logs'"):
        ModelSettings(settings={"vllm": {"logs": True}})


def test_registrations_import_no_library() -> None:
    code = (
        "import sys; from restmcts.engines.registry import ENGINES; all(ENGINES[name] for name in ENGINES);"
        " print([name for name in ('openai', 'torch', 'transformers', 'vllm') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert [ENGINES[name].trainable for name in ("transformers", "vllm", "openai")] == [True, True, False]
