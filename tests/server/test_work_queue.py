"""Requests and threads: who gets a place, who is told to come again, and what is held meanwhile."""

import asyncio
import threading
import time
import weakref

import pytest

from colorizer.server.work_queue import Busy, Gone, Queue, Share


async def never():
    await asyncio.sleep(60)


def test_a_place_is_free_again_after_its_request():
    queue = Queue(1, 0, 60)
    with pytest.raises(ValueError, match="work"), queue.enter() as until:
        assert until > time.monotonic() + 50
        with pytest.raises(Busy), queue.enter():
            pass
        raise ValueError("work")
    with queue.enter():
        assert queue.inside == 1
    assert queue.inside == 0


def test_the_time_to_come_again_grows_with_the_queue():
    queue = Queue(2, 10, 60)
    queue.mean, queue.inside = 3.0, 0
    assert queue.retry_after() == 1
    queue.inside = 8
    assert queue.retry_after() == 12


def test_work_of_a_client_that_left_never_begins():
    queue, begun, leave = Queue(1, 1, 60), [], threading.Event()

    class Work:
        def __call__(self):
            begun.append(1)

    async def scene():
        async def gone():
            await asyncio.sleep(0.05)

        work = Work()
        held = weakref.ref(work)
        first = asyncio.create_task(queue.run(lambda: leave.wait(30), time.monotonic() + 60, never))
        await asyncio.sleep(0.02)
        with pytest.raises(Gone):
            await queue.run(work, time.monotonic() + 60, gone)
        assert queue.inside == 0  # it never had a thread: nothing is held for it
        del work
        assert held() is None
        leave.set()
        assert await first is True
        return await queue.run(lambda: "next", time.monotonic() + 60, never)

    assert asyncio.run(scene()) == "next"
    assert begun == []


def test_errors_of_the_work_come_through():
    async def scene():
        await Queue(1, 1, 60).run(lambda: 1 / 0, time.monotonic() + 60, never)

    with pytest.raises(ZeroDivisionError):
        asyncio.run(scene())


def test_all_photos_in_memory_together_have_a_limit():
    share, order = Share(10), []

    def large():
        with share.take(50):  # more than there is: alone
            order.append("large begins")

    with share.take(8):
        thread = threading.Thread(target=large)
        thread.start()
        thread.join(0.1)
        order.append("small ends")
    thread.join(10)
    assert order == ["small ends", "large begins"] and share.free == 10
