"""The moves through the time of a replay: steps, rounds, jumps, and playing by itself."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from tui.replay.marks import Target, mistakes, next_of, spending_rounds, target_of
from tui.replay.timeline import Pace
from tui.screens.base import StoreScreen
from tui.screens.prompt import PromptScreen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.timer import Timer

    from tui.replay.player import Change, Player
    from tui.replay.timeline import Timeline
    from tui.replay.truth import Truth

_SPEEDS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""Events a second."""

_WHERE = "Go to: 151 event, r12 round, t200 tokens, #17 node"


def _pair(keys: tuple[str, str], action: str, what: str, shown: tuple[str, str]) -> list[BindingType]:
    """The bindings of an action in both directions of time."""
    names = f"replay.previous-{action}", f"replay.next-{action}"
    return [
        Binding(keys[0], f"{action}(-1)", f"{what} before", show=False, key_display=shown[0], id=names[0]),
        Binding(keys[1], f"{action}(1)", f"{what} after", show=False, key_display=shown[1], id=names[1]),
    ]


class ReplayMoves(StoreScreen):
    """A screen with a :class:`~tui.replay.player.Player` that keys move through time.

    Attributes:
        player: the replay; None until it has been read.
        timeline: what the lines below the tree show; None as long.
        truth: what the verdicts of the search say; None as long.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "step(-1)", "Step back", show=False, key_display="←", id="replay.back"),
        Binding("right,l", "step(1)", "Step", key_display="→", id="replay.forward"),
        Binding("shift+left", "step(-10)", "10 events back", show=False, id="replay.back-ten"),
        Binding("shift+right", "step(10)", "10 events forward", show=False, id="replay.forward-ten"),
        Binding(
            "left_square_bracket",
            "round(-1)",
            "Round before",
            show=False,
            key_display="[",
            id="replay.previous-round",
        ),
        Binding("right_square_bracket", "round(1)", "Round", key_display="]", id="replay.next-round"),
        *_pair(
            ("left_curly_bracket", "right_curly_bracket"), "spending", "Round that took tokens", ("{", "}")
        ),
        *_pair(("left_parenthesis", "right_parenthesis"), "solution", "Solution", ("(", ")")),
        *_pair(("M", "m"), "mistake", "First mistake", ("M", "m")),
        *_pair(("A", "a"), "change", "Change of the answer", ("A", "a")),
        *_pair(("less_than_sign", "greater_than_sign"), "bookmark", "Bookmark", ("<", ">")),
        Binding("home", "start", "Start", show=False, id="replay.start"),
        Binding("end", "end", "End", show=False, id="replay.end"),
        *(
            Binding(
                f"{tenth}",
                f"tenth({tenth})",
                "To that tenth of the events",
                show=False,
                key_display="0-9",
                id=f"replay.tenth-{tenth}",
            )
            for tenth in range(10)
        ),
        Binding("g", "go", "Go to an event, round, tokens or node", show=False, id="replay.go"),
        Binding("space", "play", "Play", tooltip="Play or pause", id="replay.play"),
        Binding("full_stop", "faster(1)", "Faster", show=False, key_display=".", id="replay.faster"),
        Binding("comma", "faster(-1)", "Slower", show=False, key_display=",", id="replay.slower"),
    ]

    player: Player | None = None
    timeline: Timeline | None = None
    truth: Truth | None = None
    _timer: Timer | None = None

    def moved(self, change: Change) -> None:
        """The player has moved: show where it is now."""
        raise NotImplementedError

    def look_at(self, node: int) -> None:
        """Bring the cursor to ``node``."""
        raise NotImplementedError

    def show_timeline(self) -> None:
        """Draw the lines below the tree again."""
        raise NotImplementedError

    def jump(self, position: int) -> None:
        """Go to ``position``."""
        if self.player is not None:
            self.moved(self.player.jump(position))

    def _jump_to_next(self, positions: Sequence[int], direction: int, what: str) -> None:
        if self.player is None:
            return
        position = next_of(positions, self.player.position, direction)
        if position is None:
            self.tell(f"no {what} {'after' if direction > 0 else 'before'} this event")
        else:
            self.jump(position)

    def action_step(self, events: int) -> None:
        if self.player is not None:
            self.jump(self.player.position + events)

    def action_round(self, direction: int) -> None:
        if self.player is not None:
            self.moved(self.player.next_round() if direction > 0 else self.player.previous_round())

    def action_spending(self, direction: int) -> None:
        if self.player is not None:
            self._jump_to_next(spending_rounds(self.player.survey), direction, "round that took tokens")

    def action_solution(self, direction: int) -> None:
        if self.player is not None:
            positions = [position for position, _ in self.player.survey.solutions]
            self._jump_to_next(positions, direction, "solution")

    def action_mistake(self, direction: int) -> None:
        if self.player is None or self.truth is None:
            return
        if not self.truth.mistakes:
            self.tell("no first mistake is known: no right solution, or no wrong way beside it")
            return
        self._jump_to_next(mistakes(self.player.survey, self.truth), direction, "first mistake")
        node = next((node for node in self.player.joined if node in self.truth.mistakes), None)
        if node is not None:
            self.look_at(node)

    def action_change(self, direction: int) -> None:
        changes = None if self.timeline is None else self.timeline.changes
        if changes is None:
            self.tell("the changes of the answer are still being looked for")
        else:
            self._jump_to_next(changes, direction, "change of the answer")

    def action_bookmark(self, direction: int) -> None:
        if self.timeline is not None:
            self._jump_to_next(sorted(self.timeline.bookmarks), direction, "bookmark")

    def action_start(self) -> None:
        self.jump(0)

    def action_end(self) -> None:
        if self.player is not None:
            self.jump(self.player.length)

    def action_tenth(self, tenth: int) -> None:
        if self.player is not None:
            self.jump(self.player.length * tenth // 10)

    def action_go(self) -> None:
        if self.player is not None:
            self.app.push_screen(PromptScreen(_WHERE), self._go)

    def _go(self, text: str | None) -> None:
        if self.player is None or text is None:
            return
        target: Target | None = target_of(self.player, text)
        if target is None:
            self.tell(f"there is no such place; {_WHERE[7:]}")
            return
        self.jump(target.position)
        if target.node is not None:
            self.look_at(target.node)

    def action_play(self) -> None:
        if self.player is None or self.timeline is None:
            return
        pace = self.timeline.pace
        if not pace.playing and self.player.position == self.player.length:
            self.jump(0)
        self._set_pace(replace(pace, playing=not pace.playing))

    def action_faster(self, direction: int) -> None:
        if self.timeline is not None:
            pace = self.timeline.pace
            place = _SPEEDS.index(pace.speed) + direction
            self._set_pace(replace(pace, speed=_SPEEDS[min(max(place, 0), len(_SPEEDS) - 1)]))

    def _set_pace(self, pace: Pace) -> None:
        if self.timeline is None:
            return
        self.timeline.pace = pace
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        if pace.playing:
            self._timer = self.set_interval(1 / pace.speed, self._play_on)
        self.show_timeline()

    def _play_on(self) -> None:
        if self.player is None or self.timeline is None:
            return
        self.moved(self.player.forward())
        if self.player.position == self.player.length:
            self._set_pace(replace(self.timeline.pace, playing=False))
