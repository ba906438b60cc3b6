"""Any name that is allowed makes runs; a time that leaves no room for what follows it is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from dispatcher.core.names import with_end
from dispatcher.errors import InvalidInput
from dispatcher.models import Hook, Schedule
from tests.client.conftest import refused

LONG = "n" * 200


def test_the_longest_names_make_runs_by_hand_by_schedule_and_again(dispatcher):
    dispatcher.create_work_pool(LONG, type="process", job_variables={"command": "true"})
    assert len(dispatcher.create_run(pool=LONG).name) == 200
    dispatcher.create_deployment(LONG, pool=LONG, schedules=[Schedule(slug=LONG, cron="0 * * * *")])
    run = dispatcher.create_run(deployment=LONG)
    assert run.name == f"{LONG[:191]}-{run.id.hex[:8]}"
    assert all(len(entry.run.name) <= 200 for entry in dispatcher.preview_work_pool(LONG, within=timedelta(days=1)))
    dispatcher.cancel_run(run.id)
    again = dispatcher.retry_run(run.id)
    dispatcher.cancel_run(again.id)
    assert len(dispatcher.retry_run(again.id).name) <= 200


def test_a_name_is_cut_without_a_blank_before_its_end():
    assert with_end("n" * 189 + "  " + "n" * 9, "-retry-12") == "n" * 189 + "-retry-12"


@pytest.mark.parametrize("late", [True, False])
def test_a_run_at_the_end_of_time_is_a_fault_with_its_field(dispatcher, late):
    hooks = [Hook(name="ops", late_after=timedelta(days=1))] if late else []
    dispatcher.create_work_pool("p", type="process", job_variables={"command": "true"}, hooks=hooks)
    with refused(dispatcher, InvalidInput, r"scheduled_at: 9999-12-31T00:00:00\+00:00 is too far ahead"):
        dispatcher.create_run(pool="p", scheduled_at=datetime(9999, 12, 31, tzinfo=UTC))
    dispatcher.create_run(pool="p", scheduled_at=datetime(8999, 12, 31, tzinfo=UTC))
