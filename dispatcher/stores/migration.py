"""The migrations that a store's schema lacks, for `store migrate`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """The way from the stored schema to this code's."""

    current: int
    """The version of the stored schema; 0 if there is none."""
    latest: int
    """The version of this code's schema."""
    statements: Sequence[str] = ()
    """The steps, in the store's own language; empty if the schema is up to date."""

    @property
    def is_needed(self) -> bool:
        """Whether the schema is older than this code's."""
        return self.current < self.latest


class Migrates(Protocol):
    """A store with a schema that can be migrated."""

    def migration(self) -> Migration:
        """The missing migration. Changes nothing. Raises `StoreError`."""
        ...

    def migrate(self) -> None:
        """Apply the migration. Any number of processes may do so at once. Raises `StoreError`, also if the role lacks the
        right.
        """
        ...
