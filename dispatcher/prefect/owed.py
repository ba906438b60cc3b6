"""What the server still has to learn about a flow run, or we about it. Pure.

Both sides are compared, so that a crash at any point costs a tick and loses nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from dispatcher.models import Run, RunState
from dispatcher.prefect.answers import TAKEN, is_ours
from dispatcher.prefect.flow_runs import FlowRun
from dispatcher.prefect.identity import own_transitions

GRACE = timedelta(seconds=45)
"""How long a job that ended by itself may take to report its own end: its last report may still be on its way."""


@dataclass(frozen=True, slots=True)
class Ended:
    """An end to report to the server: CRASHED or CANCELLED."""

    state: RunState
    reason: str


@dataclass(frozen=True, slots=True)
class Back:
    """Our claim of the flow run is to be given back, to be due at that time."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Started:
    """The flow run does not show yet where its job is."""


@dataclass(frozen=True, slots=True)
class Cancel:
    """Our run is to be cancelled."""

    reason: str


Owed = Ended | Back | Started | Cancel


def owed(flow_run: FlowRun, run: Run, now: datetime, *, pid: str, shows_ours: bool) -> Owed | None:
    """What follows from a flow run that is PENDING, RUNNING or CANCELLING at the server, and from our last run of it.

    `pid`: what the flow run has to show once the job of the run was submitted.
    `shows_ours`: whether its infrastructure is a job of ours, or nothing yet.
    """
    if flow_run.state_type == "CANCELLING":
        return _cancelling(run, shows_ours=shows_ours)
    if not holds(flow_run, run, shows_ours=shows_ours):
        return None
    if run.state.is_terminal:
        return _ended(run, now)
    if run.state is RunState.SCHEDULED and run.not_before is not None and run.not_before > now:
        return Back(run.not_before)
    return Started() if run.submission is not None and flow_run.infrastructure_pid != pid else None


def unseen(run: Run, flow_run: FlowRun | None) -> Cancel | None:
    """What follows for a live run whose flow run holds no slot at the server, or was deleted there (None)."""
    if run.state is RunState.CANCELLING:
        return None
    if flow_run is None:
        return Cancel("its flow run was deleted in Prefect")
    return Cancel("its flow run is CANCELLED in Prefect") if flow_run.state_type == "CANCELLED" else None


def holds(flow_run: FlowRun, run: Run, *, shows_ours: bool) -> bool:
    """Whether the flow run's slot is held by this run of ours, and not by a worker or another dispatcher."""
    if flow_run.state_type == "PENDING":
        return is_ours(flow_run.state, own_transitions(run))
    if not run.state.is_terminal:
        return run.submission is not None
    may_have_started = run.submission is not None or (run.state is RunState.CRASHED and run.claimed_at is not None)
    return may_have_started and shows_ours


def _cancelling(run: Run, *, shows_ours: bool) -> Owed | None:
    if not run.state.is_terminal:
        return None if run.state is RunState.CANCELLING else Cancel("cancelled in Prefect")
    ours = shows_ours and not run.reason.startswith(TAKEN)
    return Ended(RunState.CANCELLED, run.reason or "its job has ended") if ours else None


def _ended(run: Run, now: datetime) -> Ended | None:
    if run.state is RunState.CANCELLED:
        return Ended(RunState.CANCELLED, run.reason)
    by_itself = run.state is RunState.COMPLETED or run.exit_code is not None
    if by_itself and run.ended_at is not None and now - run.ended_at < GRACE:
        return None
    return Ended(RunState.CRASHED, _words(run))


def _words(run: Run) -> str:
    if run.state is RunState.COMPLETED:
        return "The job ended with exit code 0, and its flow run has reported no end."
    if run.exit_code:
        return f"Flow run infrastructure exited with non-zero status code {run.exit_code}. {run.reason}".rstrip()
    return run.reason or "The job crashed."
