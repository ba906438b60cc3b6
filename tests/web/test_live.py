"""The live stream: one read a second, whatever is open, and none while nobody looks."""

from __future__ import annotations

import asyncio

import pytest
from starlette.requests import Request

from dispatcher.web.answers import Refused
from dispatcher.web.clients import clients_of
from dispatcher.web.pages import live as module
from dispatcher.web.pages.live import LivePages
from dispatcher.web.pages.visit import Pages


def request(**query):
    words = "&".join(f"{name}={value}" for name, value in query.items()).encode()
    return Request({"type": "http", "query_string": words, "headers": [], "state": {"may_change": True}})


async def opened(live, **query):
    """A stream, and its messages from the first on."""
    response = await live.stream(request(**query))
    messages = aiter(response.body_iterator)
    assert await anext(messages) == ": open\n\n"
    return messages


async def message(messages):
    return await asyncio.wait_for(anext(messages), 20)


@pytest.fixture
def live(wiring):
    wiring.client.create_work_pool("nightly", type="process", concurrency_limit=2)
    return LivePages(Pages(clients=clients_of(wiring)), every=0.01)


def test_a_change_reaches_every_open_page_by_one_read(live, wiring):
    async def story():
        tabs = [await opened(live, pool="nightly") for _ in range(20)]
        first = [await message(tab) for tab in tabs]
        assert len(set(first)) == 1
        assert "default" in first[0]
        assert live.reads < len(tabs)

        waiting = [asyncio.ensure_future(anext(tab)) for tab in tabs]
        await asyncio.to_thread(wiring.client.update_work_pool, "nightly", concurrency_limit=7)
        changed = await asyncio.wait_for(asyncio.gather(*waiting), 20)
        assert all("of 7" in text for text in changed)
        for tab in tabs:
            await tab.aclose()

    asyncio.run(story())


def test_nothing_is_sent_while_nothing_changes_and_nothing_is_read_while_nobody_looks(live):
    async def story():
        tab = await opened(live)
        assert "nightly" in await message(tab)
        waiting = asyncio.ensure_future(anext(tab))
        seen = live.reads
        while live.reads < seen + 5:
            await asyncio.sleep(0)
        assert not waiting.done()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await tab.aclose()
        await asyncio.wait_for(live._task, 20)
        return live.reads

    assert asyncio.run(story()) == live.reads


def test_a_fault_closes_every_stream_and_the_next_one_is_read_again(live, monkeypatch):
    async def story():
        tabs = [await opened(live), await opened(live, pool="nightly")]
        for tab in tabs:
            await message(tab)
        with monkeypatch.context() as patch:
            patch.setattr(live, "_rendered", lambda *_: 1 / 0)
            for tab in tabs:
                with pytest.raises(StopAsyncIteration):
                    await message(tab)
        with pytest.raises(ZeroDivisionError):
            await live._task
        again = await opened(live)
        assert "nightly" in await message(again)
        await again.aclose()

    asyncio.run(story())


def test_a_deleted_pool_is_shown_as_out_of_date(live, wiring):
    async def story():
        tab = await opened(live, pool="nightly")
        await message(tab)
        await asyncio.to_thread(wiring.client.delete_work_pool, "nightly")
        assert await message(tab) == "event: stale\ndata: Work pool 'nightly' does not exist\n\n"
        await tab.aclose()

    asyncio.run(story())


def test_the_page_of_a_run_is_sent_when_the_run_moves(live, wiring):
    async def story():
        run = await asyncio.to_thread(wiring.client.create_run, pool="nightly", job_variables={"command": "true"})
        tab = await opened(live, run=str(run.id))
        assert "scheduled" in await message(tab)
        await asyncio.to_thread(wiring.client.cancel_run, run.id)
        assert "cancelled" in await message(tab)
        await tab.aclose()

    asyncio.run(story())


def test_a_list_is_read_once_for_all_who_see_the_same_part_of_it(live, wiring):
    async def story():
        wiring.client.create_run(pool="nightly", name="first", job_variables={"command": "true"})
        query = {"of": "runs", "pool": "nightly", "state": "SCHEDULED"}
        queries = [query, {**dict(reversed(query.items())), "x": 1}]
        tabs = [await opened(live, **query) for query in queries]
        first = [await message(tab) for tab in tabs]
        assert first[0] == first[1]
        assert "first" in first[0]
        assert len(live._sent) == 1
        await asyncio.to_thread(wiring.client.create_run, pool="nightly", name="second", job_variables={"command": "true"})
        assert all(["second" in await message(tab) for tab in tabs])
        for tab in tabs:
            await tab.aclose()
        assert live._sent == {}, "what nobody sees any more is forgotten"

    asyncio.run(story())


def test_deployments_are_sent_when_they_change_or_their_runs_do(live, wiring):
    async def story():
        await asyncio.to_thread(wiring.client.create_deployment, "etl", pool="nightly", job_variables={"command": "true"})
        listed, alone = await opened(live, of="deployments"), await opened(live, deployment="etl")
        later = await opened(live, of="deployments", **{"from": "f"})
        assert all(["etl" in await message(tab) for tab in (listed, alone)])
        assert "No deployment yet" in await message(later)
        await asyncio.to_thread(wiring.client.create_run, deployment="etl", name="first")
        assert all(["first" in await message(tab) for tab in (listed, alone)])
        for tab in (listed, alone, later):
            await tab.aclose()

    asyncio.run(story())


@pytest.mark.parametrize(
    "query", [{"tag": "x"}, {"name": "x"}, {"reason": "x"}, {"queue": "x"}, {"pool": "x", "deployment": "y"}]
)
def test_a_list_that_has_to_be_searched_is_not_live(live, query):
    with pytest.raises(Refused, match="not live"):
        asyncio.run(live.stream(request(of="runs", **query)))


@pytest.mark.parametrize(
    ("query", "words"), [({"cursor": "x"}, "cursor"), ({"since": "x"}, "since"), ({"state": "x"}, "state")]
)
def test_a_list_that_does_not_exist_is_out_of_date_and_the_other_pages_go_on(live, query, words):
    async def story():
        wrong, right = await opened(live, of="runs", **query), await opened(live)
        text = await message(wrong)
        assert text.startswith("event: stale")
        assert words in text
        assert "nightly" in await message(right)
        for tab in (wrong, right):
            await tab.aclose()

    asyncio.run(story())


@pytest.mark.parametrize(("took", "rest"), [(0.0, 1.0), (0.1, 1.0), (2.5, 22.5)])
def test_reading_takes_at_most_a_tenth_of_the_time(wiring, took, rest):
    assert LivePages(Pages(clients=clients_of(wiring))).rest(took) == rest


def test_too_many_streams_are_refused(live, monkeypatch):
    async def story():
        monkeypatch.setattr(module, "MAX_STREAMS", 1)
        tab = await opened(live)
        with pytest.raises(Refused, match="too many"):
            await live.stream(request())
        await tab.aclose()

    asyncio.run(story())
