"""Names that are derived from other names."""

from __future__ import annotations

LONGEST = 200
"""Characters of any name."""


def with_end(name: str, end: str) -> str:
    """The name with a suffix. The name is cut where both together would be too long."""
    return name[: LONGEST - len(end)].rstrip() + end
