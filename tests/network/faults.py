"""What a hostile network does to a call, and the scripts that say to which."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from tests.network.json_paths import GONE, Path, at, junk_for, paths, replaced


class Fault(StrEnum):
    """What may happen to one call."""

    CUT_BEFORE = "cut-before"
    """The request is dropped and the connection breaks."""
    CUT_AFTER = "cut-after"
    """The request arrives, and the connection breaks before its answer."""
    HALF = "half"
    """The request arrives; half of the answer comes, and the connection breaks."""
    DRIP = "drip"
    """The request arrives; the answer comes a byte at a time, for longer than anybody waits."""
    SILENT = "silent"
    """The request arrives; nothing comes, and the connection stays open."""
    HTML_200 = "html-200"
    """Something on the way answers with a page and status 200; the request does not arrive."""
    HTML_503 = "html-503"
    """Something on the way answers with a page and status 503; the request does not arrive."""
    GATEWAY = "gateway"
    """A gateway answers 503 with JSON of its own; the request does not arrive."""
    OBJECT = "object"
    """`{}` with status 200; the request does not arrive."""
    EMPTY = "empty"
    """No body at all, with status 200; the request does not arrive."""
    JUNK = "junk"
    """The request arrives; something in one place of the answer's JSON is not what it was. Drawn by `Chance` alone."""
    REPEATED = "repeated"
    """The request arrives twice; the answer is that to the second."""


UNASKED = (Fault.HTML_200, Fault.HTML_503, Fault.GATEWAY, Fault.OBJECT, Fault.EMPTY)
"""Answers of somebody who was not asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request on its way."""

    number: int
    """From 1, in the order of arrival."""
    method: str = ""
    path: str = ""
    """With its query."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """By lower-case name."""
    body: bytes = b""

    @property
    def action(self) -> str:
        """What AWS is asked to do (`RunTask`); elsewhere the method and the path without its query."""
        target = self.headers.get("x-amz-target", "").rpartition(".")[2]
        return target or f"{self.method} {self.path.partition('?')[0]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer on its way back."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    """By lower-case name, without the length."""
    body: bytes = b""

    def with_body(self, body: bytes) -> Answer:
        """Another body, and no checksum of the one that it replaces."""
        kept = {name: value for name, value in self.headers.items() if name != "x-amz-crc32"}
        return replace(self, headers=kept, body=body)


Act = Fault | Answer | Callable[[Answer], Answer] | None
"""None: the call passes. An `Answer` is given instead of the far side's; a function changes that of the far side."""
Script = Callable[[Call], Act]


def passing(_call: Call) -> Act:
    """Nothing goes wrong."""
    return None


def always(act: Act, *, only: Callable[[Call], bool] = lambda _call: True) -> Script:
    """Each call that `only` picks goes wrong in the same way."""
    return lambda call: act if only(call) else None


def nth(number: int, act: Act, *, only: Callable[[Call], bool] = lambda _call: True) -> Script:
    """The `number`-th call that `only` picks goes wrong, and no other."""
    seen = iter(range(1, 1_000_000))
    return lambda call: act if only(call) and next(seen) == number else None


class Chance:
    """Each call goes wrong by a seeded chance; `counts` holds how often each fault was drawn."""

    def __init__(self, seed: int, odds: Mapping[Fault, float], *, only: Callable[[Call], bool] = lambda _call: True) -> None:
        self._random = random.Random(seed)
        self._odds, self._only = dict(odds), only
        self._lock = threading.Lock()
        self.counts: dict[Fault, int] = dict.fromkeys(odds, 0)

    def __call__(self, call: Call) -> Act:
        if not self._only(call):
            return None
        with self._lock:
            drawn = self._random.random()
            for fault, odds in self._odds.items():
                if drawn < odds:
                    self.counts[fault] += 1
                    return self._junk(self._random.random()) if fault is Fault.JUNK else fault
                drawn -= odds
        return None

    @staticmethod
    def _junk(where: float) -> Callable[[Answer], Answer]:
        """Changes one place of an answer in JSON to something of another type; any other answer stays as it is."""

        def change(answer: Answer) -> Answer:
            try:
                value = json.loads(answer.body)
            except ValueError:
                return answer
            places = list(paths(value))
            if not places:
                return answer
            path = places[int(where * len(places))]
            choices = [junk for junk in junk_for(at(value, path)) if not _is_a_lie(path, junk)]
            return junked(path, choices[int(where * 1_000_000) % len(choices)])(answer)

        return change

    def calm(self) -> None:
        """Nothing goes wrong any more."""
        with self._lock:
            self._odds = {}


def _is_a_lie(path: Path, junk: Any) -> bool:
    """Without its exit code an answer is whole and says something else: that the job never ran. No reader can see that."""
    return str(path[-1]).lower() == "exitcode" and junk in (GONE, None)


def junked(path: Path, value: Any) -> Callable[[Answer], Answer]:
    """Changes an answer in one place; `json_paths.GONE` takes the place away."""
    return lambda answer: answer.with_body(replaced(answer.body, path, value))


def unasked(fault: Fault) -> Answer:
    """The answer of somebody who was not asked."""
    page = b"<html><head><title>Sign in</title></head><body>Please sign in to the network.</body></html>"
    html, json = {"content-type": "text/html"}, {"content-type": "application/json"}
    return {
        Fault.HTML_200: Answer(headers=html, body=page),
        Fault.HTML_503: Answer(status=503, headers=html, body=page),
        Fault.GATEWAY: Answer(status=503, headers=json, body=b'{"error": "upstream connect error"}'),
        Fault.OBJECT: Answer(headers=json, body=b"{}"),
        Fault.EMPTY: Answer(headers=json),
    }[fault]


def every_unasked() -> Sequence[Answer]:
    """All of them."""
    return [unasked(fault) for fault in UNASKED]


def bodies() -> Iterator[Answer]:
    """Answers with status 200 that are JSON and nothing that anybody speaks."""
    for body in (b"{}", b"[]", b"null", b"true", b"7", b'"ok"', b"[{}, null, 7]", b'{"a": {"b": []}}', b"\xff\xfe", b"{"):
        yield Answer(headers={"content-type": "application/json"}, body=body)
