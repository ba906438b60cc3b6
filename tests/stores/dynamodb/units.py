"""What requests consume, by our own arithmetic over what was sent and answered: emulators answer nothing that could be used.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/capacity-mode.html: a strongly consistent read takes a unit for
each 4 kB, of an item or of all that a Query reads; a read from an index, which is never strongly consistent, takes half of it.
A write in a transaction takes two for each kB of the item, before or after, whichever is larger; an entry of an index that is
written takes one for each kB.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

from dispatcher.stores.dynamodb.items import size
from tests.stores.dynamodb.places import Request

ENTRY = 250
"""The bytes of an index's entry that a Query passes over, because its filter does not match: 30 of them for a unit."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Of some requests."""

    requests: int
    read: int
    written: int

    def per(self, runs: int) -> tuple[float, float, float]:
        """For each of so many runs."""
        return round(self.requests / runs, 2), round(self.read / runs, 2), round(self.written / runs, 2)


def cost_of(requests: Iterable[Request]) -> Cost:
    """The sum."""
    costs = [_cost(*request) for request in requests]
    return Cost(len(costs), sum(read for read, _ in costs), sum(written for _, written in costs))


def _cost(operation: str, asked: Mapping[str, Any], answer: Mapping[str, Any]) -> tuple[int, int]:
    match operation:
        case "query":
            weight = sum(size(item) for item in answer.get("Items", ()))
            if "IndexName" in asked:
                return max(1, ceil((weight + ENTRY * (answer["ScannedCount"] - answer["Count"])) / 8192)), 0
            return max(1, ceil(weight / 4096)), 0
        case "batch_get_item":
            items = [item for table in answer["Responses"].values() for item in table]
            absent = sum(len(table["Keys"]) for table in asked["RequestItems"].values()) - len(items)
            return absent + sum(ceil(size(item) / 4096) for item in items), 0
        case "get_item":
            return ceil(size(answer.get("Item", {})) / 4096), 0
        case "transact_write_items":
            return 0, sum(_written(action) for action in asked["TransactItems"])
        case "update_item" | "put_item":
            return 0, 1
    raise AssertionError(operation)


def _written(action: Mapping[str, Any]) -> int:
    """Items that are updated or deleted are small ones here: entries, slots and gates."""
    [(_, parameters)] = action.items()
    item = parameters.get("Item", {})
    return 2 * ceil(size(item) / 1024) + ("listed" in item)
