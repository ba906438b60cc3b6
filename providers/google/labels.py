"""Labels, cut and cleaned to Google's rules.

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
"""The label by which a sweep knows the jobs of its own dispatcher."""

KEEP = "push-dispatcher-keep"
"""The label of a job that its template wants kept."""

_FORBIDDEN = re.compile(r"[^a-z0-9_-]")
_NO_LETTER = re.compile(r"^[^a-z]+")


def labels_of(job_labels: Mapping[str, str], owner: str, *others: Any) -> dict[str, str]:
    """A job's labels: the owner's first, then the dispatcher's, then the `others` in their order.

    The first to name a key keeps it, and of more than 64 the first stay.
    """
    chosen = {OWNER: clean_value(owner)}
    for source in (job_labels, *(mapping(other, "labels") for other in others)):
        for label in sorted(source):
            key = clean_key(label)
            if key and source[label] is not None and len(chosen) < MAX_LABELS:
                chosen.setdefault(key, clean_value(text(source[label])))
    return chosen


def clean_key(label: str) -> str:
    """`label` in lower case, with a hyphen for everything forbidden, from its first letter on; empty when it has none."""
    return _NO_LETTER.sub("", clean(label))[:MAX_LENGTH]


def clean_value(label: str) -> str:
    """The same for a value, which may begin with anything."""
    return clean(label)[:MAX_LENGTH]


def clean(label: str) -> str:
    """Lower case, and a hyphen for everything but letters, digits, underscores and hyphens of ASCII."""
    return _FORBIDDEN.sub("-", label.lower())
