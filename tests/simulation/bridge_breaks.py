"""The patches of `sabotage` for worlds with a Prefect server."""

from datetime import timedelta
from functools import partial
from typing import Any

from dispatcher.models import RunState
from dispatcher.models.source_answers import NotConfirmed
from dispatcher.prefect import bringing, identity, owed

PATIENCE = timedelta(seconds=60)

_owed, _transition_id = owed.owed, identity.transition_id


def claim_without_id(_run: Any) -> dict[str, Any]:
    return {"type": "PENDING", "name": "Pending", "state_details": {}}


def judged_by_code(code: int, _body: Any, _own: Any, _now: Any) -> Any:
    return None if code in (200, 201) else NotConfirmed(f"Prefect answered {code}")


def one_id(run: Any, _step: Any, attempt: int | None = None) -> str:
    return _transition_id(run, identity.OwnTransition.CLAIM, attempt)


def impatient(flow_run: Any, run: Any, now: Any, **seen: Any) -> Any:
    """A start that takes long counts as a crash."""
    slow = run.submission is not None and not run.state.is_terminal and now - run.submitted_at > PATIENCE
    if slow and flow_run.state_type == "PENDING":
        return owed.Ended(RunState.CRASHED, "it does not start")
    return _owed(flow_run, run, now, **seen)


def latest_in_the_store(store: Any, pool: Any, flow_run: Any) -> Any:
    return bringing._followed(store, partial(identity.run_id, pool, flow_run.id))
