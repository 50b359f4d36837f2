"""Does this engine compute what transformers computes? A few tokens tell, for families that no test knows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import torch

from restmcts.engines.messages import first_line
from restmcts.engines.soundness import FAMILIES, some_tokens
from restmcts.engines.transformers.attention import Piece
from restmcts.errors import InputError

FIRST: Final = 8
"""So many tokens are read at once, the others after them from the cache."""

TOLERANCES: Final = {torch.float32: 1e-3, torch.float64: 1e-3}
COARSE: Final = 0.15
"""The largest difference of a state, relative to the largest state; the second for 16-bit numbers."""


def own_states(model: Any, name: str) -> torch.Tensor | None:
    """The last states of some tokens as transformers computes them; None for families that the tests compare.

    To be called before the attention of the model is replaced.

    Raises:
        InputError: it cannot compute them.
    """
    if model.config.get_text_config().model_type in FAMILIES:
        return None
    tokens = some_tokens(model)
    try:
        with torch.inference_mode():
            output = model.base_model(input_ids=tokens[None], use_cache=False)
        states: torch.Tensor = output.last_hidden_state[0]
    except Exception as error:  # the code of a family may want anything
        raise InputError(f"{name}: cannot read plain text: {first_line(error)}; use another model") from error
    return states


def check_states(
    model: Any, read: Callable[[Sequence[Piece]], torch.Tensor], expected: torch.Tensor, name: str
) -> None:
    """Refuse a model that this engine computes otherwise than transformers does.

    Args:
        model: the model.
        read: reads pieces of texts with the cache, and gives the last state of each.
        expected: what :func:`own_states` gave.
        name: what the model is called.

    Raises:
        InputError: states differ by more than rounding.
    """
    tokens = some_tokens(model).tolist()
    slots = np.arange(1, len(tokens) + 1)
    found = torch.stack(
        [
            read([Piece(tokens[:FIRST], 0, slots[:FIRST])])[0],
            read([Piece(tokens[FIRST:], FIRST, slots)])[0],
        ]
    )
    wanted = expected[[FIRST - 1, -1]]
    difference = (found - wanted).abs().max() / wanted.abs().max().clamp(min=1e-9)
    if not difference <= TOLERANCES.get(model.dtype, COARSE):
        family = model.config.get_text_config().model_type
        raise InputError(
            f"{name}: this engine computes a model of the family {family} wrongly: its states differ by"
            f" {float(difference):.2g} from those of transformers; if it is a decoder, use another engine"
        )
