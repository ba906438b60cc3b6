"""Labels, shortened and cleaned to fit Google's rules.

https://cloud.google.com/resource-manager/docs/labels-overview#requirements
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from providers.values import mapping, text

MAX_LABELS = 64
MAX_LENGTH = 63
OWNER = "managed-by"
"""The label by which a sweep recognises the jobs of its own dispatcher."""

KEEP = "push-dispatcher-keep"
"""The label of a job that its template wants to keep."""

_FORBIDDEN = re.compile(r"[^a-z0-9_-]")
_NO_LETTER = re.compile(r"^[^a-z]+")


def labels_of(job_labels: Mapping[str, str], owner: str, *others: Any) -> dict[str, str]:
    """A job's labels: first the owner's, then the dispatcher's, then the `others` in their order.

    The first label with a key wins. If there are more than 64, the first 64 stay.
    """
    chosen = {OWNER: clean_value(owner)}
    for source in (job_labels, *(mapping(other, "labels") for other in others)):
        for label in sorted(source):
            key = clean_key(label)
            if key and source[label] is not None and len(chosen) < MAX_LABELS:
                chosen.setdefault(key, clean_value(text(source[label])))
    return chosen


def clean_key(label: str) -> str:
    """`label` from its first letter on, in lower case, with hyphens in place of forbidden characters; empty if it has no
    letter.
    """
    return _NO_LETTER.sub("", clean(label))[:MAX_LENGTH]


def clean_value(label: str) -> str:
    """A cleaned value, which may begin with any character."""
    return clean(label)[:MAX_LENGTH]


def clean(label: str) -> str:
    """`label` in lower case, with hyphens in place of all characters but ASCII letters, digits, underscores and hyphens."""
    return _FORBIDDEN.sub("-", label.lower())
