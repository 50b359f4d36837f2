"""The index as a file: its version, its copies, its rebuilding, and who else holds it."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import store.index.index
import store.index.run_index
from store.check import check, rebuild
from store.errors import BusyError, InputError, StoreError
from store.files.layout import index_lock, index_path
from store.files.mounts import is_on_network
from store.index.holders import holders
from store.index.index import Index
from store.index.reader import StoreReader
from store.index.rebuild import rebuild_index
from store.index.schema import APPLICATION_ID
from store.runs.writer import RunWriter
from tests.store.build import CONFIG, ENVIRONMENT, PHASE, fill, open_run, record, tables
from tests.support.stores import make_older

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    with open_run(tmp_path) as writer:
        fill(writer)
    return tmp_path


def change(root: Path, *statements: str) -> None:
    """What another version or another program does to the index."""
    with closing(sqlite3.connect(index_path(root), isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def open_noting(root: Path, notes: list[str]) -> RunWriter:
    return RunWriter.create_or_open(root, "first", config=CONFIG, environment=ENVIRONMENT, note=notes.append)


NEWER = "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('restmcts', '99 x', '')"
OTHER_VERSIONS = [
    ((NEWER, "ALTER TABLE trees ADD COLUMN thoughts TEXT"), "was made by a newer restmcts"),
    (("ALTER TABLE trees ADD COLUMN thoughts TEXT",), "has other tables than"),
    (("ALTER TABLE trees RENAME COLUMN seed TO seeds",), "has other tables than"),
    (("DROP TABLE labels",), "has other tables than"),
    (("DROP INDEX trees_by_number",), "has other tables than"),
    (("DROP TABLE _sqlite_migrations",), "has other tables than"),
]


@pytest.mark.parametrize(("statements", "said"), OTHER_VERSIONS)
def test_an_index_of_another_version_is_named_and_ends_no_run(
    filled: Path, statements: tuple[str, ...], said: str
) -> None:
    before = tables(filled)
    change(filled, *statements)
    with StoreReader(filled) as reader, pytest.raises(StoreError, match=f"{said}.*store rebuild"):
        reader.runs()
    assert [said in finding for finding in check(filled)] == [True]
    notes: list[str] = []
    with open_noting(filled, notes) as writer:
        writer.start_phase("2.search", "search", 2)
        writer.add_tree(record(0, "2.search"))
        writer.finish_phase("2.search", {})
    assert len(notes) == 1 and said in notes[0] and "the run goes on" in notes[0]
    rebuild(filled)
    assert check(filled) == []
    assert len(tables(filled)["trees"]) == len(before["trees"]) + 1


def test_a_database_of_another_program_stays_as_it_is(filled: Path) -> None:
    for path in filled.glob("index.db*"):
        path.unlink()
    change(
        filled, "PRAGMA application_id = 77", "CREATE TABLE photos (name)", "INSERT INTO photos VALUES (1)"
    )
    content = index_path(filled).read_bytes()
    notes: list[str] = []
    open_noting(filled, notes).close()
    with pytest.raises(StoreError, match="of another program: move it away"):
        rebuild(filled)
    with StoreReader(filled) as reader, pytest.raises(StoreError, match="of another program"):
        reader.runs()
    assert "of another program" in notes[0]
    assert index_path(filled).read_bytes() == content


def test_an_index_of_the_version_before_is_taken_on(filled: Path) -> None:
    change(filled, "PRAGMA application_id = 0")
    assert check(filled) == []
    open_run(filled).close()
    with closing(sqlite3.connect(index_path(filled))) as connection:
        assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)


ROWS = [
    ("UPDATE trees SET correct = 0", "2 rows of trees"),
    ("DELETE FROM trees WHERE number = 1", "1 rows of trees"),
    ("INSERT INTO labels VALUES ('first', '1.search/0', 'x', '1.search', 9, 0.5)", "1 rows of labels"),
    ("UPDATE evaluations SET accuracy = 1.0", "1 rows of evaluations"),
    ("UPDATE nodes SET value = 0.1 WHERE node = 1", "3 rows of nodes"),
    ("UPDATE phases SET status = 'failed'", "1 rows of phases"),
    ("UPDATE runs SET recipe = 'huge'", "1 rows of runs"),
    ("DELETE FROM samples", "3 rows of samples"),
    ("INSERT INTO files VALUES ('gone', 'phases.jsonl', 1, 1, 1, 1)", "the folder of run 'gone' is gone"),
    ("DELETE FROM files WHERE path = 'metrics.jsonl'", "behind"),
]


@pytest.mark.parametrize(("statement", "said"), ROWS)
def test_the_check_compares_every_row_with_the_files(filled: Path, statement: str, said: str) -> None:
    change(filled, statement)
    (finding,) = check(filled)
    assert said in finding and "store rebuild" in finding
    rebuild(filled)
    assert check(filled) == []


def test_a_damaged_page_is_found(filled: Path) -> None:
    path = index_path(filled)
    data = bytearray(path.read_bytes())
    size = int.from_bytes(data[16:18], "big")
    for page in range(3, len(data) // size):
        data[page * size : page * size + 8] = b"\xff" * 8
    path.write_bytes(data)
    assert any("damaged" in finding or "cannot be read" in finding for finding in check(filled))
    rebuild(filled)
    assert check(filled) == []


def test_a_copy_of_a_store_is_as_sound_as_the_store(
    filled: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    copy = tmp_path_factory.mktemp("copy") / "store"
    shutil.copytree(filled, copy, copy_function=shutil.copyfile)
    assert check(copy) == []
    with StoreReader(copy) as reader:
        assert reader.run("first").trees == 3
    open_run(copy).close()
    assert check(copy) == []


def test_runs_that_the_index_lacks_are_pointed_to(filled: Path) -> None:
    shutil.copytree(filled / "runs/first", filled / "runs/second")
    with StoreReader(filled) as reader:
        assert reader.unindexed() == ["second"]
        with pytest.raises(InputError, match=r"'second' is in .* not in its index.*store rebuild"):
            reader.run("second")
        rebuild(filled)
        assert reader.unindexed() == []
        assert reader.run("second").trees == 3


HANGING = """
import sys, threading
from pathlib import Path
from store.check import rebuild
from store.index.follower import Follower

whole = Follower.sync

def sync(self, run):
    found = whole(self, run)
    print("one run is in", flush=True)
    threading.Event().wait()
    return found

Follower.sync = sync
rebuild(Path(sys.argv[1]))
"""


def test_a_rebuild_that_runs_or_was_killed_shows_what_was_there_before(tmp_path: Path) -> None:
    for run in ("first", "second"):
        with open_run(tmp_path, run) as writer:
            fill(writer)
    before = tables(tmp_path)
    process = subprocess.Popen([sys.executable, "-c", HANGING, str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout, StoreReader(tmp_path) as reader:
        assert process.stdout.readline() == b"one run is in\n"
        assert {run.name: run.trees for run in reader.runs()} == {"first": 3, "second": 3}
        process.kill()
        process.wait()
        assert {run.name: run.trees for run in reader.runs()} == {"first": 3, "second": 3}
    assert tables(tmp_path) == before
    assert check(tmp_path) == []
    rebuild(tmp_path)
    assert tables(tmp_path) == before
    assert not list(tmp_path.glob("index.db.new*"))


def killed_at(call: int, root: Path) -> bool:
    """Rebuild in another process, which is killed at one of the calls by which the index is replaced.

    Odd calls are killed before they do something, even ones after it. False when there are fewer.
    """
    process = os.fork()
    if process:
        return os.WIFSIGNALED(os.waitpid(process, 0)[1])
    made = 0

    def killing(function: Callable[..., Any]) -> Callable[..., Any]:
        def call_it(*arguments: Any, **named: Any) -> Any:
            nonlocal made
            for step in (0, 1):
                made += 1
                if made == call:
                    os.kill(os.getpid(), signal.SIGKILL)
                if step == 0:
                    result = function(*arguments, **named)
            return result

        return call_it

    for name in ("unlink", "replace"):
        setattr(Path, name, killing(getattr(Path, name)))
    rebuild(root)
    os._exit(0)


COUNTING = """
import sys
from pathlib import Path
from store.index.reader import StoreReader
with StoreReader(Path(sys.argv[1])) as reader:
    print(reader.run("first").trees)
"""


def test_a_rebuild_that_is_killed_at_any_call_leaves_a_whole_index(filled: Path) -> None:
    """Also what is in the log of the old index alone is there still."""
    calls = 0
    writer = open_run(filled)
    while True:
        calls += 1
        phase = f"{calls}.more"
        writer.start_phase(phase, "search", 1)
        writer.add_tree(record(0, phase))
        writer.sync_index()
        was_killed = killed_at(calls, filled)
        done = subprocess.run([sys.executable, "-c", COUNTING, str(filled)], capture_output=True, check=True)
        assert int(done.stdout) == 3 + calls
        if not was_killed:
            break
    writer.close()
    assert calls > 15
    assert check(filled) == []


def test_a_writer_goes_on_with_the_new_index(filled: Path) -> None:
    with open_run(filled) as writer, StoreReader(filled) as reader:
        writer.start_phase("2.search", "search", 2)
        writer.add_tree(record(0, "2.search"))
        writer.sync_index()
        seen, inode = reader.version(), index_path(filled).stat().st_ino
        assert rebuild(filled)["trees"] == 4
        assert index_path(filled).stat().st_ino != inode
        assert reader.version() not in range(seen + 1)
        writer.add_tree(record(1, "2.search"))
        writer.sync_index()
        assert reader.run("first").trees == 5
        writer.finish_phase("2.search", {})
    assert check(filled) == []
    live = tables(filled)
    rebuild(filled)
    assert tables(filled) == live


def test_rebuilding_under_writers_loses_no_row(tmp_path: Path) -> None:
    ended = threading.Event()

    def write(run: str) -> None:
        with open_run(tmp_path, run) as writer:
            writer.start_phase(PHASE, "search", 1)
            number = 0
            while number < 10 or not ended.is_set():
                writer.add_tree(record(number))
                writer.sync_index()
                number += 1
            writer.finish_phase(PHASE, {})

    threads = [threading.Thread(target=write, args=(f"run{number}",)) for number in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(5):
        rebuild(tmp_path)
    ended.set()
    for thread in threads:
        thread.join()
    assert check(tmp_path) == []


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store.index.run_index, "LONG", 0.05)
    monkeypatch.setattr(store.index.run_index, "SHORT", 0.05)
    monkeypatch.setattr(store.index.run_index, "PATIENCE", 0.0)


def editor(root: Path) -> Callable[[], None]:
    """Another program with an edit that is not written; returns what ends it."""
    connection = sqlite3.connect(index_path(root), isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    return connection.close


def rebuilder(root: Path) -> Callable[[], None]:
    """A rebuild that takes its time."""
    file = index_lock(root).open("a")
    fcntl.flock(file, fcntl.LOCK_EX)
    return file.close


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("holder", [editor, rebuilder])
def test_an_index_that_another_program_holds_ends_no_run(
    filled: Path, holder: Callable[[Path], Callable[[], None]]
) -> None:
    release = holder(filled)
    notes: list[str] = []
    with open_noting(filled, notes) as writer:
        writer.start_phase("2.search", "search", 2)
        for number in (1, 0):
            writer.add_tree(record(number, "2.search"))
            assert writer.sync_index() == []
        writer.seal_trees("2.search")
        writer.finish_phase("2.search", {})
    assert len(notes) == 1
    assert "held by" in notes[0] or "another restmcts holds" in notes[0]
    assert "the run goes on without its index" in notes[0]
    with StoreReader(filled) as reader:
        assert reader.run("first").trees == 3
    release()
    open_run(filled).close()
    with StoreReader(filled) as reader:
        assert reader.run("first").trees == 5
    assert check(filled) == []


@pytest.mark.parametrize("holder", [editor, rebuilder])
def test_a_rebuild_leaves_an_index_alone_that_another_program_holds(
    filled: Path, holder: Callable[[Path], Callable[[], None]]
) -> None:
    release = holder(filled)
    with pytest.raises(BusyError):
        rebuild_index(filled, patience=0.05)
    release()
    assert check(filled) == []
    assert not list(filled.glob("index.db.new*"))


def test_a_short_time_behind_is_no_news(filled: Path) -> None:
    notes: list[str] = []
    with open_noting(filled, notes) as writer:
        release = rebuilder(filled)
        assert writer.sync_index() == []
        release()
        writer.sync_index()
    assert notes == []


def test_a_folder_where_the_index_belongs_ends_no_run(filled: Path) -> None:
    for path in filled.glob("index.db*"):
        path.unlink()
    index_path(filled).mkdir()
    notes: list[str] = []
    open_noting(filled, notes).close()
    assert len(notes) == 1 and "move it away" in notes[0]
    with pytest.raises(StoreError, match="move it away"):
        rebuild(filled)


def test_lines_that_the_index_leaves_out_are_told(filled: Path) -> None:
    path = filled / "runs/first/trees" / f"{PHASE}.jsonl"
    make_older(filled / "runs/first/phases.jsonl")  # which knows no fingerprints
    with path.open("ab") as file:
        file.write(b'{"format": 2}\n' * 5 + path.read_bytes().splitlines()[0] + b"\n")
    notes: list[str] = []
    open_noting(filled, notes).close()
    assert [f"{path}:4" in notes[0], "leaves this line out" in notes[0]] == [True, True]
    assert "3 more such lines" in notes[-1]


def test_an_index_that_was_deleted_under_a_writer_is_made_again(filled: Path) -> None:
    with open_run(filled) as writer:
        for path in filled.glob("index.db*"):
            path.unlink()
        writer.start_phase("2.search", "search", 2)
        writer.add_tree(record(0, "2.search"))
    with StoreReader(filled) as reader:
        assert reader.run("first").trees == 4


def test_who_holds_a_database(tmp_path: Path) -> None:
    path, locks = tmp_path / "index.db", tmp_path / "locks"
    path.touch()
    inode = path.stat().st_ino
    locks.write_text(
        f"1: POSIX  ADVISORY  WRITE 1 fd:00:{inode} 120 120\n"
        f"1: -> POSIX  ADVISORY  WRITE 7 fd:00:{inode} 120 120\n"
        f"2: POSIX  ADVISORY  READ 8 fd:00:{inode} 0 EOF\n"
        f"3: POSIX  ADVISORY  WRITE 9 fd:00:{inode + 1} 0 EOF\nrubbish\n"
    )
    name = Path("/proc/1/comm").read_text("utf-8").strip()
    assert holders(path, locks) == [f"{name} (process 1)"]
    assert holders(path, tmp_path / "none") == []


def test_which_folders_are_on_a_network(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(
        "/dev/sda / ext4 rw 0 0\nserver:/home /home nfs4 rw 0 0\n/dev/sdb /home/local xfs rw 0 0\n"
        "host:/x /with\\040space fuse.sshfs rw 0 0\n"
    )
    found = {
        place: is_on_network(Path(place), mounts)
        for place in ("/srv", "/home/me/store", "/home/local/store", "/with space/store", "/homes")
    }
    assert list(found.values()) == [False, True, False, True, False]
    assert not is_on_network(tmp_path, tmp_path / "none")


def test_on_a_network_the_index_needs_no_shared_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store.index.index, "is_on_network", lambda folder: True)
    with open_run(tmp_path) as writer, StoreReader(tmp_path) as reader:
        fill(writer)
        writer.sync_index()
        assert reader.run("first").trees == 3
        assert sorted(path.name for path in tmp_path.glob("index.db*")) == ["index.db", "index.db.lock"]
    rebuild(tmp_path)
    assert check(tmp_path) == []


def test_the_index_says_what_is_wrong_with_it(filled: Path) -> None:
    index_path(filled).write_bytes(b"this is no database" * 1000)
    with pytest.raises(StoreError, match=r"damaged, or no database .*store rebuild"):
        Index(filled).sync("first")
