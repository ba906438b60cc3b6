"""Checks the fields of a pool, queue, deployment or run against `dispatcher.models`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, fields
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, get_type_hints

from dispatcher.core.changes import identity_of
from dispatcher.errors import Fault, InvalidInput
from dispatcher.models import (
    DEFAULT_QUEUE,
    FIRST_PRIORITY,
    LAST_PRIORITY,
    LONGEST_EXPIRY,
    MAX_INTEGER,
    Automation,
    Deployment,
    Hook,
    PoolHeld,
    PoolNotTicked,
    QueueLonger,
    RetryPolicy,
    Run,
    RunEnded,
    RunLate,
    RunOf,
    RunState,
    Schedule,
    Target,
    Then,
    When,
    WorkPool,
    WorkQueue,
)
from dispatcher.validation.automations import PARTS, part_faults
from dispatcher.validation.hooks import ENDS_RULE, hook_faults
from dispatcher.validation.json_values import text_fault
from dispatcher.validation.messages import got, one_line
from dispatcher.validation.plain_types import Check, checks
from dispatcher.validation.schedules import schedule_faults
from dispatcher.validation.times import LENGTH_RULE, TIME_RULE

if TYPE_CHECKING:
    from pydantic import TypeAdapter

Part: TypeAlias = When | RunEnded | RunLate | PoolHeld | PoolNotTicked | QueueLonger | Then | Target | RunOf
Noun: TypeAlias = WorkPool | WorkQueue | Deployment | Schedule | RetryPolicy | Hook | Run | Automation | Part

Inner = TypeVar("Inner")

MAX_TEXT = 10_000
MAX_TAGS = 50
MAX_TAG = 200
MAX_SCHEDULES = 50
MAX_HOOKS = 10
LONGEST_RETRY_DELAY = timedelta(days=1)
RETRIED_ENDS = frozenset({RunState.FAILED, RunState.CRASHED})

_SUBJECTS: Mapping[type[Noun], str] = {
    WorkPool: "work pool",
    WorkQueue: "work queue",
    Deployment: "deployment",
    Schedule: "schedule",
    RetryPolicy: "retry policy",
    Hook: "hook",
    Run: "run",
    Automation: "automation",
    **dict.fromkeys(PARTS, "automation"),
}

NAME_RULE = "must be 1 to 200 printable characters without / % & < > and without blanks at its ends"
PRIORITY_RULE = f"must be a whole number from {FIRST_PRIORITY} (starts first) to {LAST_PRIORITY}"
_RULES = {
    "name": NAME_RULE,
    "slug": NAME_RULE,
    "pool": NAME_RULE,
    "queue": NAME_RULE,
    "concurrency_limit": "must be 0 or more, or null for unlimited",
    "WorkQueue.priority": "must be a whole number of 1 or more",
    "Deployment.priority": PRIORITY_RULE,
    "Schedule.priority": f"{PRIORITY_RULE}, or null for that of its deployment",
    "on_collision": "must be wait, skip or replace",
    "max_waiting": "must be a whole number of 1 or more, or null for any number",
    "share": "must be strict or fair",
    "owner": NAME_RULE.replace("1 to 200", "up to 200"),
    "weight": "must be a whole number from 1 to 100",
    "catch_up": "must be none, last, all or drop",
    "catch_up_limit": "must be a whole number from 1 to 1000",
    "when_skipped": "must be shift or skip, or null for what is usual for its kind",
    "when_repeated": "must be first or both, or null for what is usual for its kind",
    "retry": "must be a retry policy, or null for none",
    "attempts": "must be a whole number from 1 to 20, the first attempt included",
    "backoff": "must be a number from 1 to 100",
    "RetryPolicy.states": "must be FAILED, CRASHED or both",
    "Hook.states": ENDS_RULE,
    "RunEnded.states": ENDS_RULE,
    "count": "must be a whole number from 1 to 100",
    "of_last": "must be a whole number from 1 to 100, or null for `count` in a row",
    "chain_limit": "must be a whole number from 1 to 100",
    "than": "must be a whole number from 0 to 10000",
}
"""The rule of a field as one sentence; with the noun if several nouns have the field."""

_SENTENCES = {
    "string_type": "must be text",
    "string_unicode": "must be valid Unicode text",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "datetime_type": "must be a time",
    "date_type": "must be a day, as 2026-12-25",
    "date_parsing": "must be a day, as 2026-12-25",
    "date_from_datetime_parsing": "must be a day, as 2026-12-25",
    "date_from_datetime_inexact": "must be a day without a time, as 2026-12-25",
    "datetime_parsing": TIME_RULE,
    "datetime_from_date_parsing": TIME_RULE,
    "time_delta_type": "must be a length of time",
    "time_delta_parsing": LENGTH_RULE,
    "tuple_type": "must be a tuple",
    "dict_type": "must be an object",
}
"""The sentences for other fields, by pydantic's name of the error."""


def validate(instance: Noun) -> None:
    """Raise `InvalidInput` with every field of `instance` that breaks the annotations of its class, or its own rules.

    Nothing is converted: "5" is not a number here. Templates and variables have their own checks.
    """
    faults = [*_faults(instance, "")]
    if faults:
        raise InvalidInput(f"{_SUBJECTS[type(instance)]}{_name(instance)}", one_line(faults))


def _name(instance: Noun) -> str:
    identity = identity_of(type(instance))
    if identity is None:
        return ""
    name = getattr(instance, identity)
    return f" {(name if isinstance(name, str) else repr(name))[:80]!r}"


def _faults(instance: Noun, root: str) -> Iterator[Fault]:
    noun: type[Any] = type(instance)
    mistyped = False
    for field, fits in _CHECKS[noun].items():
        value = getattr(instance, field)
        if value is _DEFAULTS[noun].get(field, MISSING):
            continue
        faults = [] if fits(value) else [*_type_faults(noun, field, value)]
        mistyped = mistyped or bool(faults)
        yield from (Fault(root + path, message) for path, message in faults or _rule_faults(field, value))
    yield from (Fault(root + fault.path, fault.message) for fault in _inner_faults(instance))
    if isinstance(instance, RetryPolicy | Schedule | Hook | Automation | Part) and not mistyped:
        yield from (Fault(_below(root, fault.path), fault.message) for fault in _whole_faults(instance))


def _below(root: str, path: str) -> str:
    return root + path if path else root.removesuffix(".")


def _inner_faults(instance: Noun) -> Iterator[Fault]:
    """The faults of nouns within a noun."""
    if isinstance(instance, WorkPool):
        yield from _queue_faults(instance)
    if isinstance(instance, Deployment):
        yield from _schedules_faults(instance)
    if isinstance(instance, WorkPool | Deployment):
        yield from _hooks_faults(instance)
    if isinstance(instance, Deployment | Run) and isinstance(instance.retry, RetryPolicy):
        yield from _faults(instance.retry, "retry.")
    if isinstance(instance, Automation | When | Then):
        yield from _part_faults(instance)


def _part_faults(instance: Automation | When | Then) -> Iterator[Fault]:
    """The faults of what an automation consists of."""
    for field in fields(instance):
        value = getattr(instance, field.name)
        if isinstance(value, PARTS):
            yield from _faults(value, f"{field.name}.")
    if isinstance(instance, Automation):
        for index, then in enumerate(_items_of(Then, instance.then)):
            yield from _faults(then, f"then[{index}].")


def _whole_faults(instance: RetryPolicy | Schedule | Hook | Automation | Part) -> Iterator[Fault]:
    """What is wrong with a noun whose fields have the right types."""
    if isinstance(instance, RetryPolicy):
        return _retry_faults(instance)
    if isinstance(instance, Schedule):
        return schedule_faults(instance)
    return hook_faults(instance) if isinstance(instance, Hook) else part_faults(instance)


def _adapters(noun: type[Any]) -> dict[str, TypeAdapter[Any]]:
    from pydantic import TypeAdapter  # noqa: PLC0415 - for what does not plainly fit

    if noun not in _ADAPTERS:
        hints = get_type_hints(noun, include_extras=True)
        _ADAPTERS[noun] = {field.name: TypeAdapter(hints[field.name]) for field in fields(noun)}
    return _ADAPTERS[noun]


_ADAPTERS: dict[type[Any], dict[str, TypeAdapter[Any]]] = {}
_CHECKS: Mapping[type[Any], Mapping[str, Check]] = {noun: checks(noun) for noun in _SUBJECTS}
_DEFAULTS: Mapping[type[Any], Mapping[str, Any]] = {
    noun: {field.name: field.default for field in fields(noun) if field.default is not MISSING} for noun in _SUBJECTS
}
"""Values that need no check: most fields of a new run have their default."""


def _type_faults(noun: type[Any], field: str, value: Any) -> Iterator[tuple[str, str]]:
    from pydantic import ValidationError  # noqa: PLC0415 - likewise

    try:
        _adapters(noun)[field].validate_python(value, strict=True)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            if "[key]" in detail["loc"]:
                yield field, f"has the key {detail['input']!r}, which is not text; put it in quotes"
                continue
            path = field + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in detail["loc"])
            yield path, sentence(noun.__name__, field, detail) + got(detail["input"])


def sentence(noun: str, field: str, detail: Mapping[str, Any]) -> str:
    """An error of pydantic at a field of a noun, in words for people."""
    message = detail["msg"].replace("Input should", "must").removeprefix("Value error, ")
    return _RULES.get(f"{noun}.{field}") or _RULES.get(field) or _SENTENCES.get(detail["type"]) or message


def _rule_faults(field: str, value: Any) -> Iterator[tuple[str, str]]:
    """The rules beyond the annotations: bounds that every store can keep."""
    if isinstance(value, str) and (fault := _text_rule(value)):
        yield field, fault
    elif isinstance(value, int) and abs(value) > MAX_INTEGER:
        yield field, f"must be at most {MAX_INTEGER}{got(value)}"
    elif isinstance(value, datetime) and value.utcoffset() != timedelta(0):
        yield field, f"must be a time in UTC with its offset, such as 2026-01-31T12:00:00+00:00 (got {value.isoformat()})"
    elif field == "expires_after" and value is not None and not timedelta(0) < value <= LONGEST_EXPIRY:
        yield (
            field,
            f"must be longer than 0 and at most {LONGEST_EXPIRY.days} days (got {value.total_seconds():g} seconds)",
        )
    elif field == "tags":
        yield from _tag_faults(value)


def _text_rule(text: str) -> str | None:
    if len(text) > MAX_TEXT:
        return f"must have at most {MAX_TEXT} characters (got {len(text)})"
    return text_fault(text)


def _tag_faults(tags: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    if len(tags) > MAX_TAGS:
        yield "tags", f"must be at most {MAX_TAGS} (got {len(tags)})"
    for index, tag in enumerate(tags):
        if not 0 < len(tag) <= MAX_TAG or not tag.isprintable():
            yield f"tags[{index}]", f"must be 1 to {MAX_TAG} printable characters{got(tag)}"


def _queue_faults(pool: WorkPool) -> Iterator[Fault]:
    queues = _items_of(WorkQueue, pool.queues)
    for index, queue in enumerate(queues):
        yield from _faults(queue, f"queues[{index}].")
    if DEFAULT_QUEUE not in (queue.name for queue in queues):
        yield Fault("queues", f"must hold the queue `{DEFAULT_QUEUE}`, which every pool has")
    for name in _repeated([queue.name for queue in queues if isinstance(queue.name, str)]):
        yield Fault("queues", f"two queues are named {name!r}; rename one")
    for priority in _repeated([queue.priority for queue in queues if isinstance(queue.priority, int)]):
        holders = " and ".join(str(queue.name) for queue in queues if queue.priority == priority)
        yield Fault("queues", f"priority {priority} is held by {holders}; give each queue a priority of its own")


def _schedules_faults(deployment: Deployment) -> Iterator[Fault]:
    schedules = _items_of(Schedule, deployment.schedules)
    if len(schedules) > MAX_SCHEDULES:
        yield Fault("schedules", f"must be at most {MAX_SCHEDULES} (got {len(schedules)}); make another deployment")
        return
    for index, schedule in enumerate(schedules):
        yield from _faults(schedule, f"schedules[{index}].")
    for slug in _repeated([schedule.slug for schedule in schedules if isinstance(schedule.slug, str)]):
        yield Fault("schedules", f"two schedules have the slug {slug!r}; give each one of its own")


def _hooks_faults(owner: WorkPool | Deployment) -> Iterator[Fault]:
    hooks = _items_of(Hook, owner.hooks)
    if len(hooks) > MAX_HOOKS:
        yield Fault("hooks", f"must be at most {MAX_HOOKS} (got {len(hooks)}); let one hook notify the others")
        return
    for index, hook in enumerate(hooks):
        yield from _faults(hook, f"hooks[{index}].")
    for name in _repeated([hook.name for hook in hooks if isinstance(hook.name, str)]):
        yield Fault("hooks", f"two hooks are named {name!r}; make them one hook with all of its states")


def _retry_faults(policy: RetryPolicy) -> Iterator[Fault]:
    if not timedelta(0) <= policy.delay <= LONGEST_RETRY_DELAY:
        yield Fault("delay", f"must be from 0 seconds to a day (got {policy.delay.total_seconds():g} seconds)")
    if not 0 < len(policy.states) == len(policy.states & RETRIED_ENDS):
        yield Fault("states", f"{_RULES['RetryPolicy.states']} (got {', '.join(sorted(policy.states)) or 'none'})")


def _items_of(noun: type[Inner], value: Any) -> Sequence[Inner]:
    """The items of the right type in a tuple; the others are faults already."""
    return [item for item in value if isinstance(item, noun)] if isinstance(value, tuple) else []


def _repeated(values: list[Any]) -> list[Any]:
    return [value for value, count in Counter(values).items() if count > 1]
