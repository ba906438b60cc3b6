"""A change of many pools and deployments: one transaction if they fit, otherwise a chain of several.

A transaction holds 100 items and some 4 MB. A pool takes three items, and one for each queue that is added or deleted. One item
each is taken by a deployment (however many schedules it has), by a queue that deployments name, and by the windows of a pool in
which a due time changes. The log of changes takes one, however many entries it gets. So 5 pools with 20 queues and 50
deployments with 100 schedules are one transaction of 92 items, all or nothing. Runs that are deleted with their schedules
follow it (`withdrawing`).

A bigger change is made in parts: pools first, then deployments, deletions last. A change that deletes a pool whose queues hold
such runs is also made in parts: the runs are deleted before the pool, and any other obstacle is reported before anything is
written. A queue that holds such runs is deleted before them, in one transaction with the note that they must be deleted.
Guarantees for a change in parts:

* Each part is all or nothing, and leaves a configuration that ticks can use: a queue exists before its deployments.
* The parts are a chain: each is written on the condition that nobody has changed a pool or a deployment since the part before.
  Otherwise the chain ends with `Conflict`, which says how many parts were written.
* After that, or after a crash, the parts that were written stay. The next plan shows what is left to apply.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from dispatcher.errors import Conflict
from dispatcher.models import Deployment, LogEntry, WorkPool
from dispatcher.models.records import Reconfiguration
from dispatcher.stores import refusals
from dispatcher.stores.dynamodb import keys
from dispatcher.stores.dynamodb.automations import Automations
from dispatcher.stores.dynamodb.clearing import clear
from dispatcher.stores.dynamodb.deployments import Deployments
from dispatcher.stores.dynamodb.items import size, text_in
from dispatcher.stores.dynamodb.keys import Key
from dispatcher.stores.dynamodb.log import Log
from dispatcher.stores.dynamodb.pools import Pools, changed
from dispatcher.stores.dynamodb.requests import Table
from dispatcher.stores.dynamodb.run_writes import MAX_ACTIONS, MAX_TRANSACTION_BYTES, Action, Actions
from dispatcher.stores.dynamodb.stored_deployments import Piece, StoredDeployments
from dispatcher.stores.dynamodb.withdrawing import Withdrawal

EVERY = ""
"""In place of a name: all nouns of that kind in a change."""


@dataclass(frozen=True, slots=True)
class _Step:
    """One pool or deployment that is saved or deleted."""

    piece: Callable[[StoredDeployments, str], Piece]
    """Makes the step's actions with a token. Raises what the store's method raises."""
    noun: tuple[str, str]
    """The noun that it saves or deletes, as the entries of the log name it."""
    deployment: str | None = None
    """The deployment whose stored form it needs."""


def reconfigure(  # noqa: PLR0917 - one for each kind of item
    table: Table, pools: Pools, deployments: Deployments, automations: Automations, log: Log, change: Reconfiguration
) -> None:
    """See `Store.reconfigure`."""
    revision = _revision(table)
    stored = _expect(pools, deployments, automations, change)
    parts = list(_parts(_Steps(pools, deployments, automations, change), stored))
    for number, part in enumerate(parts):
        try:
            entries = [entry for entry in change.entries if _is_noted_with(entry, part)]
            revision = _carry_out(table, deployments, part, revision, log.actions(entries))
        except Conflict as problem:
            if number == 0:
                raise
            raise Conflict(f"{problem}; {number} of {len(parts)} parts were written, and stay") from None
    for name in change.pools_gone:
        clear(table, name)


def _revision(table: Table) -> str:
    """The token of the last change; empty if there was none yet."""
    item = table.items([keys.CONFIGURATION]).get(keys.CONFIGURATION)
    return text_in(item, "changed") if item else ""


def _expect(pools: Pools, deployments: Deployments, automations: Automations, change: Reconfiguration) -> StoredDeployments:
    stored = deployments.all_settled()
    versions = {name: entry.deployment.version for name, entry in stored.items()}
    if (change.pools_read, change.deployments_read) != ({pool.name: pool.version for pool in pools.all()}, versions):
        raise refusals.configuration_changed()
    if change.automations_read is not None:
        present = {automation.name: automation.version for automation in automations.all()}
        if change.automations_read != present:
            raise refusals.configuration_changed()
    return stored


class _Steps:
    """The steps of a change, in their order."""

    def __init__(self, pools: Pools, deployments: Deployments, automations: Automations, change: Reconfiguration) -> None:
        self._pools, self._deployments, self._automations, self._change = pools, deployments, automations, change

    def pools_saved(self, withdrawn: Sequence[Withdrawal]) -> Iterator[_Step]:
        """The pools that are saved. Runs that the same transaction withdraws do not keep their queue."""
        for pool in self._change.pools:
            yield _Step(partial(self._save_pool, pool, withdrawn), ("work pool", pool.name))

    def deployments_changed(self) -> Iterator[_Step]:
        """The deployments that are saved, and those that are deleted."""
        for deployment in self._change.deployments:
            yield _Step(partial(self._save_deployment, deployment), ("deployment", deployment.name), deployment.name)
        for name in self._change.deployments_gone:
            yield _Step(partial(self._delete_deployment, name), ("deployment", name), name)

    def pools_going(self, withdrawn: Sequence[Withdrawal]) -> Iterator[_Step]:
        """The pools that are deleted. Runs that are withdrawn before do not keep them."""
        for name in self._change.pools_gone:
            yield _Step(partial(self._delete_pool, name, withdrawn), ("work pool", name))

    def automations_changed(self) -> Iterator[_Step]:
        """The automations that are saved or deleted, all in one step, because they share an item."""
        if self._change.automations or self._change.automations_gone:
            yield _Step(self._change_automations, ("automation", EVERY))

    def empty_first(self, withdrawn: Sequence[Withdrawal]) -> bool:
        """Whether runs of a pool must be deleted before the pool."""
        return any(pool in self._change.pools_gone for withdrawal in withdrawn for pool, _ in withdrawal.queues)

    def _save_pool(self, pool: WorkPool, withdrawn: Sequence[Withdrawal], _stored: StoredDeployments, token: str) -> Piece:
        return Piece(actions=self._pools.saving(pool, self._change.pools_read.get(pool.name), token, withdrawn)[1])

    def _save_deployment(self, deployment: Deployment, stored: StoredDeployments, token: str) -> Piece:
        version, before = self._change.deployments_read.get(deployment.name), stored.get(deployment.name)
        return self._deployments.saving(deployment, version, self._change.now, before, token)[1]

    def _delete_deployment(self, name: str, stored: StoredDeployments, token: str) -> Piece:
        return self._deployments.leaving(name, stored.get(name), token)

    def _change_automations(self, _stored: StoredDeployments, token: str) -> Piece:
        change = self._change
        versions = change.automations_read or {}
        return Piece(actions=self._automations.changing(change.automations, versions, change.automations_gone, token))

    def _delete_pool(self, name: str, withdrawn: Sequence[Withdrawal], _stored: StoredDeployments, token: str) -> Piece:
        return Piece(actions=self._pools.leaving(name, self._change.pools_read[name], token, withdrawn))


def _parts(steps: _Steps, stored: StoredDeployments) -> Iterator[Sequence[_Step]]:
    """The steps in order, cut into transactions. Steps that would be refused are refused here, as far as that can be seen."""
    changed_after = _planned(steps.deployments_changed(), stored)
    withdrawn = [withdrawal for _, piece in changed_after for withdrawal in piece.withdrawn]
    first = _planned(steps.pools_saved(withdrawn), stored) + changed_after
    if len(list(_cut(first))) > 1:
        first = _planned(steps.pools_saved(()), stored) + changed_after
    last = _planned(steps.pools_going(withdrawn), stored) + _planned(steps.automations_changed(), stored)
    for planned in [first, last] if steps.empty_first(withdrawn) else [first + last]:
        yield from _cut(planned)


def _planned(steps: Iterator[_Step], stored: StoredDeployments) -> list[tuple[_Step, Piece]]:
    return [(step, step.piece(stored, "")) for step in steps]


def _cut(planned: Sequence[tuple[_Step, Piece]]) -> Iterator[Sequence[_Step]]:
    part: list[_Step] = []
    piece = Piece()
    for step, its in planned:
        more = _merged(piece, its)
        actions = more.whole
        if part and (len(actions) >= MAX_ACTIONS - 1 or sum(map(_weight, actions.values())) > MAX_TRANSACTION_BYTES):
            yield part
            part, more = [], its
        part.append(step)
        piece = more
    if part:
        yield part


def _is_noted_with(entry: LogEntry, part: Sequence[_Step]) -> bool:
    return any(step.noun in ((entry.noun, entry.name), (entry.noun, EVERY)) for step in part)


def _carry_out(table: Table, deployments: Deployments, part: Sequence[_Step], revision: str, noting: Actions) -> str:
    """Write one transaction and finish the withdrawals that it notes; returns its token, which the next one expects."""
    names = [step.deployment for step in part if step.deployment is not None]
    for _ in table.rounds("the configuration was not changed"):
        stored, token = deployments.settled(names), table.new_token()
        piece = Piece(actions=changed(token, revision))
        for step in part:
            piece = _merged(piece, step.piece(stored, token))
        actions = {**piece.whole, **noting}
        refused = table.transact(actions, token)
        if not refused:
            deployments.settled([withdrawal.deployment for withdrawal in piece.withdrawn])
            return token
        if keys.CONFIGURATION in refused:
            raise refusals.configuration_changed()
        for key in reversed([key for key in actions if key in refused]):  # `_merged` puts the first step last
            _refuse_missing_gate(key, actions[key])
    raise AssertionError  # the rounds end by an error


def _merged(piece: Piece, more: Piece) -> Piece:
    """Both pieces together. If a queue's gate is both checked and written in one transaction, only the write remains."""
    for key, (kind, _) in more.actions.items():
        if kind == "ConditionCheck" and key in piece.actions and piece.actions[key][0] == "Delete":
            raise _no_queue(key)
    writes = {key: action for key, action in more.actions.items() if action[0] != "ConditionCheck"}
    return Piece(
        actions={**more.actions, **piece.actions, **writes},
        entries={**piece.entries, **more.entries},
        withdrawn=piece.withdrawn + more.withdrawn,
    )


def _refuse_missing_gate(key: Key, action: Action) -> None:
    if action[0] == "ConditionCheck":
        raise _no_queue(key)


def _no_queue(gate: Key) -> Exception:
    return refusals.no_queue(gate[0].partition("/")[2], gate[1].partition("/")[2])


def _weight(action: Action) -> int:
    return size(action[1].get("Item", {})) + 1000
