"""The options for schedules and retries, which several commands share."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any, TypeVar

import click

from dispatcher.cli.input import values
from dispatcher.client import calendar_days, length_of_time, recurrence_fields
from dispatcher.core.cron import reading
from dispatcher.errors import Fault, InvalidInput
from dispatcher.models import (
    FIRST_PRIORITY,
    LAST_PRIORITY,
    CatchUp,
    OnCollision,
    RetryPolicy,
    RunState,
    Schedule,
    WhenRepeated,
    WhenSkipped,
)

Function = TypeVar("Function", bound=Callable[..., Any])

MOST_RETRIES = 19

NONE = "none"
"""The value of an option that removes a setting."""

PRIORITY_HELP = (
    f"From {FIRST_PRIORITY} to {LAST_PRIORITY}: of the due runs of a queue the lowest number starts first; 0 by default."
)
WEIGHT_HELP = "Slots for each one of a deployment with weight 1, from 1 to 100, in a queue that shares fairly; 1 by default."
KEY_HELP = "A repeat with the same key returns the existing run, as long as it is kept (DISPATCHER_HISTORY_DAYS)."


def variable_options(function: Function) -> Function:
    """`--job-variables` and `--job-variable`, as `dispatcher run create` has them."""
    whole = "A JSON object, a file with one, or - for standard input."
    single = "A job variable; repeat it for more. Text stays as you type it; null removes a value."
    function = click.option("--job-variables", "source", metavar="FILE|JSON", help=whole)(function)
    return click.option("-jv", "--job-variable", "pairs", multiple=True, metavar="NAME=VALUE", help=single)(function)


def schedule_options(function: Function) -> Function:
    """`--cron`, `--interval` and `--rrule`, and the options for their details."""
    several = "repeat it for more"
    for option in (
        click.option(
            "--catch-up-limit", type=int, metavar="N", help="The most windows that `all` makes up for; 100 by default."
        ),
        click.option(
            "--catch-up",
            type=click.Choice([choice.value for choice in CatchUp]),
            help="What happens to windows that were missed while nothing ticked, or in a pause.",
        ),
        click.option(
            "--spread", metavar="SECONDS", help="Delay every run of the schedule by the same time, chosen between 0 and this."
        ),
        click.option(
            "--when-repeated",
            type=click.Choice([choice.value for choice in WhenRepeated]),
            help="What happens at times that the clocks show twice; the default depends on the kind of schedule.",
        ),
        click.option(
            "--when-skipped",
            type=click.Choice([choice.value for choice in WhenSkipped]),
            help="What happens at times that the clocks skip; the default depends on the kind of schedule.",
        ),
        click.option(
            "--exclude-calendar", metavar="FILE", help="Days without windows: those of the events of an iCalendar file."
        ),
        click.option("--exclude", multiple=True, metavar="DAY", help=f"A day without windows, as 2026-12-25; {several}."),
        click.option("--end", metavar="TIME", help="No windows after, as 2026-12-31T23:59:59+00:00."),
        click.option("--start", metavar="TIME", help="No windows before, as 2026-01-31T08:00:00+00:00."),
        click.option("--anchor-date", metavar="TIME", help="Where an interval or a rule starts, as 2026-01-31T08:00:00+00:00."),
        click.option("--timezone", metavar="ZONE", help="The time zone of the schedule, as Europe/Paris; UTC by default."),
        click.option(
            "--rrule", multiple=True, metavar="RULE", help=f"Run by an RFC 5545 rule, as FREQ=WEEKLY;BYDAY=MO; {several}."
        ),
        click.option("--interval", multiple=True, metavar="SECONDS", help=f"Run every so many seconds, or 15m; {several}."),
        click.option(
            "--day-or/--no-day-or",
            default=None,
            help="Whether a cron expression with both day fields needs one of them to match (the default), or both.",
        ),
        click.option("--cron", multiple=True, metavar="CRON", help=f"Run by a cron expression, as '30 6 * * 1-5'; {several}."),
    ):
        function = option(function)
    return function


def retry_options(function: Function) -> Function:
    """`--retries`, and the options for its details."""
    for option in (
        click.option(
            "--retry-on", metavar="ENDS", help="Which ends are retried: FAILED, CRASHED, or both with a comma (the default)."
        ),
        click.option("--retry-backoff", type=float, metavar="X", help="Each delay is X times the previous one."),
        click.option("--retry-delay", metavar="SECONDS", help="The time from an end to the next attempt: seconds, or 1m."),
        click.option(
            "--retries", type=click.IntRange(0, MOST_RETRIES), metavar="N", help="Attempts after the first; 0 for none."
        ),
    ):
        function = option(function)
    return function


def limit_options(function: Function) -> Function:
    """`--concurrency-limit`, and the options for its details."""
    for option in (
        click.option("--weight", type=int, metavar="N", help=WEIGHT_HELP),
        click.option("--priority", type=int, metavar="N", help=PRIORITY_HELP),
        click.option(
            "--expires-after",
            metavar="LENGTH",
            help="Runs that have not started this long after their due time end CANCELLED: seconds, or 2h; or none.",
        ),
        click.option(
            "--max-waiting",
            metavar="N",
            help="The most runs that may be due and wait: more are not made; or none.",
        ),
        click.option(
            "--on-collision",
            type=click.Choice([choice.value for choice in OnCollision]),
            help="What becomes of a run that is due while the limit is reached: it waits, is skipped, or replaces a live one.",
        ),
        click.option(
            "--concurrency-limit", metavar="N", help="The most runs of the deployment that may be live; or none for no limit."
        ),
    ):
        function = option(function)
    return function


def limits_taken(fields: dict[str, Any]) -> dict[str, Any]:
    """Take `limit_options` out of a command's options; returns the options that were used, as fields of a deployment.

    Raises `InvalidInput`.
    """
    readers: Mapping[str, Callable[[str], Any]] = {
        "concurrency_limit": lambda text: _number(text, "concurrency_limit"),
        "on_collision": OnCollision,
        "max_waiting": lambda text: _number(text, "max_waiting"),
        "expires_after": lambda text: None if text == NONE else length_of_time(text, "expires_after"),
    }
    options = {name: fields.pop(name) for name in readers}
    numbers = {name: fields.pop(name) for name in ("priority", "weight")}
    placed = {name: number for name, number in numbers.items() if number is not None}
    return placed | {name: readers[name](text) for name, text in options.items() if text is not None}


def priority_options(function: Function) -> Function:
    """`--priority` and `--front` of a run."""
    front = "Before all runs that are due in the queue now: a priority of one less than the lowest there."
    function = click.option("--front", is_flag=True, help=front)(function)
    return click.option("--priority", type=int, metavar="N", help=PRIORITY_HELP)(function)


def expiry_option(function: Function) -> Function:
    """`--expires-after` of a run."""
    words = (
        "If it has not started this long after its due time, it ends CANCELLED: seconds, or 2h; by default as its deployment."
    )
    return click.option("--expires-after", metavar="LENGTH", help=words)(function)


def expiry_taken(fields: dict[str, Any]) -> timedelta | None:
    """Take `expiry_option` out of a command's options. Raises `InvalidInput`."""
    text = fields.pop("expires_after")
    return None if text is None else length_of_time(text, "expires_after")


def _number(text: str, field: str) -> int | None:
    if text == NONE:
        return None
    try:
        return int(text)
    except ValueError:
        raise InvalidInput("deployment", [Fault(field, f"{text!r} must be a whole number, or {NONE}")]) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleOptions:
    """The values of `schedule_options`."""

    cron: tuple[str, ...]
    day_or: bool | None
    interval: tuple[str, ...]
    rrule: tuple[str, ...]
    timezone: str | None
    anchor_date: str | None
    start: str | None
    end: str | None
    exclude: tuple[str, ...]
    exclude_calendar: str | None
    when_skipped: str | None
    when_repeated: str | None
    spread: str | None
    catch_up: str | None
    catch_up_limit: int | None

    @classmethod
    def taken(cls, fields: dict[str, Any]) -> ScheduleOptions:
        """Take them out of a command's options."""
        return cls(**{name: fields.pop(name) for name in cls.__slots__})

    def schedules(self, *, slug: str | None = None, slugs: Collection[str] = (), **more: Any) -> list[Schedule]:
        """One schedule for each expression, with the fields in `more`.

        Its slug is `slug`, or its kind with a number that `slugs` does not have yet.

        Raises `InvalidInput`; validation checks later what an expression says.
        """
        common, expressions = self._common(), list(self._kinds())
        if common and not expressions:
            option = f"--{next(iter(common)).replace('_', '-')}"
            raise InvalidInput("schedule", [Fault("options", f"{option} goes with --cron, --interval or --rrule; give one")])
        if self.day_or is not None and not self.cron:
            raise InvalidInput("schedule", [Fault("options", "--day-or goes with --cron; give one")])
        names = set(slugs)
        schedules = []
        for kind, expression in expressions:
            name = slug or next(name for name in _numbered(kind) if name not in names)
            names.add(name)
            schedules.append(Schedule(slug=name, **{**expression, **common, **more}))
        return schedules

    def _kinds(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """The kind of each expression, and the fields that it sets."""
        days = {} if self.day_or is None else {"day_or": self.day_or}
        yield from (("cron", {"cron": expression, **days}) for expression in self.cron)
        yield from (("interval", {"interval": length_of_time(length, "interval")}) for length in self.interval)
        yield from (("rrule", recurrence_fields(rule)) for rule in self.rrule)

    def _common(self) -> dict[str, Any]:
        fields = {
            "timezone": self.timezone,
            "anchor": values.moment(self.anchor_date, "anchor_date"),
            "start": values.moment(self.start, "start"),
            "end": values.moment(self.end, "end"),
            "exclude": self._excluded() or None,
            "when_skipped": None if self.when_skipped is None else WhenSkipped(self.when_skipped),
            "when_repeated": None if self.when_repeated is None else WhenRepeated(self.when_repeated),
            "spread": None if self.spread is None else length_of_time(self.spread, "spread"),
            "catch_up": None if self.catch_up is None else CatchUp(self.catch_up),
            "catch_up_limit": self.catch_up_limit,
        }
        return {name: value for name, value in fields.items() if value is not None}

    def _excluded(self) -> tuple[date, ...]:
        days = [values.day(text, "exclude") for text in self.exclude]
        if self.exclude_calendar is not None:
            name = "standard input" if self.exclude_calendar == values.STANDARD_INPUT else self.exclude_calendar
            days += calendar_days(values.read_text(self.exclude_calendar, name, "exclude_calendar"), "exclude_calendar")
        return tuple(sorted(set(days)))


def readings(schedules: Iterable[Schedule]) -> str:
    """A sentence for each cron expression that other programs read differently."""
    sentences = (reading(schedule.cron, day_or=schedule.day_or) for schedule in schedules if schedule.cron is not None)
    return "".join(f" {text}" for text in sentences if text)


def retry_taken(fields: dict[str, Any], stored: Callable[[], RetryPolicy | None] = lambda: None) -> RetryPolicy | None:
    """Take `retry_options` out of a command's options, and merge them into the stored policy. None without any option.

    Raises `InvalidInput`.
    """
    names = ("retries", "retry_delay", "retry_backoff", "retry_on")
    retries, delay, backoff, ends = (fields.pop(name) for name in names)
    if (retries, delay, backoff, ends) == (None, None, None, None):
        return None
    policy = stored() or RetryPolicy()
    if retries is None and policy.attempts == 1:
        raise InvalidInput("retry policy", [Fault("retries", "--retries is missing; nothing is retried without it")])
    changes = {
        "attempts": None if retries is None else retries + 1,
        "delay": None if delay is None else length_of_time(delay, "retry_delay"),
        "backoff": backoff,
        "states": None if ends is None else _ends(ends),
    }
    return replace(policy, **{name: value for name, value in changes.items() if value is not None})


def _ends(text: str) -> frozenset[RunState]:
    words = [word.strip().upper() for word in text.split(",")]
    try:
        return frozenset(RunState(word) for word in words)
    except ValueError:
        raise InvalidInput("retry policy", [Fault("retry_on", f"{text!r} must be FAILED, CRASHED or both")]) from None


def _numbered(kind: str) -> Iterator[str]:
    yield kind
    number = 2
    while True:
        yield f"{kind}-{number}"
        number += 1
