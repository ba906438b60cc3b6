"""Names that are derived from other names."""

from __future__ import annotations

LONGEST = 200
"""Characters of any name."""


def with_end(name: str, end: str) -> str:
    """The name with a suffix. If both together are too long, the name is cut."""
    return name[: LONGEST - len(end)].rstrip() + end
