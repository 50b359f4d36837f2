"""The forms that a file of problems may have, and what is said about others."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import zipfile
from pathlib import Path

import pytest

from restmcts.errors import InputError
from restmcts.problems.jsonl import load_problems

ROWS = [
    {"problem": "What is 1 + 1?", "answer": "2"},
    {"problem": "What is a,b\n“quoted”?", "answer": 50.70, "id": "second", "tolerance": 0.05},
]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS)


def loaded(path: Path) -> list[tuple[str, str, str | None, float | None]]:
    return [(each.id, each.text, each.answer, each.tolerance) for each in load_problems(path)]


@pytest.fixture
def expected(tmp_path: Path) -> list[tuple[str, str, str | None, float | None]]:
    path = tmp_path / "set.jsonl"
    path.write_text(LINES)
    return loaded(path)


FORMS = {
    "set.jsonl.gz": gzip.compress(LINES.encode()),
    "set.json": json.dumps(ROWS).encode(),
    "set.pretty.json": json.dumps(ROWS, indent=2).encode(),
    "set.bom.json": b"\xef\xbb\xbf" + json.dumps(ROWS, indent=2).encode(),
    "set.jq.jsonl": "\n".join(json.dumps(row, indent=4) for row in ROWS).encode(),
    "set.odd.json": b"\n \n[\n" + b",\n".join(json.dumps(row).encode() for row in ROWS) + b"\n]\n",
    "set.json.gz": gzip.compress(json.dumps(ROWS, indent=2).encode()),
}


@pytest.mark.parametrize("name", FORMS)
def test_compressed_files_and_arrays_are_read(
    tmp_path: Path, expected: list[tuple[str, str, str | None, float | None]], name: str
) -> None:
    path = tmp_path / name
    path.write_bytes(FORMS[name])
    stem = name.removesuffix(".gz").rpartition(".")[0]
    assert loaded(path) == [(f"{stem}-00001", *expected[0][1:]), expected[1]]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_tables_are_read(tmp_path: Path, delimiter: str) -> None:
    path = tmp_path / "set.csv"
    cells = [
        ("problem", "answer ", "id", "tolerance", "source"),
        ("What is 1 + 1?", "2", "", "", "mine"),
        ('"What is a,b;c\td\n""quoted""?"', "50.70", "second", "0.05", ""),
        ("", "", "", "", ""),
    ]
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(delimiter.join(row) for row in cells).encode())
    assert loaded(path) == [
        ("set-00001", "What is 1 + 1?", "2", None),
        ("second", 'What is a,b;c\td\n"quoted"?', "50.70", 0.05),
    ]
    assert load_problems(path)[0].fields == {"source": "mine"}


def test_a_table_may_be_a_pipe(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    with os.fdopen(writer, "wb") as file:
        file.write(json.dumps(ROWS, indent=1).encode())
    assert len(load_problems(Path(f"/dev/fd/{reader}"))) == 2
    os.close(reader)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("question,answer\na,b\n", "no column 'problem'"),
        ("problem,answer\na,b,c\n", "row 1 has more cells"),
        ("problem,answer,tolerance\na,1,some\n", "row 1: 'tolerance' must be a number"),
        ("problem,answer\na,1\nb,\n", "row 2: 'answer' is missing"),
        ("problem,answer\n", "holds no problem"),
        ("", "no column 'problem'"),
        ('problem,answer\n"a"b,1\n', "row 1 cannot be read"),
        ('problem,answer\na,1\n"b,2\n', "row 2 cannot be read"),
    ],
)
def test_a_bad_table_is_named_with_its_row(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "set.csv"
    path.write_text(content)
    with pytest.raises(InputError) as caught:
        load_problems(path)
    assert str(path) in str(caught.value)
    assert message in str(caught.value)


def archive() -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as file:
        file.writestr("set.jsonl", LINES)
    return data.getvalue()


OTHERS = [
    (b"PAR1" + b"\0" * 40, "a Parquet file: write it as JSON Lines"),
    (b"ARROW1\0\0", "an Arrow file"),
    (archive(), "a zip archive or a spreadsheet"),
    (bz2.compress(LINES.encode()), "compressed by bzip2"),
    (lzma.compress(LINES.encode()), "compressed by xz"),
    (b"SQLite format 3\0", "a SQLite database"),
    (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
    (gzip.compress(LINES.encode())[:-20], "cannot be read"),
    (b"\x1f\x8b\x08\0", "cannot be read"),
    (LINES.encode("utf-16"), "not UTF-8 at byte 1"),
]


# Some of the contents hold the time, which must not become part of the name of a test.
@pytest.mark.parametrize(("content", "message"), OTHERS, ids=range(len(OTHERS)))
def test_files_of_other_kinds_are_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "set.jsonl"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        load_problems(path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"problem": "p", "answer": "1", "answer": "2"}', "the key 'answer' is there twice"),
        ('{"problem": "p", "answer": "1", "more": {"a": 1, "a": 2}}', "the key 'a' is there twice"),
        ('{"problem": "p", "answer": "1", "n": ' + "9" * 5001 + "}", "a number of 5,001 digits"),
        ('{"problem": "p", "answer": ' + "9" * 5001 + "}", "a number of 5,001 digits: put it in quotes"),
    ],
)
def test_what_json_takes_and_nobody_means_is_refused(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "set.jsonl"
    path.write_text(LINES + line + "\n")
    with pytest.raises(InputError) as caught:
        load_problems(path)
    assert str(caught.value).startswith(f"{path}:3: ")
    assert message in str(caught.value)
    assert "set_int_max_str_digits" not in str(caught.value)


def test_the_first_broken_line_is_named_as_a_line(tmp_path: Path) -> None:
    path = tmp_path / "set.jsonl"
    path.write_text('{"problem": "p", "answer": \n' + LINES)
    with pytest.raises(InputError, match=r"set\.jsonl:1: broken JSON at column"):
        load_problems(path)
