"""What a fresh interpreter loads: looking at a store and asking for help must not cost a model library."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODEL_LIBRARIES = {
    "torch",
    "transformers",
    "accelerate",
    "safetensors",
    "tokenizers",
    "vllm",
    "openai",
    "trl",
    "peft",
    "datasets",
}
SCREENS = {"textual", "tui"}

LIGHT = [
    "restmcts",
    "restmcts.cli",
    "restmcts.recipe",
    "restmcts.engines.base",
    "restmcts.engines.open",
    "restmcts.evaluation.reading.budgets",
    "restmcts.loops.phases",
    "restmcts.labels",
    "restmcts.demo.data_set",
    "restmcts.grading.graders.math_grader",
    "restmcts.prompts",
    "restmcts.search.running.driver",
    "restmcts.search.methods.mcts",
    "restmcts.search.registry",
    "restmcts.search.testing",
    "restmcts.training.report",
    "restmcts.training.settings",
    "store.index.reader",
    "store.runs.writer",
    "tui",
]


def loaded(*statements: str) -> set[str]:
    """The top-level modules that a fresh interpreter has after ``statements``."""
    code = "; ".join(["import sys", *statements, "print('modules:', *sys.modules)"])
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    names = done.stdout.rpartition("modules:")[2].split()
    return {name.partition(".")[0] for name in names}


def command(*arguments: str) -> str:
    return f"sys.argv = {['restmcts', *arguments]!r}; from restmcts.cli.app import run; run()"


def test_commands_look_for_cycles_rarely() -> None:
    """As they end: 700 new objects, as Python has it, are a fraction of one tree."""
    code = (
        "import atexit, gc, sys; atexit.register(lambda: print('every', gc.get_threshold()[0]));"
        " sys.argv = ['restmcts', '--version']; from restmcts.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(done.stdout.rpartition("every ")[2]) >= 50_000


@pytest.mark.parametrize("module", LIGHT)
def test_importing_a_module_loads_no_model_library_and_no_screen(module: str) -> None:
    modules = loaded(f"import {module}")
    assert not modules & MODEL_LIBRARIES
    assert not modules & (SCREENS - {module.partition(".")[0]})


@pytest.mark.parametrize(
    "module", ["store", "store.events", "store.tree", "store.answering.rules", "store.check"]
)
def test_the_store_knows_nobody(module: str) -> None:
    assert not loaded(f"import {module}") & {"restmcts", "tui", "pydantic", "typer", "rich"}


def test_the_screens_load_the_store_only() -> None:
    modules = loaded("import tui.app")
    assert "textual" in modules
    assert not modules & (MODEL_LIBRARIES | {"restmcts", "numpy", "pydantic"})


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("--version",),
        ("iterate", "--help"),
        ("train", "policy", "--help"),
        ("methods", "--help"),
        ("methods",),
        ("iterate", "no-such-recipe"),
        ("runs", "--root", "no-such-store"),
        ("show", "no-such-run", "--root", "no-such-store"),
        ("store", "check", "--root", "no-such-store"),
    ],
)
def test_a_command_that_needs_no_model_loads_no_model_library(arguments: tuple[str, ...]) -> None:
    modules = loaded(command(*arguments))
    assert "typer" in modules
    assert not modules & (MODEL_LIBRARIES | SCREENS)


def test_this_test_can_fail() -> None:
    assert loaded("import torch") & MODEL_LIBRARIES == {"torch"}


@pytest.mark.parametrize("package", ["restmcts", "store", "tui"])
def test_types_are_shipped(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()
