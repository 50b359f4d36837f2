"""`restmcts power`: the numbers of the formulas, and input that makes no sense."""

from __future__ import annotations

import json

import pytest

from restmcts.evaluation.power import paired_power, paired_problems, unpaired_problems
from tests.cli.commands import refused, restmcts


def test_problems_that_a_difference_needs() -> None:
    arguments = ("--difference", 3, "--baseline", 60, "--discordant", 20, "--problems", 500)
    found = json.loads(restmcts("power", *arguments, "--json").output)
    assert [row["problems"] for row in found["rows"]] == [
        paired_problems(0.03, 0.2),
        unpaired_problems(0.03, 0.6),
    ]
    assert found["rows"][0]["power"] == pytest.approx(paired_power(500, 0.03, 0.2))
    text = restmcts("power", *arguments).output
    assert "1,800" in text and "4,129" in text and "28.8%" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--difference", 3, "--baseline", 99), "more than 100 together"),
        (("--difference", 3, "--discordant", 2), "tell the sides apart"),
        (("--difference", 0), "--difference"),
    ],
)
def test_what_cannot_be_is_refused(arguments: tuple[object, ...], message: str) -> None:
    assert message in refused("power", *arguments)
