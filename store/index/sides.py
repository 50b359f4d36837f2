"""The sides of comparisons by name: ``RUN``, ``RUN/PHASE``, ``RUN/PHASE/METHOD`` or ``…/METHOD@BUDGET``."""

from __future__ import annotations

import math
from operator import attrgetter
from typing import TYPE_CHECKING

from store.errors import InputError
from store.index.names import find
from store.nearby import alike
from store.queries import Side

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from store.index.reader import StoreReader


def side_name(side: Side) -> str:
    """The name of a side, without what it leaves open."""
    budget = "" if side.budget is None else f"@{side.budget}"
    return "/".join(part for part in (side.run, side.phase, side.method) if part) + budget


def sides_of(reader: StoreReader, run: str) -> list[Side]:
    """The sides that a run has: the methods that phases searched with, then the rows of evaluations.

    Methods of phases that were evaluated have their rows alone. Rows that an older version has written
    without their rule stand for the searches of their method.
    """
    searched = reader.searched(run)
    sides: dict[Side, None] = {}
    for row in reader.evaluations(run):
        if row.rule is not None:
            sides[Side(run, row.phase, row.method, row.rule, row.budget)] = None
        elif (row.phase, row.method) in searched:
            sides[Side(run, row.phase, row.method)] = None
    evaluated = {side.phase for side in sides}
    others = [Side(run, phase, method) for phase, method in searched if phase not in evaluated]
    return [*others, *sides]


def named_side(reader: StoreReader, name: str) -> Side:
    """What a name says of a side; the rest is open: phase and method may be ``""``, the budget None.

    Raises:
        InputError: there is no such run, phase, method or budget; the message says what there is.
    """
    run, _, rest = name.partition("/")
    phase, _, method = rest.partition("/")
    find(reader, f"{run}/{phase}" if phase else run)
    method, budget = _budget(method)
    side = Side(run, phase, method, None, budget)
    _fitting(sides_of(reader, run), side)
    return side


def _budget(method: str) -> tuple[str, int | None]:
    name, at, digits = method.rpartition("@")
    if at and digits.isascii() and digits.isdecimal() and len(digits) < 19:
        return name, int(digits)
    return method, None


def _fitting(known: Sequence[Side], side: Side) -> list[Side]:
    """Those of the sides of a run that ``side`` may stand for."""
    if side.rule is not None:
        return [side]
    known = [one for one in known if side.phase in ("", one.phase)]
    found = [one for one in known if side.method in ("", one.method)]
    if not found:
        place = "/".join(part for part in (side.run, side.phase) if part)
        hint = alike(side.method, list(dict.fromkeys(one.method for one in known)))
        what = f"method {side.method!r}" if side.method else "answer with a verdict"
        raise InputError(f"no {what} in {place}: {hint}")
    at_budget = [one for one in found if side.budget in (None, one.budget)]
    if not at_budget:
        budgets = sorted({one.budget for one in found if one.budget is not None})
        there = f"there is {', '.join(map(str, budgets))}" if budgets else "it has none"
        raise InputError(f"no budget {side.budget} of {side_name(found[0]).partition('@')[0]}: {there}")
    return at_budget


def chosen_pair(reader: StoreReader, a: Side, b: Side) -> tuple[Side, Side]:
    """Two sides with what they leave open chosen: the last method, at the largest budget, that both have.

    Of a run that is named twice, they are two methods of the last phase that has two.

    Raises:
        InputError: a run has nothing that fits.
    """
    if a.rule is not None and b.rule is not None:
        return a, b
    known = {run: sides_of(reader, run) for run in {a.run, b.run}}
    fitting_a, fitting_b = _fitting(known[a.run], a), _fitting(known[b.run], b)
    for alike_in in _ALIKE if a != b else _ALIKE_WITHIN:
        there = {alike_in(one): one for one in fitting_b}
        same = [one for one in fitting_a if there.get(alike_in(one), one) != one]
        if same:
            first = _last(same)
            return first, there[alike_in(first)]
    first = _last(fitting_a)
    return first, _last([one for one in fitting_b if one != first] or fitting_b)


_ALIKE: tuple[Callable[[Side], object], ...] = (
    attrgetter("phase", "method", "budget"),
    attrgetter("method", "budget"),
    attrgetter("phase", "budget"),
    attrgetter("budget"),
)
"""What two sides of a comparison have in common if possible, the best first."""

_ALIKE_WITHIN = (_ALIKE[2], _ALIKE[1])
"""The same of two sides of which nothing is said but that they are of one run, or of one phase."""


def _last(sides: Sequence[Side]) -> Side:
    """The last phase's last method at its largest budget; none is the largest."""
    last = sides[-1]
    of_method = [one for one in sides if (one.phase, one.method) == (last.phase, last.method)]
    return max(of_method, key=lambda one: math.inf if one.budget is None else one.budget)


def contrasts(reader: StoreReader, a: Side, b: Side) -> list[tuple[Side, Side]]:
    """The pairs that are worth a look beside ``a`` and ``b``, which are among them.

    Between two phases or runs, each method at each budget that both have. Within a phase, ``a`` against every
    other method at its budget, and both methods at the other budgets that both have.
    """
    known = {run: sides_of(reader, run) for run in {a.run, b.run}}
    sides_a = [one for one in known[a.run] if one.phase == a.phase]
    sides_b = [one for one in known[b.run] if one.phase == b.phase]
    if (a.run, a.phase) != (b.run, b.phase):
        others = {(one.method, one.rule, one.budget): one for one in sides_b}
        keys = [(one, (one.method, one.rule, one.budget)) for one in sides_a]
        found = [(one, others[key]) for one, key in keys if key in others]
    else:
        found = [(a, one) for one in sides_b if one.budget == a.budget and one != a]
        second = {one.budget: one for one in sides_b if (one.method, one.rule) == (b.method, b.rule)}
        first = [one for one in sides_a if (one.method, one.rule) == (a.method, a.rule) and one != a]
        found += [(one, second[one.budget]) for one in first if second.get(one.budget, one) != one]
    return found if (a, b) in found else [(a, b), *found]
