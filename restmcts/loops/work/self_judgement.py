"""The policy as the judge of its own finished traces (Self-Rewarding, arXiv 2401.10020)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
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
from store.events import FREE, Step
from store.records import Metric
from store.tree import Tree

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

    Args:
        policy: the name of the policy that judges.
        tokens: what a prompted judge may generate; the traces of the first trees are judged that it pays for.

    Raises:
        PhaseError: no trace is judged.
        InputError: the tokens do not pay for the judgements of one trace.
    """
    trees = list(run.trees(search))
    if settings.judge == "prompted":
        scores, judged = _prompted(run, phase, trees, policy, settings, tokens)
    else:
        scores = {
            (record.header.id, node.id): likelihood(tree.steps(node.id))
            for record, tree in trees
            for node in tree.finished()
        }
        judged = [Judgement(score, unreadable=int(score is None)) for score in scores.values()]
    known = {place: score for place, score in scores.items() if score is not None}
    unreadable = sum(each.unreadable for each in judged)
    if not known:
        raise PhaseError(
            f"{phase}: no trace of {search} is judged ({unreadable} judgements are unreadable): a policy that"
            ' cannot judge in words may do with loop_settings.judge = "likelihood"'
        )
    labels = [(record.header.id, _labels(record.header.id, tree, known)) for record, tree in trees]
    run.writer.write_labels(search, RULE, labels)
    _note_ranking(run, phase, iteration, trees, known)
    cost = sum((each.cost for each in judged), FREE)
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


def _labels(name: str, tree: Tree, known: Mapping[Place, float]) -> tuple[float | None, ...]:
    return tuple(known.get((name, node.id)) for node in tree.nodes)


def _prompted(
    run: Run,
    phase: str,
    trees: Sequence[VerifiedTree],
    policy: str,
    settings: SelfJudgement,
    tokens: int | None,
) -> tuple[dict[Place, float | None], list[Judgement]]:
    """What the policy says about each trace, as shares of all points; and its judgements."""
    traces = [
        _Trace((record.header.id, node.id), record.header.question, tree.text(node.id))
        for record, tree in trees
        for node in tree.finished()
    ]
    run.note_uses(phase, ENGINES, [run.recipe.models.engine])
    with closing(open_policy(run.folder(policy), run.recipe.models, name=policy)) as model:
        found = asyncio.run(_ask(run, phase, traces, model, settings, tokens))
    if left := len(traces) - len(found):
        run.progress.note(f"{phase}: {left} of {len(traces)} traces are not judged: the tokens are spent")
    if long := sum(not each.asked for each in found.values()):
        run.progress.note(f"{phase}: {long} traces are too long to be judged")
    points = {place: each.points for place, each in found.items()}
    shares = {place: None if value is None else value / MOST_POINTS for place, value in points.items()}
    return shares, list(found.values())


async def _ask(
    run: Run,
    phase: str,
    traces: Sequence[_Trace],
    model: Policy,
    settings: SelfJudgement,
    tokens: int | None,
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
        async with at_once:
            seed = run.seed(phase, *map(str, trace.place)) % 2**63
            found[trace.place] = await judge.judge(trace.problem, trace.text, seed)
        run.progress.update(len(found), {})

    run.progress.start(phase, "label", len(traces))
    for wave in waves(traces, judge.most_tokens, tokens, lambda trace: found[trace.place].cost.generated):
        await all_of(list(map(ask, wave)))
    return found


def _note_ranking(
    run: Run, phase: str, iteration: int, trees: Sequence[VerifiedTree], known: Mapping[Place, float]
) -> None:
    """Measure how well the judgements tell right from wrong traces; no sample depends on it."""
    verdicts = [
        (known[record.header.id, node.id], node.correct)
        for record, tree in trees
        for node in tree.finished()
        if node.correct is not None and (record.header.id, node.id) in known
    ]
    ranking = auc([score for score, _ in verdicts], [float(right) for _, right in verdicts])
    if ranking is not None:
        run.writer.add_metric(Metric("", phase, iteration, "judge.auc", ranking))
