"""What a hook of a pool or a deployment may hold, and the path of each fault."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dispatcher.errors import InvalidInput
from dispatcher.models import TERMINAL_STATES, Hook, RunState
from dispatcher.validation import validate
from tests.builders import HOUR, MINUTE, SECOND, a_deployment, a_pool, a_run

ENDS_RULE = "must be a set of COMPLETED, FAILED, CRASHED and CANCELLED"


def faults(instance) -> dict[str, str]:
    with pytest.raises(InvalidInput) as refused:
        validate(instance)
    assert "\n" not in str(refused.value)
    return {fault.path: fault.message for fault in refused.value.faults}


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"states": TERMINAL_STATES},
        {"states": frozenset({RunState.CANCELLED}), "late_after": HOUR},
        {"states": frozenset(), "late_after": MINUTE},
        {"late_after": timedelta(days=30)},
    ],
)
def test_a_hook_may_have_any_terminal_states_and_a_lateness_from_a_minute_to_thirty_days(fields):
    hook = Hook(name="ops", **fields)
    validate(hook)
    validate(a_pool(hooks=(hook,)))
    validate(a_deployment(hooks=(hook, Hook(name="team"))))


@pytest.mark.parametrize("states", [frozenset(), frozenset({RunState.COMPLETED}), TERMINAL_STATES])
def test_a_run_may_be_created_with_any_terminal_states_to_notify(states):
    validate(a_run(notify_states=states))


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"name": "a/b"}, "name", "must be 1 to 200 printable characters"),
        ({"states": frozenset()}, "states", "must hold a terminal state unless late_after is given"),
        ({"states": frozenset({RunState.RUNNING, RunState.FAILED})}, "states", f"{ENDS_RULE} (got RUNNING)"),
        ({"states": frozenset({"FAILED"})}, "states[0]", f'{ENDS_RULE} (got "FAILED")'),
        ({"states": ["FAILED"]}, "states", f"{ENDS_RULE} (got a list)"),
        ({"late_after": MINUTE - SECOND}, "late_after", "must be from one minute to 30 days (got 0:00:59)"),
        ({"late_after": timedelta(days=31)}, "late_after", "must be from one minute to 30 days (got 31 days, 0:00:00)"),
        ({"late_after": 600}, "late_after", "must be a length of time"),
    ],
)
def test_a_fault_of_a_hook_is_shown_at_its_field(fields, field, words):
    wrong = Hook(**{"name": "ops"} | fields)
    [(path, message)] = faults(wrong).items()
    assert path == field
    assert message.startswith(words)
    right = Hook(name="right")
    assert faults(a_pool(hooks=(wrong,))) == {f"hooks[0].{field}": message}
    assert faults(a_deployment(hooks=(right, wrong))) == {f"hooks[1].{field}": message}


@pytest.mark.parametrize("noun", [a_pool, a_deployment])
def test_hooks_have_names_of_their_own_and_are_ten_at_most(noun):
    ten = tuple(Hook(name=f"hook-{number}") for number in range(10))
    validate(noun(hooks=ten))
    assert faults(noun(hooks=(*ten, Hook(name="more"))))["hooks"].startswith("must be at most 10 (got 11)")
    assert faults(noun(hooks=(Hook(name="ops"), Hook(name="ops", states=TERMINAL_STATES)))) == {
        "hooks": "two hooks are named 'ops'; make them one hook with all of its states"
    }
    assert faults(noun(hooks=[Hook(name="ops")])) == {"hooks": "must be a tuple (got a list)"}
