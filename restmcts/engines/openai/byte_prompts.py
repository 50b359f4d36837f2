"""Prompts as UTF-8 bytes, for models whose token ids nobody tells us.

A server takes and gives text. So what an engine calls tokens are the bytes of the text, which join exactly,
however the server splits them; a mark, which is no byte, ends the problem. How many tokens of the model
that is, only the server knows: it says so in the usage of each reply.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from restmcts.engines.base import Tokens

PROBLEM_END: Final = 256
"""Stands after the text of a problem; the steps follow."""

QUESTION_END: Final = 257
"""Stands after a question that has nothing to do with solving a problem step by step."""

BYTES_PER_TOKEN: Final = 2
"""How many bytes of text are taken for a token where nobody counts: fewer than tokenizers need for prose (3
to 4) and formulas, so that the estimate is high rather than low."""


def encode_text(text: str) -> Tokens:
    """The UTF-8 bytes of ``text``; half characters, which UTF-8 cannot hold, become question marks."""
    return tuple(text.encode("utf-8", "replace"))


def split_prompt(prompt: Sequence[int]) -> tuple[int, str, str]:
    """The mark of a prompt, the text before it and the text after it.

    Raises:
        ValueError: the prompt has no mark.
    """
    for position, token in enumerate(prompt):
        if token > 255:
            before, after = bytes(prompt[:position]), bytes(prompt[position + 1 :])
            return token, before.decode("utf-8"), after.decode("utf-8", "replace")
    raise ValueError("a prompt of bytes has no mark that ends the problem")


def estimate_tokens(text: str) -> int:
    """A guess at the tokens of ``text``, rather too high; 0 for no text."""
    return -(-len(text.encode("utf-8", "replace")) // BYTES_PER_TOKEN)
