"""Which index of the SQL stores answers which filter of runs: the same in SQLite and PostgreSQL."""

from collections.abc import Sequence
from uuid import UUID

from dispatcher.models import RunState
from dispatcher.models.records import RunFilter
from tests.builders import MINUTE, NOW

READ_FROM_HEADS: Sequence[tuple[RunFilter, str]] = [
    (RunFilter(), "runs_by_state"),
    (RunFilter(states=frozenset({RunState.RUNNING})), "runs_by_state"),
    (RunFilter(pool="another"), "runs_by_pool"),
    (RunFilter(pool="pool", states=frozenset({RunState.PENDING, RunState.FAILED})), "runs_by_pool"),
    (RunFilter(pool="pool", queue="default"), "runs_by_queue"),
    (RunFilter(pool="pool", queue="default", states=frozenset({RunState.SCHEDULED})), "runs_by_queue"),
    (RunFilter(deployment="rare"), "runs_by_deployment"),
    (RunFilter(deployment="rare", states=frozenset({RunState.SCHEDULED})), "runs_by_deployment"),
    (RunFilter(pool="pool", deployment="rare", states=frozenset({RunState.SCHEDULED})), "runs_by_deployment"),
    (RunFilter(tag="nightly"), "run_tags"),
    (RunFilter(tag="nightly", states=frozenset({RunState.FAILED})), "run_tags"),
    (RunFilter(tag="nightly", pool="pool", queue="default"), "run_tags"),
    (RunFilter(tag="nightly", deployment="rare"), "runs_by_deployment"),
    (RunFilter(since=NOW, until=NOW + MINUTE), "runs_by_state"),
    (RunFilter(pool="pool", since=NOW, after=(NOW, UUID(int=1))), "runs_by_pool"),
    (RunFilter(tag="nightly", since=NOW, after=(NOW, UUID(int=1))), "run_tags"),
    (RunFilter(name="nightly"), "runs_by_state"),
    (RunFilter(name="nightly", pool="pool"), "runs_by_pool"),
]
"""Filters whose newest runs are read from the head of this index, or of this table's key."""
