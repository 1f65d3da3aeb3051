"""A short queue in front of a few threads. Who finds it full, or waits too long, is told when to come again."""

from __future__ import annotations

import asyncio
import contextlib
import math
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")

# Of the newest request in the running mean of seconds: about the last ten count.
NEWEST = 0.2


class Busy(Exception):
    """There is no room or no time for a request now.

    Attributes:
        reason: one sentence for the client.
        retry_after: seconds after which it is worth another try, 1 or more.
    """

    def __init__(self, reason: str, retry_after: int):
        super().__init__(reason)
        self.reason, self.retry_after = reason, retry_after


class Gone(Exception):
    """The client has closed its connection."""


class Queue:
    """Runs work in threads, a bounded number of requests at a time. Its methods belong to one event loop.

    Args:
        workers: threads.
        waiting: requests that may wait for a thread, besides those that have one.
        seconds: from `enter` until the answer; later ones are given up.
    """

    def __init__(self, workers: int, waiting: int, seconds: float):
        self.workers, self.waiting, self.seconds = workers, waiting, seconds
        self.inside = 0  # requests that wait or are worked on
        self.mean = 1.0  # seconds of work; a guess until the first one
        self._threads: ThreadPoolExecutor | None = None  # begun with the first work

    @contextlib.contextmanager
    def enter(self) -> Iterator[float]:
        """Takes a place while the block runs; yields the time (`time.monotonic`) at which its request is given up.

        Raises:
            Busy: there is no place.
        """
        if self.inside >= self.workers + self.waiting:
            raise Busy(f"The queue is full: {self.inside} requests.", self.retry_after())
        self.inside += 1
        try:
            yield time.monotonic() + self.seconds
        finally:
            self.inside -= 1

    def retry_after(self) -> int:
        """Seconds until the requests of now are done, if they take as long as the last ones."""
        return max(1, math.ceil(self.mean * self.inside / self.workers))

    async def run(self, work: Callable[[], Result], until: float, gone: Callable[[], Awaitable]) -> Result:
        """Runs work in a thread.

        Args:
            work: takes as long as it takes: a thread cannot be stopped.
            until: of `enter`.
            gone: what it gives ends when the client closes its connection.

        Returns:
            What `work` returns; its exceptions come through.

        Raises:
            Busy: the time is over.
            Gone: the client is gone. In both cases work that has not begun never begins, and is not held.
        """
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self.workers, thread_name_prefix="colorize")
        box = [work]  # the threads keep a job that is canceled until one of them comes to it
        job = self._threads.submit(self._timed, box)
        future = asyncio.wrap_future(job)
        watch = asyncio.ensure_future(gone())
        left = max(0.0, until - time.monotonic())
        try:
            await asyncio.wait({future, watch}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            if future.done():
                return future.result()
            if not job.cancel():
                self._hold_place(job)
            if watch.done():
                raise Gone
            raise Busy(f"The time is over: {self.seconds:g} seconds.", self.retry_after())
        finally:
            watch.cancel()
            future.cancel()
            if job.cancel():
                box.clear()

    def _timed(self, box: list[Callable[[], Result]]) -> Result:
        began = time.monotonic()
        try:
            return box.pop()()
        finally:
            self.mean += NEWEST * (time.monotonic() - began - self.mean)

    def _hold_place(self, job: Future) -> None:
        """Counts work that nobody waits for any more, while its thread is taken."""
        self.inside += 1
        loop = asyncio.get_running_loop()

        def free() -> None:
            self.inside -= 1

        def ended(_: Future) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(free)

        job.add_done_callback(ended)

    def close(self) -> None:
        """Ends the threads after the work that they have begun."""
        threads, self._threads = self._threads, None
        if threads is not None:
            threads.shutdown(cancel_futures=True)


class Share:
    """A number that threads take parts of, such as the pixels that are in memory at once.

    Args:
        total: of all parts together. A part is never larger.
    """

    def __init__(self, total: int):
        self.total = self.free = total
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def take(self, part: int) -> Iterator[None]:
        """Waits until a part is free, and holds it while the block runs."""
        part = min(part, self.total)
        with self._changed:
            self._changed.wait_for(lambda: self.free >= part)
            self.free -= part
        try:
            yield
        finally:
            with self._changed:
                self.free += part
                self._changed.notify_all()
