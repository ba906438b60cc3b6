"""The filter of work on many runs, as its entry in the log has it."""

from __future__ import annotations

import re

from dispatcher.models.records import RunFilter

_NAMES = ("pool", "queue", "deployment", "tag", "name")


def in_words(where: RunFilter) -> str:
    """A filter as people read it."""
    words = [f"{name} {value}" for name in _NAMES if (value := getattr(where, name)) is not None]
    if where.states is not None:
        words.append("state " + " or ".join(sorted(where.states)))
    times = [f"{name} {moment.isoformat()}" for name in ("since", "until") if (moment := getattr(where, name)) is not None]
    return ", ".join([*words, *times])


def filters_by(words: str, part: str, name: str) -> bool:
    """Whether the words are of a filter that names this pool or deployment."""
    following = "|".join([*_NAMES[_NAMES.index(part) + 1 :], "state", "since", "until"])
    return re.search(rf"(?:^|, ){part} {re.escape(name)}(?:$|, (?:{following}) )", words) is not None
