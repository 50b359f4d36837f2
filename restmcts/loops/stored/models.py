"""Which checkpoints a stored run works with."""

from __future__ import annotations

from restmcts.errors import InputError
from restmcts.loops.run import START, Run
from store.runs.reading import read_checkpoints


def models_of(run: Run, iteration: int | None) -> tuple[int, str, str | None]:
    """The iteration, the policy and the value model that a run had after ``iteration`` (None: the last).

    Raises:
        InputError: the run has not come that far.
    """
    base, given = run.recipe.models.policy_name, run.recipe.models.value_name
    policies: dict[int, str] = {0: base} if base else {}
    values: dict[int, str] = {0: given} if given else {}
    layout = run.writer.layout
    for row in read_checkpoints(layout):
        if row.carried and row.kind == "policy":
            policies[row.iteration] = row.path
        elif row.carried and row.kind in {START, "value"}:
            values[row.iteration] = row.path
    reached = max([*policies, *values], default=0)
    wanted = reached if iteration is None else iteration
    if wanted > reached or not policies:
        raise InputError(f"run {layout.run!r} has no models of iteration {wanted}; it has come to {reached}")
    return wanted, _latest(policies, wanted) or "", _latest(values, wanted)


def _latest(checkpoints: dict[int, str], iteration: int) -> str | None:
    """What was carried on last, at or before an iteration."""
    reached = [number for number in checkpoints if number <= iteration]
    return checkpoints[max(reached)] if reached else None
