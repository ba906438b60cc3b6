"""Every change that people make leaves its entry in the log: who, what, when, and which way it came in."""

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

import dispatcher.client
from dispatcher.client import Dispatcher, change_log
from dispatcher.client.actors import of_process
from dispatcher.client.bulk_words import filters_by
from dispatcher.client.recording import LONGEST_ENTRY, LONGEST_VALUE
from dispatcher.errors import Conflict
from dispatcher.models import Actor, RunState, Schedule
from dispatcher.models.records import LogFilter, Move, RunFilter
from dispatcher.stores.memory import MemoryStore
from tests.client.conftest import Clock

ADA = Actor(name="ada", via="cli")
HOURLY = Schedule(slug="hourly", cron="0 * * * *")
SECRET_VARIABLE = {
    "job_configuration": {"command": "{{ command }}", "env": {"KEY": "{{ key }}"}},
    "variables": {"properties": {"command": {"type": "string"}, "key": {"type": "string", "writeOnly": True}}},
}


class Office:
    """A client, and what stands in the log."""

    def __init__(self) -> None:
        self.store, self.clock = MemoryStore(), Clock()
        self.client = Dispatcher(self.store, clock=self.clock, actor=ADA, history=timedelta(days=30))

    @property
    def entries(self):
        """Oldest first."""
        return sorted(self.store.log(LogFilter(), limit=100), key=lambda entry: entry.id)

    @property
    def last(self):
        return self.entries[-1]

    @property
    def words(self):
        return [(entry.verb, entry.noun, entry.name, [field["path"] for field in entry.fields]) for entry in self.entries]


@pytest.fixture
def office() -> Office:
    made = Office()
    made.client.create_work_pool("nightly", type="process", concurrency_limit=2)
    made.clock.time += timedelta(seconds=1)
    return made


def test_an_entry_says_who_changed_what_from_what_to_what_and_when(office: Office):
    office.client.update_work_pool("nightly", concurrency_limit=4)
    entry = office.last
    assert (entry.actor, entry.via, entry.changed_at) == ("ada", "cli", office.clock.now())
    assert (entry.verb, entry.noun, entry.name) == ("change", "work pool", "nightly")
    assert entry.fields == ({"path": "concurrency_limit", "action": "change", "before": 2, "after": 4},)
    assert entry.kept_until == office.clock.now() + timedelta(days=30)


def test_pools_queues_deployments_and_schedules_all_leave_one(office: Office):
    client = office.client
    client.create_work_queue("nightly", "etl", concurrency_limit=1)
    client.update_work_queue("nightly", "etl", paused=True)
    client.delete_work_queue("nightly", "etl")
    client.create_deployment("job", pool="nightly", job_variables={"command": "true"}, schedules=[HOURLY])
    client.pause_schedule("job", "hourly")
    client.pause_deployment("job")
    client.rename_deployment("job", "task")
    client.delete_deployment("task")
    client.delete_work_pool("nightly")
    assert [(verb, noun, name) for verb, noun, name, _ in office.words][1:] == [
        ("change", "work pool", "nightly"),
        ("change", "work pool", "nightly"),
        ("change", "work pool", "nightly"),
        ("create", "deployment", "job"),
        ("change", "deployment", "job"),
        ("change", "deployment", "job"),
        ("change", "deployment", "task"),
        ("delete", "deployment", "task"),
        ("delete", "work pool", "nightly"),
    ]
    assert [paths for *_, paths in office.words][2] == ["queues.etl.paused"]
    assert [paths for *_, paths in office.words][5] == ["schedules.hourly.active"]


def test_an_update_without_a_change_writes_no_log_entry(office: Office):
    office.client.update_work_pool("nightly", concurrency_limit=2)
    office.client.create_run(pool="nightly", job_variables={"command": "true"})
    assert len(office.entries) == 1


def test_a_refused_change_writes_no_log_entry(office: Office):
    office.client.create_run(pool="nightly", job_variables={"command": "true"})
    with pytest.raises(Conflict):
        office.client.delete_work_pool("nightly")
    assert len(office.entries) == 1


def test_cancelling_and_retrying_a_run_leave_one_each_and_repeats_none(office: Office):
    run = office.client.create_run(pool="nightly", job_variables={"command": "true"})
    for _ in range(2):
        office.client.cancel_run(run.id)
    cancel = office.last
    assert (cancel.verb, cancel.noun, cancel.name, cancel.runs) == ("cancel", "run", str(run.id), 1)
    assert cancel.fields == ({"path": "state", "action": "change", "before": "SCHEDULED", "after": "CANCELLED"},)
    again = office.client.retry_run(run.id)
    office.client.retry_run(run.id)
    retry = office.last
    assert (retry.verb, retry.name, retry.runs, retry.fields[0]["after"]) == ("retry", str(run.id), 1, str(again.id))
    assert len(office.entries) == 3


def test_an_apply_leaves_an_entry_for_each_noun_with_the_hash_of_what_it_made(office: Office):
    exported = office.client.export()
    exported["pools"]["nightly"]["concurrency_limit"] = 9
    exported["deployments"] = {"job": {"pool": "nightly", "job_variables": {"command": "true"}}}
    plan = office.client.apply(office.client.plan(exported))
    made = office.entries[1:]
    assert [(entry.verb, entry.noun, entry.name) for entry in made] == [
        ("change", "work pool", "nightly"),
        ("create", "deployment", "job"),
    ]
    assert {entry.note for entry in made} == {f"apply {plan.hash_after}"}


def test_no_secret_stands_in_the_log(office: Office):
    office.client.create_work_pool("safe", type="process", base_job_template=SECRET_VARIABLE)
    variables = {"command": "true", "key": "swordfish"}
    office.client.create_deployment("job", pool="safe", job_variables=variables)
    office.client.update_deployment("job", job_variables={"command": "deliver swordfish", "key": "swordfish"})
    office.client.create_deployment("plain", pool="nightly", job_variables={"command": "x", "env": {"DB_PASSWORD": "hunter22"}})
    written = repr(office.entries)
    assert "swordfish" not in written
    assert "hunter22" not in written


def test_long_values_are_cut_and_many_fields_are_counted(office: Office):
    office.client.create_deployment("job", pool="nightly", job_variables={"command": "x" * 10_000})
    [*_, entry] = office.entries
    assert max(len(repr(field)) for field in entry.fields) < LONGEST_VALUE + 100
    variables = {"command": "x", "env": {f"NAME_{number}": "v" * 100 for number in range(100)}}
    office.client.update_deployment("job", job_variables={"command": "x", "env": {f"NAME_{n}": "w" for n in range(100)}})
    office.client.update_deployment("job", job_variables=variables)
    assert len(repr(office.last.fields)) < LONGEST_ENTRY + 200
    assert re.fullmatch(r"\(\d+ more\)", office.last.fields[-1]["path"])


def test_a_client_acting_for_another_person_logs_that_name(office: Office):
    office.client.acting(Actor(name="bob", via="page")).update_work_pool("nightly", paused=True)
    assert (office.last.actor, office.last.via) == ("bob", "page")
    office.client.update_work_pool("nightly", paused=False)
    assert office.last.actor == "ada"


def test_a_function_is_named_by_its_platform_and_a_person_by_the_system():
    assert of_process({"AWS_LAMBDA_FUNCTION_NAME": "push"}) == Actor(name="lambda:push", via="function")
    assert of_process({"K_SERVICE": "push"}) == Actor(name="cloud-run:push", via="function")
    assert of_process({}).via == "python"


def test_a_run_that_a_tick_took_first_is_cancelled_once_in_the_log(office: Office):
    run = office.client.create_run(pool="nightly", job_variables={"command": "true"})

    class Racing(MemoryStore):
        raced = False

        def move(self, moves, *, entry=None):
            if not self.raced:
                self.raced = True
                super().move([Move.of(run, RunState.PENDING)])
            return super().move(moves, entry=entry)

    store = Racing()
    store.restore(pools=office.store.pools(), runs=[run])
    client = Dispatcher(store, clock=office.clock, actor=ADA)
    client.cancel_run(run.id)
    [entry] = store.log(LogFilter(), limit=9)
    assert entry.fields[0]["before"] == "PENDING"


CHANGING = re.compile(r"store\.(save_\w+|delete_\w+|reconfigure|add_runs|move|requeue)\(")


def test_nothing_in_the_client_changes_the_store_past_the_recorder():
    folder = Path(dispatcher.client.__file__).parent
    past = {file.name for file in folder.glob("*.py") if CHANGING.search(file.read_text(encoding="utf-8"))}
    assert past == {"recording.py", "relocation.py"}


def test_the_recorder_names_the_version_that_was_read(office: Office):
    pool = office.store.pool("nightly")
    office.client.update_work_pool("nightly", paused=True)
    with pytest.raises(Conflict):
        office.client.recorder.save_pool(replace(pool, paused=True), pool)


def bulk(office, where):
    """Cancel all runs of a filter, a second later."""
    office.clock.time += timedelta(seconds=1)
    office.client.create_run(pool="nightly", deployment=where.deployment, job_variables={"command": "x"})
    work = office.client.bulk("cancel", where)
    assert sum(step.done for step in office.client.bulk_steps(work)) == 1


def test_work_on_all_runs_of_a_filter_is_listed_with_the_pool_and_the_deployment_that_it_names(office: Office):
    office.client.create_deployment("etl", pool="nightly")
    bulk(office, RunFilter(pool="nightly"))
    bulk(office, RunFilter(deployment="etl"))
    bulk(office, RunFilter(pool="nightly", deployment="etl"))
    bulk(office, RunFilter(name="nightly"))
    both = ["pool nightly, deployment etl", "pool nightly"]
    assert [entry.name.partition(", state")[0] for entry in office.client.log(pool="nightly").items] == [*both, "nightly"]
    assert [entry.name.partition(", state")[0] for entry in office.client.log(deployment="etl").items] == [
        "pool nightly, deployment etl",
        "deployment etl",
        "etl",
    ]
    assert [entry.noun for entry in office.client.log(pool="night").items] == []
    assert [entry.noun for entry in office.client.log(pool="nightly", actor="eve").items] == []


def test_the_pages_of_a_pools_log_hold_each_entry_once_however_many_others_lie_between(office: Office, monkeypatch):
    monkeypatch.setattr(change_log, "LOOKED_AT", 2)
    for number in range(12):
        where = [RunFilter(pool="nightly"), RunFilter(name="n"), RunFilter(pool="nightly", name="n")][number % 3]
        bulk(office, where)
        if number % 4 == 0:
            office.client.update_work_pool("nightly", concurrency_limit=number + 5)
    listed, cursor = [], ""
    while cursor is not None:
        page = office.client.log(pool="nightly", cursor=cursor, limit=3)
        listed += page.items
        cursor = page.next
    assert [entry.id for entry in listed] == [
        entry.id
        for entry in sorted(office.entries, key=lambda entry: entry.changed_at, reverse=True)
        if entry.noun == "work pool" or "pool nightly" in entry.name
    ]
    assert len(listed) == 1 + 3 + 8
    whole = office.client.log(pool="nightly", limit=100)
    assert (whole.items, whole.next) == (listed, None)


@pytest.mark.parametrize(
    ("words", "part", "name", "is_named"),
    [
        ("pool a, state FAILED", "pool", "a", True),
        ("pool a", "pool", "a", True),
        ("pool ab", "pool", "a", False),
        ("pool a, queue b", "pool", "a", True),
        ("pool a, b", "pool", "a", False),
        ("pool a, b", "pool", "a, b", True),
        ("pool a, deployment b, until 2030", "deployment", "b", True),
        ("tag x, pool a", "deployment", "a", False),
        ("name pool a", "pool", "a", False),
    ],
)
def test_the_words_of_a_filter_name_a_pool_or_a_deployment(words, part, name, is_named):
    assert filters_by(words, part, name) is is_named
