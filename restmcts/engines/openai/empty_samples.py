"""Samples without a text: how many there were, and where their text went instead."""

from __future__ import annotations

from collections import Counter
from typing import Final

from restmcts.engines.base import Sample
from restmcts.engines.openai.replies import Choice
from restmcts.errors import EngineError

HOPELESS: Final = 20
"""So many samples, all of them empty, say that a model writes nothing where its text is looked for."""

ADVICE_ELSEWHERE: Final = (
    "switch that off by models.chat_template_arguments={enable_thinking=false} or by what the server reads in"
    " models.openai.extra_body, or let the model write more (sampling.step_tokens, sampling.trace_tokens)"
)
ADVICE_NOWHERE: Final = "look at how the model is asked: models.openai.api, template and instruction"


class EmptySamples:
    """Counts the samples of a policy, and those that are empty."""

    def __init__(self) -> None:
        self.samples = 0
        self.empty = 0
        self._elsewhere: Counter[str] = Counter()
        self._told = False

    def count(self, sample: Sample, choice: Choice) -> None:
        """Take in a sample and the choice that it was read from."""
        self.samples += 1
        if sample.steps:
            return
        self.empty += 1
        if choice.elsewhere is not None:
            self._elsewhere[choice.elsewhere] += 1

    def check(self, name: str) -> None:
        """Give up where nothing but empty samples came.

        Raises:
            EngineError: all samples so far are empty, and there are ``HOPELESS`` of them or more.
        """
        if self.samples >= HOPELESS and self.empty == self.samples:
            raise EngineError(f"{name}: {self._words()}")

    def remarks(self) -> list[str]:
        """What is worth saying, once: texts went elsewhere, or most samples are empty."""
        if self._told or not (self._elsewhere or 2 * self.empty > self.samples):
            return []
        self._told = True
        return [self._words()]

    def _words(self) -> str:
        said = f"{self.empty} of {self.samples} samples were empty"
        if not self._elsewhere:
            return f"{said}: {ADVICE_NOWHERE}"
        fields = ", ".join(f"{name} ({count})" for name, count in self._elsewhere.most_common(3))
        return f"{said}, and their text was in {fields}: {ADVICE_ELSEWHERE}"
