"""Ends a search of any method when it is sure enough of its answer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from restmcts.search.moves import Moves, Outcome
from restmcts.search.recorder import Recorder
from restmcts.search.requests import Complete, Join, Propose, ProposeEach, Start
from restmcts.search.settings import Method
from store.answering.rules import sure_answer


def until_sure(recorder: Recorder, settings: Method, moves: Moves) -> Moves:
    """Pass on what a method asks for, until its answer reaches ``settings.confidence_gate``.

    Whenever the method is about to sample, its answer so far is looked at. Traces are sampled one at a time,
    as those after a sure answer would be for nothing. Jobs that run when the gate is reached join first, so
    that equal seeds give equal searches.

    Returns:
        What the method returns, or an outcome ``gate`` that leaves the answer to the rule.
    """
    assert settings.confidence_gate is not None
    constants = settings.answer_constants()
    reply: Any = None
    running = 0
    try:
        while True:
            try:
                request = moves.send(reply)
            except StopIteration as end:
                return end.value
            if isinstance(request, Complete | Propose | ProposeEach | Start):
                if sure_answer(recorder.tree, settings.answer_by, constants)[1] >= settings.confidence_gate:
                    break
                if isinstance(request, Complete):
                    request = replace(request, n=1)
            reply = yield request
            running += (isinstance(request, Start) and bool(reply)) - isinstance(request, Join)
    finally:
        moves.close()
    for _ in range(running):
        yield Join()
    return Outcome("gate")
