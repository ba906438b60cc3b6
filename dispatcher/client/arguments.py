"""Small questions that every part of the client asks of what it was given."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any
from uuid import UUID

from dispatcher.errors import Fault, InvalidInput, InvalidVariables
from dispatcher.models import RetryPolicy, Schedule, parse_submission_name
from providers import registry
from providers.base import ProviderUnavailable

LATEST_DUE = datetime(9000, 1, 1, tzinfo=UTC)
"""Room for what is counted from a due time: notifications of late runs, retries, windows."""


class _Unset:
    """The value of an argument that was not given, where None means something."""

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


def default_base_job_template(name: str) -> Mapping[str, Any]:
    """The base job template that a pool of this type starts from. Raises `InvalidInput` for an unknown type."""
    check_pool_type(name)
    return registry.default_template(name)


def missing(kind: str, name: str, names: Iterable[str], *, of: str | None = None) -> str:
    """One line for a name that does not exist (in the one that it would be of), with the nearest that do."""
    near = get_close_matches(name, list(names), n=3, cutoff=0.5)
    hint = f"; did you mean {' or '.join(repr(other) for other in near)}?" if near else ""
    where = f" of {of!r}" if of is not None else ""
    return f"{kind} {name!r}{where} does not exist{hint}"


@contextmanager
def naming(subject: str) -> Iterator[None]:
    """Let faults in job variables say whose they are."""
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
    """The moment in UTC. Raises `InvalidInput` when it is none, or has no time zone."""
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
    """A time at which a run can be due, in UTC. Raises `InvalidInput`, also when what comes after it would have no date."""
    due = utc(moment, field)
    if due >= LATEST_DUE:
        words = f"{due.isoformat()} is too far ahead; give a time before the year {LATEST_DUE.year}"
        raise InvalidInput("run", [Fault(field, words)])
    return due


def text(value: Any, field: str) -> str:
    """A text that is not empty. Raises `InvalidInput` for anything else."""
    if not isinstance(value, str) or not value:
        raise InvalidInput("request", [Fault(field, f"must be a text that is not empty, not {value!r}")])
    return value


def items(value: Any, field: str) -> tuple[Any, ...]:
    """A list of what validation takes for nouns. Raises `InvalidInput` for anything else."""
    if isinstance(value, str | Mapping) or not isinstance(value, Iterable):
        raise InvalidInput("request", [Fault(field, f"must be a list, not {value!r}")])
    return tuple(value)


def anchored(schedule: Any) -> Any:
    """A schedule whose anchor is in UTC, where it has one that says its offset; validation says what is wrong with others."""
    anchor = getattr(schedule, "anchor", None)
    if not isinstance(schedule, Schedule) or not isinstance(anchor, datetime) or anchor.tzinfo is None:
        return schedule
    return replace(schedule, anchor=utc(anchor, "anchor"))


def plain_policy(retry: Any) -> Any:
    """A retry policy with one kind of number: 2 and 2.0 are one back-off, and are to be one in files too."""
    whole = isinstance(retry, RetryPolicy) and type(retry.backoff) is int
    return replace(retry, backoff=float(retry.backoff)) if whole else retry


def texts(value: Any, field: str) -> tuple[str, ...]:
    """A list of what validation takes for texts. Raises `InvalidInput` for anything else, a lone text included."""
    if isinstance(value, str | Mapping) or not isinstance(value, Iterable):
        raise InvalidInput("request", [Fault(field, f"must be a list of texts, not {value!r}")])
    return tuple(value)
