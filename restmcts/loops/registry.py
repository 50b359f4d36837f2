"""The self-training loops by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from restmcts.registry import Registry
from restmcts.settings import Settings, checked

if TYPE_CHECKING:
    from restmcts.loops.results import Evaluated
    from restmcts.loops.run import Run
    from restmcts.recipe import Recipe


class NoSettings(Settings):
    """The settings of a loop that has none of its own."""


@dataclass(frozen=True, slots=True)
class Loop:
    """A self-training loop.

    Attributes:
        run: makes a run from its beginning to its end, from the run and the settings of the loop. It is
        called again after an interruption: phases that are done return their stored results. It returns the
            closing evaluation, if there is one.
        summary: what the loop does, in a line.
        settings: the class of its settings, the table ``[loop_settings]`` of a recipe.
        trains_value: whether it trains a value model, which has to be one that can be trained.
    """

    run: Callable[[Run, Any], Evaluated | None]
    summary: str
    settings: type[Settings] = NoSettings
    trains_value: bool = True


LOOPS: Registry[Loop] = Registry(
    "loop",
    "restmcts.loops",
    Loop,
    {
        "rest-mcts": "restmcts.loops.rest_mcts:REST_MCTS",
        "rest-em": "restmcts.loops.rest_em:REST_EM",
        "self-rewarding": "restmcts.loops.self_rewarding:SELF_REWARDING",
        "step-pairs": "restmcts.loops.step_pairs:STEP_PAIRS",
        "demonstrations": "restmcts.loops.demonstrations:DEMONSTRATIONS",
        "verifiers": "restmcts.loops.verifiers:VERIFIERS",
    },
)


def loop_settings(recipe: Recipe) -> Settings:
    """The checked settings of the loop that a recipe names.

    Raises:
        InputError: an unknown loop, an unknown key or a wrong value.
    """
    loop = LOOPS.get(recipe.loop, "loop")
    return checked(loop.settings, recipe.loop_settings, f"loop_settings of {recipe.loop!r}")
