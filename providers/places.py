"""Where jobs are put: the protocol of every provider's place, and the functions that work on any place.

A place is a frozen dataclass of the provider's own: whose credentials, which project or region, which cluster. The handle of
each submission contains its parts, so any later invocation can address the job.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Any, Protocol, Self, TypeVar

from providers.base import ConfigurationError, Submission
from providers.values import mapping, name_of


class Place(Hashable, Protocol):
    """One place of one provider."""

    def handle(self) -> dict[str, str]:
        """Its part of a submission's handle."""
        ...

    @classmethod
    def from_handle(cls, handle: Mapping[str, str]) -> Self:
        """The place that a handle names. Raises `KeyError` for the handle of another provider."""
        ...


class HostLacks(ConfigurationError):
    """Something that a job names is missing or wrong on the dispatcher's host. The job itself is not at fault."""


AnyPlace = TypeVar("AnyPlace", bound=Place)


def by_place(kind: type[AnyPlace], submissions: Iterable[Submission]) -> dict[AnyPlace, list[Submission]]:
    """Submissions by their place, in their order."""
    places: dict[AnyPlace, list[Submission]] = {}
    for submission in submissions:
        places.setdefault(kind.from_handle(submission.handle), []).append(submission)
    return places


def filled(handle: Mapping[str, str | None]) -> dict[str, str]:
    """A handle without the parts that are unknown or left to the host."""
    return {key: value for key, value in handle.items() if value}


def credentials_name(value: Any, variable: str, *others: str) -> str | None:
    """The name that a credentials variable gives: a text, `{"name": ...}`, or an exported Prefect block reference (by its id).

    `others` are the keys that may accompany the name. Raises `ConfigurationError` for more than a name.
    """
    if value is None or isinstance(value, str):
        return value or None
    reference = mapping(value, variable)
    if unknown := sorted(set(reference) - {"name", "$ref", *others}):
        raise ConfigurationError(
            f"{variable}: has unknown keys: {', '.join(unknown)}; give the name of an entry of DISPATCHER_CREDENTIALS:"
            " secrets never stand in a template"
        )
    block = mapping(reference.get("$ref"), f"{variable}.$ref")
    return name_of(reference.get("name") or block.get("block_document_id"), f"{variable}.name")
