"""The rules for names of pools, queues and deployments, and the bounds of numbers."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Gt, Le, Len, Predicate

FORBIDDEN_IN_NAMES = frozenset("/%&><")
"""What Prefect forbids in the names of pools and queues; control characters are forbidden too."""

DEFAULT_QUEUE = "default"

MAX_INTEGER = 2**31 - 1

FIRST_PRIORITY, LAST_PRIORITY = -100, 100
"""The bounds of a run's priority in its queue. Each priority with waiting runs costs a claim one look-up."""


def is_name(text: str) -> bool:
    """True for text that can name a pool, queue or deployment."""
    return text.isprintable() and text == text.strip() and not FORBIDDEN_IN_NAMES & set(text)


def is_owner(text: str) -> bool:
    """Whether a text may be an owner: a name, or empty for no owner."""
    return not text or is_name(text)


Name = Annotated[str, Len(1, 200), Predicate(is_name)]
Owner = Annotated[str, Len(0, 200), Predicate(is_owner)]
Limit = Annotated[int, Ge(0)]
Priority = Annotated[int, Gt(0)]
RunPriority = Annotated[int, Ge(FIRST_PRIORITY), Le(LAST_PRIORITY)]
Weight = Annotated[int, Ge(1), Le(100)]
