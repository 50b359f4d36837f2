"""What a registry says about entries that cannot be used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from restmcts import registry
from restmcts.errors import InputError
from restmcts.registry import Registry

ENTRIES = Registry("number", "restmcts.numbers", int, {"one": "sys:maxsize"})

Declare = Callable[..., None]


@pytest.fixture
def declare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Declare:
    """Lets a distribution with entry points in the group be found."""
    monkeypatch.syspath_prepend(tmp_path)
    registry._installed.cache_clear()
    monkeypatch.setattr(ENTRIES, "_loaded", {})

    def add(distribution: str, **points: str) -> None:
        folder = tmp_path / f"{distribution}-0.1.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 0.1\n")
        lines = [f"{name} = {target}\n" for name, target in points.items()]
        (folder / "entry_points.txt").write_text(f"[{ENTRIES.group}]\n{''.join(lines)}")

    return add


@pytest.fixture(autouse=True)
def forget() -> None:
    registry._installed.cache_clear()


def test_entries_come_in_order_and_say_where_they_are_from(declare: Declare) -> None:
    declare("numbers", three="errno:ENOENT", ten="errno:EAGAIN")
    assert [*ENTRIES] == ["one", "ten", "three"]
    assert ENTRIES["three"] == 2
    assert ENTRIES.origins({"three"}) == {"three": "numbers 0.1"}
    assert "two" not in ENTRIES and "ten" in ENTRIES


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (
            "no_such_module:N",
            "number 'bad' of numbers 0.1 cannot be loaded: No module named",
        ),
        ("errno:NOTHING", "number 'bad' of numbers 0.1 cannot be loaded: module 'errno' has no attribute"),
        ("errno:__doc__", "number 'bad' of numbers 0.1: errno:__doc__ is no int, but str"),
    ],
)
def test_an_entry_that_cannot_be_used_names_its_distribution(
    declare: Declare, target: str, message: str
) -> None:
    declare("numbers", bad=target)
    with pytest.raises(InputError) as caught:
        ENTRIES["bad"]
    assert str(caught.value).startswith(message)


def test_a_name_of_this_package_cannot_be_taken(declare: Declare) -> None:
    declare("numbers", one="errno:ENOENT")
    assert str(ENTRIES.origin("one")).startswith("restmcts ")
    assert [*ENTRIES] == ["one"]


def test_two_distributions_with_one_name_are_refused(declare: Declare) -> None:
    declare("numbers", ten="errno:ENOENT")
    declare("others", ten="errno:ENOENT")
    with pytest.raises(InputError, match=r"two distributions declare 'ten': .* uninstall one of them"):
        ENTRIES["ten"]


def test_an_unknown_name_lists_what_there_is(declare: Declare) -> None:
    declare("numbers", ten="errno:ENOENT")
    with pytest.raises(InputError, match="here: unknown number 'two': choose from one, ten"):
        ENTRIES.get("two", "here")
