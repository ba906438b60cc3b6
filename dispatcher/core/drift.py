"""Drift: what people, and automations, changed since a configuration was last applied.

For each pool and deployment, `apply` notes a short digest of every field as the file has it. A field whose digest differs now
was changed since. For a switch for operation (`paused`, `active`) `apply` notes what the file says, or the usual value if the
file does not mention it. So a pause by hand or by an automation survives an `apply`, and remains drift.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from dispatcher.core.automations import by_automation, last_switched
from dispatcher.core.changes import ABSENT, LEFT_ALONE, Configuration, plain
from dispatcher.core.placeholders import joined
from dispatcher.models import Deployment, Firing, Target

_NOUNS = ("queues", "schedules", "hooks")
"""The fields that hold further nouns by name."""
_USUAL: Mapping[str, Any] = {"paused": False, "active": True}

_Path = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """One field that was changed."""

    noun: str
    """`work pool`, `deployment` or `automation`."""
    name: str
    path: str
    """Dotted, as `queues.critical.concurrency_limit`; `queues.critical` for a queue that was added or deleted."""
    now: Any
    """The present value; `ABSENT` if it was deleted."""
    automation: str | None = None
    """The automation that paused or resumed it; None: it was changed by hand."""
    because: str = ""
    """What the automation did, when and why: `paused by automation ...`."""


def noted(noun: Any, entry: Mapping[str, Any]) -> dict[str, str]:
    """What `apply` notes for a noun that it saves: a digest of each field's value. `entry`: what the file says about the
    noun.
    """
    return {joined_path(path): _digest(_expected(path, value, entry)) for path, value in _fields(plain(noun))}


def with_notes(named: Configuration, written: Mapping[str, Any]) -> Configuration:
    """The pools and deployments that a file names, each with what `apply` notes for it; `written`: the file."""
    pools, deployments, automations = (written.get(kind) or {} for kind in ("pools", "deployments", "automations"))
    return Configuration(
        pools=tuple(replace(pool, applied=noted(pool, pools[pool.name])) for pool in named.pools),
        deployments=tuple(replace(noun, applied=noted(noun, deployments[noun.name])) for noun in named.deployments),
        automations=tuple(replace(noun, applied=noted(noun, automations[noun.name])) for noun in named.automations),
    )


def drift(configuration: Configuration) -> Iterator[Drift]:
    """What was changed since it was last applied. Nouns that were never applied have none."""
    for (kind, name), noun in configuration.nouns.items():
        for path, now in _drifted(plain(noun), noun.applied) if noun.applied else ():
            yield Drift(noun=kind, name=name, path=path, now=now)


def attributed(lines: Iterable[Drift], configuration: Configuration, firings: Sequence[Firing]) -> Iterator[Drift]:
    """The same lines, with the automations that caused them; `firings` are newest first."""
    for line in lines:
        yield _attributed(line, configuration.nouns[line.noun, line.name], firings) if is_switch(line) else line


def is_switch(line: Drift) -> bool:
    """Whether an automation may have caused it: something was paused or resumed."""
    return line.path.rpartition(".")[2] == "paused" and line.noun != "automation"


def _attributed(line: Drift, noun: Any, firings: Sequence[Firing]) -> Drift:
    last = last_switched(firings, _target(noun, line.path))
    if last is None or last[1].paused is not line.now:
        return line
    firing, done = last
    changed = "" if done.version == noun.version else "; it has been changed since"
    words = f"{'paused' if done.paused else 'resumed'} {by_automation(firing)}{changed}"
    return replace(line, automation=firing.automation, because=words)


def _target(noun: Any, path: str) -> Target:
    """What is paused where this field says so."""
    if isinstance(noun, Deployment):
        return Target(deployment=noun.name)
    queues = (queue.name for queue in noun.queues if joined_path(("queues", queue.name, "paused")) == path)
    return Target(pool=noun.name, queue=next(queues, None))


def joined_path(path: _Path) -> str:
    """The steps of a path as one text."""
    text = ""
    for step in path:
        text = joined(text, step)
    return text


def _drifted(values: Mapping[str, Any], applied: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    fields = {joined_path(path): value for path, value in _fields(values)}
    nouns = {_noun_of(path) for path in applied}
    added = dict.fromkeys(_noun_of(path) for path in fields if _noun_of(path) not in nouns)
    for path, value in fields.items():  # the version that applied may not have had this field: then it is not in the note
        if path in applied and _digest(value) != applied[path]:
            yield path, value
    for noun in (*added, *dict.fromkeys(nouns - {_noun_of(path) for path in fields})):
        if noun:
            yield noun, _at(values, noun)


def _fields(values: Mapping[str, Any]) -> Iterator[tuple[_Path, Any]]:
    """The fields of a noun, and the fields of the nouns in it."""
    for name, value in values.items():
        if name in _NOUNS and isinstance(value, Mapping):
            yield from (((name, inner, field), part) for inner, noun in value.items() for field, part in noun.items())
        elif name not in _NOUNS:
            yield (name,), value


def _noun_of(path: str) -> str:
    """The noun inside a noun that a field belongs to; empty for a field of the outer one."""
    return path.rpartition(".")[0] if path.startswith(tuple(f"{name}." for name in _NOUNS)) else ""


def _at(values: Mapping[str, Any], noun: str) -> Any:
    kind = next(name for name in _NOUNS if noun.startswith(name))
    inner = values.get(kind)
    return next((part for name, part in (inner or {}).items() if joined(kind, name) == noun), ABSENT)


def _expected(path: _Path, value: Any, entry: Mapping[str, Any]) -> Any:
    """The value that the file gives a field; for a switch that it does not mention, the usual value."""
    if path[-1] not in LEFT_ALONE:
        return value
    inner: Any = entry
    for step in path:
        inner = inner.get(step) if isinstance(inner, Mapping) else None
    return _USUAL[path[-1]] if inner is None else value


def _digest(value: Any) -> str:
    return sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:8]
