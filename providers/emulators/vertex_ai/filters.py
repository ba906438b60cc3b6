"""The filter of `customJobs.list`: comparisons of `state`, `displayName`, `createTime` and labels, with AND, OR, NOT."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from providers.emulators.google_errors import Refusal

_TOKEN = re.compile(r'\s*(?:(\(|\))|(AND|OR|NOT)\b|((?:[a-zA-Z][\w.-]*))(!=|>=|<=|=|>|<|:)("[^"]*"|[\w.*:+-]+))')

Test = Callable[[Mapping[str, Any]], bool]


def parsed(text: str) -> Test:
    """A filter as a predicate on jobs. Raises `Refusal` for an undocumented filter."""
    tokens, position = [], 0
    while position < len(text.rstrip()):
        match = _TOKEN.match(text, position)
        if match is None:
            raise _invalid(text)
        tokens.append(match.groups())
        position = match.end()
    if not tokens:
        return lambda _job: True
    test = _alternatives(tokens, text)
    if tokens:
        raise _invalid(text)
    return test


def _alternatives(tokens: list[Any], text: str) -> Test:
    tests = [_all(tokens, text)]
    while tokens and tokens[0][1] == "OR":
        tokens.pop(0)
        tests.append(_all(tokens, text))
    return lambda job: any(test(job) for test in tests)


def _all(tokens: list[Any], text: str) -> Test:
    tests = [_one(tokens, text)]
    while tokens and tokens[0][1] == "AND":
        tokens.pop(0)
        tests.append(_one(tokens, text))
    return lambda job: all(test(job) for test in tests)


def _one(tokens: list[Any], text: str) -> Test:
    if not tokens:
        raise _invalid(text)
    bracket, word, field, operator, value = tokens.pop(0)
    if word == "NOT":
        test = _one(tokens, text)
        return lambda job: not test(job)
    if bracket == "(":
        test = _alternatives(tokens, text)
        if not tokens or tokens.pop(0)[0] != ")":
            raise _invalid(text)
        return test
    if not field:
        raise _invalid(text)
    return _comparison(field, operator, value.strip('"'), text)


def _comparison(field: str, operator: str, value: str, text: str) -> Test:
    if field.startswith("labels."):
        key = field.removeprefix("labels.")
        if operator == ":" and value == "*":
            return lambda job: key in job.get("labels", {})
        if operator == "=":
            return lambda job: bool(job.get("labels", {}).get(key) == value)
    elif field in ("state", "displayName") and operator in ("=", "!="):
        return lambda job: (job.get(field) == value) == (operator == "=")
    elif field == "createTime" and operator in (">=", "<=", ">", "<", "=", "!="):
        return lambda job: _compared(str(job.get(field)), operator, value)
    raise _invalid(text)


def _compared(left: str, operator: str, right: str) -> bool:
    """Whether the comparison holds. Times in one format compare as texts."""
    answers = {">=": left >= right, "<=": left <= right, ">": left > right, "<": left < right, "=": left == right}
    return answers.get(operator, left != right)


def _invalid(text: str) -> Refusal:
    return Refusal("INVALID_ARGUMENT", f"Invalid filter: {text}")
