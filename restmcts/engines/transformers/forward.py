"""A Hugging Face decoder that reads each token once: forward passes over pieces of cached sequences."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import torch

from restmcts.engines.transformers.attention import (
    CURRENT,
    NAME,
    Batch,
    KeyValuePool,
    Piece,
    attend,
    build_batch,
    kernel_is_exact,
)
from restmcts.engines.transformers.comparison import check_states, own_states
from restmcts.engines.transformers.kv_cache import PrefixCache
from restmcts.errors import InputError

ROWS: Final = 32
"""Rows of a matrix product are padded to a multiple of this times the number of threads: below about 16
rows, and in the rest that does not fill a vector, results depend on the number of rows."""

POOL_BYTES: Final = 2**30
"""Memory for keys and values on a CPU, unless ``cache_tokens`` says otherwise."""


class CachedModel:
    """A decoder, the keys and values of what it has read, and the tree of prefixes they belong to.

    The attention of ``model`` is replaced until :meth:`restore` is called.
    """

    def __init__(self, model: Any, *, name: str, reproducible: bool, cache_tokens: int | None) -> None:
        self.model = model.eval()
        self.name = name
        self.device: torch.device = model.device
        # Other devices and number formats have no matrix product that could keep the promise.
        self._exact = reproducible and self.device.type == "cpu" and model.dtype == torch.float32
        self.forward_passes = 0
        self._keeps = "logits_to_keep" in inspect.signature(model.forward).parameters
        self._multiple = ROWS * torch.get_num_threads() if self._exact else 1
        self._attention = model.config._attn_implementation
        expected = own_states(model, name)
        _register(model, name)
        exact = self._exact and not kernel_is_exact(self.device, model.dtype)
        probe = self._probe(name, exact)
        slots = cache_tokens or _default_tokens(probe, self.device)
        self.pool = KeyValuePool(slots + 1, exact=exact)
        self.cache = PrefixCache(slots)
        if expected is not None:
            check_states(model, self.hidden, expected, name)

    def restore(self) -> None:
        """Give the model its own attention back."""
        self.model.set_attn_implementation(self._attention)

    def clear(self) -> None:
        """Forget all cached tokens, after a forward pass that failed."""
        self.cache.clear()

    def logits(self, pieces: Sequence[Piece]) -> torch.Tensor:
        """Next-token logits ``[wanted pieces, vocabulary]`` of a causal language model."""
        batch = self._batch(pieces)
        options = {"logits_to_keep": batch.wanted} if self._keeps else {}
        logits: torch.Tensor = self._run(self.model, batch, options).logits[0]
        wanted = sum(piece.last for piece in pieces)
        return logits[:wanted] if self._keeps else logits[batch.wanted[:wanted]]

    def hidden(self, pieces: Sequence[Piece], layers: torch.nn.Module | None = None) -> torch.Tensor:
        """The last layer's states ``[wanted pieces, size]`` after the last tokens, passed through more
        ``layers`` where some are given."""
        batch = self._batch(pieces)
        states: torch.Tensor = self._run(self.model.base_model, batch, {}).last_hidden_state[0]
        wanted = sum(piece.last for piece in pieces)
        if layers is None:
            return states[batch.wanted[:wanted]]
        with torch.inference_mode():
            # All rows of the batch, padding too: their number decides how a product is rounded.
            further: torch.Tensor = layers(states[batch.wanted])
        return further[:wanted]

    def _batch(self, pieces: Sequence[Piece]) -> Batch:
        return build_batch(
            pieces,
            self.pool,
            reproducible=self._exact,
            multiple=self._multiple,
            device=self.device,
        )

    def _run(self, module: Any, batch: Batch, options: dict[str, Any]) -> Any:
        self.forward_passes += 1
        token = CURRENT.set(batch)
        try:
            with torch.inference_mode():
                return module(
                    input_ids=batch.tokens[None],
                    position_ids=batch.positions[None],
                    use_cache=False,
                    **options,
                )
        finally:
            CURRENT.reset(token)

    def _probe(self, name: str, exact: bool) -> KeyValuePool:
        """Run one token to see that every layer uses our attention, and how large its keys are."""
        pool = KeyValuePool(2, exact=exact)
        piece = Piece([0], 0, np.ones(1, np.int64))
        batch = build_batch([piece], pool, reproducible=True, multiple=self._multiple, device=self.device)
        self._run(self.model.base_model, batch, {})
        layers = set(range(self.model.config.get_text_config().num_hidden_layers))
        if batch.layers != layers:
            raise InputError(
                f"{name}: only {len(batch.layers)} of {len(layers)} layers have attention that can be "
                "cached; use a plain decoder model, or another engine"
            )
        return pool


def _register(model: Any, name: str) -> None:
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, attend)
    kinds = set(getattr(model.config, "layer_types", None) or ())
    unknown = sorted(kinds - {"full_attention", "sliding_attention"})
    if unknown:
        raise InputError(f"{name}: layers of kind {', '.join(unknown)} need another engine")
    try:
        model.set_attn_implementation(NAME)
    except (ValueError, ImportError) as error:
        raise InputError(f"{name}: its attention cannot be replaced; use another engine") from error


def _default_tokens(probe: KeyValuePool, device: torch.device) -> int:
    """As many tokens as fit a part of the memory."""
    tensors = [*probe.keys.values(), *probe.values.values()]
    token_bytes = sum(tensor[0].numel() * tensor.element_size() for tensor in tensors)
    memory = POOL_BYTES
    if device.type == "cuda":
        memory = torch.cuda.mem_get_info(device)[0] * 3 // 10
    return max(4096, min(memory // token_bytes, 2**20))
