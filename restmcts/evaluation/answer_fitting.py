"""Constants of the answer rules, fitted on trees whose right steps and answers are known.

Three things are fitted, each only where there is enough to fit it to:

- the weights of policy, value and bias in the posterior of steps, by a conditional logit: at a partial
  solution that is right, one of the steps that were drawn is the right one, or a step that was not drawn is;
- the weight of a vote by the value of its solution, by isotonic regression;
- the probability that an answer is right by the confidence that a rule gives it, by isotonic regression,
  where that predicts the verdicts of other problems better than the confidence itself.

Trees are looked at as they were after 1, 2, 4, 8, … samples, and at their end. So there are partial solutions
whose right step was drawn later, and answers that were as sure as those of small budgets are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import log

from store.answering.constants import DEFAULTS, AnswerConstants, Curve, Probabilities, StepValues, at
from store.answering.posterior import LEAST_LEFT, log_odds, step_probabilities, step_value
from store.answering.rules import RULES, SURE
from store.events import Expanded, Extended, SearchRecord, Verified
from store.tree import Node, Tree

LEAST_PROBLEMS = 20
"""Problems that something is fitted to; with fewer it keeps its default."""

LEAST_OF_EACH = 10
"""Right and wrong cases that something is fitted to."""

MOST_POINTS = 20
"""Points of a fitted curve."""

PRIOR_CASES = 20.0
"""Cases by which a curve is drawn to the identity: a problem is one, however many answers of it were seen."""

_GRID = 21
_FOLDS = 5

SUREST = 0.99
"""Fitted probabilities are between 1 - ``SUREST`` and ``SUREST``: a few hundred cases show no more."""

PRIOR_WIDTH = 1.0
"""The width of the normal prior of each weight around its default, for where the data say nothing."""


@dataclass(frozen=True, slots=True)
class KnownTree:
    """A verified search with what is known about its nodes, by number.

    Attributes:
        record: the search.
        values: the value of each partial solution, 0 to 1; None where it was not read.
        right: whether each partial solution is right; None where nobody knows.
    """

    record: SearchRecord
    values: Sequence[float | None]
    right: Sequence[bool | None]


@dataclass(frozen=True, slots=True)
class Fitted:
    """Fitted constants.

    Attributes:
        constants: what was fitted, and defaults for the rest.
        counts: how many problems, partial solutions and answers they were fitted to.
        notes: what kept its default, and why.
    """

    constants: AnswerConstants
    counts: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def fit_constants(trees: Sequence[KnownTree], step_values: StepValues) -> Fitted:
    """Fit the constants of the answer rules to verified trees.

    Args:
        trees: of problems that the value model was not trained on.
        step_values: how the value of a step follows from those of partial solutions.
    """
    constants = replace(DEFAULTS, step_values=step_values)
    counts: dict[str, int] = {"problems": len({tree.record.header.problem for tree in trees})}
    notes: list[str] = []
    choices = {kind: list(choices_in(trees, replace(constants, probabilities=kind))) for kind in _KINDS}
    few = _too_few([(one.problem, bool(one.right)) for one in choices["logprob"]], both=False)
    counts["partial_solutions"] = len(choices["logprob"])
    if few:
        notes.append(f"policy, value and bias: {few}")
    else:
        constants = _best_weights(choices, constants)
    votes = list(_solutions(trees))
    counts["solutions"] = len(votes)
    few = _too_few([(problem, correct) for problem, _, correct, _ in votes])
    if few:
        notes.append(f"vote: {few}")
    else:
        constants = replace(
            constants,
            vote=rising([one[1] for one in votes], [one[2] for one in votes], [one[3] for one in votes]),
        )
    confidence: dict[str, Curve] = {}
    for rule, answers in _answers(trees, constants).items():
        few = _too_few([(problem, correct) for problem, _, correct in answers])
        if few:
            notes.append(f"confidence of {rule}: {few}")
        else:
            curve = confidence_curve(answers)
            if curve:
                confidence[rule] = curve
            else:
                notes.append(f"confidence of {rule}: it is a probability as it is")
    return Fitted(replace(constants, confidence=confidence), counts, tuple(notes))


def _too_few(cases: Sequence[tuple[str, bool]], *, both: bool = True) -> str:
    """Why there is not enough to fit something to; "" where there is. A case is a problem and a verdict."""
    problems, right = len({problem for problem, _ in cases}), sum(correct for _, correct in cases)
    wrong = len(cases) - right
    if problems < LEAST_PROBLEMS:
        return f"{problems} held-out problems are fewer than {LEAST_PROBLEMS}"
    if right < LEAST_OF_EACH or (both and wrong < LEAST_OF_EACH):
        return f"{right} right and {wrong} wrong cases are fewer than {LEAST_OF_EACH} of each"
    return ""


_KINDS: tuple[Probabilities, ...] = ("logprob", "share", "mean-logprob")


@dataclass(frozen=True, slots=True)
class Choice:
    """The steps that were drawn at a partial solution that is right.

    Attributes:
        problem: the problem.
        log_probabilities: of each step that was drawn.
        log_odds: of the value of each; 0 without a value.
        left: the logarithm of the share of the policy that was not drawn.
        right: the places of the steps that are right; empty: the right step was not drawn.
    """

    problem: str
    log_probabilities: tuple[float, ...]
    log_odds: tuple[float, ...]
    left: float
    right: tuple[int, ...]


def moments(tree: KnownTree) -> Iterator[Tree]:
    """The tree after 1, 2, 4, 8, … samples joined it, and at its end, with the known values.

    It is the same object every time.
    """
    growing, samples, wanted = Tree(), 0, 1
    last = len(tree.record.events) - 1
    for place, event in enumerate(tree.record.events):
        if not isinstance(event, Verified):
            growing.apply(event)
        samples += sum(event.samples) if isinstance(event, Expanded) else isinstance(event, Extended)
        # What was said about the nodes that joined follows in the events after it.
        following = tree.record.events[place + 1] if place < last else None
        if place == last or (samples >= wanted and isinstance(following, Expanded | Extended)):
            while wanted <= samples:
                wanted *= 2
            for node in growing.nodes:
                node.score = tree.values[node.id]
                node.value = node.score or 0.0
            yield growing


def choices_in(trees: Iterable[KnownTree], constants: AnswerConstants) -> Iterator[Choice]:
    """Every set of steps that was drawn at a right partial solution, once."""
    for known in trees:
        seen: set[tuple[int, int]] = set()
        for tree in moments(known):
            for node in tree.nodes:
                children = tree.children(node.id)
                place = node.id, len(children)
                on_the_way = node.parent is None or known.right[node.id] is True
                if not children or node.finished or not on_the_way or place in seen:
                    continue
                seen.add(place)
                right = [known.right[child.id] for child in children]
                if None not in right:
                    yield _choice(known.record.header.problem, tree, children, right, constants)


def _choice(
    problem: str,
    tree: Tree,
    children: Sequence[Node],
    right: Sequence[bool | None],
    constants: AnswerConstants,
) -> Choice:
    probabilities = step_probabilities(children, constants)
    values = [step_value(tree, child, constants) for child in children]
    return Choice(
        problem,
        tuple(log(max(p, 1e-20)) for p in probabilities),
        tuple(0.0 if value is None else log_odds(value) for value in values),
        log(max(LEAST_LEFT, 1.0 - sum(probabilities))),
        tuple(place for place, one in enumerate(right) if one),
    )


def _best_weights(choices: dict[Probabilities, list[Choice]], constants: AnswerConstants) -> AnswerConstants:
    """The constants with the weights, and the kind of probabilities, that make the right steps likeliest."""
    best, least = constants, float("inf")
    for kind, found in choices.items():
        weights, loss = fit_weights(found)
        if loss < least:
            policy, value, bias = weights
            best, least = replace(constants, policy=policy, value=value, bias=bias, probabilities=kind), loss
    return best


def fit_weights(choices: Sequence[Choice]) -> tuple[tuple[float, float, float], float]:
    """The weights of policy, value and bias by maximum likelihood with a weak prior.

    Returns:
        The weights, rounded to four digits, and the loss: minus the logarithm of likelihood and prior.
    """
    import numpy as np
    from scipy.optimize import minimize

    group = np.repeat(np.arange(len(choices)), [len(one.log_odds) for one in choices])
    policy = np.array([p for one in choices for p in one.log_probabilities])
    value = np.array([odds for one in choices for odds in one.log_odds])
    right = np.array([place in one.right for one in choices for place in range(len(one.log_odds))])
    left = np.array([one.left for one in choices])
    drawn = np.array([bool(one.right) for one in choices])
    start = np.array([DEFAULTS.policy, DEFAULTS.value, DEFAULTS.bias])

    def loss(weights: np.ndarray) -> float:
        weight = np.exp(weights[0] * policy + weights[1] * value + weights[2])
        rest = np.exp(weights[0] * left)
        whole = rest + np.bincount(group, weight, len(choices))
        hit = np.where(drawn, np.bincount(group, weight * right, len(choices)), rest)
        prior = ((weights - start) ** 2).sum() / (2 * PRIOR_WIDTH**2)
        return float(prior - (np.log(np.maximum(hit, 1e-300)) - np.log(whole)).sum())

    found = minimize(loss, start, method="L-BFGS-B", bounds=[(0.0, 5.0), (0.0, 5.0), (-5.0, 5.0)])
    alpha, beta, gamma = (round(float(weight), 4) for weight in found.x)
    return (alpha, beta, gamma), float(found.fun)


def _solutions(trees: Iterable[KnownTree]) -> Iterator[tuple[str, float, bool, float]]:
    """The problem, the value, the verdict and the share of the samples of each finished solution."""
    for known in trees:
        tree = Tree()
        for event in known.record.events:
            tree.apply(event)
        nodes = [node for node in tree.finished() if node.correct is not None]
        samples = sum(max(1, node.samples) for node in nodes)
        for node in nodes:
            value = known.values[node.id]
            if value is not None and node.correct is not None:
                yield known.record.header.problem, value, node.correct, max(1, node.samples) / samples


def _answers(
    trees: Iterable[KnownTree], constants: AnswerConstants
) -> dict[str, list[tuple[str, float, bool]]]:
    """By rule the problem, the confidence and the verdict of each answer that trees had at some moment."""
    found: dict[str, list[tuple[str, float, bool]]] = {rule: [] for rule in SURE}
    for known in trees:
        verdicts = _verdicts(known.record)
        for tree in moments(known):
            for rule, answers in found.items():
                answer = RULES[rule].run(tree, constants)
                correct = None if answer is None else verdicts.get(answer.text)
                if answer is not None and answer.confidence is not None and correct is not None:
                    answers.append((known.record.header.problem, answer.confidence, correct))
    return found


def confidence_curve(answers: Sequence[tuple[str, float, bool]]) -> Curve:
    """The probability of being right by confidence; empty where other problems say no curve is better.

    Args:
        answers: the problem, the confidence and the verdict of each. A problem counts as one case.
    """
    problems = {problem: place for place, problem in enumerate(dict.fromkeys(one[0] for one in answers))}
    raw = fitted = 0.0
    for fold in range(_FOLDS):
        inside = [one for one in answers if problems[one[0]] % _FOLDS != fold]
        outside = [one for one in answers if problems[one[0]] % _FOLDS == fold]
        raw += _log_loss((), outside)
        fitted += _log_loss(_curve_of(inside), outside)
    return _curve_of(answers) if fitted < raw else ()


def _curve_of(answers: Sequence[tuple[str, float, bool]]) -> Curve:
    return rising([one[1] for one in answers], [one[2] for one in answers], _cases(answers))


def _cases(answers: Sequence[tuple[str, float, bool]]) -> list[float]:
    seen = Counter(problem for problem, _, _ in answers)
    return [1 / seen[problem] for problem, _, _ in answers]


def _log_loss(curve: Curve, answers: Sequence[tuple[str, float, bool]]) -> float:
    """How badly a curve predicts verdicts: minus the logarithm of their probability, added up."""
    chances = [min(SUREST, max(1 - SUREST, at(curve, confidence))) for _, confidence, _ in answers]
    pairs = zip(chances, answers, _cases(answers), strict=True)
    return -sum(cases * log(chance if one[2] else 1 - chance) for chance, one, cases in pairs)


def _verdicts(record: SearchRecord) -> dict[str, bool]:
    tree = Tree()
    for event in record.events:
        tree.apply(event)
    answered = [node for node in tree.finished() if node.answer is not None and node.correct is not None]
    return {node.answer or "": bool(node.correct) for node in answered}


def rising(x: Sequence[float], y: Sequence[bool], weights: Sequence[float] | None = None) -> Curve:
    """The probability of ``y`` as a rising function of ``x``, both 0 to 1: centered isotonic regression.

    Isotonic regression gives steps. Each step becomes a point at its mean x, so that the function rises
    between them and different ``x`` stay different (Oron and Flournoy, Statistics in Biopharmaceutical
    Research 2017). ``PRIOR_CASES`` cases that say that x is the probability already are spread over 0 to 1.

    Args:
        weights: how many cases each counts for; None: one.

    Returns:
        At most ``MOST_POINTS`` points.
    """
    import numpy as np
    from sklearn.isotonic import IsotonicRegression

    grid = np.linspace(0, 1, _GRID)
    # Between points that are nearly equal, scikit-learn divides by nearly nothing.
    place = np.concatenate([np.asarray(x, float), grid]).round(6)
    seen = np.concatenate([np.asarray(y, float), grid])
    cases = np.concatenate(
        [
            np.ones(len(x)) if weights is None else np.asarray(weights, float),
            np.full(_GRID, PRIOR_CASES / _GRID),
        ]
    )
    levels = IsotonicRegression(y_min=1 - SUREST, y_max=SUREST).fit(place, seen, cases).predict(place)
    steps = np.unique(levels)
    centers = [float(np.average(place[levels == step], weights=cases[levels == step])) for step in steps]
    kept = np.unique(np.linspace(0, len(steps) - 1, min(MOST_POINTS, len(steps))).round().astype(int))
    points = {round(centers[step], 4): round(float(steps[step]), 4) for step in kept}
    return tuple(sorted(points.items()))
