"""Labels within Kubernetes' rules: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/."""

from __future__ import annotations

import re
from collections.abc import Mapping

MAX_LENGTH = 63
NAME_LABEL = "push-dispatcher/name"
"""The label on all our Jobs and pods: it holds the job's name, and look-ups use it."""

_PREFIX = re.compile(r"[^a-z0-9.-]")
_FORBIDDEN = re.compile(r"[^A-Za-z0-9._-]")
_EDGES = "-_."


def clean_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """Labels with keys and values that Kubernetes accepts; a key without an acceptable character is left out."""
    return {cleaned: clean(value) for key, value in labels.items() if (cleaned := clean_key(key))}


def clean_key(key: str) -> str:
    """`prefix/name` with a prefix that is a DNS name; further slashes become hyphens."""
    prefix, slash, name = key.partition("/")
    if not slash:
        return clean(prefix)
    prefix = _PREFIX.sub("-", prefix.lower())[:253].strip("-.")
    name = clean(name)
    return f"{prefix}/{name}" if prefix and name else name


def clean(text: str) -> str:
    """At most 63 letters, digits, hyphens, underscores and dots, with a letter or a digit at both ends."""
    return _FORBIDDEN.sub("-", text).strip(_EDGES)[:MAX_LENGTH].strip(_EDGES)
