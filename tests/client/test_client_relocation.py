"""A deployment moves to another pool, or gets another name, and its waiting runs go along."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dispatcher.client.relocation import identity
from dispatcher.errors import AlreadyExists, InvalidVariables, NotFound
from dispatcher.models import RunState, Schedule
from dispatcher.models.records import Move, RunFilter
from tests.builders import a_run
from tests.client.conftest import refused

SCHEDULED = frozenset({RunState.SCHEDULED})


@pytest.fixture
def etl(dispatcher, pool):
    dispatcher.create_work_queue("pool", "high")
    dispatcher.create_work_pool("other", type="process")
    return dispatcher.create_deployment("etl", pool="pool", queue="high", job_variables={"command": "date"}, tags=["a"])


def waiting(dispatcher, **where):
    return {run.name: run for run in dispatcher.store.runs(RunFilter(states=SCHEDULED, **where), limit=100)}


def test_waiting_runs_of_a_moved_deployment_wait_in_the_other_pool(dispatcher, etl):
    later = dispatcher.clock.now() + timedelta(hours=5)
    first = dispatcher.create_run(deployment="etl", name="first", job_variables={"command": "echo"}, idempotency_key="k")
    dispatcher.create_run(deployment="etl", name="second", scheduled_at=later)
    moved = dispatcher.update_deployment("etl", pool="other")
    assert (moved.pool, moved.queue) == ("other", "default")
    assert waiting(dispatcher, pool="pool") == {}
    there = waiting(dispatcher, pool="other")
    assert there.keys() == {"first", "second"}
    assert {run.queue for run in there.values()} == {"default"}
    assert there["second"].due_at == later
    assert (there["first"].job_variables, there["first"].tags) == (first.job_variables, ("a",))
    old = dispatcher.run(first.id)
    assert (old.state, old.reason) == (RunState.CANCELLED, f"moved with its deployment: {there['first'].id}")
    assert old.notify_at is None


def test_a_queue_of_the_same_name_is_taken(dispatcher, etl):
    dispatcher.create_work_queue("other", "high")
    dispatcher.create_run(deployment="etl", name="first")
    assert dispatcher.update_deployment("etl", pool="other").queue == "high"
    assert waiting(dispatcher)["first"].queue == "high"


def test_a_claimed_run_stays_in_its_pool_when_its_deployment_moves(dispatcher, etl):
    run = dispatcher.create_run(deployment="etl")
    claimed = Move.of(run, RunState.PENDING, claimed_at=dispatcher.clock.now())
    assert dispatcher.store.move([claimed])
    dispatcher.update_deployment("etl", pool="other")
    assert (dispatcher.run(run.id).state, dispatcher.run(run.id).pool) == (RunState.PENDING, "pool")
    assert waiting(dispatcher) == {}


def test_a_move_that_broke_off_is_finished_by_the_same_one(dispatcher, etl, monkeypatch):
    run = dispatcher.create_run(deployment="etl", name="first")
    monkeypatch.setattr(dispatcher.store, "add_runs", lambda _runs: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        dispatcher.update_deployment("etl", pool="other")
    monkeypatch.undo()
    assert waiting(dispatcher) == {}
    after = dispatcher.update_deployment("etl", pool="other")
    assert [listed.id for listed in waiting(dispatcher, pool="other").values()] == [identity(run, after)]
    dispatcher.update_deployment("etl", pool="other")
    assert len(waiting(dispatcher)) == 1


def test_runs_that_would_not_fit_the_other_pool_refuse_the_move(dispatcher, etl):
    template = {
        "job_configuration": {"command": "{{ command }}"},
        "variables": {"type": "object", "properties": {"command": {"type": "string"}}},
    }
    dispatcher.create_work_pool("strict", type="process", base_job_template=template)
    dispatcher.create_run(deployment="etl", job_variables={"working_dir": "/tmp"})
    with refused(dispatcher, InvalidVariables, "would no longer fit its template"):
        dispatcher.update_deployment("etl", pool="strict")
    with refused(dispatcher, NotFound, "work pool 'othr' does not exist; did you mean 'other'"):
        dispatcher.update_deployment("etl", pool="othr")


def test_a_deployment_is_renamed_with_its_schedules_and_its_waiting_runs(dispatcher, etl):
    dispatcher.update_deployment("etl", schedules=[Schedule(slug="daily", cron="0 6 * * *")])
    dispatcher.create_run(deployment="etl", name="first")
    renamed = dispatcher.rename_deployment("etl", "reports")
    assert (renamed.id, renamed.pool, renamed.queue) == (etl.id, "pool", "high")
    assert [schedule.slug for schedule in renamed.schedules] == ["daily"]
    assert [deployment.name for deployment in dispatcher.deployments()] == ["reports"]
    assert {name: run.deployment for name, run in waiting(dispatcher).items()} == {"first": "reports"}


def test_due_runs_of_schedules_keep_waiting_under_the_new_name(dispatcher, etl):
    schedules = [Schedule(slug="daily", cron="0 6 * * *")]
    dispatcher.update_deployment("etl", schedules=schedules)
    now = dispatcher.clock.now()
    due = {"deployment": "etl", "due_at": now - timedelta(minutes=1), "queue": "high"}
    late, older = a_run(name="late", schedule="daily", **due), a_run(name="older", schedule="gone", **due)
    coming = a_run(name="coming", deployment="etl", queue="high", schedule="daily", due_at=now + timedelta(hours=1))
    dispatcher.store.add_runs([late, older, coming])
    dispatcher.rename_deployment("etl", "reports")
    assert {name: run.deployment for name, run in waiting(dispatcher).items()} == {"late": "reports", "older": "reports"}


@pytest.mark.parametrize("change", [{"pool": "other"}, {"new_name": "reports"}])
def test_all_waiting_runs_go_along_however_many_they_are(dispatcher, etl, monkeypatch, change):
    monkeypatch.setattr("dispatcher.client.relocation.PAGE", 2)
    monkeypatch.setattr("dispatcher.client.relocation.MOST", 2)
    due = {"deployment": "etl", "due_at": dispatcher.clock.now() - timedelta(minutes=1), "queue": "high"}
    dispatcher.store.add_runs([a_run(name=f"run-{number}", schedule="gone", **due) for number in range(7)])
    if "pool" in change:
        dispatcher.update_deployment("etl", **change)
    else:
        dispatcher.rename_deployment("etl", **change)
    went = waiting(dispatcher, pool=change.get("pool", "pool"), deployment=change.get("new_name", "etl"))
    assert went.keys() == {f"run-{number}" for number in range(7)}
    assert len(waiting(dispatcher)) == 7


def test_a_name_that_is_taken_is_refused(dispatcher, etl):
    dispatcher.create_deployment("reports", pool="pool", job_variables={"command": "date"})
    with refused(dispatcher, AlreadyExists, "deployment 'reports' already exists; choose another"):
        dispatcher.rename_deployment("etl", "reports")


def test_runs_that_would_crash_after_a_deletion_are_counted(dispatcher, etl):
    dispatcher.create_run(deployment="etl")
    assert dispatcher.stranded_runs("etl") == 1
