"""What a run is still going to take, from its first searches: told and asked for where that is long.

Nothing is searched for the forecast alone. It follows from the first searches of the run, which are kept, and
from phases that the run has finished.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from restmcts.loops.planning.plan import Counts, PlannedPhase, Sizes
from restmcts.loops.planning.planned_phases import planned
from restmcts.problems.splits import Splits
from restmcts.recipe import Recipe
from restmcts.search.running.task import SearchTask
from store.events import SearchRecord
from store.files.journal import Phase

LONG_SECONDS = 600.0
"""Work that is expected to take longer is asked for."""

PROBE_SECONDS = 20.0
"""So long a run has to have searched before a forecast is made."""

PROBE_SEARCHES = 4
"""So many searches have to have ended before a forecast is made, and of a method before its mean counts."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What is left of a piece of work; None: nothing tells."""

    name: str
    searches: int | None
    tokens: int | None
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is left to do, piece by piece; ``searches``: how many searches tell."""

    searches: int
    rows: tuple[Expected, ...]

    @property
    def seconds(self) -> float:
        """The sum of what is known."""
        return sum(row.seconds for row in self.rows if row.seconds is not None)


@dataclass(slots=True)
class Probe:
    """The searches of a phase that have ended since it was started last: tokens and budgets by method."""

    ended: dict[str, list[tuple[int, int | None]]] = field(default_factory=lambda: defaultdict(list))

    def add(self, record: SearchRecord) -> None:
        self.ended[record.header.method].append((record.result.cost.generated, record.header.budget))

    @property
    def searches(self) -> int:
        return sum(map(len, self.ended.values()))

    @property
    def tokens(self) -> int:
        return sum(tokens for known in self.ended.values() for tokens, _ in known)

    def expected(self, task: SearchTask) -> float:
        """The tokens that a search probably takes.

        It follows from the searches by its method, else from all: from the share of their budgets that they
        took where it has a budget, else from their mean.
        """
        own = self.ended.get(task.method, [])
        known = (
            own if len(own) >= PROBE_SEARCHES else [pair for pairs in self.ended.values() for pair in pairs]
        )
        shares = [tokens / budget for tokens, budget in known if budget]
        if task.budget is not None:
            return task.budget * min(1.0, fmean(shares) if shares else 1.0)
        return fmean(tokens for tokens, _ in known)


@dataclass(frozen=True, slots=True)
class Stand:
    """Where a run stands: its recipe, its problems, and the phases that it has started."""

    recipe: Recipe
    problems: Splits
    phases: Sequence[Phase]


@dataclass(slots=True)
class Preview:
    """Asks once in a process whether a run is to go on, where it is expected to take long.

    Attributes:
        ask: tells the forecast, and returns whether to go on.
        whole_loop: the phases that the recipe plans after the present one count too.
        searched: the seconds that were searched in phases before.
        made: a forecast was made.
    """

    ask: Callable[[Forecast], Awaitable[bool]]
    whole_loop: bool = False
    searched: float = 0.0
    made: bool = False

    def due(self, probe: Probe, seconds: float) -> bool:
        """Whether the searches so far tell enough; ``seconds``: how long the phase has run."""
        enough = self.searched + seconds >= PROBE_SECONDS
        return enough and not self.made and probe.searches >= PROBE_SEARCHES

    async def consider(
        self,
        stand: Stand,
        phase: str,
        waiting: Sequence[SearchTask],
        probe: Probe,
        generated: int,
        seconds: float,
        most: int | None,
    ) -> None:
        """Make the forecast, and ask if it is a long one.

        Args:
            stand: where the run stands.
            waiting: the searches of the phase that have not ended.
            generated: the tokens of the phase since its start, also those of searches that still run.
            seconds: how long that took.
            most: what the searches that have not ended may generate together; None: no limit.

        Raises:
            KeyboardInterrupt: the run is not to go on.
        """
        self.made = True
        rate = max(generated, probe.tokens, 1) / max(seconds, 1e-9)
        rows = rows_of(phase, waiting, probe, generated - probe.tokens, rate, most)
        if self.whole_loop:
            rows += later_rows(stand, phase, sum(row.tokens or 0 for row in rows) + generated, rate)
        forecast = Forecast(probe.searches, tuple(rows))
        if forecast.seconds > LONG_SECONDS and not await self.ask(forecast):
            raise KeyboardInterrupt


def rows_of(
    phase: str, waiting: Iterable[SearchTask], probe: Probe, running: int, rate: float, most: int | None
) -> list[Expected]:
    """What is left of a phase, by method.

    Args:
        running: the tokens that searches which have not ended have generated already.
        rate: tokens a second.
        most: what may be generated yet; None: no limit.
    """
    tasks: dict[str, list[SearchTask]] = defaultdict(list)
    for task in waiting:
        tasks[task.method].append(task)
    tokens = {method: sum(map(probe.expected, own)) for method, own in tasks.items()}
    total = sum(tokens.values())
    left = max(0.0, total - max(0, running))
    share = (left if most is None else min(left, most)) / total if total else 0.0
    return [
        Expected(f"{phase}, {method}", len(own), round(tokens[method] * share), tokens[method] * share / rate)
        for method, own in tasks.items()
    ]


def later_rows(stand: Stand, phase: str, tokens: int, rate: float) -> list[Expected]:
    """What the recipe plans after ``phase``.

    A phase takes what the latest one of its kind has taken in this run. Where there is none, searches take
    as much of their upper bound as the present phase does of its own, and trainings are not known.

    Args:
        tokens: what the present phase takes in all.
        rate: tokens a second.
    """
    problems = stand.problems
    counts = Counts(len(problems.train), len(problems.validation), len(problems.test))
    plan = planned(stand.recipe, counts, Sizes(None, None))
    bounds = {each.name: each.generated for each in plan}
    share = min(1.0, tokens / (bounds.get(phase) or tokens or 1))
    done = {known.name: known for known in stand.phases if known.status == "done"}
    like = {
        name.partition(".")[2]: (known.summary.get("policy_tokens"), known.seconds)
        for name, known in done.items()
    }
    return [
        _later(each, like, share, rate)
        for each in plan
        if each.name not in done and each.name != phase and each.kind != "label"
    ]


def _later(
    each: PlannedPhase, like: Mapping[str, tuple[int | None, float | None]], share: float, rate: float
) -> Expected:
    tokens, seconds = like.get(each.name.partition(".")[2], (None, None))
    if seconds is None and each.generated is not None:
        tokens = round(each.generated * share)
        seconds = tokens / rate
    return Expected(each.name, each.searches, tokens, seconds)
