"""The answer to a guarded claim is judged by its status and by whose transition id the state shows, never by the HTTP code."""

from datetime import timedelta

import pytest

from dispatcher.models.source_answers import NotConfirmed, Withdrawn
from dispatcher.prefect.answers import SLOT_WAIT, TAKEN, judged
from tests.builders import NOW

OURS, THEIRS = "ours", "theirs"


def body(status, kind, transition=None, reason="because", **details):
    state = {"type": kind, "state_details": {"transition_id": transition, **details}}
    return {"status": status, "state": state, "details": {"reason": reason}}


YES = {
    "accepted": (201, body("ACCEPT", "PENDING", OURS)),
    "our repeat after a lost answer": (200, body("REJECT", "PENDING", OURS)),
    "our repeat after the next step": (200, body("ABORT", "PENDING", OURS)),
}
LATER = {
    "no slot of its deployment": (201, body("REJECT", "SCHEDULED", None, scheduled_time="2030-01-01T12:00:30Z"), 30),
    "no slot, and no time said": (201, body("REJECT", "SCHEDULED"), SLOT_WAIT.total_seconds()),
    "told to wait": (200, {"status": "WAIT", "state": None, "details": {"reason": "early", "delay_seconds": 119}}, 119),
}
NEVER = {
    "another claim was first": (200, body("ABORT", "PENDING", THEIRS), TAKEN),
    "it runs": (200, body("ABORT", "RUNNING", THEIRS), TAKEN),
    "our id on a state that we did not set": (200, body("ABORT", "RUNNING", OURS), TAKEN),
    "it has ended": (200, body("ABORT", "COMPLETED"), "its flow run is COMPLETED in Prefect"),
    "it is being cancelled": (200, body("REJECT", "CANCELLING"), "its flow run is CANCELLING in Prefect"),
    "its deployment cancels what is new": (201, body("REJECT", "CANCELLED"), "its flow run is CANCELLED in Prefect"),
    "it was deleted": (404, {"exception_message": "not found"}, "its flow run was deleted in Prefect"),
}
NOTHING = {
    "an error of the server": (500, {"exception_message": "Internal Server Error"}),
    "a refused request": (422, {"detail": "no"}),
    "a page of a proxy": (200, "<html>"),
    "an answer without a status": (200, {"state": {"type": "PENDING"}}),
    "a refusal without a state": (200, {"status": "ABORT", "state": None, "details": {}}),
}


@pytest.mark.parametrize("case", YES)
def test_an_answer_that_proves_our_transition_lets_the_flow_run_start(case):
    assert judged(*YES[case], {OURS}, NOW) is None


@pytest.mark.parametrize("case", LATER)
def test_a_flow_run_may_start_later(case):
    code, answer, seconds = LATER[case]
    verdict = judged(code, answer, {OURS}, NOW)
    assert isinstance(verdict, Withdrawn)
    assert verdict.not_before == NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize("case", NEVER)
def test_a_flow_run_must_not_start(case):
    code, answer, reason = NEVER[case]
    verdict = judged(code, answer, {OURS}, NOW)
    assert isinstance(verdict, Withdrawn)
    assert verdict.not_before is None
    assert verdict.reason.startswith(reason)


@pytest.mark.parametrize("case", NOTHING)
def test_an_answer_without_proof_does_not_confirm_a_start(case):
    assert isinstance(judged(*NOTHING[case], {OURS}, NOW), NotConfirmed)
