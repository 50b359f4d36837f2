"""What screens ask of the index: filters, comparisons, settings, notes, and what is under way."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from store.check import check, rebuild
from store.errors import InputError, InterruptedReadError, StoreError
from store.events import FREE, Cost, Expanded, Result, SearchRecord, Step, Stopped
from store.files.layout import RunLayout, index_path
from store.index.reader import ORDERS, StoreReader
from store.index.reading import searches
from store.queries import Bin, Range, Side, TreeFilter, TreeKind
from store.records import Evaluation, Outcomes
from store.runs.notes import add_note, read_notes
from store.runs.progress import ProgressFile
from tests.store.build import LABELS, PHASE, fill, open_run, record
from tests.store.test_store_figures import lost

if TYPE_CHECKING:
    from pathlib import Path

    from store.runs.writer import RunWriter

FINAL = "final.evaluate"
QUESTION = "What is 2 + 3?"


def made(number: int, phase: str, plain: SearchRecord, **header: Any) -> SearchRecord:
    named = replace(plain.header, id=f"{phase}/{number}", phase=phase, seed=number, **header)
    return replace(plain, header=named)


def failing(number: int) -> SearchRecord:
    plain = record(number, FINAL, problem="p2", method="beam")
    result = Result(None, False, "failed", FREE, 1, 0)
    return replace(plain, events=(Stopped("failed", message="the engine is gone"),), result=result)


def write(writer: RunWriter) -> None:
    """Three problems, searched by two methods; the labels doubt a right answer."""
    writer.start_phase(FINAL, "evaluate", 2)
    for number in (0, 1):
        writer.add_tree(record(number, FINAL, problem=f"p{number}", method="mcts", question=QUESTION))
    writer.add_tree(made(2, FINAL, lost(), problem="p2", method="mcts"))
    writer.add_tree(record(3, FINAL, problem="p0", method="beam", question=QUESTION))
    writer.add_tree(record(4, FINAL, problem="p1", method="beam", correct=False, question=QUESTION))
    writer.add_tree(failing(5))
    writer.write_labels(FINAL, "rest-mcts", [(f"{FINAL}/0", LABELS), (f"{FINAL}/1", (None, 0.25, 0.5, 1.0))])
    writer.finish_phase(FINAL, {})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    with open_run(tmp_path) as writer:
        write(writer)
    return tmp_path


def found(reader: StoreReader, wanted: TreeFilter) -> list[int]:
    trees = reader.trees(wanted)
    assert reader.count_trees(wanted) == len(trees)
    assert reader.counted_trees(wanted) == (trees, len(trees))
    if trees:
        assert reader.counted_trees(wanted, limit=1, offset=50) == (trees[-1:], len(trees))
    return [tree.number for tree in trees]


KINDS: dict[TreeKind, list[int]] = {
    "unsolved": [2, 4, 5],
    "never-found": [4, 5],
    "preferred-wrong": [2],
    "lost": [2],
    "lucky": [1],
    "disagree": [1, 4],
    "idle": [2],
    "failed": [5],
    "noted": [],
}


@pytest.mark.parametrize(("kind", "numbers"), KINDS.items())
def test_kinds_of_trees(root: Path, kind: TreeKind, numbers: list[int]) -> None:
    with StoreReader(root) as reader:
        assert found(reader, TreeFilter("first", kinds=(kind,))) == numbers
        assert found(reader, TreeFilter("first", kinds=(kind,), methods=("none",))) == []
        assert found(reader, TreeFilter("second", kinds=(kind,))) == []


def test_filters_together(root: Path) -> None:
    asked = None
    with StoreReader(root) as reader:
        asked = reader.trees(TreeFilter("first", problem="p1", methods=("beam",)))[0].asked
        for wanted, numbers in (
            (TreeFilter("first", reason="failed"), [5]),
            (TreeFilter("first", problem="p0"), [0, 3]),
            (TreeFilter("first", methods=("beam", "mcts"), phases=(FINAL, "other")), [0, 1, 2, 3, 4, 5]),
            (TreeFilter("first", ranges=(Range("nodes", 2, 3),)), [2]),
            (TreeFilter("first", ranges=(Range("depth", None, 1), Range("rounds", 1))), [2]),
            (TreeFilter("first", ranges=(Range("tokens", 12),)), [0, 1, 3, 4]),
            (TreeFilter("first", ranges=(Range("answer_changes", 1),)), [2]),
            (TreeFilter("first", solved=True, kinds=("disagree",)), [1]),
            (TreeFilter("first", asked=asked), [3, 4, 5]),
        ):
            assert found(reader, wanted) == numbers, wanted


def test_steps_are_searched(root: Path) -> None:
    with StoreReader(root) as reader:
        for text, numbers in (
            ("2 + 3 = 6", [0, 1, 3, 4]),
            ("THE ANSWER", [0, 1, 3, 4]),
            ("wrong", [2]),
            ('the "answer" is', []),
            ("%%%", []),
            ("*" * 4, []),
            ("answer is 5 OR", []),
            ("\ud800abc", []),
            ("x" * 5000, []),
        ):
            assert found(reader, TreeFilter("first", step_text=text)) == numbers, text
        assert found(reader, TreeFilter("first", step_text="2 + 3", methods=("beam",))) == [3, 4]
        with pytest.raises(InputError, match="3 characters or more"):
            reader.trees(TreeFilter("first", step_text="ab"))


def steps_of(searched: SearchRecord) -> list[str]:
    return [step.text for event in searched.events if isinstance(event, Expanded) for step in event.steps]


def test_a_common_text_finds_the_same_steps_as_a_rare_one(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both ways of looking agree with the texts of the steps themselves, whatever else is asked for."""
    with StoreReader(root) as reader:
        texts = {
            tree.number: "\n".join(steps_of(reader.record("first", tree.id)))
            for tree in reader.trees(TreeFilter("first"))
        }
        pieces = {text[at : at + 4] for text in texts.values() for at in range(len(text) - 3)}
        for piece in sorted(pieces):
            numbers = [number for number, text in texts.items() if piece.lower() in text.lower()]
            for common in (1, 10**6):
                monkeypatch.setattr(searches, "_COMMON", common)
                assert found(reader, TreeFilter("first", step_text=piece)) == numbers, (piece, common)
                wrong = TreeFilter("first", step_text=piece, solved=False)
                assert found(reader, wrong) == [each for each in numbers if each in (2, 4, 5)], (
                    piece,
                    common,
                )


@pytest.mark.parametrize("common", [1, 10**6])
@pytest.mark.parametrize("solved", [None, False])
@pytest.mark.parametrize("ahead", [1, 32])
def test_pages_of_a_text_in_every_order(
    root: Path, monkeypatch: pytest.MonkeyPatch, common: int, solved: bool | None, ahead: int
) -> None:
    """Whichever way is taken, pages are those of the whole list, and as many are counted."""
    monkeypatch.setattr(searches, "_COMMON", common)
    monkeypatch.setattr(searches, "_AHEAD", ahead)
    wanted = TreeFilter("first", step_text="the answer", solved=solved)
    with StoreReader(root) as reader:
        numbers = found(reader, wanted)
        assert numbers == ([0, 1, 3, 4] if solved is None else [4])
        for order in ORDERS:
            for descending in (False, True):
                whole = [
                    tree.id
                    for tree in reader.trees(TreeFilter("first"), order_by=order, descending=descending)
                    if tree.number in numbers
                ]
                for limit, offset in ((1, 0), (1, 2), (2, 0), (2, 1), (3, 3), (9, 0)):
                    trees, total = reader.counted_trees(
                        wanted, order_by=order, descending=descending, limit=limit, offset=offset
                    )
                    assert total == len(whole)
                    if offset < total:
                        assert [tree.id for tree in trees] == whole[offset : offset + limit]
                    else:
                        assert trees and trees[-1].id == whole[-1]


@pytest.mark.parametrize(
    "more",
    [
        {"phases": (PHASE, FINAL)},
        {"methods": ("mcts", "beam")},
        {"phases": (FINAL,), "methods": ("mcts", "beam"), "solved": False},
        {"text": "2 + 3"},
        {"kinds": ("disagree",)},
    ],
)
def test_pages_of_any_filter_in_every_order(root: Path, more: dict[str, Any]) -> None:
    wanted = TreeFilter("first", **more)
    with StoreReader(root) as reader:
        numbers = found(reader, wanted)
        for order in ORDERS:
            for descending in (False, True):
                every = reader.trees(TreeFilter("first"), order_by=order, descending=descending)
                whole = [tree for tree in every if tree.number in numbers]
                for place in range(len(whole)):
                    one = reader.trees(wanted, order_by=order, descending=descending, limit=1, offset=place)
                    assert one == [whole[place]], (order, descending)


def test_steps_of_trees_that_are_gone_are_not_found(tmp_path: Path) -> None:
    def phrased(number: int, text: str) -> SearchRecord:
        plain = lost()
        first = Expanded(0, (Step(text),), (1,), Cost(policy=5))
        return made(number, PHASE, replace(plain, events=(plain.events[0], first, *plain.events[2:])))

    with open_run(tmp_path) as writer, StoreReader(tmp_path) as reader:
        writer.start_phase(PHASE, "search", 1)
        writer.add_tree(phrased(0, "an apple"))
        writer.add_tree(phrased(1, "a pear\nand an apple"))
        writer.sync_index()
        assert found(reader, TreeFilter("first", step_text="apple")) == [0, 1]
        path = writer.layout.trees(PHASE)
        lines = path.read_bytes().splitlines(keepends=True)
        (tmp_path / "new").write_bytes(lines[1])
        (tmp_path / "new").rename(path)
        writer.sync_index()
        assert found(reader, TreeFilter("first", step_text="apple")) == [1]
        assert found(reader, TreeFilter("first", step_text="pear")) == [1]
    rebuild(tmp_path)
    with StoreReader(tmp_path) as reader:
        assert found(reader, TreeFilter("first", step_text="apple")) == [1]


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (TreeFilter("first", ranges=(Range("beauty", 1),)), "no figure 'beauty' of trees; use one of nodes"),
        (TreeFilter("first", kinds=("ugly",)), "no kind of trees 'ugly'; use one of unsolved"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_asked(root: Path, wanted: TreeFilter, said: str) -> None:
    with StoreReader(root) as reader:
        for ask in (reader.trees, reader.count_trees):
            with pytest.raises(InputError, match=said):
                ask(wanted)


def test_histograms(root: Path) -> None:
    everything = TreeFilter("first")
    with StoreReader(root) as reader:
        assert reader.histogram(everything, "nodes", 10) == [
            Bin(1, 2, 1, 0), Bin(2, 3, 0, 0), Bin(3, 4, 1, 0), Bin(4, 5, 4, 3),
        ]  # fmt: skip
        two = reader.histogram(everything, "nodes", 2)
        assert [(bar.low, bar.high, bar.count) for bar in two] == [(1, 3, 1), (3, 5, 5)]
        seconds = reader.histogram(everything, "seconds", 5)
        assert sum(bar.count for bar in seconds) == 6 and seconds[0].low == 0.0
        assert reader.histogram(TreeFilter("first", methods=("mcts",)), "best_wrong") == [
            Bin(0.75, 0.75, 1, 0)
        ]
        assert reader.histogram(TreeFilter("other"), "nodes") == []
        with pytest.raises(InputError, match="no figure"):
            reader.histogram(everything, "beauty")


MCTS, BEAM = Side("first", FINAL, "mcts"), Side("first", FINAL, "beam")


def test_two_methods(root: Path) -> None:
    with StoreReader(root) as reader:
        compared = reader.compare(MCTS, BEAM)
    assert [pair.problem for pair in compared.both] == ["p0"]
    assert [pair.problem for pair in compared.only_a] == ["p1"]
    assert [pair.problem for pair in compared.none] == ["p2"]
    assert compared.only_b == () and (compared.alone_a, compared.alone_b) == (0, 0)
    (pair,) = compared.only_a
    assert (pair.tree_a, pair.tree_b, pair.fault) == (f"{FINAL}/1", f"{FINAL}/4", "never-sampled")
    assert (pair.share_a, pair.share_b, pair.question) == (1.0, 0.0, QUESTION)
    assert compared.both[0].fault is None
    with StoreReader(root) as reader:
        (other,) = reader.compare(BEAM, MCTS).none
    assert other.fault == "preferred-wrong"


def test_a_matrix_has_what_differs_first(root: Path) -> None:
    with StoreReader(root) as reader:
        rows = reader.matrix([MCTS, BEAM, Side("first", FINAL, "none")])
    assert [row.problem for row in rows] == ["p1", "p0", "p2"]
    assert rows[0].trees == (f"{FINAL}/1", f"{FINAL}/4", None)
    assert rows[0].shares == (1.0, 0.0, None)


def test_problems_of_one_name_and_another_question_are_others(root: Path) -> None:
    with open_run(root, "other") as writer:
        writer.start_phase(FINAL, "evaluate", 2)
        writer.add_tree(record(0, FINAL, problem="p0", method="mcts", question=QUESTION))
        writer.add_tree(record(1, FINAL, problem="p1", method="mcts", question="What is 3 + 2?"))
        writer.finish_phase(FINAL, {})
    other = replace(MCTS, run="other")
    with StoreReader(root) as reader:
        compared = reader.compare(MCTS, other)
        rows = reader.matrix([MCTS, other])
    assert [pair.problem for pair in compared.pairs] == ["p0"]
    assert (compared.alone_a, compared.alone_b) == (2, 1)
    asked = {(row.problem, row.question): row.shares for row in rows}
    assert asked["p1", "What is 3 + 2?"] == (None, 1.0) and asked["p1", QUESTION] == (1.0, None)


def test_all_searches_of_a_problem(root: Path) -> None:
    with StoreReader(root) as reader:
        trees = reader.problem_trees("first", "p1")
    assert [(tree.method, tree.number) for tree in trees] == [("beam", 4), ("mcts", 1)]
    assert {tree.question for tree in trees} == {QUESTION}


def evaluated(method: str, budget: int | None, searches: str | None = None) -> Evaluation:
    return Evaluation(
        "",
        FINAL,
        2,
        method,
        budget,
        None,
        3,
        2,
        0.5,
        0.1,
        0.9,
        10.0,
        10.0,
        searches=searches,
        rule="majority",
    )


def with_outcomes(writer: RunWriter) -> None:
    writer.start_phase(FINAL, "evaluate", 2)
    for number in range(2):
        writer.add_tree(record(number, FINAL, problem=f"p{number}", method="best-of-n"))
    for budget, shares in ((6, (0.25, 0.0)), (None, (1.0, 0.75))):
        writer.add_evaluation(evaluated("self-consistency", budget))
        writer.add_outcomes(
            Outcomes(
                "", FINAL, "self-consistency", "majority", budget, ("p0", "p1"), (0, 1), shares, (3.0, 6.0)
            )
        )
    writer.finish_phase(FINAL, {})


def test_rows_of_evaluations(tmp_path: Path) -> None:
    small = Side("first", FINAL, "self-consistency", "majority", 6)
    whole = replace(small, budget=None)
    with open_run(tmp_path) as writer:
        with_outcomes(writer)
    assert check(tmp_path) == []
    with StoreReader(tmp_path) as reader:
        compared = reader.compare(small, whole)
        assert [(pair.problem, pair.share_a, pair.share_b, pair.tokens_a) for pair in compared.only_b] == [
            ("p0", 0.25, 1.0, 3.0),
            ("p1", 0.0, 0.75, 6.0),
        ]
        # The right solution came after 12 tokens, which the small budget does not reach.
        assert {pair.fault for pair in compared.only_b} == {"never-sampled"}
        with pytest.raises(InputError, match="no evaluation of 'self-consistency' by 'first'"):
            reader.compare(replace(small, rule="first"), whole)
    rebuild(tmp_path)
    with StoreReader(tmp_path) as reader:
        assert reader.compare(small, whole) == compared


def test_verdicts_that_were_changed_count_in_comparisons(tmp_path: Path) -> None:
    whole = Side("first", FINAL, "self-consistency", "majority")
    with open_run(tmp_path) as writer:
        writer.start_phase(FINAL, "evaluate", 2)
        for number in range(2):
            writer.add_tree(record(number, FINAL, problem=f"p{number}", method="best-of-n"))
        writer.sync_index()
        with StoreReader(tmp_path) as reader:
            asked = reader.trees(TreeFilter("first"))[0].asked
        writer.add_evaluation(evaluated("self-consistency", None, asked))
        shares = (1.0, 1.0)
        writer.add_outcomes(
            Outcomes(
                "", FINAL, "self-consistency", "majority", None, ("p0", "p1"), (0, 1), shares, (3.0, 6.0)
            )
        )
        writer.finish_phase(FINAL, {})
        from store.runs.overrides import digest

        writer.override("p0", digest(record(0).header.question), "5", False, "the unit is missing")
    with StoreReader(tmp_path) as reader:
        compared = reader.compare(whole, whole)
    assert [pair.problem for pair in compared.none] == ["p0"]
    assert [pair.problem for pair in compared.both] == ["p1"]


def test_a_run_of_before_is_compared_by_whole_searches(tmp_path: Path) -> None:
    with open_run(tmp_path) as writer:
        write(writer)
        writer.sync_index()
        with StoreReader(tmp_path) as reader:
            asked = reader.trees(TreeFilter("first", methods=("mcts",), problem="p0"))[0].asked
        writer.start_phase("3.more", "evaluate", 2)
        writer.add_evaluation(replace(evaluated("mcts, vote", 50, asked), phase="3.more"))
    with StoreReader(tmp_path) as reader:
        side = Side("first", "3.more", "mcts, vote", "majority", 50)
        assert reader.compare(side, side).whole == (side,)
        assert reader.compare(side, BEAM).pairs == ()  # its searches are of another phase


def test_settings(tmp_path: Path) -> None:
    one = 'recipe = "tiny"\nseed = 1\n[search]\nbranch = 3\n[[evaluation.methods]]\nmethod = "mcts"\n'
    for run, config in (("one", one), ("two", one.replace("branch = 3", "branch = 4\ndepth = 2"))):
        open_run(tmp_path, run, config).close()
    with StoreReader(tmp_path) as reader:
        assert reader.settings("one") == {
            "recipe": "tiny",
            "seed": 1,
            "search.branch": 3,
            "evaluation.methods": [{"method": "mcts"}],
        }
        differences = reader.settings_diff("one", "two")
        assert [(each.key, each.a, each.b) for each in differences] == [
            ("search.branch", 3, 4),
            ("search.depth", None, 2),
        ]
        assert reader.settings("three") == {}


def test_notes(root: Path) -> None:
    layout = RunLayout(root, "first")
    note = add_note(layout, f"{FINAL}/4", "  the carry is lost here ", 5)
    assert (note.text, note.event) == ("the carry is lost here", 5)
    add_note(layout, f"{FINAL}/0", "zwei\nZeilen")
    assert [each.tree for each in read_notes(layout)] == [f"{FINAL}/4", f"{FINAL}/0"]
    with StoreReader(root) as reader:
        assert reader.notes("first")[0] == note
        assert reader.notes("other") == []
        assert found(reader, TreeFilter("first", kinds=("noted",))) == [0, 4]
    assert check(root) == []
    for text in ("", "  \n", "x" * 10_001):
        with pytest.raises(InputError, match="1 to 10,000 characters"):
            add_note(layout, f"{FINAL}/0", text)


def test_notes_from_many_threads_are_all_kept(root: Path) -> None:
    layout = RunLayout(root, "first")
    threads = [
        threading.Thread(target=lambda n=number: add_note(layout, f"{FINAL}/0", f"note {n}"))
        for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(note.text for note in read_notes(layout)) == [f"note {number}" for number in range(8)]


def test_a_damaged_note_is_named(root: Path) -> None:
    layout = RunLayout(root, "first")
    add_note(layout, f"{FINAL}/0", "a")
    layout.notes.write_bytes(layout.notes.read_bytes().replace(b'"a"', b'"b"') + b"{}\n")
    with pytest.raises(StoreError, match=r"notes\.jsonl:1"):
        read_notes(layout)
    assert any("notes.jsonl:1" in finding for finding in check(root))


def test_the_pulse_beats_when_something_happens(tmp_path: Path) -> None:
    with StoreReader(tmp_path) as reader:
        assert reader.pulse() == (0, (), ())
        writer = open_run(tmp_path)
        seen = [reader.pulse()]
        assert seen[0][1] == ("first",)
        writer.start_phase(PHASE, "search", 1)
        seen.append(reader.pulse())
        file = ProgressFile(writer.layout)
        file.start(PHASE, "search", 10)
        seen.append(reader.pulse())
        assert reader.pulse() == seen[-1]
        progress = reader.progress("first")
        assert progress is not None and (progress.phase, progress.total) == (PHASE, 10)
        assert reader.phases("first")[0].status == "running"
        writer._release()  # what a process leaves that is killed
        seen.append(reader.pulse())
        assert len(set(seen)) == 4 and seen[-1][1] == ()
        assert reader.run("first").status == "stopped"
        assert reader.phases("first")[0].status == "stopped"
        assert reader.progress("first") is None


def test_a_query_is_given_up(root: Path) -> None:
    slow = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    raised: list[Exception] = []

    def ask(reader: StoreReader) -> None:
        try:
            reader._rows(slow)
        except InterruptedReadError as error:
            raised.append(error)

    with StoreReader(root) as reader, reader.beside() as other:
        threads = [threading.Thread(target=ask, args=(reader,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        assert other.count_trees(TreeFilter("first")) == 6
        while any(thread.is_alive() for thread in threads):
            reader.interrupt()
            threads[0].join(0.01)
        assert len(raised) == 3
        assert reader.count_trees(TreeFilter("first")) == 6


def test_the_index_is_synced_at_the_ends_of_phases_and_with_metrics(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from store.records import Metric

    with open_run(tmp_path) as writer, StoreReader(tmp_path) as reader:
        writer.start_phase("0.train", "train", 0)
        assert [phase.status for phase in reader.phases("first")] == ["running"]
        writer.add_metric(Metric("", "0.train", 0, "loss", 0.5, 1))
        assert reader.metrics("first") == []
        monkeypatch.setattr("store.index.run_index.OFTEN", 0.0)
        writer.add_metric(Metric("", "0.train", 0, "loss", 0.25, 2))
        assert [metric.value for metric in reader.metrics("first")] == [0.5, 0.25]
        writer.finish_phase("0.train", {})
        assert [phase.status for phase in reader.phases("first")] == ["done"]
        writer.start_phase("0.label", "label", 0)
        writer.fail_phase("0.label", "no")
        assert [phase.status for phase in reader.phases("first")] == ["done", "failed"]
        writer.finish_run()
        assert reader.run("first").status == "done"


def test_comparing_uses_the_index_of_problems(tmp_path: Path) -> None:
    with open_run(tmp_path) as writer:
        fill(writer)
    assert index_path(tmp_path).exists()
    with StoreReader(tmp_path) as reader:
        assert reader._rows("SELECT count(*) FROM sqlite_stat1")[0][0] > 0
