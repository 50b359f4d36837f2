"""Commands with a data set and a grader of another distribution."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from store.files.layout import RunLayout
from store.runs.writer import RunWriter
from tests.cli.commands import Done, refused, restmcts, write_lines
from tests.problems.outside import install


@pytest.fixture
def with_letters(tmp_path: Path) -> Callable[..., Done]:
    """Runs a command where the distribution with the data set ``letters`` is installed."""
    path = os.pathsep.join([str(install(tmp_path / "site")), os.environ.get("PYTHONPATH", "")])
    return partial(restmcts, PYTHONPATH=path)


@pytest.mark.parametrize("critic", ["rule", "prompted"])
def test_a_search_finds_and_grades_answers_by_the_grader_of_the_recipe(
    with_letters: Callable[..., Done], policy: Path, tmp_path: Path, critic: str
) -> None:
    # The grader math would take this answer for right: it does not mind capital letters.
    problems = write_lines(tmp_path / "p.jsonl", {"problem": "Apply +1 to 4", "answer": "NONE OF NONE"})
    root = tmp_path / "store"
    with_letters(
        "search", "--problems", problems, "--policy", policy, "--root", root, "--method", "self-consistency",
        "-o", "problems.grader=choices", "-o", f"models.critic={critic}",
        "-o", "generation.settings.samples=2",
    )  # fmt: skip
    layout = RunLayout(root, "search-self-consistency")
    assert 'grader = "choices"' in layout.config.read_text("utf-8")
    with RunWriter.create_or_open(
        root, layout.run, config=layout.config.read_text("utf-8"), environment={}
    ) as writer:
        records = list(writer.read_trees("search"))
    assert '"uses":{"graders":{"choices":"letters 1.2"}}' in layout.phases.read_text("utf-8")
    assert {(record.result.answer, record.result.correct) for record in records} == {("none of None", False)}


def test_a_loop_takes_its_problems_from_the_data_set_of_the_recipe(
    with_letters: Callable[..., Done], policy: Path, tmp_path: Path
) -> None:
    recipe = tmp_path / "letters.toml"
    recipe.write_text(
        f'recipe = "letters"\n[models]\npolicy = "{policy}"\n[problems]\ndata_set = "letters"\n', "utf-8"
    )
    done = with_letters("iterate", recipe, "--root", tmp_path / "store", code=1)
    assert "0.label: the rule 'rest-mcts' labels no step of the 3 trees of 0.search" in done.errors
    assert done.output == "closed\n"


def test_a_search_reads_files_only(problems: Path, policy: Path, tmp_path: Path) -> None:
    line = refused(
        "search", "--problems", problems, "--policy", policy, "--root", tmp_path / "store",
        "-o", "problems.data_set=tiny",
    )  # fmt: skip
    assert "data set 'tiny'" in line
