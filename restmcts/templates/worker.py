"""The process that renders chat templates; started by :mod:`restmcts.templates.rendering`.

One request a line, ``{"template": str, "arguments": object}``, gives one line back, ``{"text": str}`` or
``{"error": str}``. The first line says ``{"ready": true}``, or why not. The system ends the process when a
request takes too much processor time.
"""

from __future__ import annotations

import json
import math
import resource
import signal
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from restmcts.processes import limit, private_output, reply

LONGEST = 2**22
"""Characters of a rendered text."""

TODAY = datetime(2024, 7, 26, tzinfo=UTC)
"""The day that templates are told, so that a prompt is the same on every day: the one that the templates of
Llama 3.1 to 3.3 name where nobody tells them."""


def main() -> None:
    """Serve requests from standard input until it closes. Arguments: seconds a request, bytes of memory."""
    seconds, memory = float(sys.argv[1]), int(sys.argv[2])
    replies = private_output()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    limit(resource.RLIMIT_AS, memory)
    try:
        render("{{ 1 }}", {})
    except ImportError as error:
        reply(replies, {"missing": str(error)})
        return
    reply(replies, {"ready": True})
    for line in sys.stdin:
        limit(resource.RLIMIT_CPU, math.ceil(time.process_time() + seconds))
        reply(replies, _answer(line))


def render(template: str, arguments: dict[str, Any]) -> str:
    """The text that a template gives, as transformers renders it but for the day."""
    return str(_compiled(template).render(**arguments))


@lru_cache(maxsize=8)
def _compiled(template: str) -> Any:
    import jinja2
    from jinja2.ext import Extension, loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """``{% generation %}`` marks what the model wrote; here it is text like any other."""

        tags = {"generation"}  # noqa: RUF012

        def parse(self, parser: Any) -> Any:
            line = next(parser.stream).lineno
            body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            return jinja2.nodes.CallBlock(self.call_method("_written"), [], [], body).set_lineno(line)

        def _written(self, caller: Callable[[], str]) -> str:
            return caller()

    def raise_exception(message: str) -> None:
        raise jinja2.exceptions.TemplateError(message)

    def tojson(
        value: Any,
        ensure_ascii: bool = False,
        indent: int | None = None,
        separators: tuple[str, str] | None = None,
        sort_keys: bool = False,
    ) -> str:
        return json.dumps(
            value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
        )

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols]
    )
    environment.filters["tojson"] = tojson
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = TODAY.strftime
    return environment.from_string(template)


def _answer(line: str) -> dict[str, Any]:
    try:
        request = json.loads(line)
        text = render(request["template"], request["arguments"])
    except MemoryError:
        return {"error": "memory"}
    except Exception as error:  # a template is a program of the folder, and may raise anything
        return {"error": f"{type(error).__name__}: {str(error)[:500]}"}
    if len(text) > LONGEST:
        return {"error": f"it gives more than {LONGEST} characters"}
    return {"text": text}


if __name__ == "__main__":
    main()
