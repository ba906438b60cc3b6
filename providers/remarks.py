"""Remarks on job configurations, in one form for all providers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from providers.base import ConfigurationError, Finding

UNKNOWN_KEY = "is not a key that is read here"
"""How the remark on an unknown key begins."""


def unknown_key(path: str, key: str, keys: Collection[str]) -> Finding:
    """The remark on an unknown key, with the nearest known one."""
    from difflib import get_close_matches  # noqa: PLC0415 - only a mistake needs it

    near = get_close_matches(key, keys, n=1, cutoff=0.6) or get_close_matches(key.lower(), keys, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(sorted(keys))}"
    return Finding(path=f"{path}.{key}".lstrip("."), message=f"{UNKNOWN_KEY}; {hint}")


def unknown_keys(content: Mapping[str, Any], keys: Collection[str], path: str = "") -> Iterable[Finding]:
    """A remark on every unknown key of an object."""
    return (unknown_key(path, str(key), keys) for key in content if key not in keys)


START_TIMEOUT = "task_start_timeout_seconds"
"""The key that the dispatcher itself reads for every type: how long a job may take to start."""


def start_timeout_faults(configuration: Mapping[str, Any]) -> Iterable[Finding]:
    """A remark on a start timeout that is not a number, which would limit nothing."""
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


SHOWN = 12
"""The most known names to list if none of them is near."""


class Unusable(ConfigurationError):
    """Several findings at once. Its text lists them one after the other."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(dict.fromkeys(findings))
        super().__init__("; ".join(f"{finding.path}: {finding.message}" for finding in self.findings))


@dataclass(slots=True)
class Notes:
    """A collector of faults and warnings."""

    faults: list[Finding] = field(default_factory=list)
    warnings: list[Finding] = field(default_factory=list)

    def fault(self, path: str, message: str) -> None:
        """Note a fault: a value that cannot be used."""
        self.faults.append(Finding(path=path, message=message))

    def warn(self, path: str, message: str) -> None:
        """Note a warning: a value that is accepted but has no effect or a surprising effect."""
        self.warnings.append(Finding(path=path, message=message))

    def refuse(self) -> None:
        """Raise `Unusable` with all faults, if there are any."""
        if self.faults:
            raise Unusable(self.faults)

    def attempt(self, act: Callable[[], Any]) -> Any:
        """The result of `act`, or None; a `ConfigurationError` that it raises becomes faults."""
        try:
            return act()
        except ConfigurationError as error:
            self.faults.extend(findings_of(error))
            return None


def findings_of(error: ConfigurationError) -> tuple[Finding, ...]:
    """An error whose text is `path: message`, as findings."""
    if isinstance(error, Unusable):
        return error.findings
    path, separator, message = str(error).partition(": ")
    return (Finding(path=path, message=message) if separator else Finding(path="", message=path),)


def nearest(name: str, candidates: Iterable[str]) -> str:
    """The end of a sentence about an unknown name: the name that was probably meant, or the known names."""
    from difflib import get_close_matches  # noqa: PLC0415 - only a typing error needs it

    names = sorted(candidates)
    same = [other for other in names if _plain(other) == _plain(name)]
    if near := same or get_close_matches(name, names, n=1):
        return f"did you mean {near[0]}?"
    more = ", ..." if len(names) > SHOWN else ""
    return f"it reads {', '.join(names[:SHOWN])}{more}"


def _plain(name: str) -> str:
    """A name without the differences between the spellings of CloudFormation, Python and the API."""
    return name.replace("_", "").replace("-", "").lower()
