"""Problems and steps as token ids: the one place that builds a prompt.

Search, value model and training all call this module, so that a prompt seen in training is the prompt
seen in search, to the token. A prompt is the problem's token ids followed by the token ids of the steps;
nothing is ever tokenized twice. The functions import no model library: a tokenizer comes in as an object.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import orjson

from restmcts.errors import InputError
from restmcts.templates.rendering import user_prompt
from store.events import Step

SEPARATOR: Final = "\n"
"""What ends a step."""

PLAIN_TEMPLATE: Final = "{problem}\n"
"""The prompt of a tokenizer without a chat template, unless a format says otherwise."""

INSTRUCTION: Final = (
    "Solve the problem step by step. Write one step a line, and end with the answer in \\boxed{}."
)
"""The instruction of a chat prompt, unless a format says otherwise."""

EXAMPLE: Final = "Problem:\n"
"""How a solved example begins, and the problem behind the examples."""

_BEGINS: Final = EXAMPLE.strip()

FORMAT_FILE: Final = "restmcts.json"
"""The file in a model folder that says how its prompts look."""


RESERVED_ARGUMENTS: Final = frozenset(
    {
        "add_generation_prompt", "chat_template", "continue_final_message", "conversation", "documents",
        "max_length", "messages", "padding", "return_assistant_tokens_mask", "return_dict", "return_tensors",
        "tokenize", "tokenizer_kwargs", "tools", "truncation",
    }
)  # fmt: skip
"""What is no argument of a chat template, but of the function that fills it."""


@dataclass(frozen=True, slots=True)
class PromptFormat:
    """How a problem becomes a prompt.

    ``template`` is plain text in which ``{problem}`` and ``{instruction}`` are replaced; None takes the
    chat template of the tokenizer where it has one and :data:`PLAIN_TEMPLATE` otherwise. ``instruction``
    follows the problem in the user turn of a chat; None takes :data:`INSTRUCTION`, "" none at all.
    ``chat_template_arguments`` are given to the chat template.
    """

    template: str | None = None
    instruction: str | None = None
    chat_template_arguments: Mapping[str, Any] = field(default_factory=dict)

    def with_arguments(self, arguments: Mapping[str, Any]) -> PromptFormat:
        """The same format with more arguments for the chat template, which take precedence."""
        merged = {**self.chat_template_arguments, **arguments}
        return replace(self, chat_template_arguments=merged) if arguments else self


def problem_tokens(tokenizer: Any, problem: str, format: PromptFormat | None = None) -> tuple[int, ...]:
    """The token ids of a problem, ready for the first step to follow.

    Raises:
        InputError: the template has no ``{problem}``, the chat template cannot be used, or the prompt has no
            tokens.
    """
    format = format or PromptFormat()
    instruction = INSTRUCTION if format.instruction is None else format.instruction
    if format.template is None and getattr(tokenizer, "chat_template", None):
        tokens = _chat_tokens(tokenizer, problem, instruction, format.chat_template_arguments)
    else:
        template = PLAIN_TEMPLATE if format.template is None else format.template
        tokens = _plain_tokens(tokenizer, problem, template, format.instruction or "")
    if not tokens:
        raise InputError(
            f"the prompt of the problem {problem[:60]!r} has no tokens: check the prompt template"
        )
    return tokens


def question_tokens(tokenizer: Any, text: str, reply: str, format: PromptFormat) -> tuple[int, ...]:
    """The token ids of a question, without the instruction of the format, and how the reply begins."""
    return (*problem_tokens(tokenizer, text, replace(format, instruction="")), *encode(tokenizer, reply))


def fill_template(template: str, problem: str, instruction: str) -> str:
    """The template with ``{problem}`` and ``{instruction}`` replaced."""
    parts = {"{problem}": problem, "{instruction}": instruction}
    # One pass, so that braces inside a problem are never taken for a placeholder.
    return re.sub(r"\{problem\}|\{instruction\}", lambda found: parts[found.group()], template)


def with_examples(problem: str, examples: Sequence[tuple[str, str]]) -> str:
    """The problem behind solved examples, in one form; the problem alone without any.

    Args:
        examples: problems with their solutions, one step a line.
    """
    if not examples:
        return problem
    solved = (f"{EXAMPLE}{text}\n\nSolution:\n{solution.strip()}" for text, solution in examples)
    return "\n\n".join([*solved, f"{EXAMPLE}{problem}\n\nSolution:"])


def before_next_example(steps: Sequence[Step]) -> tuple[Step, ...]:
    """The steps of a solution up to where the policy begins a further problem, as after solved examples.

    The first step is kept whatever it says.
    """
    begins = (place for place, step in enumerate(steps) if place and step.text.lstrip().startswith(_BEGINS))
    return tuple(steps[: next(begins, None)])


def advised(problem: str, advice: str | None) -> str:
    """The problem with the advice of a self-critic for the next step, where there is any."""
    return f"{problem}\n\nAdvice for the next step: {advice}" if advice else problem


def _chat_tokens(
    tokenizer: Any, problem: str, instruction: str, arguments: Mapping[str, Any]
) -> tuple[int, ...]:
    content = f"{problem}\n\n{instruction}" if instruction else problem
    return encode(tokenizer, user_prompt(tokenizer, content, arguments))


def _plain_tokens(tokenizer: Any, problem: str, template: str, instruction: str) -> tuple[int, ...]:
    if "{problem}" not in template:
        raise InputError(f"the prompt template {template!r} must contain {{problem}}")
    text = fill_template(template, problem, instruction)
    return with_start(tokenizer, encode(tokenizer, text))


def with_start(tokenizer: Any, tokens: tuple[int, ...]) -> tuple[int, ...]:
    """``tokens`` of a plain text after the start token, where this tokenizer begins every text with it."""
    start = tokenizer.bos_token_id
    if start is None:
        return tokens
    adds_start = tuple(tokenizer("a")["input_ids"])[:1] == (start,)
    return (start, *tokens) if adds_start and tokens[:1] != (start,) else tokens


def encode(tokenizer: Any, text: str, *, parse_special: bool = True) -> tuple[int, ...]:
    """The token ids of ``text`` alone, without special tokens around it.

    With ``parse_special`` off, the name of a special token in ``text`` is text like any other.
    """
    options = {} if parse_special else {"split_special_tokens": True}
    return tuple(int(token) for token in tokenizer(text, add_special_tokens=False, **options)["input_ids"])


def encode_after(tokenizer: Any, before: str, text: str, *, parse_special: bool = True) -> tuple[int, ...]:
    """The token ids of ``text`` where it stands after ``before``, whose tokens are left out.

    SentencePiece tokenizers put a space before every text that is encoded alone; this one has none. Where a
    token would hold the end of ``before`` and the beginning of ``text``, ``text`` is encoded alone.
    """
    start = encode(tokenizer, before, parse_special=parse_special)
    whole = encode(tokenizer, before + text, parse_special=parse_special)
    if whole[: len(start)] == start:
        return whole[len(start) :]
    return encode(tokenizer, text, parse_special=parse_special)


def line_tokens(tokenizer: Any, text: str) -> tuple[int, ...]:
    """The token ids of a step that is known as text: as it stands after another line."""
    return encode_after(tokenizer, SEPARATOR, text)


def decode(tokenizer: Any, tokens: Sequence[int]) -> str:
    """The text of token ids, special tokens left out."""
    text = tokenizer.decode(list(tokens), skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return str(text)


class StepReader:
    """Steps as the token ids of one vocabulary.

    Sampled token ids are kept where they say the text of the step. Where they do not, they are of another
    vocabulary, and the text is encoded anew where it stands: after the newline of the step before.
    """

    def __init__(self, tokenizer: Any, size: int) -> None:
        """Read nothing yet. ``size``: ids below this exist; a model may have more than its tokenizer."""
        self._tokenizer = tokenizer
        self._size = size
        self._read = lru_cache(maxsize=2**16)(self._reading)

    def __call__(self, step: Step) -> tuple[int, ...]:
        """The token ids of a step."""
        return self._read(step.tokens, step.text)

    def _reading(self, tokens: tuple[int, ...], text: str) -> tuple[int, ...]:
        known = bool(tokens) and min(tokens) >= 0 and max(tokens) < self._size
        if known and decode(self._tokenizer, tokens) == text:
            return tokens
        return line_tokens(self._tokenizer, text)


class StepEnds:
    """Which tokens end a step, for one vocabulary.

    A step ends with the first token that contains :data:`SEPARATOR` after some visible text. Blank lines
    before that text belong to the step and do not end it.
    """

    def __init__(self, tokenizer: Any, size: int | None = None) -> None:
        """Look at every token once. ``size``: ids up to here exist (a model may have more than its
        tokenizer); the rest are taken for visible text."""
        known = len(tokenizer)
        special = set(tokenizer.all_special_ids)
        self.separates = [False] * max(known, size or 0)
        self.visible = [True] * len(self.separates)
        self._visible_first = [False] * len(self.separates)
        for token, text in enumerate(tokenizer.batch_decode([[token] for token in range(known)])):
            if token in special:
                continue
            self.separates[token] = SEPARATOR in text
            self.visible[token] = bool(text.strip())
            self._visible_first[token] = bool(text.rpartition(SEPARATOR)[0].strip())
        if not any(self.separates):
            raise InputError(
                "no token of the tokenizer contains a newline, so steps cannot end: "
                "use a tokenizer that keeps newlines"
            )

    def ends(self, token: int, begun: bool) -> bool:
        """Does ``token`` end a step that already has visible text (``begun``)?"""
        return self.separates[token] and (begun or self._visible_first[token])

    def split(self, tokens: Iterable[int]) -> list[tuple[int, ...]]:
        """The token ids of each step; the last one may be unfinished."""
        steps: list[tuple[int, ...]] = []
        step: list[int] = []
        begun = False
        for token in tokens:
            step.append(token)
            if self.ends(token, begun):
                steps.append(tuple(step))
                step, begun = [], False
            else:
                begun = begun or self.visible[token]
        if step:
            steps.append(tuple(step))
        return steps


def step_tokens(tokenizer: Any, solution: str) -> tuple[Step, ...]:
    """A worked solution as steps: one a line, blank lines left out, the newline part of its step.

    The last step has ``ended`` set: the end of the text follows it.

    Raises:
        InputError: the solution has no text, or the tokenizer loses its newlines.
    """
    lines = [line.rstrip() for line in solution.splitlines() if line.strip()]
    if not lines:
        raise InputError("a worked solution has no text")
    steps: list[Step] = []
    for number, line in enumerate(lines, start=1):
        text = line + SEPARATOR
        tokens = line_tokens(tokenizer, text)
        if not tokens or SEPARATOR not in decode(tokenizer, tokens[-1:]):
            raise InputError(
                f"the tokenizer loses the newline after {line[:60]!r}: use one that keeps newlines"
            )
        steps.append(Step(text=text, tokens=tokens, ended=number == len(lines)))
    return tuple(steps)


def save_format(folder: Path, format: PromptFormat) -> None:
    """Write the prompt format into a model folder, so that the checkpoint carries it."""
    fields = asdict(format)
    if not format.chat_template_arguments:
        del fields["chat_template_arguments"]
    (folder / FORMAT_FILE).write_bytes(orjson.dumps(fields, option=orjson.OPT_INDENT_2))


def load_format(folder: Path) -> PromptFormat:
    """The prompt format of a model folder; the default where it has none.

    Raises:
        InputError: the file is not what :func:`save_format` writes.
    """
    path = folder / FORMAT_FILE
    if not path.is_file():
        return PromptFormat()
    try:
        fields = orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError as error:
        raise InputError(f"{path}: not JSON ({error})") from error
    known = "template, instruction and chat_template_arguments"
    if not isinstance(fields, dict):
        raise InputError(f"{path}: expected an object with the keys {known}")
    arguments = fields.pop("chat_template_arguments", {})
    if not isinstance(arguments, dict):
        raise InputError(f"{path}: chat_template_arguments must be an object")
    for key, value in fields.items():
        if key not in ("template", "instruction"):
            raise InputError(f"{path}: unknown key {key!r}; known are {known}")
        if value is not None and not isinstance(value, str):
            raise InputError(f"{path}: {key} must be text or null")
    if taken := reserved_arguments(arguments):
        raise InputError(
            f"{path}: chat_template_arguments has {taken}, which restmcts sets itself: leave it out"
        )
    return PromptFormat(**fields, chat_template_arguments=arguments)


def reserved_arguments(arguments: Mapping[str, Any]) -> str | None:
    """The first of ``arguments`` that no chat template may be given, because it has a meaning of its own."""
    return next((name for name in sorted(arguments) if name in RESERVED_ARGUMENTS), None)
