"""Gives stored traces the values of another value model.

Traces that were sampled without guidance do not depend on values. So they are sampled once, and every value
model values the same ones: searches that differ in their ``valued`` events and in the answer alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from restmcts.errors import EngineError, InputError
from restmcts.problems.problem import Problem
from restmcts.search.methods.sampling import value_trace
from restmcts.search.moves import Moves, Outcome
from restmcts.search.recorder import Recorder
from restmcts.search.registry import METHODS, method_settings
from restmcts.search.running.task import SearchTask
from restmcts.search.settings import Method
from store.events import Critiqued, Extended, SearchRecord, Stopped, Valued, Verified
from store.tree import Node


def revaluing_task(record: SearchRecord, problem: Problem, phase: str, rules: Sequence[str]) -> SearchTask:
    """The task of valuing the traces of a stored search again, in the phase ``phase``.

    Args:
        record: the search; its method samples traces.
        problem: its problem.
        phase: where the search is stored with its new values, under the same number.
        rules: the answer rules that it will be read by; the first one gives its answer.

    Raises:
        InputError: the search was guided by values, so that other values would have made other traces.
    """
    header, events = record.header, record.events
    guided = any(
        not isinstance(event, Critiqued | Extended | Stopped | Valued | Verified) for event in events
    )
    if guided or record.result.reason == "gate":
        raise InputError(
            f"{header.id}: a search by {header.method!r} that was guided by values cannot be valued again:"
            " take independent traces without early stop"
        )
    fields = METHODS.get(header.method, header.id).settings.model_fields
    known = {name: value for name, value in header.settings.items() if name in fields}
    values = {**known, "early_stop": False, "answer_by": rules[0], "read_by": list(rules)}
    values["constants"] = None  # those of the other value model hold
    return SearchTask(
        problem=problem,
        method=header.method,
        settings=method_settings(header.method, values, header.id),
        seed=header.seed,
        phase=phase,
        number=int(header.id.rpartition("/")[2]),
        stored=events,
    )


def value_again(recorder: Recorder, task: SearchTask) -> Moves:
    """Repeat the events of a stored search, and value its traces where they joined.

    The events keep what they cost, except for the values that are replaced.

    Raises:
        EngineError: the stored search has failed.
    """
    assert task.stored is not None
    settings: Method = task.settings
    trace: list[Node] = []
    outcome = Outcome("samples")
    for event in task.stored:
        if isinstance(event, Extended):
            yield from value_trace(recorder, trace, settings)
            trace = recorder.emit(event)
        elif isinstance(event, Critiqued):
            recorder.emit(event)
        elif isinstance(event, Stopped):
            if event.reason == "failed":
                raise EngineError(event.message or "the stored search has failed")
            yield from value_trace(recorder, trace, settings)
            recorder.spend(event.cost)
            outcome = Outcome(event.reason)
    return outcome


def paid_before(task: SearchTask) -> int:
    """The tokens that language models generated for a stored search, without those of its values."""
    events = task.stored or ()
    return sum(event.cost.generated for event in events if not isinstance(event, Valued | Verified))
