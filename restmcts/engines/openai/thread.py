"""A thread with an event loop of its own, for connections that outlive the event loops of those who ask."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from restmcts.engines.messages import first_line
from restmcts.errors import EngineError, RestmctsError

T = TypeVar("T")
Work = Callable[[], Coroutine[Any, Any, T]]


class RequestThread:
    """Runs coroutines for other threads and other event loops, of which a run has one for each phase.

    What goes wrong with them is an EngineError in one line.
    """

    def __init__(self, name: str, clean: Callable[[str], str]) -> None:
        """Start the thread.

        Args:
            name: how errors call what the requests go to.
            clean: makes a text of any origin fit to be shown.
        """
        self._name = name
        self._clean = clean
        self._closed = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"openai {name}", daemon=True)
        self._thread.start()

    def start(self, work: Work[T]) -> Future[T]:
        """Run ``work()`` in the thread; cancelling the future cancels its HTTP requests.

        Raises:
            EngineError: the engine was closed.
        """
        if self._closed:
            raise EngineError(f"{self._name}: the engine is closed")
        return asyncio.run_coroutine_threadsafe(self._guarded(work), self._loop)

    async def run(self, work: Work[T]) -> T:
        """Run ``work()`` in the thread and wait for it from another event loop."""
        return await asyncio.wrap_future(self.start(work))

    def close(self, end: Callable[[], Awaitable[None]]) -> None:
        """Cancel what is under way, await ``end()`` and end the thread; those who wait get an EngineError."""
        if self._closed:
            return
        self._closed = True
        asyncio.run_coroutine_threadsafe(self._shut(end), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _shut(self, end: Callable[[], Awaitable[None]]) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await end()

    async def _guarded(self, work: Work[T]) -> T:
        try:
            return await work()
        except RestmctsError:
            raise
        except Exception as error:  # a failure of any kind belongs to those who wait
            words = self._clean(first_line(error))
            raise EngineError(f"{self._name}: {type(error).__name__}: {words}") from error
        except asyncio.CancelledError:
            if self._closed:
                raise EngineError(f"{self._name}: the engine was closed") from None
            raise
