"""Reading a store, also while it is written."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from store.asked import asked
from store.check import rebuild
from store.errors import InputError, StoreError
from store.files.layout import index_path
from store.index.reader import ORDERS, StoreReader
from store.queries import TreeFilter
from store.records import TreeSummary
from tests.store.build import (
    CHECKPOINT,
    EVALUATION,
    LABELS,
    METRIC,
    PHASE,
    fill,
    open_run,
    record,
)

if TYPE_CHECKING:
    from store.runs.writer import RunWriter


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    with open_run(tmp_path) as writer:
        fill(writer)
    return tmp_path


@pytest.fixture
def varied(tmp_path: Path) -> Path:
    """Two phases of searches that differ in everything."""
    with open_run(tmp_path) as writer:
        for iteration, phase in enumerate(("1.search", "2.search"), 1):
            writer.start_phase(phase, "search", iteration)
            for number in range(6):
                search = record(number, phase, correct=number % 2 == 0, method=["mcts", "beam"][number % 2])
                result = replace(
                    search.result,
                    seconds=float(number * 7 % 5),
                    correct=None if number == 5 else number % 2 == 0,
                )
                writer.add_tree(replace(search, result=result))
            writer.finish_phase(phase, {"done": iteration})
    return tmp_path


def numbers(trees: list[TreeSummary]) -> list[tuple[int, str]]:
    return [(tree.number, tree.phase) for tree in trees]


def test_summaries(filled: Path) -> None:
    with StoreReader(filled) as reader:
        (run,) = reader.runs()
        assert reader.run("first") == run
        assert (run.name, run.recipe, run.phase, run.iteration) == ("first", "tiny", PHASE, 1)
        assert (run.trees, run.solved, run.policy_tokens) == (3, 2, 36)
        assert run.created.endswith("+00:00")
        (phase,) = reader.phases("first")
        assert (phase.name, phase.kind, phase.iteration, phase.status) == (PHASE, "search", 1, "done")
        assert (phase.trees, phase.correct, phase.summary) == (3, 2, {"trees": 3})
        assert phase.seconds is not None and phase.seconds >= 0
        assert reader.metrics("first") == [METRIC]
        assert reader.checkpoints("first") == [CHECKPOINT]
        assert reader.evaluations("first") == [EVALUATION]
        assert reader.labels("first", f"{PHASE}/0") == {"rest-mcts": LABELS}
        assert reader.labels("first", f"{PHASE}/77") == {}


def test_a_tree_summary_says_what_the_search_says(filled: Path) -> None:
    search = record(1, correct=False)
    with StoreReader(filled) as reader:
        tree = reader.trees(TreeFilter("first"))[1]
    header, result = search.header, search.result
    assert tree == TreeSummary(
        run="first",
        id=header.id,
        phase=PHASE,
        iteration=1,
        number=1,
        problem=header.problem,
        question=header.question,
        oracle=header.oracle,
        method=header.method,
        answer_by=header.answer_by,
        budget=header.budget,
        answer=result.answer,
        correct=False,
        reason=result.reason,
        nodes=4,
        finished=1,
        policy_tokens=result.cost.policy,
        critic_tokens=0,
        prompt_tokens=result.cost.prompt,
        value_tokens=result.cost.value,
        seconds=result.seconds,
        seed=1,
        asked=asked(header),
        depth=2,
        leaves=2,
        right=0,
        distinct_answers=1,
        best_wrong=0.875,
        answer_changes=0,
        ever_right=False,
        rounds=1,
        idle_rounds=0,
    )


def test_pages_filters_and_counts(varied: Path) -> None:
    with StoreReader(varied) as reader:
        everything = reader.trees(TreeFilter("first"))
        assert numbers(everything) == [(n, p) for n in range(6) for p in ("1.search", "2.search")]
        assert reader.trees(TreeFilter("first"), limit=5, offset=5) == everything[5:10]
        assert reader.count_trees(TreeFilter("first")) == 12
        assert reader.methods("first") == ["beam", "mcts"]
        assert reader.iterations("first") == [1, 2]
        for filters, count in (
            ({"phases": ("2.search",)}, 6),
            ({"methods": ("beam",)}, 6),
            ({"iteration": 2, "methods": ("mcts",)}, 3),
            ({"solved": True}, 6),
            ({"solved": False}, 6),
            ({"text": "PROBLEM-3"}, 2),
            ({"text": "what is 2 + 3? (4)"}, 2),
            ({"text": "%"}, 0),
            ({"text": "_"}, 0),
            ({"text": "\\"}, 0),
            ({"text": "'; DROP TABLE trees; --"}, 0),
            ({"text": "\ud800"}, 0),
            ({"text": "x" * 100_000}, 0),
            ({"text": ""}, 12),
            ({"phases": (), "solved": None}, 12),
            ({"phases": ("3.search",)}, 0),
        ):
            assert reader.count_trees(TreeFilter("first", **filters)) == count, filters
            assert len(reader.trees(TreeFilter("first", **filters))) == count, filters
        assert reader.trees(TreeFilter("other")) == []
        assert reader.count_trees(TreeFilter("other")) == 0


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("descending", [False, True])
def test_every_order(varied: Path, order: str, descending: bool) -> None:
    with StoreReader(varied) as reader:
        trees = reader.trees(TreeFilter("first"), order_by=order, descending=descending)
        parts = [
            reader.trees(TreeFilter("first"), order_by=order, descending=descending, limit=1, offset=n)
            for n in range(12)
        ]

    def key(tree: TreeSummary) -> tuple[object, ...]:
        value = (tree.phase, tree.number) if order == "id" else getattr(tree, order)
        return (value is not None, value if value is not None else 0, tree.number, tree.phase)

    assert trees == sorted(trees, key=key, reverse=descending)
    assert [tree for part in parts for tree in part] == trees


def test_an_unknown_order_is_refused(varied: Path) -> None:
    with (
        StoreReader(varied) as reader,
        pytest.raises(InputError, match="cannot sort by 'size'; use one of id"),
    ):
        reader.trees(TreeFilter("first"), order_by="size")


def test_records(filled: Path) -> None:
    with StoreReader(filled) as reader:
        assert reader.record("first", f"{PHASE}/2") == record(2)
        for tree in (
            "",
            "x",
            "1.search/9",
            "9.search/1",
            "1.search/x",
            "1.search/٣",
            "../../x/1",
            f"{PHASE}/{10**30}",
        ):
            with pytest.raises(InputError):
                reader.record("first", tree)
        with pytest.raises(InputError):
            reader.record("../first", f"{PHASE}/2")


def test_a_record_is_found_when_the_index_is_behind(filled: Path) -> None:
    path = filled / "runs/first/trees" / f"{PHASE}.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[2] + lines[0] + lines[1])
    with StoreReader(filled) as reader:
        for number in range(3):
            assert reader.record("first", f"{PHASE}/{number}") == record(number, correct=number != 1)
        path.write_bytes(b"{}\n" * 5 + lines[1])
        assert reader.record("first", f"{PHASE}/1") == record(1, correct=False)
        with pytest.raises(InputError, match="no tree"):
            reader.record("first", f"{PHASE}/2")
        path.write_bytes(lines[0] + b"{broken\n" + lines[1])
        with pytest.raises(StoreError, match=r"1\.search\.jsonl:2"):
            reader.record("first", f"{PHASE}/1")


def test_a_tree_that_is_not_indexed_yet_can_be_read(tmp_path: Path) -> None:
    with open_run(tmp_path) as writer, StoreReader(tmp_path) as reader:
        writer.start_phase(PHASE, "search", 1)
        writer.add_tree(record(3))
        assert reader.record("first", f"{PHASE}/3") == record(3)


def test_the_status_of_a_run(tmp_path: Path) -> None:
    with StoreReader(tmp_path) as reader:
        with open_run(tmp_path) as writer:
            assert reader.run("first").status == "running"
            writer.start_phase(PHASE, "search", 1)
            writer.sync_index()
            assert reader.phases("first")[0].status == "running"
            assert reader.phases("first")[0].seconds is None
        assert reader.run("first").status == "stopped"
        with open_run(tmp_path) as writer:
            writer.start_phase(PHASE, "search", 1)
            writer.fail_phase(PHASE, "no")
        assert reader.run("first").status == "failed"
        with open_run(tmp_path) as writer:
            writer.start_phase(PHASE, "search", 1)
            writer.finish_phase(PHASE, {})
            writer.finish_run()
        assert reader.run("first").status == "done"


def test_the_version_changes_with_the_index(tmp_path: Path) -> None:
    with StoreReader(tmp_path) as reader:
        assert reader.version() == 0
        with open_run(tmp_path) as writer:
            writer.start_phase(PHASE, "search", 1)
            seen = [reader.version()]
            for number in range(3):
                writer.add_tree(record(number))
                writer.sync_index()
                assert reader.version() not in seen
                seen.append(reader.version())
            writer.sync_index()
            assert reader.version() == seen[-1]
        rebuild(tmp_path)
        assert reader.version() not in seen
        for suffix in ("", "-wal", "-shm"):
            Path(f"{index_path(tmp_path)}{suffix}").unlink(missing_ok=True)
        with pytest.raises(StoreError, match="store rebuild"):
            reader.runs()
        rebuild(tmp_path)
        assert len(reader.trees(TreeFilter("first"))) == 3


def test_an_empty_store(tmp_path: Path) -> None:
    with StoreReader(tmp_path) as reader:
        assert reader.runs() == []
        assert reader.trees(TreeFilter("x")) == []
        assert reader.phases("x") == []
        assert reader.metrics("x") == []
        with pytest.raises(InputError, match="no run 'x'"):
            reader.run("x")
    with pytest.raises(InputError, match="no such folder"):
        StoreReader(tmp_path / "none")


def test_an_index_that_is_no_database(filled: Path) -> None:
    index_path(filled).write_bytes(b"x" * 5000)
    with StoreReader(filled) as reader, pytest.raises(StoreError, match="store rebuild"):
        reader.runs()


def test_a_reader_changes_nothing(filled: Path) -> None:
    with StoreReader(filled) as reader, pytest.raises(StoreError, match="readonly"):
        reader._rows("DELETE FROM trees")


def test_reading_from_threads_while_writing(tmp_path: Path) -> None:
    ended = threading.Event()
    writer = open_run(tmp_path)
    writer.start_phase(PHASE, "search", 1)

    def read(reader: StoreReader) -> int:
        seen = 0
        while not ended.is_set():
            trees = reader.trees(TreeFilter("first"), order_by="seconds")
            for tree in trees[-2:]:
                assert reader.record("first", tree.id).header.id == tree.id
                seen += 1
            reader.runs()
            reader.version()
        return seen

    with StoreReader(tmp_path) as reader, ThreadPoolExecutor(3) as pool:
        readers = [pool.submit(read, reader) for _ in range(3)]
        try:
            for number in range(60):
                writer.add_tree(record((number * 7) % 60))
                writer.sync_index()
            writer.seal_trees(PHASE)
        finally:
            ended.set()
        assert all(future.result() > 0 for future in readers)
        assert len(reader.trees(TreeFilter("first"))) == 60
    writer.close()


def test_looking_never_turns_a_writer_away(tmp_path: Path) -> None:
    open_run(tmp_path).close()
    ended = threading.Event()

    def look() -> None:
        with StoreReader(tmp_path) as reader:
            while not ended.is_set():
                reader.runs()

    thread = threading.Thread(target=look)
    thread.start()
    try:
        for _ in range(50):
            open_run(tmp_path).close()
    finally:
        ended.set()
        thread.join()


READ = """
import os, sys
from pathlib import Path
from store.index.reader import StoreReader
from store.queries import TreeFilter
if os.geteuid() == 0:
    os.setuid(65534)
with StoreReader(Path(sys.argv[1])) as reader:
    print(len(reader.trees(TreeFilter("first"))), reader.record("first", "1.search/0").result.answer)
"""


def test_a_store_that_may_only_be_read(filled: Path) -> None:
    folders = [path for path in (filled, *filled.rglob("*")) if path.is_dir()]
    above = [path for path in filled.parents if path.stat().st_uid == os.getuid() and path != Path("/")]
    modes = {path: path.stat().st_mode for path in (*folders, *above)}
    try:
        for path in above:
            path.chmod(modes[path] | 0o055)
        for path in folders:
            path.chmod(0o555)
        done = subprocess.run(
            [sys.executable, "-c", READ, str(filled)], capture_output=True, text=True, check=False
        )
    finally:
        for path, mode in modes.items():
            path.chmod(mode)
    assert done.stdout == "3 5\n", done.stderr


def test_a_reader_imports_nothing_heavy() -> None:
    heavy = "{'torch', 'sqlite_utils', 'textual'}"
    code = f"import sys, store.index.reader; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_page_of_many_trees_is_read_by_an_index(tmp_path: Path) -> None:
    writer: RunWriter = open_run(tmp_path)
    fill(writer)
    with StoreReader(tmp_path) as reader:
        plan = reader._rows(
            "EXPLAIN QUERY PLAN SELECT * FROM trees WHERE run = ? ORDER BY number, phase LIMIT 200",
            ("first",),
        )
        assert [row["detail"] for row in plan] == ["SEARCH trees USING INDEX trees_by_number (run=?)"]
    writer.close()
