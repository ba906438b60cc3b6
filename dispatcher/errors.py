"""Everything that push-dispatcher raises on purpose.

    DispatcherError
    ├── InvalidInput            an input is wrong; lists every fault with its path and its fix
    │   ├── InvalidTemplate     a base job template
    │   └── InvalidVariables    job variables, or parameters
    ├── ScheduleError           a stored schedule names no time that can be worked out (validation refuses such a schedule)
    ├── RenderError             a template and its variables do not make a job (names the placeholder)
    ├── NotFound                no pool, queue, deployment or run of that name
    ├── AlreadyExists           the name is taken
    ├── Conflict                the thing changed in between, or its state does not allow the change
    ├── SettingsError           an environment variable is missing or wrong (names it)
    ├── SourceError             a source of runs (a Prefect server) gave no usable answer
    ├── PackagingError          a function's package cannot be built (names the option or the file)
    └── StoreError              the store cannot be used
        ├── StoreUnavailable    it cannot be reached, or gave no answer in time
        └── StoreSchemaError    its schema is older or newer than this code can use

Validation turns the libraries' errors into these; a provider's own errors are drawn at the top of `providers.base`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


class DispatcherError(Exception):
    """The root of the tree. Its text is one line that says what is wrong, where, and what to do."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with an input."""

    path: str
    """Where: dotted names and `[index]`, as `variables.properties.cpu.default`; empty for the whole."""
    message: str
    """What is wrong and what to do."""

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class InvalidInput(DispatcherError):
    """An input with one or more faults; all of them are listed."""

    def __init__(self, subject: str, faults: Iterable[Fault]) -> None:
        self.subject = subject
        self.faults = tuple(faults)
        super().__init__(f"{subject}: " + "; ".join(str(fault) for fault in self.faults))


class InvalidTemplate(InvalidInput):
    """A base job template that cannot be used."""


class InvalidVariables(InvalidInput):
    """Job variables that do not fit their template, or parameters that do not fit their deployment."""


class ScheduleError(DispatcherError, ValueError):
    """A schedule from which no window can be worked out; a ValueError as well, as for any value that cannot be read."""


class RenderError(DispatcherError):
    """A template and its variables do not make a job."""


class NotFound(DispatcherError):
    """Nothing of that name; the text lists the nearest names where there are some."""


class AlreadyExists(DispatcherError):
    """The name is taken."""


class Conflict(DispatcherError):
    """The thing changed in between, or its state does not allow the change."""


class SettingsError(DispatcherError):
    """A setting is missing or wrong."""


class SourceError(DispatcherError):
    """A source of runs gave no usable answer; it is asked again in the next tick."""


class PackagingError(DispatcherError):
    """A function's package cannot be built."""


class StoreError(DispatcherError):
    """The store cannot be used."""


class StoreUnavailable(StoreError):
    """The store cannot be reached or did not answer in time."""


class StoreSchemaError(StoreError):
    """The store's schema is older or newer than this code can use."""
