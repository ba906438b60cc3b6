"""Live pages by server-sent events: one bounded read a second, shared by all open tabs.

An open page subscribes to its topic: a pool, a run, a deployment, a part of one of the lists, or the overview. While anybody
listens, one task reads the topics in turn, one a second, and sends a page only if it differs from the last one. After a slow
read it rests longer, so that it never reads for more than a tenth of the time. While nobody listens, nothing is read. While the
store does not answer, the pages keep their content and get the reason (the event `stale`). If the task fails, it closes every
stream, and the browsers open them again: a page is never silently out of date.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from dispatcher.client import Dispatcher
from dispatcher.errors import DispatcherError
from dispatcher.web.answers import RETRY_SECONDS, Refused
from dispatcher.web.pages import deployments, runs
from dispatcher.web.pages.pools import MAX_SLOTS, attention_first
from dispatcher.web.pages.visit import Pages, words_of

MAX_STREAMS = 50
EVERY = 1.0
"""Seconds between two reads."""
REST = 9
"""How many times as long as a read took the task rests at least."""

Topic = tuple[str, str]
"""What is shown: `pool` or `deployment` and a name, `run` and an id, `runs` or `deployments` and which part of the list; two
empty texts: the overview.
"""

Part = tuple[str, Mapping[str, Any]]
"""The template of the live part of a page, and its data."""


@dataclass(eq=False)
class _Listener:
    """One open page. Only the newest message waits for it."""

    topic: Topic
    may_change: bool
    queue: asyncio.Queue[str | None] = field(default_factory=lambda: asyncio.Queue(maxsize=1))

    def send(self, message: str | None) -> None:
        """Queue a message; it replaces an older one that waits. None ends the stream."""
        if self.queue.full():
            self.queue.get_nowait()
        self.queue.put_nowait(message)


@dataclass
class LivePages:
    """Who listens, and the one task that reads for all of them."""

    pages: Pages
    reads: int = 0
    """The number of reads so far, for tests."""
    every: float = EVERY
    _listeners: set[_Listener] = field(default_factory=set)
    _sent: dict[tuple[Topic, bool], str] = field(default_factory=dict)
    _task: asyncio.Task[None] | None = None

    async def stream(self, request: Request) -> Response:
        """Open a stream. Raises `Refused` while too many are open."""
        if len(self._listeners) >= MAX_STREAMS:
            words = f"too many live pages are open; try again in {RETRY_SECONDS} s"
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "streams", words)
        may_change = request.scope.get("state", {}).get("may_change", False)
        listener = _Listener(_topic(request.query_params), may_change)
        return StreamingResponse(self._messages(listener), media_type="text/event-stream")

    async def _messages(self, listener: _Listener) -> AsyncIterator[str]:
        self._listeners.add(listener)
        self._sent.pop((listener.topic, listener.may_change), None)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._read())
        try:
            yield ": open\n\n"
            while (message := await listener.queue.get()) is not None:
                yield message
        finally:
            self._listeners.discard(listener)
            if all((other.topic, other.may_change) != (listener.topic, listener.may_change) for other in self._listeners):
                self._sent.pop((listener.topic, listener.may_change), None)

    async def _read(self) -> None:
        """Read one topic a second while anybody listens. At the end, even after a fault, all streams are closed."""
        try:
            await self._read_in_turn()
        finally:
            for listener in self._listeners:
                listener.send(None)

    async def _read_in_turn(self) -> None:
        turn, clock = 0, asyncio.get_running_loop().time
        while self._listeners:
            topics = sorted({(listener.topic, listener.may_change) for listener in self._listeners}, key=str)
            topic = topics[turn % len(topics)]
            turn += 1
            begun = clock()
            try:
                page, event = await run_in_threadpool(self._rendered, *topic), ""
            except (DispatcherError, Refused) as problem:
                page, event = words_of(problem), "stale"
            rest = self.rest(clock() - begun)
            await self._send(topic, page, event=event)
            await asyncio.sleep(rest)

    def rest(self, took: float) -> float:
        """How many seconds to rest after a read that took so long."""
        return max(self.every, REST * took)

    async def _send(self, topic: tuple[Topic, bool], page: str, event: str = "") -> None:
        message = f"event: {event}\n" * bool(event) + "".join(f"data: {line}\n" for line in page.splitlines()) + "\n"
        if self._sent.get(topic) == message:
            return
        self._sent[topic] = message
        for listener in self._listeners:
            if (listener.topic, listener.may_change) == topic:
                listener.send(message)

    def _rendered(self, topic: Topic, may_change: bool) -> str:  # noqa: FBT001 - half of the key
        self.reads += 1
        with self.pages.clients.lent() as client:
            kind, text = topic
            template, values = PARTS[kind](client, text)
            return self.pages.templates.get_template(template).render(may_change=may_change, **values)


def _topic(query: QueryParams) -> Topic:
    """What a page shows, by the address of its stream. Raises `Refused` for a list that is not live."""
    listed = query.get("of", "")
    if listed == "runs":
        if not runs.is_live(query):
            raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, "of", "a list by tag, name or reason is not live")
        return listed, runs.live_query(query)
    if listed == "deployments":
        return listed, query.get("from", "")
    return next(((kind, query[kind]) for kind in ("pool", "run", "deployment") if kind in query), ("", ""))


def _overview(client: Dispatcher, _text: str) -> Part:
    return "overview_live.html", {"pools": attention_first(client.overview())}


def _pool(client: Dispatcher, name: str) -> Part:
    return "pool_live.html", {"picture": client.picture(name), "max_slots": MAX_SLOTS}


def _run(client: Dispatcher, reference: str) -> Part:
    return "run_live.html", runs.circumstances(client, client.run(reference))


def _runs(client: Dispatcher, query: str) -> Part:
    return "runs_live.html", runs.listing(client, QueryParams(query))


def _deployment(client: Dispatcher, name: str) -> Part:
    return "deployment_live.html", deployments.circumstances(client, client.deployment(name))


def _deployments(client: Dispatcher, first: str) -> Part:
    return "deployments_live.html", deployments.listing(client, first)


PARTS: Mapping[str, Callable[[Dispatcher, str], Part]] = {
    "": _overview,
    "pool": _pool,
    "run": _run,
    "runs": _runs,
    "deployment": _deployment,
    "deployments": _deployments,
}
"""What is read for each kind of topic."""
