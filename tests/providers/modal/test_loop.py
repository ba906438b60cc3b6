from __future__ import annotations

import asyncio
import gc
import threading

import pytest

from providers.modal.loop import Loop, Overdue

from .conftest import PATIENCE


async def forever():
    await asyncio.Event().wait()


async def stubborn(released):
    while not released.is_set():
        try:
            await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            continue


async def failing():
    raise TimeoutError("the work's own")


async def thread_name():
    return threading.current_thread().name


def test_all_work_runs_in_one_thread():
    loop = Loop()
    names = []
    threads = [threading.Thread(target=lambda: names.append(loop.run(thread_name(), PATIENCE))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert names == ["modal-provider"] * 8


def test_work_that_takes_too_long_is_overdue_whether_or_not_it_obeys():
    loop, released = Loop(), threading.Event()
    with pytest.raises(Overdue, match=r"no answer within 0\.01 s"):
        loop.run(forever(), 0.01)
    with pytest.raises(Overdue):
        loop.run(stubborn(released), 0.01)
    released.set()


def test_a_timeout_raised_by_the_work_itself_is_passed_on():
    with pytest.raises(TimeoutError, match="the work's own"):
        Loop().run(failing(), PATIENCE)


def test_the_thread_ends_with_its_owner():
    loop = Loop()
    loop.run(thread_name(), PATIENCE)
    mine = [thread for thread in threading.enumerate() if thread.name == "modal-provider"]
    del loop
    gc.collect()
    for thread in mine:
        thread.join(PATIENCE)
    assert not any(thread.is_alive() for thread in mine[-1:])
