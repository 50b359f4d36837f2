"""What the store hands out and takes in besides searches: plain, frozen rows.

Fields named ``run`` are not written to the files of a run: a run is named by its folder, so a folder
can be copied or renamed. Readers fill them in.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from store.events import Step

RunStatus = Literal["running", "done", "failed", "stopped"]
PhaseStatus = Literal["running", "done", "failed"]
SampleKind = Literal["trace", "demonstration"]

CEILING: Final = "oracle"
"""What stands in a row of an evaluation where others have their answer rule, if it only says whether any
solution is right: what no method can pass."""


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One run.

    ``status``: ``running`` while a process writes it, ``stopped`` when unfinished and nobody does.
    ``phase`` and ``iteration`` are those of the phase that started last. ``trees`` counts searches,
    ``graded`` those with a verdict, ``solved`` the correct ones, ``policy_tokens`` what the policy generated.
    """

    name: str
    recipe: str
    created: str
    status: RunStatus
    phase: str | None
    iteration: int | None
    trees: int
    graded: int
    solved: int
    policy_tokens: int


@dataclass(frozen=True, slots=True)
class PhaseSummary:
    """One phase of a run; an unfinished one is ``stopped`` when nobody writes the run.

    ``started`` is the time of the last start; ``seconds`` (None while unfinished) counts from there.
    ``graded`` counts its searches with a verdict. ``summary`` is what the phase reported at its end,
    ``{"message": ...}`` for a failed one.
    """

    run: str
    name: str
    kind: str
    iteration: int | None
    status: RunStatus
    started: str
    seconds: float | None
    trees: int
    graded: int
    correct: int
    summary: dict[str, Any]


@dataclass(frozen=True, slots=True)
class TreeSummary:
    """One finished search, without its tree.

    ``id`` is ``<phase>/<number>``. ``correct`` is None without an oracle answer. ``nodes`` counts all
    nodes with the root, ``finished`` the finished ones. ``reason`` is a :data:`store.events.StopReason`.
    ``asked`` is a digest of what the search was asked to do, as :attr:`Evaluation.searches` has it.

    The fields from ``depth`` on are those of :class:`store.figures.TreeFigures`; all are None in an index
    that an older version has made, until the run is read again.
    """

    run: str
    id: str
    phase: str
    iteration: int | None
    number: int
    problem: str
    question: str
    oracle: str | None
    method: str
    answer_by: str
    budget: int | None
    answer: str | None
    correct: bool | None
    reason: str
    nodes: int
    finished: int
    policy_tokens: int
    critic_tokens: int
    prompt_tokens: int
    value_tokens: int
    seconds: float
    seed: int
    asked: str | None = None
    depth: int | None = None
    leaves: int | None = None
    right: int | None = None
    distinct_answers: int | None = None
    best_right: float | None = None
    best_wrong: float | None = None
    first_right_event: int | None = None
    first_right_tokens: int | None = None
    answer_changes: int | None = None
    ever_right: bool | None = None
    rounds: int | None = None
    idle_rounds: int | None = None
    message: str | None = None

    @property
    def tokens(self) -> int:
        """Generated tokens: those that count against a budget."""
        return self.policy_tokens + self.critic_tokens


@dataclass(frozen=True, slots=True)
class Solution:
    """A finished node of a tree, with the way to it.

    ``value`` is its V in [0, 1], None where nothing has valued it; ``correct`` is None where it is not
    verified. ``answered``: the search has given its answer. ``steps`` are the texts from the first step on.
    """

    node: int
    answer: str | None
    correct: bool | None
    value: float | None
    answered: bool
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PolicySample:
    """A trace for the policy to learn: ``steps`` are to follow ``prompt``.

    ``trees`` are the searches that found it, ``value`` its quality value (None for a demonstration).
    """

    problem: str
    prompt: str
    steps: tuple[Step, ...]
    trees: tuple[str, ...]
    value: float | None
    kind: SampleKind


@dataclass(frozen=True, slots=True)
class ValueSample:
    """A chain from the root to a leaf for the value model to learn.

    ``labels[i]`` in [0, 1] is the quality value of the prefix that ends with ``steps[i]``; None where
    there is no label.
    """

    problem: str
    question: str
    steps: tuple[Step, ...]
    labels: tuple[float | None, ...]
    trees: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PreferenceSample:
    """Two continuations of one partial solution, of which the policy is to prefer ``chosen``.

    Both follow ``prompt`` and ``prefix`` (no steps: both are whole traces). ``margin`` says by how much the
    chosen one was rated higher, on the scale of who rated them; None where nobody said so.
    """

    problem: str
    prompt: str
    prefix: tuple[Step, ...]
    chosen: tuple[Step, ...]
    rejected: tuple[Step, ...]
    trees: tuple[str, ...]
    margin: float | None = None


Sample = PolicySample | ValueSample | PreferenceSample


@dataclass(frozen=True, slots=True)
class SampleSummary:
    """One sample as a list has it.

    ``kind`` says what it teaches and where it comes from, ``number`` is its line in the file of the phase.
    ``text`` are its steps, ``value`` its quality value if it has one. ``trees`` are the searches that it
    comes from, named ``<phase>/<number>``.
    """

    run: str
    phase: str
    number: int
    kind: str
    problem: str
    steps: int
    text: str
    value: float | None
    trees: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TraceJudgement:
    """What a policy said about a finished trace: the one that ends at ``node`` of ``tree``.

    ``text`` is a digest of the trace. ``points``: the mean of the readable replies, 0 to 5; None where none
    is. ``replies`` are what it wrote; none where the question was too long for it. ``critic`` counts the
    tokens that it generated, ``prompt`` those that it read, ``calls`` its requests.
    """

    tree: str
    node: int
    text: str
    points: float | None
    unreadable: int
    critic: int
    prompt: int
    calls: int
    replies: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A model folder. ``path`` and ``parent`` are relative to the run folder (or name a base model).

    ``carried``: the next iteration goes on from it; False when it did worse on held-out problems than the
    one before. ``kind`` is the role that the model has in its loop, such as policy, value or control, the
    policy that is trained on the demonstrations alone: letters, digits and dashes.
    """

    run: str
    iteration: int
    kind: str
    path: str
    parent: str | None
    carried: bool
    metrics: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Metric:
    """One number that a phase measured, at training step ``step`` if it has one."""

    run: str
    phase: str
    iteration: int | None
    name: str
    value: float
    step: int | None = None
    fields: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Accuracy of one method at one budget.

    ``budget`` is in generated tokens a problem, ``traces`` the same in mean traces; None: no limit.
    ``accuracy`` is the mean over problems, each of which is right (1), wrong (0), or right in a share of
    the orders of its traces; ``correct`` is their sum, rounded. ``low`` and ``high`` bound its 95 % interval.

    What a problem took, on average: ``policy_tokens`` are all generated tokens, of which ``critic_tokens``
    judge; ``value_tokens`` were read by the value model and ``prompt_tokens`` by the others; ``calls`` are
    requests; ``flops`` are estimated. None: an older version has not counted them, or the size of a model is
    not known.

    ``searches`` and ``rule`` say where the row comes from: a digest of what its searches were asked to do,
    and the answer rule; None for a row that was not read from searches in this way.
    """

    run: str
    phase: str
    iteration: int | None
    method: str
    budget: int | None
    traces: float | None
    problems: int
    correct: int
    accuracy: float
    low: float
    high: float
    policy_tokens: float
    value_tokens: float
    critic_tokens: float | None = None
    prompt_tokens: float | None = None
    calls: float | None = None
    flops: float | None = None
    searches: str | None = None
    rule: str | None = None


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What each problem behind a row of an evaluation was worth.

    The row is known by ``phase``, ``method`` (what it is called), ``rule`` and ``budget``. Item i of each
    list is about one search: its problem, its number in the phase, the share of right answers in [0, 1] (None
    without a verdict), and the generated tokens that count. The searches are those of the phase
    ``trees_phase``; None: of the phase of the row.
    """

    run: str
    phase: str
    method: str
    rule: str
    budget: int | None
    problems: tuple[str, ...]
    numbers: tuple[int, ...]
    shares: tuple[float | None, ...]
    tokens: tuple[float, ...]
    trees_phase: str | None = None

    @property
    def searched_in(self) -> str:
        """The phase of the searches."""
        return self.trees_phase or self.phase


@dataclass(frozen=True, slots=True)
class Note:
    """What a person has noted about a tree, or about one moment of it.

    ``tree`` is ``<phase>/<number>``, ``event`` how many events had happened then; None: the tree as a whole.
    ``time`` is in UTC.
    """

    run: str
    tree: str
    event: int | None
    text: str
    time: str


@dataclass(frozen=True, slots=True)
class WorkerFigures:
    """What a worker on another machine has done in the phase that is running.

    Attributes:
        name: ``NODE/worker-N``, as in the headers of its searches.
        node: where it is.
        state: ``starting``, ``working``, ``lost`` (it does not answer, and is asked again) or ``gone`` for
            good.
        searches: how many it has ended.
        running: how many it has at the moment.
        tokens: what its policy has generated.
        tokens_per_second: the same by the time since the workers were opened.
        busy: the share of that time in which its models ran, 0 to 1.
        cache_hits: the share of prompt tokens of the policy that were cached.

    A figure that its engines do not count is None.
    """

    name: str
    node: str
    state: str
    searches: int = 0
    running: int = 0
    tokens: int | None = None
    tokens_per_second: float | None = None
    busy: float | None = None
    cache_hits: float | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the phase of a run has come that is running, as its process said last.

    ``total`` is None where it is not known. ``rate`` is in pieces of work a second, ``left`` in seconds; both
    are None until something is done. ``time`` is in UTC; ``figures`` are the latest ones by name. ``workers``
    are those on other machines.
    """

    phase: str
    kind: str
    done: int
    total: int | None
    rate: float | None
    left: float | None
    figures: dict[str, float | int | str | None]
    started: str
    time: str
    pid: int
    host: str
    workers: tuple[WorkerFigures, ...] = ()
