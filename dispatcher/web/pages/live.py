"""Live pages by server-sent events: one bounded read a second, shared by all open tabs.

An open page subscribes to its topic: a pool, a run, or the overview. While anybody listens, one task reads the topics in turn,
one a second, and sends a page only if it differs from the last one. While nobody listens, nothing is read. While the store does
not answer, the pages keep their content and get the reason (the event `stale`). If the task fails, it closes every stream, and
the browsers open them again: a page is never silently out of date.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from dispatcher.client import Dispatcher
from dispatcher.errors import DispatcherError
from dispatcher.web.answers import RETRY_SECONDS, Refused
from dispatcher.web.pages.pools import MAX_SLOTS, attention_first
from dispatcher.web.pages.runs import circumstances
from dispatcher.web.pages.visit import Pages, words_of

MAX_STREAMS = 50
EVERY = 1.0
"""Seconds between two reads."""

Topic = tuple[str, str]
"""`pool` and a name, `run` and an id, or two empty texts: the overview."""


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

    async def _read(self) -> None:
        """Read one topic a second while anybody listens. At the end, even after a fault, all streams are closed."""
        try:
            await self._read_in_turn()
        finally:
            for listener in self._listeners:
                listener.send(None)

    async def _read_in_turn(self) -> None:
        turn = 0
        while self._listeners:
            topics = sorted({(listener.topic, listener.may_change) for listener in self._listeners}, key=str)
            topic = topics[turn % len(topics)]
            turn += 1
            try:
                await self._send(topic, await run_in_threadpool(self._rendered, *topic))
            except DispatcherError as problem:
                await self._send(topic, words_of(problem), event="stale")
            await asyncio.sleep(self.every)

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
            template, values = _shown(topic, client)
            return self.pages.templates.get_template(template).render(may_change=may_change, **values)


def _topic(query: Mapping[str, str]) -> Topic:
    return next(((kind, query[kind]) for kind in ("pool", "run") if kind in query), ("", ""))


def _shown(topic: Topic, client: Dispatcher) -> tuple[str, Mapping[str, Any]]:
    """The template of a topic, and its data."""
    kind, name = topic
    if kind == "run":
        return "run_live.html", circumstances(client, client.run(name))
    if kind == "pool":
        return "pool_live.html", {"picture": client.picture(name), "max_slots": MAX_SLOTS}
    return "overview_live.html", {"pools": attention_first(client.overview())}
