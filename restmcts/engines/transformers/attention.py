"""Attention over cached keys and values, plugged into any Hugging Face decoder.

A forward pass sees one flat row of tokens from many sequences. In each layer the attention function
here stores the new keys and values in their slots, then lets every token read the slots of its own
sequence. Tokens that can share one kernel call form a :class:`Group`.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import numpy as np
import torch
import torch.nn.functional as F

from restmcts.engines.transformers.kv_cache import SCRATCH, Slots
from restmcts.errors import EngineError

NAME: Final = "restmcts"
"""The name under which transformers knows this attention."""

BUCKET: Final = 32
"""Lengths that attend together are rounded up to a multiple of this."""

SHARED: Final = 4
"""Longer pieces than this read their keys and values once for all their tokens."""


GROUP_SLOTS: Final = 2**17
"""The most slots that one group copies keys and values from, which bounds the memory that it takes."""

Member = TypeVar("Member")


@dataclass(slots=True)
class Piece:
    """Consecutive tokens of one sequence, to be computed now.

    ``start`` is the position of the first one; ``slots`` has the slot of every position of the sequence
    up to the last token here. ``last``: the model's output after the last token is wanted.
    """

    tokens: Sequence[int]
    start: int
    slots: Slots
    last: bool = True


@dataclass(slots=True)
class Group:
    """Tokens that one kernel call can do.

    ``tokens`` ``[sequences, queries]`` are places in the flat row, ``positions`` (same shape) their
    positions; ``slots`` ``[sequences or 1, length]`` is what they may read, by position.
    """

    tokens: torch.Tensor
    positions: torch.Tensor
    slots: torch.Tensor
    _masks: dict[tuple[int | None, torch.dtype], torch.Tensor] = field(default_factory=dict)

    def mask(self, window: int | None, dtype: torch.dtype) -> torch.Tensor:
        """``[sequences, queries, length]``: 0 where a token may read, minus infinity elsewhere."""
        key = (window, dtype)
        if key not in self._masks:
            places = torch.arange(self.slots.shape[1], device=self.slots.device)
            positions = self.positions[..., None]
            hidden = places > positions
            if window is not None:
                hidden |= places <= positions - window
            zeros = torch.zeros(hidden.shape, dtype=dtype, device=hidden.device)
            self._masks[key] = zeros.masked_fill_(hidden, -torch.inf)
        return self._masks[key]


class KeyValuePool:
    """The keys and values of all cached tokens: two tensors ``[slots, heads, size]`` a layer.

    They are made when a layer first writes. ``exact``: use arithmetic whose result for a token depends
    on that token's sequence alone, whatever the kernels of this machine do.
    """

    def __init__(self, slots: int, *, exact: bool) -> None:
        self.slots = slots
        self.exact = exact
        self.keys: dict[int, torch.Tensor] = {}
        self.values: dict[int, torch.Tensor] = {}
        self._copies: dict[str, torch.Tensor] = {}

    def write(self, layer: int, slots: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> None:
        """Store ``key`` and ``value`` ``[tokens, heads, size]`` of a layer."""
        if layer not in self.keys:
            # Left as it is: whoever reads a slot has written it, the scratch slot in every batch.
            self.keys[layer] = key.new_empty((self.slots, *key.shape[1:]))
            self.values[layer] = value.new_empty((self.slots, *value.shape[1:]))
        self.keys[layer].index_copy_(0, slots, key)
        self.values[layer].index_copy_(0, slots, value)

    def read(self, layer: int, slots: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values ``[sequences, length, heads, size]`` for ``slots`` ``[sequences, length]``.

        They are valid until the next call.
        """
        return self._read("keys", self.keys[layer], slots), self._read("values", self.values[layer], slots)

    def _read(self, kind: str, source: torch.Tensor, slots: torch.Tensor) -> torch.Tensor:
        shape = (slots.numel(), *source.shape[1:])
        size = math.prod(shape)
        copy = self._copies.get(kind)
        if copy is None or copy.numel() < size or copy.dtype != source.dtype:
            # Kept, because fresh memory of this size costs more than the copying.
            copy = self._copies[kind] = source.new_empty(size)
        target = copy[:size].view(shape)
        torch.index_select(source, 0, slots.reshape(-1), out=target)
        return target.view(*slots.shape, *source.shape[1:])


@dataclass(slots=True)
class Batch:
    """One forward pass: the flat row of tokens, where they go and what they read."""

    pool: KeyValuePool
    tokens: torch.Tensor
    positions: torch.Tensor
    slots: torch.Tensor
    groups: list[Group]
    wanted: torch.Tensor
    layers: set[int] = field(default_factory=set)


CURRENT: ContextVar[Batch] = ContextVar("restmcts_batch")
"""The batch of the forward pass that runs now; transformers has no place of its own for it."""


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    sliding_window: int | None = None,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """The attention function that transformers calls in every layer.

    ``query`` is ``[1, heads, tokens, size]``, ``key`` and ``value`` the same with fewer heads; the
    result is ``[1, tokens, heads, size]``.

    Raises:
        EngineError: the model wants something from attention that is not done here.
    """
    for name in ("softcap", "s_aux", "position_bias"):
        if options.get(name) is not None:
            raise EngineError(f"the model's attention uses {name}, which the transformers engine cannot do")
    batch = CURRENT.get()
    layer = int(module.layer_idx)  # type: ignore[arg-type]
    batch.layers.add(layer)
    batch.pool.write(layer, batch.slots, key[0].transpose(0, 1), value[0].transpose(0, 1))
    queries = query[0].transpose(0, 1)
    output = queries.new_zeros((queries.shape[0], queries.shape[1], value.shape[-1]))
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    for group in batch.groups:
        _attend_group(batch.pool, layer, group, queries, output, scale, sliding_window)
    return output[None], None


def _attend_group(
    pool: KeyValuePool,
    layer: int,
    group: Group,
    queries: torch.Tensor,
    output: torch.Tensor,
    scale: float,
    window: int | None,
) -> None:
    keys, values = pool.read(layer, group.slots)
    sequences, count = group.tokens.shape
    heads, size = keys.shape[2:]
    places = group.tokens.reshape(-1)
    # The query heads that share a key head become more queries of that head.
    query = queries.index_select(0, places).view(sequences, count, heads, -1, size)
    query = query.permute(0, 2, 3, 1, 4).reshape(sequences, heads, -1, size)
    shared = query.shape[2] // count
    mask = group.mask(window, query.dtype).repeat(1, shared, 1)[:, None]
    keys, values = keys.expand(sequences, -1, -1, -1), values.expand(sequences, -1, -1, -1)
    kernel = _exact_attention if pool.exact else _fast_attention
    result = kernel(query, keys, values, mask, scale)
    result = result.view(sequences, heads, shared, count, -1).permute(0, 3, 1, 2, 4)
    output.index_copy_(0, places, result.reshape(len(places), heads * shared, -1))


def _fast_attention(
    query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, mask: torch.Tensor, scale: float
) -> torch.Tensor:
    """Query ``[n, heads, q, size]``, keys and values ``[n, length, heads, size]`` -> like the query."""
    return F.scaled_dot_product_attention(
        query, keys.transpose(1, 2), values.transpose(1, 2), attn_mask=mask, scale=scale
    )


def _exact_attention(
    query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, mask: torch.Tensor, scale: float
) -> torch.Tensor:
    """The same without matrix products, whose rounding may depend on the thread that does them."""
    outputs = []
    for index in range(query.shape[2]):
        scores = (keys * (query[:, None, :, index] * scale)).sum(-1)
        weights = torch.softmax(scores + mask[:, 0, index, :, None], 1)
        outputs.append((values * weights[..., None]).sum(1))
    return torch.stack(outputs, 2)


def kernel_is_exact(device: torch.device, dtype: torch.dtype) -> bool:
    """Does :func:`_fast_attention` give a row the same bits alone as among others, on this machine?

    Some matrix libraries round differently in different threads.
    """
    generator = torch.Generator().manual_seed(0)
    shape = (64, 2 * BUCKET, 4, BUCKET)
    keys, values = (torch.randn(shape, generator=generator).to(device, dtype) for _ in range(2))
    query = torch.randn((64, 4, 1, BUCKET), generator=generator).to(device, dtype)
    mask = torch.zeros((64, 1, 1, 2 * BUCKET), device=device, dtype=dtype)
    mask[..., -5:] = -torch.inf
    whole = _fast_attention(query, keys, values, mask, 1.0)
    alone = []
    for row in range(64):
        part = slice(row, row + 1)
        alone.append(_fast_attention(query[part], keys[part], values[part], mask[part], 1.0))
    return torch.equal(whole, torch.cat(alone))


def padded(count: int, multiple: int) -> int:
    """``count`` rounded up to a multiple."""
    return -(-count // multiple) * multiple


def build_batch(
    pieces: Sequence[Piece], pool: KeyValuePool, *, reproducible: bool, multiple: int, device: torch.device
) -> Batch:
    """Lay out pieces as one forward pass.

    The number of tokens and of wanted outputs is padded to a multiple, with at least one padding token.
    With ``reproducible``, what is computed for a token has a shape that depends on its position alone.
    """
    count = sum(len(piece.tokens) for piece in pieces)
    rows = np.zeros((3, padded(count + 1, multiple)), np.int64)
    rows[2] = SCRATCH
    starts: list[int] = []
    wanted: list[int] = []
    place = 0
    for piece in pieces:
        end = place + len(piece.tokens)
        rows[0, place:end] = piece.tokens
        rows[1, place:end] = range(piece.start, piece.start + len(piece.tokens))
        rows[2, place:end] = piece.slots[piece.start : piece.start + len(piece.tokens)]
        starts.append(place)
        if piece.last:
            wanted.append(end - 1)
        place = end
    layout = _exact_groups if reproducible else _joint_groups
    groups = layout(pieces, starts, rows.shape[1] - 1, device)
    wanted += [rows.shape[1] - 1] * (padded(len(wanted), multiple) - len(wanted))
    flat = torch.from_numpy(rows).to(device)
    return Batch(
        pool, flat[0], flat[1], flat[2], groups, torch.tensor(wanted, dtype=torch.long, device=device)
    )


def _group(tokens: Any, positions: Any, slots: Any, device: torch.device) -> Group:
    def tensor(array: Any) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(array, np.int64)).to(device)

    return Group(tensor(tokens), tensor(positions), tensor(slots))


def _exact_groups(
    pieces: Sequence[Piece], starts: Sequence[int], padding: int, device: torch.device
) -> list[Group]:
    """One query a row, and a number of readable slots that follows from its position."""
    rows: dict[int, list[tuple[int, int, Slots]]] = defaultdict(list)
    groups: list[Group] = []
    for piece, place in zip(pieces, starts, strict=True):
        if len(piece.tokens) > SHARED:
            groups.extend(_shared_groups(piece, place, device))
            continue
        for offset in range(len(piece.tokens)):
            position = piece.start + offset
            rows[position // BUCKET].append((place + offset, position, piece.slots))
    for bucket, members in rows.items():
        length = (bucket + 1) * BUCKET
        for part in _parts(members, length):
            places, positions, sources = zip(*part, strict=True)
            slots = _slot_rows(sources, [position + 1 for position in positions], length)
            groups.append(_group(np.array(places)[:, None], np.array(positions)[:, None], slots, device))
    return groups


def _parts(members: list[Member], length: int) -> Iterator[list[Member]]:
    """Cut a group whose copies of keys and values would take too much memory."""
    most = max(1, GROUP_SLOTS // length)
    for start in range(0, len(members), most):
        yield members[start : start + most]


def _shared_groups(piece: Piece, place: int, device: torch.device) -> list[Group]:
    """The tokens of one long piece, cut where the number of readable slots grows."""
    groups: list[Group] = []
    first, end = piece.start, piece.start + len(piece.tokens)
    while first < end:
        length = (first // BUCKET + 1) * BUCKET
        positions = np.arange(first, min(length, end))
        slots = _slot_rows([piece.slots], [positions[-1] + 1], length)
        groups.append(_group((positions - piece.start + place)[:, None], positions[:, None], slots, device))
        first = length
    return groups


def _slot_rows(sources: Sequence[Slots], ends: Sequence[int], length: int) -> Slots:
    """``[sources, length]``: the slots of each source up to its end, then the scratch slot."""
    rows = np.full((len(sources), length), SCRATCH, np.int64)
    for row, source, end in zip(rows, sources, ends, strict=True):
        row[:end] = source[:end]
    return rows


def _joint_groups(
    pieces: Sequence[Piece], starts: Sequence[int], padding: int, device: torch.device
) -> list[Group]:
    """Pieces with about as many tokens together, whatever their lengths."""
    classes: dict[int, list[tuple[Piece, int]]] = defaultdict(list)
    for piece, place in zip(pieces, starts, strict=True):
        classes[(len(piece.tokens) - 1).bit_length()].append((piece, place))
    groups: list[Group] = []
    for members in classes.values():
        longest = max(piece.start + len(piece.tokens) for piece, _ in members)
        parts = _parts(members, padded(longest, BUCKET))
        groups.extend(_joint_group(part, padding, device) for part in parts)
    return groups


def _joint_group(members: Sequence[tuple[Piece, int]], padding: int, device: torch.device) -> Group:
    queries = max(len(piece.tokens) for piece, _ in members)
    tokens = np.full((len(members), queries), padding)
    positions = np.zeros((len(members), queries))
    for row, (piece, place) in enumerate(members):
        count = len(piece.tokens)
        tokens[row, :count] = np.arange(place, place + count)
        positions[row, :count] = np.arange(piece.start, piece.start + count)
    ends = [piece.start + len(piece.tokens) for piece, _ in members]
    slots = _slot_rows([piece.slots for piece, _ in members], ends, padded(max(ends), BUCKET))
    return _group(tokens, positions, slots, device)
