"""Fetches files of a data set from the Hugging Face hub: ``REPOSITORY REVISION FOLDER FILE…``."""

from __future__ import annotations

import sys


def fetch(repository: str, revision: str, folder: str, files: list[str]) -> None:
    """Write files of a repository into ``folder``, under their paths in the repository."""
    from huggingface_hub import hf_hub_download

    for file in files:
        hf_hub_download(repository, file, repo_type="dataset", revision=revision, local_dir=folder)


def main() -> None:
    """Fetch what the arguments name; what is wrong is one line on standard error."""
    repository, revision, folder, *files = sys.argv[1:]
    try:
        fetch(repository, revision, folder, files)
    # Whatever goes wrong here, from a name that cannot be resolved to a full disk, is told as it is.
    except Exception as error:
        sys.exit(" ".join(f"{type(error).__name__}: {error}".split()))


if __name__ == "__main__":
    main()
