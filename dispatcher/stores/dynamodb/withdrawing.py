"""Withdraw runs that schedules made, because their schedule or deployment was removed or changed.

There may be more such runs than a transaction holds. So the change notes in the deployment's item which runs to withdraw, and
the runs are deleted afterwards, batch by batch, each on the condition that this note still exists; the last batch deletes the
note. If a deployment with such runs is deleted, its item stays with a mark (`leaving`): it is no longer read as a deployment,
and is deleted with the note. While there is a note, no window of the deployment becomes a run.

An interrupted change leaves the note. The next tick finds it in the item of the pool's windows, and the next change
of the deployment, or of a pool whose queue it blocks, finds it too: each finishes it first (`finish`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from dispatcher.models import Run, RunState
from dispatcher.models.lanes import lanes_between
from dispatcher.stores.codecs import TIME, microseconds
from dispatcher.stores.dynamodb import keys, windows
from dispatcher.stores.dynamodb.items import Item, Stored, entries_of, id_in, key_in, plain, readable, run_in, text_in
from dispatcher.stores.dynamodb.requests import Table
from dispatcher.stores.dynamodb.run_writes import Actions

AT_ONCE = 24
"""The most runs that one transaction withdraws. Each has up to three entries, and the deployment and its pool's windows are
written as well.
"""

LONG_AGO = datetime.min.replace(tzinfo=UTC)

QueueAddress = tuple[str, str]
"""A pool and a queue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    """Which runs to delete: those that one of these schedules created for after a time, and that no tick ever claimed."""

    deployment: str
    slugs: frozenset[str] | None
    """None: every schedule that the deployment ever had."""
    after: datetime
    queues: tuple[QueueAddress, ...]
    """The queues in which these runs may wait. Stored as `places`."""
    has_priorities: bool = False
    """Whether some of them may have a priority: only then are their lanes searched."""

    def note(self, token: str) -> Item:
        """The attribute of the deployment's item; no two withdrawals are equal."""
        slugs = None if self.slugs is None else sorted(self.slugs)
        content = {"token": token, "slugs": slugs, "after": microseconds(self.after), "places": self.queues}
        content |= {"has_priorities": True} if self.has_priorities else {}
        return {"withdrawing": {"S": json.dumps(content)}}

    @classmethod
    def noted(cls, item: Item) -> Withdrawal:
        """The withdrawal that a deployment's item notes."""
        with readable("withdrawing"):
            content: dict[str, Any] = json.loads(text_in(item, "withdrawing"))
            return cls(
                deployment=text_in(item, "name"),
                slugs=None if content["slugs"] is None else frozenset(content["slugs"]),
                after=TIME.decode(content["after"]),
                queues=tuple((pool, queue) for pool, queue in content["places"]),
                has_priorities=content.get("has_priorities", False),
            )

    def covers(self, entry: Item) -> bool:
        """Whether the withdrawal covers the run of a waiting entry."""
        whose = entry.get("deployment"), entry.get("schedule")
        queue, at = key_in(entry)
        is_of_it = whose[0] == {"S": self.deployment} and self._names(plain(whose[1]) if whose[1] else None)
        at = at.rpartition("/")[2]
        return is_of_it and at > keys.after(self.after) and queue in {keys.waiting(*address) for address in self.queues}

    def covers_run(self, run: Run) -> bool:
        """Whether the withdrawal covers a run, as it was read after its entry."""
        untouched = run.state is RunState.SCHEDULED and run.fence == 0 and run.scheduled_at > self.after
        return untouched and run.deployment == self.deployment and self._names(run.schedule)

    def _names(self, schedule: str | None) -> bool:
        return schedule is not None and (self.slugs is None or schedule in self.slugs)


def is_pending(item: Item) -> bool:
    """Whether runs of the deployment in this item are still to be withdrawn."""
    return "withdrawing" in item


def entries(table: Table, withdrawal: Withdrawal) -> Iterator[Item]:
    """The entries of the runs to delete. Runs that were never claimed are not due before their window, so entries that are due
    already are not searched, except in lanes with a priority.
    """
    later = keys.after(withdrawal.after)
    lane = withdrawal.deployment
    ranges = [(later, keys.LANE), (keys.in_lane(lane, later), keys.after_lane(lane))]
    if withdrawal.has_priorities:
        ranges += map(_lanes_between, (lane, ""))
    for queue in withdrawal.queues:
        for first, last in ranges:
            request: dict[str, Any] = {
                "KeyConditionExpression": "pk = :pk AND sk BETWEEN :first AND :last",
                "FilterExpression": "#deployment = :deployment",
                "ExpressionAttributeNames": {"#deployment": "deployment"},
                "ExpressionAttributeValues": {
                    ":pk": {"S": keys.waiting(*queue)},
                    ":first": {"S": first},
                    ":last": {"S": last},
                    ":deployment": {"S": withdrawal.deployment},
                },
            }
            yield from filter(withdrawal.covers, table.pages(None, ConsistentRead=True, **request))


def _lanes_between(deployment: str) -> tuple[str, str]:
    """The range of the lanes with a priority: those of a deployment with a limit, or (for an empty text) those of all
    others.
    """
    first, last = lanes_between(deployment)
    return f"{keys.LANE}{first}", f"{keys.LANE}{last}"


def finish(table: Table, item: Item) -> None:
    """Delete the runs that the note in a deployment's item names, and then the note. Several may do so at the same time."""
    withdrawal = Withdrawal.noted(item)
    for _ in table.rounds(f"runs of deployment {withdrawal.deployment!r} were not withdrawn"):
        if _carry_out(table, withdrawal, item):
            break


def _carry_out(table: Table, withdrawal: Withdrawal, item: Item) -> bool:
    """Carry out all batches; False if a run has changed since it was read, for example by a claim."""
    runs = _runs(table, withdrawal)
    for first in range(0, max(len(runs), 1), AT_ONCE):
        token = table.new_token()
        ends = first + AT_ONCE >= len(runs)
        actions = {**_going(runs[first : first + AT_ONCE]), **(_ended(item, token) if ends else _under_way(item, token))}
        refused = table.transact(actions, token)
        if keys.deployment(withdrawal.deployment) in refused:
            return True  # somebody else has finished it
        if refused:
            return False
    return True


def _runs(table: Table, withdrawal: Withdrawal) -> Sequence[Stored]:
    ids = [id_in(key_in(entry)) for entry in entries(table, withdrawal)]
    stored = [run_in(item) for item in table.items([keys.run(run_id) for run_id in ids]).values()]
    return [candidate for candidate in stored if withdrawal.covers_run(candidate.run)]


def _going(runs: Sequence[Stored]) -> Actions:
    actions: Actions = {}
    for stored in runs:
        values = {":revision": {"S": stored.revision}}
        unchanged = {"ConditionExpression": "revision = :revision", "ExpressionAttributeValues": values}
        actions[keys.run(stored.run.id)] = ("Delete", unchanged)
        actions |= {key: ("Delete", {}) for key in entries_of(stored.run)}
    return actions


def _under_way(item: Item, token: str) -> Actions:
    """The condition that the note still exists. It is an update, because a function has no right to condition checks."""
    return {keys.deployment(text_in(item, "name")): ("Update", _while_noted(item, "SET revision = :token", token))}


def _ended(item: Item, token: str) -> Actions:
    """The action that deletes the note, and with it the item of a deleted deployment."""
    key = keys.deployment(text_in(item, "name"))
    if "leaving" in item:
        values = {":note": item["withdrawing"]}
        gone = {"ConditionExpression": "withdrawing = :note", "ExpressionAttributeValues": values}
        return {key: ("Delete", gone), **windows.actions(windows.changed(item, None))}
    after = {name: value for name, value in item.items() if name != "withdrawing"}
    update = _while_noted(item, "SET revision = :token REMOVE withdrawing", token)
    return {key: ("Update", update), **windows.actions(windows.changed(item, after))}


def _while_noted(item: Item, update: str, token: str) -> dict[str, Any]:
    return {
        "UpdateExpression": update,
        "ConditionExpression": "withdrawing = :note",
        "ExpressionAttributeValues": {":token": {"S": token}, ":note": item["withdrawing"]},
    }
