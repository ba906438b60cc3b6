"""What a verb was answered once, given again with one thing changed: junk in every place of every answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

from tests.network.faults import Act, Answer, Call, passing
from tests.network.json_paths import GONE, Path, at, junk_for, paths, replaced
from tests.network.proxy import HttpProxy

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
    proxy.script = passing
    proxy.exchanges.clear()
    verb()
    return [exchange.answer for exchange in proxy.exchanges if exchange.answer is not None]


@contextmanager
def giving(proxy: HttpProxy, answers: Sequence[Answer]) -> Iterator[None]:
    """The far side is not asked: the proxy gives these answers in turn, and the last of them for ever."""
    turns = count()

    def script(_call: Call) -> Act:
        return answers[min(next(turns), len(answers) - 1)]

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
