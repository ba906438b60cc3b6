"""What a tick asks of a store."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from dispatcher.models import Deployment, Firing, PoolHold, Run
from dispatcher.models.records import Automated, ChangeHolds, Claims, Decide, FiringNotified, Materialisation, Notified
from dispatcher.protocols.shared import SharedStore


class TickStore(SharedStore, Protocol):
    """What a tick needs."""

    def pools_with_work(self, now: datetime, *, ended_before: datetime | None = None) -> Sequence[str]:
        """The names, in order, of the pools for which a tick has something to do.

        Such a pool has a run that is due and not held back, a run that has expired, a live submission, a claim whose lease has
        ended without one, a deployment whose `windows_at` has come, an ended run whose job lingers, a run whose `notify_at` has
        come, or, where an automation looks at the pool: a firing likewise, a run that owes its end, or an automation for what
        lasts. Whether the pool is paused, full or held makes no difference. With `ended_before`, history to `prune` is work as
        well.
        """
        ...

    def pool_names(self) -> Sequence[str]:
        """The names of all pools, in order. Nothing else of them is read."""
        ...

    def heartbeat(self, pool: str, now: datetime) -> None:
        """Note that the pool is being ticked, as a claim does: `last_tick_at`, and the minute (`core.ticks.noted`) in the same
        write. Ignores an unknown pool.
        """
        ...

    def heartbeats(self, pools: Sequence[str], now: datetime) -> None:
        """`heartbeat` for many pools in one step. Skips unknown pools and pools that are being claimed."""
        ...

    def live(self, pool: str, *, limit: int, start: UUID | None = None) -> Sequence[Run]:
        """Up to `limit` runs that hold a slot and have a submission, by id, from `start` on and then round from the
        beginning, so that a moving start reaches each of them in turn.

        The runs come without `job_variables`, `parameters`, `tags` and `job` (empty), so that frequent reads stay small.
        """
        ...

    def claim(self, pool: str, now: datetime, *, lease: timedelta, takeovers: int, decide: Decide) -> Claims:
        """In ONE transaction per pool: note the heartbeat; take over up to `takeovers` claims whose lease has ended without
        a submission (PENDING or CANCELLING; longest over first); show the snapshot to `decide`; claim what it grants and
        crash what it says cannot be rendered.

        A granted run becomes PENDING: `fence + 1`, `claimed_at = now`, `lease_until = now + lease`, job and `start_within`
        pinned, `reason` and `not_before` cleared. One taken over keeps its state, job and `claimed_at`, and gets `fence + 1`
        and a new lease. A crashed run gets the reason and `ended_at = now`. An unknown pool answers with nothing.

        A store whose transactions are bounded may carry out only a prefix (takeovers, grants, crashes, in order). The result
        names this prefix; the rest stays as it was.
        """
        ...

    def hold(self, pool: str, change: ChangeHolds) -> tuple[PoolHold, ...]:
        """In one step: read the pool's holds, apply `change`, and write the result. Returns the holds afterwards.

        Writes nothing if nothing has changed. An unknown pool has no holds.
        """
        ...

    def scheduled(self, pool: str, now: datetime, *, limit: int) -> Sequence[Deployment]:
        """Up to `limit` deployments of the pool whose `windows_at` has come, longest ago first, then by name."""
        ...

    def materialise(self, materialisation: Materialisation) -> frozenset[UUID] | None:
        """In ONE transaction: add the runs (except those whose ids exist), and note the deployment's new `windows_until`
        and `windows_at`; its version stays. Returns the ids of the added runs.

        Does nothing and returns None if the deployment or its queue is gone, or if the deployment's version or `windows_until`
        has changed since it was read.
        """
        ...

    def expired(self, pool: str, now: datetime, *, limit: int) -> Sequence[Run]:
        """Up to `limit` SCHEDULED runs whose `expires_at` has come, longest ago first (small, as `live`)."""
        ...

    def lingering(self, pool: str, *, limit: int) -> Sequence[Run]:
        """Up to `limit` ended runs whose jobs linger at their provider, longest ended first (small, as `live`)."""
        ...

    def discarded(self, run_ids: Sequence[UUID]) -> None:
        """Note that these runs' jobs no longer linger."""
        ...

    def to_notify(self, pool: str, now: datetime, *, limit: int) -> Sequence[Run]:
        """Up to `limit` runs whose `notify_at` has come, longest ago first (small, as `live`). In every state: the
        notification follows from the state of the run.
        """
        ...

    def notified(self, notifications: Sequence[Notified]) -> None:
        """Note each result: `notify_at` becomes `again_at`, `notify_tries` rises by one. Skips a changed `notify_at`."""
        ...

    def to_automate(self, pool: str, now: datetime, *, limit: int) -> Sequence[Run]:
        """Up to `limit` runs, whole, that owe their ends to automations, longest ago first."""
        ...

    def automate(self, automated: Automated) -> bool:
        """In ONE transaction: take back what the run owed; note the progress of automations, with `revision + 1`; save pools
        and deployments; add runs (except those whose ids exist) and apply moves, as `move` does; record the firings.

        Does nothing and returns False if the run does not owe its end as it did when it was read, if an automation has
        changed or progressed since, a pool or deployment has changed or is gone, a new run's queue is gone, or a firing of
        the same id is recorded: what was read is to be read again.
        """
        ...

    def firings_to_notify(self, pool: str, now: datetime, *, limit: int) -> Sequence[Firing]:
        """Up to `limit` firings in ticks of the pool whose `notify_at` has come, longest ago first."""
        ...

    def firing_notified(self, notifications: Sequence[FiringNotified]) -> None:
        """Note each result: `notify_at` becomes `again_at`, `notify_tries` rises by one.

        Skips a firing whose `notify_at` has changed, or is None.
        """
        ...

    def prune_firings(self, before: datetime, *, limit: int) -> int:
        """Delete up to `limit` firings from before that time, oldest first; returns their number.

        A store that deletes them by itself does nothing here.
        """
        ...

    def prune(self, pool: str, before: datetime, *, limit: int) -> int:
        """Delete up to `limit` runs that ended before that time and whose jobs do not linger; returns their number.

        A store that deletes them by itself does nothing here.
        """
        ...
