"""Requests for runs from a file or standard input: one JSON object a line. Each error names the line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dispatcher.cli.input.values import STANDARD_INPUT, read_text
from dispatcher.client.requests import run_request
from dispatcher.core.written import from_json, without_words
from dispatcher.errors import DispatcherError, Fault, InvalidInput
from dispatcher.models import RunRequest

_BY_SCHEMA = frozenset({"job_variables", "parameters"})
EXAMPLE = '{"pool": "nightly", "job_variables": {"command": "date"}}'


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestEntry:
    """A request and its position; a request from a command's options has no position."""

    request: RunRequest
    place: str = ""


def read_requests(source: str, options: Mapping[str, Any]) -> Sequence[RequestEntry]:
    """The requests of a file, or of standard input for `-`. Options fill in keys that a line lacks.

    Raises `InvalidInput` with every line that is not a request, before any run is created.
    """
    name = "standard input" if source == STANDARD_INPUT else source
    entries, faults = list[RequestEntry](), list[Fault]()
    for number, line in enumerate(read_text(source, name, "from").splitlines(), start=1):
        if not line.strip():
            continue
        place = f"{name}:{number}"
        try:
            entries.append(RequestEntry(request=_request(line, options), place=place))
        except InvalidInput as problem:
            faults += located(problem.faults, place)
    if faults:
        raise InvalidInput("requests", faults)
    if not entries:
        raise InvalidInput("requests", [Fault(name, f"holds no request; write one a line, as {EXAMPLE}")])
    return entries


def _request(line: str, options: Mapping[str, Any]) -> RunRequest:
    value = _value(line)
    request = run_request(_typed(value), "request")
    return replace(request, **{name: option for name, option in options.items() if name not in value})


def _value(line: str) -> Any:
    try:
        return from_json(line)
    except json.JSONDecodeError as problem:
        words = f"is not JSON: {problem.msg} (column {problem.colno})"
    except ValueError as problem:
        words = f"is not JSON: {problem}"
    except RecursionError:
        words = "nests too deeply"
    raise InvalidInput("request", [Fault("", words)])


def _typed(value: Any) -> Any:
    """Numbers keep their spelling only in job variables and parameters, because a schema may declare those as text."""
    if not isinstance(value, Mapping):
        return value
    return {name: part if name in _BY_SCHEMA else without_words(part) for name, part in value.items()}


def located(faults: Sequence[Fault], place: str) -> Iterator[Fault]:
    """Faults with the position of their request before their paths."""
    for fault in faults:
        yield Fault(f"{place}: {fault.path}" if fault.path else place, fault.message)


def refusal_of(problem: DispatcherError, entry: RequestEntry | None, created: int) -> DispatcherError:
    """The refusal of a request, with its position if it has one, and with the number of runs created before it."""
    place, before = entry.place if entry else "", f" ({created} runs were created before)" if created else ""
    if isinstance(problem, InvalidInput):
        faults = located(problem.faults, place) if place else iter(problem.faults)
        return type(problem)(problem.subject, [Fault(fault.path, fault.message + before) for fault in faults])
    return type(problem)(f"{place}: {problem}{before}" if place else f"{problem}{before}")
