"""A wake starts a tick of pools that have just got work, or room for it, so that nobody waits for the next scheduled tick.

    DISPATCHER_WAKE=arn:aws:lambda:eu-central-1:123456789012:function:push-dispatcher
    DISPATCHER_WAKE=lambda:push-dispatcher
    DISPATCHER_WAKE=https://dispatcher.example/tick
    DISPATCHER_WAKE=command:dispatcher tick --pool {pool}

A wake does not wait for the tick that it starts, and takes a bounded time. No promise depends on it: a tick may come twice, and
the scheduled one comes anyway. Whoever wakes reports `NotWoken`, and goes on.
"""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from threading import Thread
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from dispatcher.addresses import url_fault
from dispatcher.errors import SettingsError
from providers.deadlines import NoAnswerInTime, within

if TYPE_CHECKING:
    from dispatcher.waking.lambda_function import LambdaFunction

SECONDS = 3.0
"""The longest that one wake takes, however many pools it is for."""
ANSWER_SECONDS = 0.2
"""How long a wake by URL waits for a refusal once the request is sent."""
MAX_POOLS = 10
"""Pools that one wake starts a tick of; others are left to the scheduled tick."""
LAMBDA, COMMAND, POOL = "lambda:", "command:", "{pool}"

Wake = Callable[[Sequence[str]], None]
"""Starts a tick of each of these pools. Raises `NotWoken`."""


class NotWoken(Exception):
    """A tick that could not be started; the text says why."""


def nobody(_pools: Sequence[str]) -> None:
    """Start nothing: the scheduled tick comes anyway."""


def from_setting(text: str | None) -> Wake:
    """The wake that `DISPATCHER_WAKE` describes; nothing is called or loaded yet. Raises `SettingsError`."""
    if not text:
        return nobody
    if text.startswith(COMMAND):
        return partial(_each, _Command(text.removeprefix(COMMAND)))
    if text.startswith((LAMBDA, "arn:")):
        return partial(_each, _Lambda(text.removeprefix(LAMBDA)))
    if fault := url_fault(text):
        raise SettingsError(f"DISPATCHER_WAKE: give lambda:NAME, the ARN of a function, command:..., or a URL, which {fault}")
    return partial(_each, _Url(text))


def _each(start: Callable[[str], None], pools: Sequence[str]) -> None:
    names = list(dict.fromkeys(pools))[:MAX_POOLS]

    def start_all() -> None:
        for name in names:
            start(name)

    if names:
        try:
            within(SECONDS, start_all)
        except NoAnswerInTime as late:
            raise NotWoken(str(late)) from None


class _Command:
    """A command of this machine, which goes on by itself; `{pool}` in one of its words is the pool's name."""

    def __init__(self, text: str) -> None:
        try:
            self._words = shlex.split(text)
        except ValueError as problem:
            raise SettingsError(f"DISPATCHER_WAKE: the command cannot be read: {problem}") from None
        if not self._words:
            raise SettingsError("DISPATCHER_WAKE: the command is empty")

    def __call__(self, pool: str) -> None:
        words = [word.replace(POOL, pool) for word in self._words]
        nothing = subprocess.DEVNULL
        try:
            process = subprocess.Popen(words, stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True)  # noqa: S603 - the settings say which
        except (OSError, ValueError) as problem:
            raise NotWoken(f"{words[0]}: {problem}") from None
        Thread(target=process.wait, name="wake", daemon=True).start()  # so that it leaves no zombie


class _Lambda:
    """A Lambda function, by its name or ARN; the caller needs lambda:InvokeFunction on it."""

    def __init__(self, name: str) -> None:
        self._name = name
        if not name:
            raise SettingsError("DISPATCHER_WAKE: name the function after `lambda:`")

    def __call__(self, pool: str) -> None:
        self._function.start({"pool": pool})

    @cached_property
    def _function(self) -> LambdaFunction:
        try:
            from dispatcher.waking.lambda_function import LambdaFunction  # noqa: PLC0415 - only a Lambda function needs the SDK
        except ModuleNotFoundError as problem:
            raise NotWoken(f"{problem.name} is not installed; pip install 'push-dispatcher[aws]' adds it") from None
        return LambdaFunction(self._name, seconds=SECONDS)


class _Url:
    """A function's URL. It answers when its tick is over, so a wake waits only as long as a refusal takes."""

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)

    def __call__(self, pool: str) -> None:
        try:
            status = self._post(json.dumps({"pool": pool}).encode())
        except (OSError, HTTPException, ValueError) as problem:
            raise NotWoken(f"no answer ({type(problem).__name__})") from None
        if status >= 300:
            raise NotWoken(f"it answered {status}")

    def _post(self, body: bytes) -> int:
        parts = self._parts
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=SECONDS)
        headers = {"Content-Type": "application/json", "User-Agent": "push-dispatcher"}
        path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        try:
            connection.request("POST", path, body, headers)
            connection.sock.settimeout(ANSWER_SECONDS)
            return connection.getresponse().status
        except TimeoutError:
            if connection.sock is None:  # it could not even connect
                raise
            return HTTPStatus.ACCEPTED
        finally:
            connection.close()
