"""Label and field selectors in kubectl's syntax."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from providers.emulators.kubernetes.refusals import Refusal

Labels = Mapping[str, str]
_PARTS = re.compile(r",(?![^()]*\))")
_SET = re.compile(r"(\S+)\s+(in|notin)\s+\(([^)]*)\)")


def by_labels(selector: str) -> Callable[[Labels], bool]:
    """A test of an object's labels. Raises `Refusal`."""
    tests = [_test(part.strip()) for part in _PARTS.split(selector) if part.strip()]
    return lambda labels: all(test(labels) for test in tests)


def _test(part: str) -> Callable[[Labels], bool]:
    if match := _SET.fullmatch(part):
        key, word, values = match[1], match[2], {value.strip() for value in match[3].split(",")}
        if word == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    for sign, positive in (("!=", False), ("==", True), ("=", True)):
        key, operator, value = part.partition(sign)
        if operator:
            return lambda labels: (labels.get(key.strip()) == value.strip()) is positive
    if re.fullmatch(r"!?[\w./-]+", part):
        return lambda labels: (part.lstrip("!") in labels) is not part.startswith("!")
    raise Refusal("BadRequest", f"unable to parse requirement: found '{part}'")


def by_fields(selector: str) -> Callable[[Mapping[str, Any]], bool]:
    """A test of an object's fields, by dotted paths."""
    terms = [(path.rstrip("!"), value, path.endswith("!")) for path, _, value in _pairs(selector)]
    return lambda item: all((_at(item, path) == value) is not negated for path, value, negated in terms)


def _pairs(selector: str) -> list[tuple[str, str, str]]:
    return [part.replace("==", "=").partition("=") for part in selector.split(",") if part]


def _at(item: Any, path: str) -> str:
    for key in path.split("."):
        item = item.get(key) if isinstance(item, Mapping) else None
    return "" if item is None else str(item)
