"""The text of a prompt from the chat template of a tokenizer.

A chat template is a program that came with a model. It runs in another process, with limits on time and
memory, and it is always told the same day, so that equal problems have equal prompts on every day.
"""

from __future__ import annotations

import atexit
import json
import threading
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from restmcts.errors import InputError
from restmcts.processes import LimitedProcess

SECONDS: Final = 2.0
MEMORY: Final = 2**30

PROBES: Final = ("What is 417 + 286?", "Name the smallest prime number above 90.")
"""Two problems, to see that a prompt holds the problem."""

Turns = Sequence[Mapping[str, Any]]

_WORKER = LimitedProcess(
    "restmcts.templates.worker", SECONDS, MEMORY, "chat templates cannot be rendered: {reason}"
)
_LOCK = threading.Lock()

_SAYS = {
    "time-out": f"it takes more than {SECONDS:g} s",
    "memory": "it takes too much memory",
    "crash": "it takes too much memory, or ends its process",
}


@atexit.register
def _stop() -> None:
    with _LOCK:
        _WORKER.stop()


def user_prompt(tokenizer: Any, content: str, arguments: Mapping[str, Any] | None = None) -> str:
    """The text of a chat in which the user has said ``content`` and the reply begins.

    ``arguments`` are further ones of the template. Where the template does not show plain text, the content
    is a list of one part, as templates of models for pictures and text want it.

    Raises:
        TemplateError: the template fails, takes too long, or does not show what the user says.
    """
    known = _known(tokenizer, arguments or {})
    parts = _wants_parts(_template(tokenizer), known, _name(tokenizer))
    return render(tokenizer, [_turn(content, parts)], opens_reply=True, arguments=arguments)


def render(
    tokenizer: Any, turns: Turns, *, opens_reply: bool, arguments: Mapping[str, Any] | None = None
) -> str:
    """The text of a chat; ``opens_reply``: up to the beginning of the assistant's next turn.

    Raises:
        TemplateError: the template fails, or takes too long or too much memory.
    """
    found = _ask(_template(tokenizer), _known(tokenizer, arguments or {}), turns, opens_reply)
    if "text" not in found:
        raise TemplateError(_name(tokenizer), _reason(found))
    return str(found["text"])


@lru_cache(maxsize=64)
def _wants_parts(template: str, known: str, name: str) -> bool:
    """Whether the template shows what the user says only as a list of parts."""
    reasons = []
    for parts in (False, True):
        reason = _objection(template, known, parts)
        if reason is None:
            return parts
        reasons.append(reason)
        if reason in _SAYS.values():
            break
    raise TemplateError(name, reasons[0])


def _objection(template: str, known: str, parts: bool) -> str | None:
    """Why the template cannot be used with content as text, or as parts; None: it can."""
    for probe in PROBES:
        found = _ask(template, known, [_turn(probe, parts)], True)
        if "text" not in found:
            return _reason(found)
        if probe not in found["text"]:
            return "the prompt does not show the problem"
    return None


def _turn(content: str, parts: bool) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "text", "text": content}] if parts else content}


def _ask(template: str, known: str, turns: Turns, opens_reply: bool) -> dict[str, Any]:
    arguments = {
        **json.loads(known),
        "messages": list(turns),
        "tools": None,
        "documents": None,
        "add_generation_prompt": opens_reply,
    }
    with _LOCK:
        return _WORKER.ask({"template": template, "arguments": arguments})


def _template(tokenizer: Any) -> str:
    try:
        return str(tokenizer.get_chat_template())
    except ValueError:
        raise TemplateError(_name(tokenizer), "there are several, and none is the default") from None


def _known(tokenizer: Any, arguments: Mapping[str, Any]) -> str:
    """The special tokens and the further arguments, as JSON."""
    return json.dumps({**tokenizer.special_tokens_map, **arguments}, default=str, sort_keys=True)


def _name(tokenizer: Any) -> str:
    return str(getattr(tokenizer, "name_or_path", "") or "the model")


def _reason(found: Mapping[str, Any]) -> str:
    error = " ".join(str(found.get("error")).split())
    return _SAYS.get(error, error)


class TemplateError(InputError):
    """A chat template cannot be used; ``reason`` says why."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(
            f"{name}: the chat template cannot be used: {reason}; give the model a template of its own in"
            ' restmcts.json: {"template": "{problem}\\n"}'
        )
        self.reason = reason
