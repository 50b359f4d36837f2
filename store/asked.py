"""What a search was asked to do, whatever its problem: by which evaluations know their searches."""

from __future__ import annotations

from dataclasses import fields
from hashlib import blake2b

from store.events import Header

_OF_THE_PROBLEM = {"id", "problem", "question", "oracle", "seed"}
_NAMES = tuple(field.name for field in fields(Header) if field.name not in _OF_THE_PROBLEM)


def asked(header: Header) -> str:
    """A digest of the phase, the method, the settings and the models of a search."""
    values = {name: getattr(header, name) for name in _NAMES}
    values["settings"] = sorted(header.settings.items())
    return blake2b(repr(sorted(values.items())).encode("utf-8", "replace"), digest_size=8).hexdigest()
