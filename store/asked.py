"""What a search was asked to do, whatever its problem: by which evaluations know their searches."""

from __future__ import annotations

from dataclasses import fields
from hashlib import blake2b
from typing import Any

from store.events import Header

_NOT_ASKED = {"id", "problem", "question", "oracle", "seed", "worker"}
"""What is of the problem, or of who made the search."""
_NAMES = tuple(field.name for field in fields(Header) if field.name not in _NOT_ASKED)


class Asked:
    """Digests of searches, most of which were asked the same as one before them."""

    def __init__(self) -> None:
        self._known: dict[tuple[object, ...], tuple[dict[str, Any], str]] = {}

    def of(self, header: Header) -> str:
        """What :func:`asked` says of a search."""
        key = header.phase, header.method, header.answer_by, header.policy, header.value, header.budget
        settings, digest = self._known.get(key, (None, ""))
        if settings != header.settings:
            digest = asked(header)
            self._known[key] = header.settings, digest
        return digest


def asked(header: Header) -> str:
    """A digest of the phase, the method, the settings and the models of a search."""
    values = {name: getattr(header, name) for name in _NAMES}
    values["settings"] = sorted(header.settings.items())
    return blake2b(repr(sorted(values.items())).encode("utf-8", "replace"), digest_size=8).hexdigest()
