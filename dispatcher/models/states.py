"""The states of a run, and whether a pool is ticked."""

from __future__ import annotations

from enum import StrEnum


class RunState(StrEnum):
    """The state of a run. PENDING, RUNNING and CANCELLING hold a slot."""

    SCHEDULED = "SCHEDULED"
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CRASHED = "CRASHED"
    CANCELLING = "CANCELLING"
    CANCELLED = "CANCELLED"

    @property
    def holds_slot(self) -> bool:
        """Whether the run may have a live job."""
        return self in SLOT_STATES

    @property
    def is_terminal(self) -> bool:
        """Whether the run never moves again."""
        return self in TERMINAL_STATES


SLOT_STATES = frozenset({RunState.PENDING, RunState.RUNNING, RunState.CANCELLING})
TERMINAL_STATES = frozenset({RunState.COMPLETED, RunState.FAILED, RunState.CRASHED, RunState.CANCELLED})


class Status(StrEnum):
    """Whether a pool is being ticked. It informs; it never gates delivery."""

    READY = "READY"
    NOT_READY = "NOT_READY"
    PAUSED = "PAUSED"
