"""The policy as the judge of its own finished traces (Self-Rewarding, arXiv 2401.10020)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from math import exp
from typing import Literal

from pydantic import Field

from restmcts.engines.base import Policy
from restmcts.engines.open import open_policy
from restmcts.engines.prompted.judge import MOST_POINTS, Judgement, PromptedJudge
from restmcts.engines.registry import ENGINES
from restmcts.errors import InputError, PhaseError
from restmcts.evaluation.data_figures import auc
from restmcts.loops.results import Judged
from restmcts.loops.run import Run
from restmcts.loops.work.waves import waves
from restmcts.samples.trees import VerifiedTree
from restmcts.search.running.jobs import all_of
from restmcts.settings import Settings
from store.events import FREE, Cost, Step
from store.records import Metric, TraceJudgement
from store.runs.judgements import JudgementFile

RULE = "judge"
"""The name under which judgements are stored, as labels of the finished nodes."""


Place = tuple[str, int]
"""Where a trace is: the name of its tree, and the number of its last node."""


class SelfJudgement(Settings):
    """How a policy judges its own traces."""

    judge: Literal["prompted", "likelihood"] = Field(
        default="prompted",
        description=(
            "`prompted` asks the policy for up to five points; `likelihood` takes the mean log-probability of"
            " the tokens of the trace, for policies too small to judge"
        ),
    )
    judgements: int = Field(
        default=3, ge=1, description="with `prompted`: judgements of a trace that are averaged"
    )
    reasons: bool = Field(
        default=True,
        description=(
            "with `prompted`: ask for reasons before the points; without them, a judgement is a number, and"
            " `judge_tokens` may be 8"
        ),
    )
    judge_tokens: int = Field(default=128, ge=8, description="with `prompted`: longest judgement, in tokens")
    judge_share: float = Field(
        default=0.5,
        gt=0,
        lt=1,
        description="with `prompted`: the share of `generation.tokens` that is kept for judging",
    )

    def split(self, tokens: int | None) -> tuple[int | None, int | None]:
        """The tokens of an iteration as tokens to sample traces with, and tokens to judge them with."""
        if tokens is None or self.judge == "likelihood":
            return tokens, None
        kept = round(tokens * self.judge_share)
        return tokens - kept, kept


@dataclass(frozen=True, slots=True)
class _Trace:
    """A finished trace that is to be judged: where it is, and what it says."""

    place: Place
    problem: str
    text: str

    @property
    def digest(self) -> str:
        """A digest of what is judged."""
        return sha256(f"{self.problem}\n{self.text}".encode("utf-8", "surrogatepass")).hexdigest()[:16]


def judge_traces(
    run: Run,
    phase: str,
    iteration: int,
    search: str,
    policy: str,
    settings: SelfJudgement,
    tokens: int | None,
) -> Judged:
    """Judge the finished traces of the phase ``search``; store a label from 0 to 1 of each.

    The judgements of a prompted judge are stored one by one, so an interrupted phase goes on where it was.

    Args:
        policy: the name of the policy that judges.
        tokens: what a prompted judge may generate; the traces of the first trees are judged that it pays for.

    Raises:
        PhaseError: no trace is judged.
        InputError: the tokens do not pay for the judgements of one trace.
    """
    if settings.judge == "prompted":
        judgements = _prompted(run, phase, search, policy, settings, tokens)
        shares = {
            place: None if each.points is None else each.points / MOST_POINTS
            for place, each in judgements.items()
        }
        unreadable = sum(each.unreadable for each in judgements.values())
        cost = sum((each.cost for each in judgements.values()), FREE)
    else:
        shares = {
            (record.header.id, node.id): likelihood(tree.steps(node.id))
            for record, tree in run.trees(search)
            for node in tree.finished()
        }
        unreadable, cost = sum(share is None for share in shares.values()), FREE
    known = {place: share for place, share in shares.items() if share is not None}
    if not known:
        raise PhaseError(
            f"{phase}: no trace of {search} is judged ({unreadable} judgements are unreadable): a policy that"
            ' cannot judge in words may do with loop_settings.judge = "likelihood"'
        )
    verdicts: list[tuple[float, bool]] = []
    run.writer.write_labels(search, RULE, _labels(run.trees(search), known, verdicts))
    _note_ranking(run, phase, iteration, verdicts)
    return Judged(
        search=search,
        judged=len(known),
        unreadable=unreadable,
        policy_tokens=cost.generated,
        critic_tokens=cost.critic,
        calls=cost.calls,
    )


def likelihood(steps: Sequence[Step]) -> float | None:
    """The geometric mean of the probabilities of the tokens of a trace, 0 to 1; None where one is unknown."""
    tokens = sum(len(step.tokens) for step in steps)
    total = 0.0
    for step in steps:
        if step.logprob is None:
            return None
        total += step.logprob
    return min(1.0, exp(total / tokens)) if tokens else None


def _labels(
    trees: Iterable[VerifiedTree], known: Mapping[Place, float], verdicts: list[tuple[float, bool]]
) -> Iterator[tuple[str, tuple[float | None, ...]]]:
    """The labels of each tree; ``verdicts`` takes in what is known about the traces that have one."""
    for record, tree in trees:
        name = record.header.id
        labels = tuple(known.get((name, node.id)) for node in tree.nodes)
        for node in tree.finished():
            label = labels[node.id]
            if label is not None and node.correct is not None:
                verdicts.append((label, node.correct))
        yield name, labels


def _prompted(
    run: Run, phase: str, search: str, policy: str, settings: SelfJudgement, tokens: int | None
) -> dict[Place, Judgement]:
    """What the policy says about each trace that the tokens pay for."""
    traces = [
        _Trace((record.header.id, node.id), record.header.question, tree.text(node.id))
        for record, tree in run.trees(search)
        for node in tree.finished()
    ]
    run.note_uses(phase, ENGINES, [run.recipe.models.engine])
    with (
        closing(open_policy(run.folder(policy), run.recipe.models, name=policy)) as model,
        JudgementFile(run.writer.layout, phase) as file,
    ):
        found = asyncio.run(_ask(run, phase, traces, model, settings, tokens, file))
        file.seal(_stored(trace, found[trace.place]) for trace in traces if trace.place in found)
    if left := len(traces) - len(found):
        run.progress.note(f"{phase}: {left} of {len(traces)} traces are not judged: the tokens are spent")
    if long := sum(not each.replies for each in found.values()):
        run.progress.note(f"{phase}: {long} traces are too long to be judged")
    return found


async def _ask(
    run: Run,
    phase: str,
    traces: Sequence[_Trace],
    model: Policy,
    settings: SelfJudgement,
    tokens: int | None,
    file: JudgementFile,
) -> dict[Place, Judgement]:
    judge = PromptedJudge(model, settings.judgements, settings.judge_tokens, reasons=settings.reasons)
    if tokens is not None and tokens < judge.most_tokens:
        raise InputError(
            f"{phase}: {tokens} tokens for judging do not pay for one trace, which may take"
            f" {judge.most_tokens}: raise generation.tokens or loop_settings.judge_share"
        )
    found: dict[Place, Judgement] = {}
    at_once = asyncio.Semaphore(run.recipe.concurrency)

    async def ask(trace: _Trace) -> None:
        before = file.found.get((*trace.place, trace.digest))
        if before is not None:
            found[trace.place] = _judgement(before)
        else:
            async with at_once:
                seed = run.seed(phase, *map(str, trace.place)) % 2**63
                found[trace.place] = await judge.judge(trace.problem, trace.text, seed)
            file.add(_stored(trace, found[trace.place]))
        run.progress.update(len(found), {})

    run.progress.start(phase, "label", len(traces))
    for wave in waves(traces, judge.most_tokens, tokens, lambda trace: found[trace.place].cost.generated):
        await all_of(list(map(ask, wave)))
    return found


def _stored(trace: _Trace, judged: Judgement) -> TraceJudgement:
    cost, (tree, node) = judged.cost, trace.place
    return TraceJudgement(
        tree,
        node,
        trace.digest,
        judged.points,
        judged.unreadable,
        cost.critic,
        cost.prompt,
        cost.calls,
        judged.replies,
    )


def _judgement(stored: TraceJudgement) -> Judgement:
    cost = Cost(critic=stored.critic, prompt=stored.prompt, calls=stored.calls)
    return Judgement(stored.points, stored.unreadable, cost, stored.replies)


def _note_ranking(run: Run, phase: str, iteration: int, verdicts: Sequence[tuple[float, bool]]) -> None:
    """Measure how well the judgements tell right from wrong traces; no sample depends on it."""
    ranking = auc([score for score, _ in verdicts], [float(right) for _, right in verdicts])
    if ranking is not None:
        run.writer.add_metric(Metric("", phase, iteration, "judge.auc", ranking))
