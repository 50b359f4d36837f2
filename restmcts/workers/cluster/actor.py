"""The process on a node that searches. What it is told and what it replies are bytes: nothing is pickled."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

from restmcts.engines.adapters import name_base
from restmcts.engines.cpu import collect_rarely, prepare_cpu
from restmcts.errors import InputError, RestmctsError
from restmcts.grading.registry import GRADERS
from restmcts.plugins import load_plugin
from restmcts.search.running.driver import failed
from restmcts.search.running.task_json import decode_task, problems_from
from restmcts.workers.cluster.folders import ModelFolder, compare, unpack
from restmcts.workers.cluster.messages import NotReadyError, refusal, reply
from restmcts.workers.cluster.plan import Plan, PluginFile
from restmcts.workers.cluster.versions import differences, versions
from restmcts.workers.local import LocalWorkers, open_workers
from store.encoding.searches import encode_search
from store.errors import UnstorableError
from store.events import SearchRecord

prepare_cpu()
collect_rarely()


class SearchWorker:
    """A worker: engines of its own, and the searches that run on them.

    Ray makes one in a process of its own, and calls its methods in an event loop there.

    Args:
        number: the number of the worker, from 1.
    """

    def __init__(self, number: int) -> None:
        self._number = number
        self._incarnation = uuid4().hex
        self._opened = ExitStack()
        self._workers: LocalWorkers | None = None
        self._name = ""
        self._opening = asyncio.Lock()
        self._running: set[asyncio.Task[bytes]] = set()

    async def place(self) -> bytes:
        """Where the worker is: the address of its node, and the number of its process."""
        return reply({"node": _node(), "process": os.getpid()})

    async def open(self, plan: bytes, blocks: Sequence[Any]) -> bytes:
        """Get ready to search, or drop what runs where that was done before.

        Args:
            plan: a :class:`~restmcts.workers.cluster.plan.Plan` as JSON.
            blocks: references of Ray to the blocks of all its folders, where they are sent.
        """
        for running in self._running:
            running.cancel()
        async with self._opening:
            if self._workers is None:
                try:
                    self._workers = await asyncio.to_thread(self._open, Plan.from_json(plan), blocks)
                except RestmctsError as error:
                    self._opened.close()
                    return refusal(error)
        return reply({"node": _node(), "incarnation": self._incarnation})

    def _open(self, plan: Plan, blocks: Sequence[Any]) -> LocalWorkers:
        import ray

        if different := differences(dict(plan.versions), versions()):
            raise InputError(f"has {', '.join(different)}: equal searches need equal versions on all nodes")
        self._name = f"{_node()}/worker-{self._number}"
        for plugin in plan.plugins:
            _load(plugin)
        folders = self._folders(plan, [partial(ray.get, block) for block in blocks])
        grader = self._opened.enter_context(GRADERS[plan.grader].open())
        return self._opened.enter_context(
            open_workers(
                plan.models,
                lambda name: Path(folders.get(name, name)),
                plan.model_settings(),
                grader,
                plan.sampling,
                drop_repeats=plan.drop_repeats,
                concurrency=plan.concurrency,
            )
        )

    def _folders(self, plan: Plan, blocks: Sequence[Callable[[], bytes]]) -> dict[str, str]:
        """The folders of the models on this node, by the names of the models."""
        left = iter(blocks)
        found = {}
        for name, folder in plan.folders.items():
            here = self._here(folder, left) if plan.sent else _compared(folder)
            if folder.base is not None:
                base = self._here(folder.base, left) if plan.sent else folder.base.path
                name_base(Path(here), Path(base))
            found[name] = here
        return found

    def _here(self, folder: ModelFolder, blocks: Iterator[Callable[[], bytes]]) -> str:
        unpacked = unpack(folder, [next(blocks) for _ in range(folder.blocks)])
        self._opened.callback(unpacked.close)
        return unpacked.folder.path

    async def search(self, task: bytes) -> bytes:
        """Run a search; the reply has its line, as it is to be stored, and what the engines have counted."""
        return await self._run(self._search(task))

    async def _search(self, task: bytes) -> bytes:
        workers = self._open_workers
        (record,) = [ended.record async for ended in workers.search([decode_task(task)])]
        line = encoded(replace(record, header=replace(record.header, worker=self._name)))
        told = {"stats": workers.stats(), "remarks": workers.remarks(), "incarnation": self._incarnation}
        return reply(told, line)

    async def too_long(self, problems: bytes) -> bytes:
        """Why problems leave no room for a solution, by their ids."""

        async def look() -> bytes:
            found = await asyncio.to_thread(self._open_workers.too_long, problems_from(problems))
            return reply({"too_long": found})

        return await self._run(look())

    async def close(self) -> None:
        """Drop what runs, and give memory and files back."""
        for running in self._running:
            running.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        self._workers = None
        await asyncio.to_thread(self._opened.close)

    async def _run(self, work: Coroutine[Any, Any, bytes]) -> bytes:
        """The reply of ``work``, which can be dropped."""
        task = asyncio.ensure_future(work)
        self._running.add(task)
        try:
            return await task
        except RestmctsError as error:
            return refusal(error)
        finally:
            self._running.discard(task)

    @property
    def _open_workers(self) -> LocalWorkers:
        if self._workers is None:
            raise NotReadyError(f"worker {self._number} was started again, and has no models yet")
        return self._workers


def encoded(record: SearchRecord) -> bytes:
    """The line of a search; of one that no file can hold, that of a failed one."""
    try:
        return encode_search(record)
    except UnstorableError as error:
        return encode_search(failed(record, str(error)))


def _node() -> str:
    import ray

    return str(ray.util.get_node_ip_address())


def _compared(folder: ModelFolder) -> str:
    compare(folder)
    return folder.path


def _load(plugin: PluginFile) -> None:
    """Load a plug-in from its path, or where this node has another file there, from a copy."""
    path = Path(plugin.path)
    try:
        same = sha256(path.read_bytes()).hexdigest() == plugin.sha256
    except OSError:
        same = False
    if not same:
        with tempfile.TemporaryDirectory(prefix="restmcts-plugin-") as folder:
            path = Path(folder) / path.name
            path.write_bytes(plugin.code.encode("utf-8"))
            load_plugin(path)
            return
    load_plugin(path)
