"""What a verb was answered once, given again with one thing changed: junk in every place of every answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.network.faults import Act, Answer, Call, Fault, passing
from tests.network.json_paths import GONE, Path, at, junk_for, paths, replaced
from tests.network.proxy import Exchange, HttpProxy

MOST_JUNK = 2
"""Kinds of junk for one place; neighbours get others."""


@dataclass(frozen=True, slots=True)
class Spoiled:
    """One recorded answer with junk in one place."""

    turn: int
    """Which of the answers."""
    path: Path
    junk: Any
    answer: Answer

    def __str__(self) -> str:
        return f"answer {self.turn}, {'.'.join(map(str, self.path))} = {self.junk!r}"


def recorded(proxy: HttpProxy, verb: Callable[[], Any]) -> Sequence[Answer]:
    """The answers that a verb gets when nothing goes wrong, in order."""
    return [exchange.answer for exchange in exchanged(proxy, verb) if exchange.answer is not None]


def exchanged(proxy: HttpProxy, verb: Callable[[], Any]) -> Sequence[Exchange]:
    """The calls that a verb makes when nothing goes wrong, in order."""
    proxy.script = passing
    proxy.exchanges.clear()
    verb()
    return list(proxy.exchanges)


@contextmanager
def giving(proxy: HttpProxy, actions: Sequence[str], answers: Sequence[Answer]) -> Iterator[None]:
    """The far side is not asked: calls of an action get its answers in turn, and the last of them for ever."""
    by_action: dict[str, list[Answer]] = {}
    for action, answer in zip(actions, answers, strict=True):
        by_action.setdefault(action, []).append(answer)

    def script(call: Call) -> Act:
        left = by_action.get(call.action)
        if left is None:
            return Fault.CUT_BEFORE
        return left.pop(0) if len(left) > 1 else left[0]

    proxy.script = script
    yield
    proxy.script = passing


def spoiled(answers: Sequence[Answer]) -> Iterator[Spoiled]:
    """Every answer in JSON with junk in every place, and taken away there."""
    for turn, answer in enumerate(answers):
        try:
            value = json.loads(answer.body)
        except ValueError:
            continue
        for number, path in enumerate(paths(value)):
            kinds = list(junk_for(at(value, path)))
            for kind in range(min(MOST_JUNK, len(kinds))):
                junk = GONE if kind == 0 else kinds[(number + kind) % len(kinds)]
                yield Spoiled(turn, path, junk, answer.with_body(replaced(answer.body, path, junk)))


def put_in(answers: Sequence[Answer], turn: int, answer: Answer) -> Sequence[Answer]:
    """The answers with another one in one place."""
    return [*answers[:turn], answer, *answers[turn + 1 :]]
