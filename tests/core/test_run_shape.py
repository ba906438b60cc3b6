"""A run is shown with the same keys everywhere, and the Python API has the same names."""

import json

from dispatcher.core.notifications import notification
from dispatcher.core.run_shape import SHOWN, attempt_shape, run_shape
from dispatcher.models import Attempt, Hook, RunState
from dispatcher.stores.apart import small
from tests.builders import NOW, SECOND, a_live_run, a_run


def test_every_key_is_an_attribute_of_a_run():
    run = a_live_run(exit_code=None, reason="why")
    assert all(hasattr(run, name) for name in SHOWN)
    assert list(run_shape(run)) == list(SHOWN)


def test_a_notification_shows_the_run_with_the_same_keys():
    run = a_live_run(state=RunState.FAILED, exit_code=3, ended_at=NOW + SECOND)
    assert notification(run, Hook(name="ops"), NOW)["data"]["run"] == run_shape(run)


def test_a_run_is_shown_in_values_of_json():
    run = a_run(deployment="etl")
    shown = json.loads(json.dumps(run_shape(run)))
    assert shown == run_shape(run)
    assert (shown["id"], shown["state"], shown["scheduled_at"], shown["ended_at"], shown["url"]) == (
        str(run.id), "SCHEDULED", "2030-01-01T12:00:00.000+00:00", None, None,
    )  # fmt: skip


def test_the_fields_that_a_tick_reads_of_a_run_are_enough_to_show_it():
    run = a_live_run(tags=("a",), job_variables={"x": 1})
    assert run_shape(small(run)) == run_shape(run)


def test_an_attempt_is_shown_with_the_keys_that_it_shares_with_a_run():
    shown = attempt_shape(Attempt(number=2, state=RunState.FAILED, exit_code=1))
    assert set(shown) <= set(SHOWN)
    assert (shown["attempt"], shown["state"], shown["exit_code"], shown["url"]) == (2, "FAILED", 1, None)
