"""Ids that are derived from what they stand for, so that every call can be repeated after a lost answer or a crash."""

from __future__ import annotations

from enum import StrEnum
from uuid import NAMESPACE_URL, UUID, uuid5

from dispatcher.models import Run, WorkPool, submission_name


class OwnTransition(StrEnum):
    """The states that we set at the server for one attempt. Each has a transition id of its own, because the server takes an id
    that its current state has already for a repeat.
    """

    CLAIM = "claim"
    INFRASTRUCTURE = "infrastructure"
    BACK = "back"
    END = "end"


def run_id(pool: WorkPool, flow_run_id: str, occasion: int, after: UUID | str | None = None) -> UUID:
    """The id of our run for one occasion on which a flow run is scheduled; the first occasion is 1.

    `after`: where our first runs of it were pruned, the run that the flow run still shows, or its infrastructure if that names
    none; occasions are counted from there.

    A flow run may be scheduled many times (a retry from the page, a resume, a claim that was given back). A run ends once.
    The id of our pool is part of it: another dispatcher with a store of its own makes other ids, so that neither takes the
    claims of the other for its own.
    """
    since = f"{after}/" if after is not None else ""
    return uuid5(NAMESPACE_URL, f"push-dispatcher:prefect:{pool.id}/{UUID(flow_run_id)}/{since}{occasion}")


def transition_id(run: Run, step: OwnTransition, attempt: int | None = None) -> str:
    """The id of one transition of one attempt, the current one by default."""
    name = submission_name(run.id, run.attempt if attempt is None else attempt)
    return str(uuid5(NAMESPACE_URL, f"push-dispatcher:prefect:{name}/{step}"))


def own_transitions(run: Run) -> frozenset[str]:
    """The transition ids of every claim that this run has made at the server so far: they show that a state is ours."""
    steps = (OwnTransition.CLAIM, OwnTransition.INFRASTRUCTURE)
    return frozenset(transition_id(run, step, attempt) for attempt in range(1, run.attempt + 1) for step in steps)
