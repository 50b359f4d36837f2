"""The documents say what the program has."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field

from docs import reference
from docs.generate.commands import commands
from docs.generate.screens import holders, keys
from docs.generate.settings import keys_table
from restmcts.labels import LABEL_RULES
from restmcts.loops.registry import LOOPS
from restmcts.recipe_text import shipped_recipes
from restmcts.search.registry import METHODS
from restmcts.settings import Settings
from store.answering.rules import RULES
from tui.legend import REPLAY
from tui.taking import without_fonts

ROOT = Path(__file__).parents[1]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]

README_WORDS = 1200
WIDEST = 130


def test_the_reference_is_what_the_program_says() -> None:
    assert reference.REFERENCE.read_text("utf-8") == reference.reference(), "run `make docs`"


def test_the_methods_of_the_readme_are_those_of_the_program() -> None:
    assert reference.README.read_text("utf-8") == reference.readme(), "run `make docs`"


def test_the_keys_and_marks_of_the_screens_are_those_of_the_program() -> None:
    text = reference.SCREENS.read_text("utf-8")
    assert text == reference.screen_keys(), "run `make docs`"
    missing = [name for name in holders() if f"<!-- keys: {name} -->" not in text]
    assert not missing, "docs/tui.md has no place for the keys of these screens"


def test_a_key_has_what_it_does_and_a_mark_what_it_means() -> None:
    table = keys("ReplayScreen")
    assert "| `→` `l` | Step |" in keys("ReplayMoves")
    assert f"| `●` | {dict(REPLAY)['●']} |" in table


def test_the_reference_has_every_command_with_its_options() -> None:
    text = reference.reference()
    for name, command in commands():
        _, heading, rest = text.partition(f"\n### `{name}`\n")
        assert heading, name
        section = re.split(r"\n##", rest)[0]
        options = {option for parameter in command.params for option in parameter.opts if option[0] == "-"}
        assert {option for option in options if f"`{option}`" not in section} == set(), name


class Documented(Settings):
    size: int = Field(default=2, ge=1, le=9, description="how large")
    share: float | None = Field(default=None, gt=0, description="how much")


class OtherDefault(Documented):
    size: int = Field(default=3, ge=1)


class Undocumented(Settings):
    size: int = 1


def test_a_key_is_shown_with_type_range_default_and_meaning() -> None:
    rows = keys_table(Documented, "a.").splitlines()[2:]
    assert rows == [
        "| `a.size` | 1 ≤ integer ≤ 9 | `2` | how large |",
        "| `a.share` | number > 0 | none | how much |",
    ]


def test_a_key_with_another_default_has_the_meaning_of_its_base() -> None:
    assert "| `size` | integer ≥ 1 | `3` | how large |" in keys_table(OtherDefault)


def test_a_key_without_a_description_is_an_error() -> None:
    with pytest.raises(LookupError, match=r"Undocumented\.size has no description"):
        keys_table(Undocumented)


def test_the_readme_names_every_method_label_rule_and_recipe() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    recipes = [name for name in shipped_recipes() if "/" not in name]
    wanted = {f"`{name}`" for name in (*METHODS, *LABEL_RULES, *recipes)}
    assert {name for name in wanted if name not in readme} == set()


def test_the_guide_names_every_recipe_of_the_paper() -> None:
    guide = (ROOT / "docs" / "guide.md").read_text("utf-8")
    recipes = [name for name in shipped_recipes() if "/" in name]
    assert recipes and {name for name in recipes if f"`{name}`" not in guide} == set()


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").split()) <= README_WORDS


def test_every_rule_method_and_loop_is_explained() -> None:
    text = (ROOT / "docs" / "algorithm.md").read_text("utf-8")
    assert {name for name in (*RULES, *LABEL_RULES, *METHODS, *LOOPS) if name not in text} == set()


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", page.read_text("utf-8")):
            found = page.parent / target if target else page
            assert found.exists(), f"{page.name}: {target}"
            if anchor and page != reference.TEMPLATE:
                assert anchor in anchors(found), f"{page.name}: {target}#{anchor}"


def test_no_line_is_too_wide() -> None:
    for page in PAGES:
        lines = enumerate(page.read_text("utf-8").splitlines(), start=1)
        wide = [number for number, line in lines if len(line) > WIDEST and not line.startswith("|")]
        assert page.name == "log.md" or not wide, f"{page.name}: lines {wide}"


def test_the_picture_asks_for_nothing_over_the_network() -> None:
    svg = (ROOT / "docs" / "pictures" / "replay.svg").read_text("utf-8")
    assert not re.search(r"(url\(|href=)[\"']?http", svg)
    assert "@font-face" not in without_fonts('<svg a="b"><style>@font-face { src: url("http://x") }</style>')


def test_the_examples_of_testing_run() -> None:
    page = (ROOT / "docs" / "testing.md").read_text("utf-8")
    names: dict[str, Any] = {}
    for code in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(compile(code, "docs/testing.md", "exec"), names)  # noqa: S102
    assert names["found"].table()[("a", "c")] == (1, 1.0)
