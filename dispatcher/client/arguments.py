"""Checks and conversions of arguments, for every part of the client."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import Any
from uuid import UUID

from dispatcher.client.checks import checked_template
from dispatcher.errors import Fault, InvalidInput, InvalidVariables
from dispatcher.models import LONGEST_EXPIRY, Deployment, RetryPolicy, Schedule, Share, parse_submission_name
from providers import registry
from providers.base import ProviderUnavailable

LATEST_DUE = datetime(9000, 1, 1, tzinfo=UTC)
"""The latest due time of a run. Times that follow from it (of late notifications, retries, windows) still fit into a date."""


class _Unset:
    """The default of an argument for which None has a meaning of its own."""

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Any = _Unset()


def without_unset(**arguments: Any) -> dict[str, Any]:
    """The arguments that the caller passed."""
    return {name: value for name, value in arguments.items() if value is not UNSET}


def check_pool_type(name: str) -> None:
    """Raise `InvalidInput` for a type that no provider serves."""
    try:
        registry.provider_type(name)
    except ProviderUnavailable as problem:
        raise InvalidInput("work pool", [Fault("type", str(problem))]) from None


def default_base_job_template(name: str, job_variables: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
    """The base job template that a pool of this type starts from, with these defaults of its variables.

    Raises `InvalidInput` for an unknown type, and `InvalidVariables`.
    """
    check_pool_type(name)
    template = registry.default_template(name)
    return checked_template(template, job_variables) if job_variables else template


def missing(kind: str, name: str, names: Iterable[str], *, of: str | None = None) -> str:
    """The error message for a name that does not exist (in `of`), with the closest existing names."""
    near = get_close_matches(name, list(names), n=3, cutoff=0.5)
    hint = f"; did you mean {' or '.join(repr(other) for other in near)}?" if near else ""
    where = f" of {of!r}" if of is not None else ""
    return f"{kind} {name!r}{where} does not exist{hint}"


@contextmanager
def naming(subject: str) -> Iterator[None]:
    """Name in the error whose job variables they are."""
    try:
        yield
    except InvalidVariables as problem:
        raise InvalidVariables(f"{subject} would no longer fit its template", problem.faults) from None


def run_id(reference: UUID | str) -> UUID:
    """The id behind a run's id or submission name. Raises `InvalidInput` for anything else."""
    if isinstance(reference, UUID):
        return reference
    if submission := parse_submission_name(reference):
        return submission[0]
    try:
        return UUID(reference)
    except ValueError:
        fault = Fault("id", f"{reference!r} is neither the id of a run nor the name of a submission")
        raise InvalidInput("run", [fault]) from None


def utc(moment: Any, field: str) -> datetime:
    """The moment in UTC. Raises `InvalidInput` for a value that is not a time or has no time zone."""
    if not isinstance(moment, datetime):
        raise InvalidInput("run", [Fault(field, f"must be a time, not {moment!r}")])
    if moment.tzinfo is None:
        fault = Fault(field, f"{moment.isoformat()} has no time zone; add one, as {moment.isoformat()}+00:00")
        raise InvalidInput("run", [fault])
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise InvalidInput("run", [Fault(field, f"{moment.isoformat()} lies outside the years 1 to 9999 in UTC")]) from None


def due_time(moment: Any, field: str) -> datetime:
    """A time at which a run can be due, in UTC. Raises `InvalidInput`, also for a time from `LATEST_DUE` on."""
    due = utc(moment, field)
    if due >= LATEST_DUE:
        words = f"{due.isoformat()} is too far ahead; give a time before the year {LATEST_DUE.year}"
        raise InvalidInput("run", [Fault(field, words)])
    return due


def expiry(length: Any, deployment: Deployment | None, due_at: datetime) -> datetime | None:
    """When a run expires: by its own `expires_after`, or that of its deployment. Raises `InvalidInput` for another value."""
    length = length if length is not None else deployment.expires_after if deployment else None
    if length is None:
        return None
    if not isinstance(length, timedelta) or not timedelta(0) < length <= LONGEST_EXPIRY:
        rule = f"must be a length of time, longer than 0 and at most {LONGEST_EXPIRY.days} days, not {length!r}"
        raise InvalidInput("run", [Fault("expires_after", rule)])
    return due_at + length


def text(value: Any, field: str) -> str:
    """A text that is not empty. Raises `InvalidInput` for anything else."""
    if not isinstance(value, str) or not value:
        raise InvalidInput("request", [Fault(field, f"must be a text that is not empty, not {value!r}")])
    return value


def items(value: Any, field: str) -> tuple[Any, ...]:
    """A list as a tuple; validation checks its items. Raises `InvalidInput` for anything but a list."""
    if isinstance(value, str | Mapping) or not isinstance(value, Iterable):
        raise InvalidInput("request", [Fault(field, f"must be a list, not {value!r}")])
    return tuple(value)


def in_utc(schedule: Any) -> Any:
    """The schedule with its times in UTC. A time without an offset stays: validation reports it."""
    if not isinstance(schedule, Schedule):
        return schedule
    aware: dict[str, Any] = {
        name: utc(time, name)
        for name in ("anchor", "start", "end")
        if isinstance(time := getattr(schedule, name), datetime) and time.tzinfo is not None
    }
    return replace(schedule, **aware)


def plain_policy(retry: Any) -> Any:
    """The retry policy with its back-off as a float, so that 2 and 2.0 look the same in files."""
    whole = isinstance(retry, RetryPolicy) and type(retry.backoff) is int
    return replace(retry, backoff=float(retry.backoff)) if whole else retry


def share_of(value: Any) -> Any:
    """How queues or deployments share slots, from its word; validation reports a word that is none."""
    return next((share for share in Share if value == share.value), value)


def texts(value: Any, field: str) -> tuple[str, ...]:
    """A list of texts as a tuple; validation checks its items. Raises `InvalidInput` for anything else, also for one text."""
    if isinstance(value, str | Mapping) or not isinstance(value, Iterable):
        raise InvalidInput("request", [Fault(field, f"must be a list of texts, not {value!r}")])
    return tuple(value)
