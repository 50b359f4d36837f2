"""Published data sets: a copy on this machine, or the files of a repository of the Hugging Face hub.

Files lie in the folder that the variable ``RESTMCTS_DATA`` names (without it, in the cache of the user), each
set in a folder of its own name, in their published form. What is not there is fetched into that folder once,
at a fixed revision. A set that is there is never asked for on the network, and with ``HF_HUB_OFFLINE=1``
nothing is.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from restmcts.errors import InputError
from restmcts.offline import is_offline
from restmcts.paths import expanded

FOLDER_VARIABLE = "RESTMCTS_DATA"

LONGEST_REASON = 300
"""Characters of what the hub says that a message repeats."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where the rows of a split are published.

    Attributes:
        repository: the name of a data set on the Hugging Face hub; "" for files with whole paths.
        files: its files with these rows, in order.
        revision: the commit, branch or tag that they are taken from.
        copies: other forms of the same rows in the data folder. Each is a group of patterns of paths there;
            the first group of which every pattern fits a file is taken.
        folder: the folder of its files in the data folder; "": that of the set.
    """

    repository: str
    files: tuple[str, ...]
    revision: str = "main"
    copies: tuple[tuple[str, ...], ...] = ()
    folder: str = ""


def data_folder() -> Path:
    """The folder of the data sets.

    Raises:
        InputError: the variable ``RESTMCTS_DATA`` names no folder.
    """
    named = os.environ.get(FOLDER_VARIABLE, "").strip()
    if not named:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "restmcts" / "data"
    folder = expanded(Path(named))
    if not folder.is_dir():
        raise InputError(f"{FOLDER_VARIABLE}: {folder} is no folder: make it, or name another one")
    return folder


def local_files(name: str, source: Source) -> list[Path]:
    """The files of a split of the set ``name`` that are on this machine, all of them or none."""
    folder = data_folder()
    published = [folder / (source.folder or name) / file for file in source.files]
    if all(path.is_file() for path in published):
        return published
    for group in source.copies:
        found = [sorted(path for path in folder.glob(pattern) if path.is_file()) for pattern in group]
        if all(found):
            return list(dict.fromkeys(path for paths in found for path in paths))
    return []


def fetched_files(name: str, source: Source) -> list[Path]:
    """The files of a split of the set ``name``; what is not on this machine is fetched from the hub.

    Raises:
        InputError: they are not here, and cannot be fetched; the message says what to do.
    """
    found = local_files(name, source)
    if found:
        return found
    if not source.repository:
        raise InputError(f"{source.files[0]} does not exist: check the path of the data set")
    if is_offline():
        raise InputError(_missing(name, source, "HF_HUB_OFFLINE is set"))
    folder = data_folder() / (source.folder or name)
    wanted = [file for file in source.files if not (folder / file).is_file()]
    # A process of its own: in this one, the hub's library has been told to stay offline.
    words = [
        sys.executable, "-m", "restmcts.problems.fetching", source.repository, source.revision, str(folder),
    ]  # fmt: skip
    allowed = {key: value for key, value in os.environ.items() if key != "HF_HUB_OFFLINE"}
    done = subprocess.run([*words, *wanted], env=allowed, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise InputError(_missing(name, source, _reason(done.stderr)))
    return [folder / file for file in source.files]


def _reason(errors: str) -> str:
    """The last line on standard error, without what huggingface_hub advises behind its first sentence."""
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    if not lines or lines[-1].startswith("LocalEntryNotFoundError"):
        return "the hub cannot be reached"
    return lines[-1].partition(". ")[0][:LONGEST_REASON]


def _missing(name: str, source: Source, reason: str) -> str:
    folder = data_folder() / (source.folder or name)
    command = ["hf", "download", source.repository, *(source.files if len(source.files) == 1 else ())]
    command += ["--repo-type", "dataset", "--revision", source.revision, "--local-dir", str(folder)]
    return (
        f"data set {name!r}: {folder} has no {source.files[0]}, and it cannot be fetched from"
        f" {source.repository} ({reason}): run `{shlex.join(command)}` where there is a network, and put the"
        f" files into {folder} ({FOLDER_VARIABLE} names the folder above it)"
    )
