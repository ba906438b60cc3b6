"""How automations and their firings are written into columns, the same for every SQL store and for DynamoDB."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dispatcher.core.automations import watch_of
from dispatcher.models import (
    Automation,
    Episode,
    Firing,
    Paused,
    PoolHeld,
    PoolNotTicked,
    Progress,
    QueueLonger,
    RunEnded,
    RunLate,
    RunOf,
    SeenEnd,
    Target,
    Then,
    When,
)
from dispatcher.stores.codecs import FLAG, ID, JSON, LENGTH, PLAIN, STATES, TAGS, TEXT, TIME, Codec, NounTable


def _object(table: NounTable[Any]) -> Codec:
    """A noun within the JSON of another: an object of its fields that are not None."""
    return Codec(table.filled, table.of_filled)


def _objects(table: NounTable[Any]) -> Codec:
    """A tuple of nouns within the JSON of another."""
    return Codec(
        lambda nouns: [table.filled(noun) for noun in nouns], lambda stored: tuple(table.of_filled(noun) for noun in stored)
    )


def _as_text(codec: Codec) -> Codec:
    """The same in a column of its own."""
    return Codec(lambda value: JSON.encode(codec.encode(value)), lambda stored: codec.decode(JSON.decode(stored)))


LATER_OBJECT = Codec(lambda values: dict(values) or None, dict)
"""An object that older code does not know. It is written only if it is not empty, so that older code can read the rest."""

_SELECTED = {"pool": PLAIN, "queue": PLAIN, "deployment": PLAIN, "tag": PLAIN}

WHEN = NounTable(
    When,
    {
        "ended": _object(NounTable(RunEnded, {"states": STATES, **_SELECTED, "count": PLAIN, "of_last": PLAIN})),
        "late": _object(NounTable(RunLate, {"by": LENGTH, **_SELECTED})),
        "held": _object(NounTable(PoolHeld, {"pool": PLAIN, "longer_than": LENGTH})),
        "not_ticked": _object(NounTable(PoolNotTicked, {"pool": PLAIN, "longer_than": LENGTH})),
        "longer": _object(NounTable(QueueLonger, {"pool": PLAIN, "queue": PLAIN, "than": PLAIN})),
    },
)

TARGET = NounTable(Target, {"deployment": PLAIN, "pool": PLAIN, "queue": PLAIN})

RUN_OF = NounTable(
    RunOf,
    {
        "deployment": PLAIN,
        "job_variables": Codec(dict, dict),
        "from_run": Codec(dict, dict),
        "parameters": LATER_OBJECT,
        "parameters_from_run": LATER_OBJECT,
        "tags": Codec(list, tuple),
        "chain_limit": PLAIN,
    },
)

THEN = NounTable(
    Then,
    {
        "pause": _object(TARGET),
        "resume": _object(TARGET),
        "run": _object(RUN_OF),
        "retry": FLAG,
        "cancel": FLAG,
        "notify": PLAIN,
    },
)

EPISODE = NounTable(Episode, {"since": TIME, "fired": FLAG})

PROGRESS = NounTable(
    Progress,
    {
        "ends": _objects(NounTable(SeenEnd, {"ended_at": TIME, "run": ID, "counts": FLAG})),
        "episodes": Codec(
            lambda episodes: {pool: EPISODE.filled(episode) for pool, episode in episodes.items()},
            lambda stored: {pool: EPISODE.of_filled(episode) for pool, episode in stored.items()},
        ),
    },
)

AUTOMATION = NounTable(
    Automation,
    {
        "name": PLAIN,
        "id": ID,
        "when": _as_text(_object(WHEN)),
        "then": _as_text(_objects(THEN)),
        "paused": FLAG,
        "description": TEXT,
        "owner": PLAIN,
        "created_at": TIME,
        "applied": JSON,
        "version": PLAIN,
        "revision": PLAIN,
        "progress": _as_text(_object(PROGRESS)),
    },
    {"when": "waits_for", "then": "does"},
)
"""An automation, without the columns that `watch_columns` gives."""

FIRING = NounTable(
    Firing,
    {
        "id": ID,
        "automation": PLAIN,
        "pool": PLAIN,
        "fired_at": TIME,
        "because": TEXT,
        "run": ID,
        "did": TAGS,
        "problems": TAGS,
        "paused": _as_text(_objects(NounTable(Paused, {"target": _object(TARGET), "paused": FLAG, "version": PLAIN}))),
        "hooks": TAGS,
        "notified_hooks": _as_text(Codec(sorted, frozenset)),
        "notify_at": TIME,
        "notify_tries": PLAIN,
    },
)


def watch_columns(automation: Automation) -> dict[str, Any]:
    """The columns that tell statements whether an automation looks at something."""
    watch = watch_of(automation)
    return {
        "on_pool": watch.pool,
        "elsewhere": watch.elsewhere,
        "on_deployment": watch.deployment,
        "end_states": JSON.encode(sorted(watch.end_states)),
        "looks": watch.looks,
    }


AUTOMATION_COLUMNS: Mapping[str, str] = {
    "automation": AUTOMATION.columns,
    "automation_values": AUTOMATION.values,
    "firing": FIRING.columns,
    "firing_values": FIRING.values,
}
"""The columns that replace the nouns in `sql/statements.sql`, besides those in `rows.COLUMNS`."""
