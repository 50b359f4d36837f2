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
    long as a dozen passes of a small model. Call this after importing them, and when a model was closed:
    what is kept from the collector is never found to be garbage, so that a model which was there at one call
    is given back by the next.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    # What is frozen at the end of the process is reported as leaked by some libraries.
    atexit.unregister(gc.unfreeze)
    atexit.register(gc.unfreeze)


def collect_rarely() -> None:
    """Let the garbage collector look for cycles less often, in a process that holds many searches.

    A tree is made of thousands of objects that stay and refer to each other in no cycle: with the settings
    that Python starts with, looking for some takes a fifth of the time of a search on a small model. Memory
    that is in no cycle is given back at once, as always.
    """
    gc.set_threshold(100_000, 20, 20)
