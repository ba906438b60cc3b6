"""What all automations look at, in one item: see `automations`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from dispatcher.core.automations import Watch
from dispatcher.models import RunState
from dispatcher.stores.dynamodb import keys
from dispatcher.stores.dynamodb.items import Item, readable, text_in
from dispatcher.stores.dynamodb.keys import Key


def watches_in(items: Mapping[Key, Item]) -> Sequence[Watch]:
    """The watches among items that were read; empty if there has never been an automation."""
    item = items.get(keys.WATCHES)
    if item is None:
        return []
    with readable("watches"):
        return [
            Watch(**{**watch, "end_states": frozenset(map(RunState, watch["end_states"]))})
            for watch in json.loads(text_in(item, "watches"))
        ]
