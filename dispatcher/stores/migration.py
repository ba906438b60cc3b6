"""What a store lacks of this code's schema: the answer of every store to `store migrate`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """From what is found to what this code knows."""

    found: int
    """The version of the schema that is there; 0 when there is nothing."""
    latest: int
    """The version that this code brings."""
    statements: Sequence[str] = ()
    """What is to be done, in the store's own language; empty when nothing is."""

    @property
    def is_needed(self) -> bool:
        """Whether something is to be done."""
        return self.found < self.latest


class Migrates(Protocol):
    """A store whose schema is somewhere."""

    def migration(self) -> Migration:
        """What is lacking; nothing is changed. Raises `StoreError`."""
        ...

    def migrate(self) -> None:
        """Bring it; any number may do so at once. Raises `StoreError`, among others when this role may not."""
        ...
