"""Problems and steps as a published process reward model (PRM) reads them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from restmcts.engines.base import Tokens
from restmcts.engines.prm_settings import PrmSettings
from restmcts.errors import EngineError, InputError
from restmcts.prompts import encode, encode_after, with_start
from restmcts.templates.rendering import TemplateError, render

PROBLEM = "{problem}"


class StepPrompts:
    """The token ids of one PRM: the problem, then each step with its tag and the text between steps.

    Steps are joined as ids, so that a prompt extends its parent's to the token. The text is that of the
    published models. The ids are those of the text as a whole, but for one case: a SentencePiece tokenizer
    makes one token of the space that ends the template of Math-Shepherd and the first word after it; here
    the space is a token of its own.

    Problems and steps are text that nobody vouches for: the name of a special token in them is read as
    letters, and a text in which the tag is an ordinary token is refused.
    """

    def __init__(self, tokenizer: Any, settings: PrmSettings, *, vocabulary: int, name: str) -> None:
        """Look the tag up and read the template. ``vocabulary``: ids below this exist in the model.

        Raises:
            InputError: the tag is not what the settings say in this tokenizer, or there is no usable
                template.
        """
        self._tokenizer = tokenizer
        self._name = name
        self._plain = settings.template is not None
        self._special = tuple(tokenizer.get_added_vocab())
        self.tag = tag_tokens(tokenizer, settings, vocabulary, name)
        self.between = encode_after(tokenizer, settings.tag, settings.between)
        frame = settings.template or chat_frame(tokenizer, settings.system, name)
        self._head, self._tail = frame.split(PROBLEM)
        if occurrences(self.tag, self.between) or occurrences(self.tag, self._whole("")):
            raise InputError(f"{name}: the step tag {settings.tag!r} stands in the prompt before any step")
        self.problem = lru_cache(maxsize=2**10)(self._problem)
        self.step = lru_cache(maxsize=2**16)(self._step)

    def up_to_tag(self, prompt: Tokens) -> Tokens:
        """A prompt without the text after its last tag, so that it ends where the value is read.

        Raises:
            EngineError: it does not end with a step.
        """
        ending = (*self.tag, *self.between)
        if prompt[-len(ending) :] != ending:
            raise EngineError(f"{self._name}: a prompt without a step at its end has no value")
        return prompt[: len(prompt) - len(self.between)]

    def _problem(self, problem: str) -> Tokens:
        """The token ids of a problem, which the first step follows.

        Raises:
            InputError: the tag is an ordinary token of the problem.
        """
        if any(word in problem for word in self._special):
            tokens = (
                *encode(self._tokenizer, self._head),
                *encode_after(self._tokenizer, "\n", problem, parse_special=False),
                *encode_after(self._tokenizer, "\n", self._tail),
            )
        else:
            tokens = self._whole(problem)
        if occurrences(self.tag, tokens):
            raise InputError(
                f"{self._name}: the step tag stands in the problem {problem[:60]!r}: leave it out, or take "
                "another value model"
            )
        return with_start(self._tokenizer, tokens) if self._plain else tokens

    def _step(self, text: str) -> Tokens:
        """The token ids of a step, its tag, and the text before the next step.

        Raises:
            EngineError: the tag is an ordinary token of the step.
        """
        tokens = encode_after(self._tokenizer, "\n", text.strip(), parse_special=False)
        found = (*tokens, *self.tag, *self.between)
        # With what stands before it, so that a tag of several tokens cannot begin there.
        if occurrences(self.tag, (*self.tag, *self.between, *found)) != 2:
            raise EngineError(f"{self._name}: the step tag stands in the step {text[:60]!r}")
        return found

    def _whole(self, problem: str) -> Tokens:
        return encode(self._tokenizer, self._head + problem + self._tail)


def tag_tokens(tokenizer: Any, settings: PrmSettings, vocabulary: int, name: str) -> Tokens:
    """The ids of the step tag.

    Raises:
        InputError: they are not as many as the settings say, not all known, or not those of ``tag_id``.
    """
    tokens = encode(tokenizer, settings.tag)
    if len(tokens) != settings.tag_tokens:
        raise InputError(
            f"{name}: the step tag {settings.tag!r} has {len(tokens)} tokens in this tokenizer, not "
            f"{settings.tag_tokens}; is it another model? (models.prm.tag, models.prm.tag_tokens)"
        )
    for token in tokens:
        check_known(tokenizer, token, vocabulary, f"{name}: the step tag {settings.tag!r}")
    if settings.tag_id not in (None, tokens[-1]):
        raise InputError(
            f"{name}: the step tag {settings.tag!r} ends with token {tokens[-1]}, but models.prm.tag_id is "
            f"{settings.tag_id}"
        )
    return tokens


def answer_tokens(tokenizer: Any, settings: PrmSettings, vocabulary: int, name: str) -> tuple[int, int]:
    """The ids of the good and of the bad token.

    Raises:
        InputError: one is not a single known token, its text and its id disagree, or they are the same.
    """
    good = _answer(tokenizer, "good", settings.good, settings.good_id, vocabulary, name)
    bad = _answer(tokenizer, "bad", settings.bad, settings.bad_id, vocabulary, name)
    if good == bad:
        raise InputError(f"{name}: the good and the bad token are the same, {good}")
    return good, bad


def _answer(tokenizer: Any, key: str, text: str | None, given: int | None, vocabulary: int, name: str) -> int:
    shown = f"{name}: the {key} token {given if text is None else repr(text)}"
    token = given
    if text is not None:
        tokens = encode(tokenizer, text)
        if len(tokens) != 1:
            raise InputError(f"{shown} has {len(tokens)} tokens in this tokenizer, not 1 (models.prm.{key})")
        token = tokens[0]
    assert token is not None, "the settings ask for the text or the id"
    if given not in (None, token):
        raise InputError(f"{shown} has the id {token}, but models.prm.{key}_id is {given}")
    check_known(tokenizer, token, vocabulary, shown)
    return token


def check_known(tokenizer: Any, token: int, vocabulary: int, shown: str) -> None:
    """Refuse the unknown token, and ids that the model has not.

    Raises:
        InputError: it is one of these.
    """
    if token == tokenizer.unk_token_id:
        raise InputError(f"{shown} is unknown to this tokenizer")
    if token >= vocabulary:
        raise InputError(f"{shown} has the id {token}, but the model has {vocabulary} tokens")


def chat_frame(tokenizer: Any, system: str | None, name: str) -> str:
    """The chat template around ``{problem}``, up to the beginning of the assistant's turn.

    Raises:
        InputError: there is no chat template, it fails, or it does not put the steps where they belong.
    """
    if not getattr(tokenizer, "chat_template", None):
        raise InputError(f"{name}: the tokenizer has no chat template; set models.prm.template")
    turns = [] if system is None else [{"role": "system", "content": system}]
    turns.append({"role": "user", "content": PROBLEM})
    answered = [*turns, {"role": "assistant", "content": "1"}]
    try:
        frame = render(tokenizer, turns, opens_reply=True)
        whole = render(tokenizer, answered, opens_reply=False)
    except TemplateError as refusal:
        raise InputError(
            f"{name}: the chat template cannot be used: {refusal.reason}; set models.prm.template"
        ) from refusal
    if frame.count(PROBLEM) != 1 or not whole.startswith(frame + "1"):
        raise InputError(
            f"{name}: the chat template does not keep the problem once and the steps after it; set "
            "models.prm.template"
        )
    return frame


def occurrences(tag: Tokens, tokens: Sequence[int]) -> int:
    """How often ``tag`` stands in ``tokens``."""
    size = len(tag)
    return sum(tuple(tokens[start : start + size]) == tag for start in range(len(tokens) - size + 1))
