"""What automations do on one occasion, written in one transaction: see `Store.automate`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from dispatcher.core import transitions
from dispatcher.errors import Conflict, NotFound
from dispatcher.models.records import Automated
from dispatcher.stores.dynamodb import keys, windows
from dispatcher.stores.dynamodb.automations import Automations, progressing
from dispatcher.stores.dynamodb.deployments import Deployments
from dispatcher.stores.dynamodb.items import as_read
from dispatcher.stores.dynamodb.log import Log
from dispatcher.stores.dynamodb.pools import Pools, changed
from dispatcher.stores.dynamodb.requests import Table
from dispatcher.stores.dynamodb.run_changes import moved
from dispatcher.stores.dynamodb.run_writes import Actions, RunWrite, RunWriter, with_slots
from dispatcher.stores.dynamodb.stored_deployments import Piece


class Automating:
    """Writes what automations do."""

    def __init__(
        self,
        table: Table,
        writer: RunWriter,
        pools: Pools,
        deployments: Deployments,
        automations: Automations,
        *,
        log: Log,
    ) -> None:
        self._table, self._writer, self._pools, self._deployments = table, writer, pools, deployments
        self._automations, self._log = automations, log

    def automate(self, automated: Automated) -> bool:
        """See `Store.automate`. The transaction is refused if something has changed since it was read."""
        transitions.check(automated.moves)
        token = self._table.new_token()
        try:
            pieces = list(self._saved(automated, token))
            runs = list(self._runs(automated))
        except (Conflict, NotFound):
            return False
        actions = self._actions(automated, pieces, runs, token)
        if self._table.transact(actions, token):
            return False
        self._deployments.settled([withdrawal.deployment for piece in pieces for withdrawal in piece.withdrawn])
        return True

    def _saved(self, automated: Automated, token: str) -> Iterator[Piece]:
        """The actions that save the pools and deployments."""
        for pool in automated.pools:
            yield Piece(actions=self._pools.saving(pool, pool.version, token)[1])
        names = [deployment.name for deployment in automated.deployments]
        stored = self._deployments.settled(names) if names else {}
        for deployment in automated.deployments:
            before = stored.get(deployment.name)
            if before is None or before.deployment.version != deployment.version:
                raise Conflict(f"deployment {deployment.name!r} was changed in between")
            yield self._deployments.saving(deployment, deployment.version, automated.now, before, token)[1]

    def _runs(self, automated: Automated) -> Iterator[RunWrite]:
        """The run whose end was looked at, new runs whose ids do not exist, and moves that apply."""
        owing = automated.run
        ids = [*([owing.id] if owing else []), *(run.id for run in automated.runs), *(move.run_id for move in automated.moves)]
        stored = self._writer.read(ids) if ids else {}
        if owing is not None:
            before = stored.get(owing.id)
            if before is None or before.run.automate_at is None or before.run.automate_at != owing.automate_at:
                raise Conflict(f"run {owing.id} does not owe its end any more")
            yield RunWrite(before=before, after=replace(before.run, automate_at=None))
        yield from (RunWrite(before=None, after=as_read(run)) for run in automated.runs if run.id not in stored)
        for move in automated.moves:
            after = moved([move], stored[move.run_id].run) if move.run_id in stored else None
            if after is not None:
                yield RunWrite(before=stored[move.run_id], after=as_read(self._writer.owing(stored[move.run_id], after)))

    def _actions(self, automated: Automated, pieces: list[Piece], runs: list[RunWrite], token: str) -> Actions:
        """All actions. If a queue's gate is both checked and written, only the write remains."""
        actions: Actions = {}
        entries: dict[tuple[str, str], object] = {}
        for piece in pieces:
            actions |= piece.actions
            entries |= piece.entries
        written = self._writer.actions(runs, token)
        for slots in {keys.slots(pool.name) for pool in automated.pools} & written.keys():
            written[slots] = with_slots(actions[slots], written[slots])
        actions |= written
        for automation in automated.progressed:
            actions |= progressing(automation)
        actions |= self._automations.recording(automated.firings)
        actions |= self._log.actions(automated.entries)
        configuration = changed(token) if automated.pools or automated.deployments else {}
        return {**actions, **windows.actions(entries), **configuration}  # type: ignore[arg-type]  # as the pieces have them
