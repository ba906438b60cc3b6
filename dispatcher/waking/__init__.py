"""A wake starts a tick of pools for which people have just made something to do, so that nobody waits for the scheduled tick.

    DISPATCHER_WAKE=arn:aws:lambda:eu-central-1:123456789012:function:push-dispatcher
    DISPATCHER_WAKE=lambda:push-dispatcher
    DISPATCHER_WAKE=https://dispatcher.example/tick
    DISPATCHER_WAKE=command:dispatcher tick --pool {pool}

A wake does not wait for the tick that it starts, and takes a bounded time. No promise depends on it: a tick may come twice, and
the scheduled one comes anyway. Whoever wakes reports `NotWoken`, and goes on.

A call of the client starts at most one tick of each pool, and only where that tick would do something at once:

| people | a tick of the pool starts |
| --- | --- |
| create runs, run one again | if one may start: it is due, and neither a pause, a limit of 0 nor a hold closes its queue |
| start a run now | if it may start, and was not due before |
| move a run into another queue | if it may start from there; another priority alone frees no slot |
| cancel a run | if it is live: its job is stopped, and then its slot is free. One that waits holds no slot |
| change a pool or a queue | if a pause ends, a limit rises, or a hold meets another template |
| change a deployment | if its limit rises, its runs begin to skip or replace each other, or a hold meets other variables |
| move a deployment to another pool, or rename it | if one of the waiting runs that go along may start |
| `apply` | as for each change of a pool or deployment |

For many runs it is the same. Everything else waits for the scheduled tick: runs of the future and schedules, pauses, lowered
limits, weights and priorities, deletions, automations, and messages about runs that people have ended.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING

from dispatcher.environment.addresses import url_fault
from dispatcher.errors import SettingsError
from providers.deadlines import NoAnswerInTime, within

if TYPE_CHECKING:
    from dispatcher.waking.lambda_function import LambdaFunction

SECONDS = 3.0
"""The longest that one wake takes, however many pools it is for."""
REFUSAL_SECONDS = 0.2
"""How long a wake by URL waits for a refusal once the request is sent."""
MAX_POOLS = 10
"""The most pools that one wake ticks. The scheduled tick takes the others."""
LAMBDA, COMMAND = "lambda:", "command:"

Wake = Callable[[Sequence[str]], None]
"""Starts a tick of each of these pools. Raises `NotWoken`."""


class NotWoken(Exception):
    """A tick that could not be started; the text says why."""


def nobody(_pools: Sequence[str]) -> None:
    """Start nothing: the scheduled tick comes anyway."""


def from_setting(text: str | None, *, seconds: float = SECONDS, refusal_seconds: float = REFUSAL_SECONDS) -> Wake:
    """The wake that `DISPATCHER_WAKE` describes; nothing is called or loaded yet. Raises `SettingsError`."""
    if not text:
        return nobody
    if text.startswith(COMMAND):
        from dispatcher.waking.command import WakeCommand  # noqa: PLC0415 - each kind is loaded where it is asked for

        return partial(_each, WakeCommand(text.removeprefix(COMMAND)), seconds)
    if text.startswith((LAMBDA, "arn:")):
        return partial(_each, _Lambda(text.removeprefix(LAMBDA), seconds), seconds)
    if fault := url_fault(text):
        raise SettingsError(f"DISPATCHER_WAKE: give lambda:NAME, the ARN of a function, command:..., or a URL, which {fault}")
    from dispatcher.waking.url import Url  # noqa: PLC0415 - likewise

    return partial(_each, Url(text, seconds, refusal_seconds), seconds)


def _each(start: Callable[[str], None], seconds: float, pools: Sequence[str]) -> None:
    names = list(dict.fromkeys(pools))[:MAX_POOLS]

    def start_all() -> None:
        for name in names:
            start(name)

    if names:
        try:
            within(seconds, start_all)
        except NoAnswerInTime as late:
            raise NotWoken(str(late)) from None


class _Lambda:
    """A Lambda function, by its name or ARN; the caller needs lambda:InvokeFunction on it."""

    def __init__(self, name: str, seconds: float) -> None:
        self._name, self._seconds = name, seconds
        if not name:
            raise SettingsError("DISPATCHER_WAKE: name the function after `lambda:`")

    def __call__(self, pool: str) -> None:
        self._function.start({"pool": pool})

    @cached_property
    def _function(self) -> LambdaFunction:
        try:
            from dispatcher.waking.lambda_function import LambdaFunction  # noqa: PLC0415 - only a Lambda function needs the SDK
        except ModuleNotFoundError as problem:
            raise NotWoken(f"a wake needs {problem.name}, which is not installed: pip install 'push-dispatcher[aws]'") from None
        return LambdaFunction(self._name, seconds=self._seconds)
