"""The table of a comparison of verifiers: what each chooses among the same traces."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from restmcts.evaluation.reading.ceiling import PASS_AT_K
from restmcts.evaluation.statistics import Interval
from restmcts.evaluation.verification import (
    Score,
    Verdicts,
    accuracy,
    against,
    answered,
    any_right,
    log_probability,
    pass_at_1,
    right_shares,
    step_auc,
    trace_auc,
    value_of,
)
from restmcts.labels import any_correct
from restmcts.loops.results import Evaluated, Searched
from restmcts.loops.run import Run
from restmcts.loops.work.sharing import number_of
from restmcts.problems.problem import Problem
from store.events import SearchRecord
from store.records import CEILING, Evaluation, Outcomes
from store.tree import Tree, fold

RANKINGS = ("best-last", "best-minimum", "best-product")
"""The answer rules by which a verifier may choose one trace; validation problems decide between them."""

VOTE = "value-vote"
"""The answer rule by which a verifier weights the votes of Self-Consistency."""

LIKELIEST = "best-likelihood"
"""The answer rule that chooses the likeliest trace."""

SELF_CONSISTENCY = "self-consistency"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A trained verifier, with the phases in which it valued traces.

    ``tokens``: what was generated for the trees that it has learned from; ``start_tokens``: the same of the
    model that all verifiers start from.
    """

    name: str
    tokens: int
    start_tokens: int
    validation: Searched
    test: Searched


@dataclass(frozen=True, slots=True)
class Row:
    """A way to choose among the traces of each problem: its verdicts, and further figures by name.

    ``searched``: the phase of the traces; ``rule``: the answer rule that chose.
    """

    method: str
    searched: str
    rule: str
    verdicts: Verdicts
    figures: dict[str, Any]
    value_tokens: float = 0.0


def verifier_table(run: Run, phase: str, *, sampled: Searched, candidates: Sequence[Candidate]) -> Evaluated:
    """Measure all ways to choose among the traces of the phase ``sampled``; one row each.

    Each verifier has two rows: it chooses one trace, by the answer rule that does best on validation
    problems, and it weights the votes of Self-Consistency. Beside them stand one trace alone, the vote, the
    likeliest trace (the control without a verifier), and the best possible choice.
    """
    traces = list(run.writer.read_trees(sampled.phase))
    shares = right_shares(traces)
    trees = [(record, fold(record.events)) for record in traces]
    found = answered(traces, ["majority", LIKELIEST])
    of_likelihood = rankings(run, trees, log_probability)
    vote = found.verdicts["majority"]
    rows = [
        Row(SELF_CONSISTENCY, sampled.phase, "majority", vote, {}),
        Row("likelihood", sampled.phase, LIKELIEST, found.verdicts[LIKELIEST], of_likelihood),
        *(row for candidate in candidates for row in _rows(run, candidate)),
        Row(PASS_AT_K, sampled.phase, CEILING, any_right(traces), {}),
    ]
    mean = _shown("pass@1", None, pass_at_1(shares), len(shares), found.policy_tokens, 0.0, {})
    written = [(mean, outcomes_of_traces(phase, mean, sampled.phase, shares, traces))]
    for row in rows:
        figures = row.figures | {"against_vote": against(row.verdicts, vote)}
        known = sum(verdict is not None for verdict in row.verdicts.values())
        tokens = found.policy_tokens, row.value_tokens
        line = _shown(row.method, row.rule, accuracy(row.verdicts), known, *tokens, figures)
        written.append((line, outcomes_of_traces(phase, line, row.searched, row.verdicts, traces)))
    for line, behind in written:
        run.writer.add_evaluation(_evaluation(phase, line))
        run.writer.add_outcomes(behind)
    shown = [line for line, _ in written]
    return Evaluated(**vars(sampled) | {"phase": phase, "policy_tokens": 0}, rows=shown)


def _rows(run: Run, candidate: Candidate) -> Iterator[Row]:
    tried = answered(run.writer.read_trees(candidate.validation.phase), RANKINGS).verdicts
    validated = {rule: accuracy(tried[rule]).value for rule in RANKINGS}
    rule = max(validated, key=validated.__getitem__)
    trees = [(record, fold(record.events)) for record in run.writer.read_trees(candidate.test.phase)]
    found = answered((record for record, _ in trees), [rule, VOTE])
    tokens = {"training_tokens": candidate.tokens, "start_tokens": candidate.start_tokens}
    figures = tokens | rankings(run, trees)
    chosen = figures | {"validation": validated}
    phase = candidate.test.phase
    yield Row(candidate.name, phase, rule, found.verdicts[rule], chosen, found.value_tokens)
    name = f"{SELF_CONSISTENCY} + {candidate.name}"
    yield Row(name, phase, VOTE, found.verdicts[VOTE], figures, found.value_tokens)


def outcomes_of_traces(
    phase: str,
    row: dict[str, Any],
    searched: str,
    shares: Mapping[str, float | None],
    traces: Sequence[SearchRecord],
) -> Outcomes:
    """What each problem was worth behind a row of the phase ``phase``, from the searches of ``searched``."""
    return Outcomes(
        run="",
        phase=phase,
        method=row["method"],
        rule=row["rule"] or "",
        budget=None,
        problems=tuple(trace.header.problem for trace in traces),
        numbers=tuple(number_of(trace) for trace in traces),
        shares=tuple(_as_share(shares[trace.header.problem]) for trace in traces),
        tokens=tuple(float(trace.result.cost.generated) for trace in traces),
        trees_phase=searched,
    )


def _as_share(verdict: float | None) -> float | None:
    return None if verdict is None else float(verdict)


def rankings(
    run: Run, trees: Sequence[tuple[SearchRecord, Tree]], score: Score = value_of
) -> dict[str, dict[str, float]]:
    """How well whole traces, and partial solutions, are ranked by a score."""
    problems = {problem.id: problem for problem in run.problems.test}
    with_good = ((record, tree, good_nodes(run, problems, record, tree)) for record, tree in trees)
    return {"trace_auc": trace_auc(trees, score), "step_auc": step_auc(with_good, score)}


def good_nodes(run: Run, problems: dict[str, Problem], record: SearchRecord, tree: Tree) -> set[int]:
    """The nodes whose steps are all right: by what the data set knows, else by the verdicts below them."""
    problem, hits = problems[record.header.problem], any_correct(tree)
    known = {node.id: run.data_set.right_step(problem, tree.text(node.id)) for node in tree.nodes[1:]}
    return {node for node, right in known.items() if (hits[node] == 1.0 if right is None else right)}


def _shown(
    method: str,
    rule: str | None,
    share: Interval,
    problems: int,
    policy_tokens: float,
    value_tokens: float,
    figures: dict[str, Any],
) -> dict[str, Any]:
    return {
        "method": method,
        "rule": rule,
        "budget": None,
        "traces": None,
        "accuracy": share.value,
        "low": share.low,
        "high": share.high,
        "problems": problems,
        "policy_tokens": policy_tokens,
        "value_tokens": value_tokens,
        **figures,
    }


def _evaluation(phase: str, row: dict[str, Any]) -> Evaluation:
    return Evaluation(
        run="",
        phase=phase,
        iteration=0,
        method=row["method"],
        budget=None,
        traces=None,
        problems=row["problems"],
        correct=round(row["accuracy"] * row["problems"]),
        accuracy=row["accuracy"],
        low=row["low"],
        high=row["high"],
        policy_tokens=row["policy_tokens"],
        value_tokens=row["value_tokens"],
        rule=row["rule"],
    )
