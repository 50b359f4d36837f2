"""Text of problems and models is shown, never obeyed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.commands import refused, restmcts, write_lines
from tests.tui.hostile_store import NUMBERS, OTHER, PHASE, RUN, write_hostile_store
from tests.tui.page_texts import HOSTILE as KINDS
from tests.tui.test_tui_hostile import assert_harmless as assert_shown
from tests.tui.test_tui_page import check_page

HOSTILE = {
    "escapes": "\x1b[2J\x1b]0;owned\x07 Apply +1 to 2 \x9b31m",
    "markup": "[bold red]Apply[/] [/nothing] [link=file:///]+1[/link] to 2",
    "huge": "Apply" + " +1" * 20 + " " + "x" * 20_000 + " to 2",
    "lines": "Apply\r\n\r\n\x00\x08\x7f +1\n" + "\n" * 50 + "to 2",
    "bidi": "Apply \u202e+1\u202c to\u2028 2 \ufeff",
}


@pytest.fixture(scope="module")
def hostile(policy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a search of each hostile problem."""
    folder = tmp_path_factory.mktemp("hostile")
    rows = [
        {"id": f"{name}\x1b[31m", "problem": text, "answer": "3\x1b[0m"} for name, text in HOSTILE.items()
    ]
    path = write_lines(folder / "problems.jsonl", *rows)
    restmcts(
        "search",
        "--method",
        "self-consistency",
        "--budget",
        20,
        "--problems",
        path,
        "--policy",
        policy,
        "--root",
        folder / "store",
    )
    return folder / "store"


def assert_harmless(text: str) -> None:
    assert all(character.isprintable() or character == "\n" for character in text)


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_trees_of_hostile_problems_are_shown(hostile: Path, number: int) -> None:
    text = restmcts("show", f"search-self-consistency/search/{number}", "--root", hostile).output
    assert_harmless(text)
    assert "node  depth" in text
    assert max(map(len, text.splitlines())) < 2_100
    if number == 1:
        assert "[bold red]Apply[/] [/nothing]" in text


def test_a_store_with_hostile_text_is_listed_and_checked(hostile: Path) -> None:
    for command in (("runs",), ("show", "search-self-consistency"), ("store", "check"), ("doctor",)):
        assert_harmless(restmcts(*command, "--root", hostile).output)


def test_json_keeps_hostile_text(hostile: Path) -> None:
    done = restmcts("show", "search-self-consistency/search/0", "--root", hostile, "--json")
    assert_harmless(done.output)
    assert done.json()["header"]["question"] == HOSTILE["escapes"]


def test_errors_show_hostile_names_harmlessly(tmp_path: Path) -> None:
    assert_harmless(refused("iterate", "\x1b[2J\x1b]0;owned\x07\nerror: no"))
    path = write_lines(tmp_path / "\x1b[31mred.jsonl", "{")
    assert_harmless(refused("search", "--problems", path, "--policy", tmp_path, "--root", tmp_path / "store"))


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with all kinds of hostile texts in all places."""
    root = tmp_path_factory.mktemp("kinds")
    write_hostile_store(root)
    return root


LOOKS: tuple[tuple[str, ...], ...] = (
    ("runs",),
    ("show", RUN),
    ("trees", RUN),
    ("trees", RUN, "is:noted", "--by", "method"),
    ("trees", RUN, "--json"),
    ("compare", RUN, OTHER),
    ("compare", RUN, OTHER, "--methods", "--flips"),
    ("compare", f"{RUN}/{PHASE}", f"{OTHER}/{PHASE}"),
    ("compare", RUN, f"{RUN}/{PHASE}", "--markdown"),
    ("compare", RUN, f"{RUN}/{PHASE}", "--json"),
    ("compare", f"{RUN}/{PHASE}/{KINDS['osc']}", f"{RUN}/{PHASE}/{KINDS['markup']}"),
    ("export", "samples", RUN),
    ("store", "check"),
)
"""Commands that print what runs hold."""


@pytest.mark.parametrize("words", LOOKS, ids=" ".join)
def test_commands_show_every_kind_of_text(kinds: Path, words: tuple[str, ...]) -> None:
    done = restmcts(*words, "--root", kinds, code=None)
    assert done.code in (0, 2) and "internal error" not in done.errors
    assert_shown(done.output + done.errors)


@pytest.mark.parametrize("kind", KINDS)
def test_trees_of_every_kind_of_text_are_shown(kinds: Path, kind: str, tmp_path: Path) -> None:
    tree = f"{RUN}/{PHASE}/{NUMBERS[kind]}"
    for words in (("show", tree), ("show", tree, "--json"), ("export", "tree", tree)):
        assert_shown(restmcts(*words, "--root", kinds).output)
    page = tmp_path / "page.html"
    restmcts("export", "replay", tree, "--root", kinds, "-o", page)
    check_page(page.read_text("utf-8"))
