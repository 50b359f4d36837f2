"""Seeds that depend on names alone, so that no order of execution can change them."""

from __future__ import annotations

from hashlib import blake2b


def derive_seed(*parts: int | str) -> int:
    """A seed below 2**48 that is always the same for the same parts."""
    digest = blake2b("\x1f".join(map(str, parts)).encode("utf-8", "replace"), digest_size=6).digest()
    return int.from_bytes(digest, "big")
