"""Names that are made from other names."""

from __future__ import annotations

LONGEST = 200
"""Characters of any name."""


def with_end(name: str, end: str) -> str:
    """A name with an end of its own; what would make it too long is cut from the name's own end."""
    return name[: LONGEST - len(end)].rstrip() + end
