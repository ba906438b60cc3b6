"""Remarks on job configurations, in one form for every provider that makes them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from providers.base import ConfigurationError, Finding


def unknown_key(path: str, key: str, known: Collection[str]) -> Finding:
    """The remark on a key that is not read, with the nearest one that is."""
    from difflib import get_close_matches  # noqa: PLC0415 - only a mistake needs it

    near = get_close_matches(key, known, n=1, cutoff=0.6) or get_close_matches(key.lower(), known, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(sorted(known))}"
    return Finding(path=f"{path}.{key}".lstrip("."), message=f"is no key that is read here; {hint}")


def unknown_keys(given: Mapping[str, Any], known: Collection[str], path: str = "") -> Iterable[Finding]:
    """A remark on every key of an object that is not read."""
    return (unknown_key(path, str(key), known) for key in given if key not in known)


START_TIMEOUT = "task_start_timeout_seconds"
"""The key that the dispatcher itself reads, whatever the type: how long a job may take to start."""


def start_timeout_faults(configuration: Mapping[str, Any]) -> Iterable[Finding]:
    """A remark on a time to start that is no number; it would be no bound at all."""
    seconds = configuration.get(START_TIMEOUT)
    if seconds is not None and (isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds > 0):
        yield Finding(path=START_TIMEOUT, message=f"give seconds, a number above 0, not {seconds!r:.80}")


def finding_of(problem: ConfigurationError) -> Finding:
    """A fault that was raised as `path: what is wrong`."""
    path, colon, message = str(problem).partition(": ")
    return Finding(path=path, message=message) if colon and " " not in path else Finding(path="", message=str(problem))


def reason_of(findings: Iterable[Finding]) -> str:
    """Faults as the reason of a refusal."""
    return "; ".join(f"{item.path}: {item.message}" if item.path else item.message for item in findings)
