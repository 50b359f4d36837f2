"""Fingerprints say whether a file still holds what was written."""

from __future__ import annotations

import os
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.errors import StoreError
from store.files.fingerprints import Digest, Fingerprint, fingerprint_file, fingerprint_folder

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_and_a_folder(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "notes").write_bytes(b"x")
    (tmp_path / "a.jsonl").write_bytes(b"1\n2\n")
    (tmp_path / "sub" / "b.bin").write_bytes(b"\n" * 3)
    (tmp_path / "link").symlink_to(tmp_path / "sub" / "b.bin")
    found = fingerprint_folder(tmp_path)
    assert found["a.jsonl"] == Fingerprint(4, sha256(b"1\n2\n").hexdigest(), 2)
    assert found["sub/b.bin"] == found["link"] == Fingerprint(3, sha256(b"\n\n\n").hexdigest())
    assert sorted(found) == ["a.jsonl", "link", "sub/b.bin"]


def test_differences_in_words() -> None:
    known = Fingerprint(4, "a" * 64, 2)
    assert known.difference(known) is None
    assert known.difference(Fingerprint(4, "b" * 64, 2)) == "other content in the same 4 bytes"
    assert known.difference(Fingerprint(2, "b" * 64, 1)) == "1 lines instead of 2"
    assert known.difference(Fingerprint(3, "b" * 64, 2)) == "3 bytes instead of 4"


def test_what_is_no_regular_file_or_missing_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(StoreError, match="pipe: is no regular file"):
        fingerprint_folder(tmp_path)
    with pytest.raises(StoreError, match=r"cannot read .*none: No such file"):
        fingerprint_file(tmp_path / "none")
    with pytest.raises(StoreError, match=r"cannot read|no regular file"):
        fingerprint_file(tmp_path)


@given(st.lists(st.binary(max_size=9), max_size=5))
def test_pieces_and_rows(pieces: list[bytes]) -> None:
    digest, whole = Digest(), Digest()
    for piece in pieces:
        digest.add(piece)
    whole.add(b"".join(pieces))
    found = digest.fingerprint(lines=True)
    assert found == whole.fingerprint(lines=True)
    assert Fingerprint.from_row(found.to_row()) == found


@pytest.mark.parametrize(
    "row",
    [
        None,
        {},
        {"bytes": 1},
        {"bytes": True, "sha256": "a" * 64},
        {"bytes": 1, "sha256": "A" * 64},
        {"bytes": 1, "sha256": "a" * 63},
        {"bytes": 1, "sha256": "a" * 64, "lines": None, "more": 1},
        {"bytes": 1, "sha256": "a" * 64, "lines": 1.0},
    ],
)
def test_rows_of_others_are_refused(row: object) -> None:
    with pytest.raises(ValueError, match="fingerprint"):
        Fingerprint.from_row(row)
