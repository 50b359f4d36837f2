"""Two sides, problem by problem: what differs, by how much, and on which problems."""

from __future__ import annotations

import shlex
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal

from textual.binding import Binding, BindingType

from store.index.sides import named_side, side_name
from tui.compare.pages import ComparedPage, Contrast, RowRead, read_compared, read_row
from tui.compare.rows import (
    contrast_columns,
    contrast_row,
    p_text,
    problem_columns,
    problem_row,
    settings_line,
    settings_lines,
)
from tui.legend import COMPARE
from tui.messages import ContrastRead, SidesCompared
from tui.places import Place, RunsPlace, SideBySidePlace
from tui.screens.base import MAIN, StoreScreen
from tui.screens.prompt import PromptScreen
from tui.styled import Line, line
from tui.text import count, label
from tui.trees.pages import PAGE
from tui.widgets.lines import LinesBar, LinesPane
from tui.widgets.table import ListTable, RowTable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual import events
    from textual.app import ComposeResult

    from store.index.reader import StoreReader
    from store.queries import Compared, ProblemPair, Side
    from tui.styled import Style

ProblemSet = Literal["only_a", "only_b", "none", "both"]

SETS: dict[ProblemSet, str] = {"only_a": "only A", "only_b": "only B", "none": "none", "both": "both"}
"""The sets of problems by who is right, in the order of their keys."""


class CompareScreen(StoreScreen):
    """The sides ``a`` and ``b``, which may be open in part, and the comparisons near them."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "1",
            "problems('only_a')",
            "Only A",
            tooltip="Problems that only A is right on",
            id="compare.only-a",
        ),
        Binding(
            "2",
            "problems('only_b')",
            "Only B",
            tooltip="Problems that only B is right on",
            id="compare.only-b",
        ),
        Binding("s", "swap", "Swap", tooltip="The sides change places", id="compare.swap"),
        Binding(
            "3",
            "problems('none')",
            "None",
            show=False,
            tooltip="Problems that no side is right on",
            id="compare.none",
        ),
        Binding(
            "4",
            "problems('both')",
            "Both",
            show=False,
            tooltip="Problems that both are right on",
            id="compare.both",
        ),
        Binding("a", "choose('a')", "Another side A", show=False, id="compare.a"),
        Binding("b", "choose('b')", "Another side B", show=False, id="compare.b"),
        Binding("d", "settings", "Settings that differ, or problems", show=False, id="compare.settings"),
        Binding("slash", "find", "Find a problem", show=False, key_display="/", id="compare.find"),
        Binding("x", "clear", "All problems again", show=False, id="compare.clear"),
    ]
    LEGEND = COMPARE
    AUTO_FOCUS = "#contrasts"

    def __init__(self, reader: StoreReader, a: Side, b: Side) -> None:
        super().__init__(reader, "compare")
        self.sides: Contrast = (a, b)
        self.page: ComparedPage | None = None
        self.shown_set: ProblemSet | None = None
        self._figures: dict[Contrast, RowRead] = {}
        self._around: Contrast | None = None
        self._request = 0
        self._turned = 0
        self._sought = ""

    def compose(self) -> ComposeResult:
        yield self.title_bar()
        yield LinesBar("sides", self._head)
        yield ListTable("contrasts")
        yield LinesBar("sets", self._sets)
        yield ListTable("problems")
        yield LinesPane("settings")
        yield self.keys_bar()

    def on_mount(self) -> None:
        self.query_one("#settings", LinesPane).display = False
        self.reload()

    def above(self) -> Place:
        return RunsPlace()

    def on_resize(self, event: events.Resize) -> None:
        self.query_one("#contrasts", RowTable).set_columns(contrast_columns(event.size.width))
        self.query_one("#problems", RowTable).set_columns(problem_columns(event.size.width))
        self._fill_contrasts()
        self._fill_problems()

    def reload(self) -> None:
        sides, around = self.sides, self._around
        self._ask(lambda reader: read_compared(reader, sides, around))

    def _ask(self, wanted: Callable[[StoreReader], ComparedPage]) -> None:
        self._request += 1
        request = self._request
        self.read(MAIN, lambda reader: SidesCompared(wanted(reader), request))

    def on_sides_compared(self, message: SidesCompared) -> None:
        page = message.page
        if message.request != self._request:
            return
        if self.page is None or self.page.row.version != page.row.version:
            self._figures = {}
        self.caught_up(page.row.version)
        self.page, self.sides = page, page.row.sides
        self._around = self._around or self.sides
        self._figures[page.row.sides] = page.row
        if self.shown_set is None:
            self.shown_set = next((name for name in SETS if getattr(page.compared, name)), "only_a")
        self._fill_contrasts()
        if self.sides in page.contrasts:
            self.query_one("#contrasts", RowTable).move_cursor(row=page.contrasts.index(self.sides))
        self._fill_problems()
        self.query_one("#settings", LinesPane).show(settings_lines(page.differences), keep_scroll=True)
        self._read_next_row()

    def _read_next_row(self) -> None:
        """Work out the missing figures row by row, so that each is soon to be seen."""
        contrasts = () if self.page is None else self.page.contrasts
        missing = next((sides for sides in contrasts if sides not in self._figures), None)
        if missing is not None:
            self.read("rows", partial(_row, missing))

    def on_contrast_read(self, message: ContrastRead) -> None:
        self._figures[message.row.sides] = message.row
        self._fill_contrasts()
        self._read_next_row()

    def _fill_contrasts(self) -> None:
        if self.page is not None:
            rows = [
                contrast_row(str(place), sides, self._figures.get(sides), self.size.width)
                for place, sides in enumerate(self.page.contrasts)
            ]
            self.query_one("#contrasts", RowTable).fill(rows)
        self.query_one("#sides", LinesBar).update()

    def _fill_problems(self) -> None:
        first = self._turned * PAGE
        rows = [
            problem_row(str(first + place), pair, self.size.width)
            for place, pair in enumerate(self.problems()[first : first + PAGE])
        ]
        self.query_one("#problems", RowTable).fill(rows)
        self.query_one("#sets", LinesBar).update()

    def problems(self) -> Sequence[ProblemPair]:
        """The problems of the chosen set that hold what was sought."""
        if self.page is None or self.shown_set is None:
            return ()
        pairs = _members(self.page.compared, self.shown_set)
        wanted = self._sought.casefold()
        return [pair for pair in pairs if wanted in f"{pair.problem}\n{pair.question}".casefold()]

    def _head(self, width: int) -> Sequence[Line]:
        a, b = self.sides
        letters: tuple[tuple[str, Style, Side], ...] = (("A", "good", a), ("B", "mark", b))
        rows = [
            line((f"{letter} ", style), (label(side_name(side), max(width - 2, 10)), "bold"))
            for letter, style, side in letters
        ]
        if self.page is None:
            return [*rows, line(("reading …", "dim"))]
        return [*rows, self._outcome(), settings_line(self.page.differences, width)]

    def _outcome(self) -> Line:
        row = None if self.page is None else self.page.row
        if row is None or row.figures is None:
            return line(("no problem, by name and text, has a verdict on both sides", "bad"))
        found, gap = row.figures, row.figures.difference
        return line(
            f"{found.problems:,} problems  ",
            (f"A-B {100 * gap.value:+.1f}", "bold"),
            f" ({100 * gap.low:+.1f} to {100 * gap.high:+.1f})  p {p_text(found.p_value)}",
            (self._remarks(), "dim"),
        )

    def _remarks(self) -> str:
        """How many problems are left out, and whether budgets are not known."""
        if self.page is None:
            return ""
        compared = self.page.compared
        parts = (("A", compared.alone_a), ("B", compared.alone_b))
        alone = "".join(f"  {number:,} in {letter} alone" for letter, number in parts if number)
        return alone + ("  whole searches" if compared.whole else "")

    def _sets(self, width: int) -> Sequence[Line]:
        if self.page is None:
            return []
        parts: list[str | tuple[str, Literal["title", "dim"]]] = []
        for key, (name, title) in enumerate(SETS.items(), 1):
            text = f"{key} {title} {count(len(_members(self.page.compared, name)))}"
            parts += [(text, "title") if name == self.shown_set else text, "   "]
        return [line(*parts, (self._place(), "dim"))]

    def _place(self) -> str:
        total = len(self.problems())
        first = self._turned * PAGE
        pages = f"{first + 1:,} to {min(first + PAGE, total):,} of {total:,}" if total > PAGE else ""
        sought = f" with {label(self._sought, 20)!r}: {total:,} (x: all)" if self._sought else ""
        return pages + sought

    def on_data_table_row_selected(self, event: RowTable.RowSelected) -> None:
        chosen = event.data_table.id
        if chosen == "contrasts":
            self._take_row()
        elif chosen == "problems":
            self._open_problem()

    def _take_row(self) -> None:
        """Show the problems of the chosen comparison; where they are shown, go to them."""
        chosen = self.query_one("#contrasts", RowTable).chosen
        if self.page is None or chosen is None:
            return
        sides = self.page.contrasts[int(chosen)]
        self.query_one("#problems", RowTable).focus()
        if sides != self.sides:
            self._compare(sides)

    def on_data_table_row_highlighted(self, event: RowTable.RowHighlighted) -> None:
        """The problems are those of the row under the cursor."""
        table = self.query_one("#contrasts", RowTable)
        if (
            event.data_table is table
            and self.page is not None
            and table.has_focus
            and table.chosen is not None
        ):
            sides = self.page.contrasts[int(table.chosen)]
            if sides != self.sides:
                self._compare(sides)

    def _compare(self, sides: Contrast) -> None:
        near = () if self.page is None or self._around is None else self.page.contrasts
        self.sides, self._turned = sides, 0
        self.query_one("#sides", LinesBar).update()
        self._ask(lambda reader: read_compared(reader, sides, near=near))

    def _open_problem(self) -> None:
        chosen = self.query_one("#problems", RowTable).chosen
        if chosen is not None and self.page is not None:
            pairs = tuple((pair.tree_a, pair.tree_b) for pair in self.problems())
            a, b = self.page.row.sides
            self.open(SideBySidePlace(a.run, pairs[int(chosen)][0], b.run, pairs[int(chosen)][1], pairs))

    def on_list_table_past_end(self, event: ListTable.PastEnd) -> None:
        last = max(len(self.problems()) - 1, 0) // PAGE
        turned = min(max(self._turned + event.pages, 0), last)
        if self.query_one("#problems", RowTable).has_focus and turned != self._turned:
            self._turned = turned
            self._fill_problems()
            self.query_one("#problems", RowTable).move_cursor(row=0)

    def action_problems(self, name: ProblemSet) -> None:
        self.shown_set, self._turned = name, 0
        self._show_settings(show=False)
        self._fill_problems()

    def action_swap(self) -> None:
        a, b = self.sides
        self.shown_set = {"only_a": "only_b", "only_b": "only_a"}.get(self.shown_set or "", self.shown_set)  # type: ignore[assignment]
        self._around = None
        self._compare((b, a))

    def action_settings(self) -> None:
        self._show_settings(show=not self.query_one("#settings", LinesPane).display)

    def _show_settings(self, *, show: bool) -> None:
        self.query_one("#settings", LinesPane).display = show
        self.query_one("#problems", RowTable).display = not show

    def action_choose(self, letter: str) -> None:
        name = side_name(self.sides[letter == "b"])
        asked = PromptScreen(f"Side {letter.upper()}: RUN/PHASE/METHOD@BUDGET, or a part of it", name)
        self.app.push_screen(asked, partial(self._choose, letter))

    def _choose(self, letter: str, name: str | None) -> None:
        if name is not None:
            self._turned, self._around = 0, None
            self._ask(partial(_with_side, self.sides, letter, name))

    def action_find(self) -> None:
        self.app.push_screen(
            PromptScreen("Find in the names and questions of problems", self._sought), self._find
        )

    def _find(self, text: str | None) -> None:
        if text is not None:
            self._sought, self._turned = text, 0
            self._fill_problems()

    def action_clear(self) -> None:
        self._sought, self._turned = "", 0
        self._fill_problems()

    def command(self) -> str:
        """The command that prints this comparison."""
        return shlex.join(
            ["restmcts", "compare", *map(side_name, self.sides), "--root", str(self.reader.root)]
        )


def _members(compared: Compared, name: ProblemSet) -> tuple[ProblemPair, ...]:
    found: tuple[ProblemPair, ...] = getattr(compared, name)
    return found


def _with_side(sides: Contrast, letter: str, name: str, reader: StoreReader) -> ComparedPage:
    """Two sides, of which the one with this letter is another one by name."""
    (a, b), named = sides, named_side(reader, name)
    return read_compared(reader, (named, b) if letter == "a" else (a, named))


def _row(sides: Contrast, reader: StoreReader) -> ContrastRead:
    return ContrastRead(read_row(reader, sides))
