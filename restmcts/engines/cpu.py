"""How this process computes on a CPU."""

from __future__ import annotations

import atexit
import gc
import os


def prepare_cpu() -> None:
    """Ask the matrix library for results that do not depend on the thread that computes them.

    It heeds this only when it has not computed anything yet, and rounds differently with it: call this
    at the start of a process, so that all processes of a run compute alike.
    """
    os.environ.setdefault("MKL_CBWR", "AUTO")


def freeze_libraries() -> None:
    """Keep the garbage collector from walking over the imported libraries again and again.

    Torch and transformers hold hundreds of thousands of objects; a full collection over them takes as
    long as a dozen passes of a small model. Call this once, after importing them and before a model is
    loaded, so that models can still be collected.
    """
    gc.collect()
    gc.freeze()
    # What is frozen at the end of the process is reported as leaked by some libraries.
    atexit.unregister(gc.unfreeze)
    atexit.register(gc.unfreeze)
