"""Whole stores: copied there and back again, and looked through for what does not fit together."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from pathlib import Path
from random import Random
from uuid import UUID

import psycopg
import pytest
from click.testing import CliRunner

from dispatcher.cli.root import root
from dispatcher.errors import Conflict, StoreSchemaError
from dispatcher.models import Run, RunState, submission_name
from dispatcher.models.records import PAGE
from dispatcher.stores.dynamodb import DynamoStore
from dispatcher.stores.memory import MemoryStore
from dispatcher.stores.sqlite import SqliteStore
from dispatcher.stores.statements import migrations
from dispatcher.upkeep.moving import check, copy
from providers.base import Submission
from tests.builders import HOUR, NOW, SECOND, a_deployment, a_hold, a_pool, a_run
from tests.stores import dynamodb_server
from tests.stores.factories import FACTORIES
from tests.stores.postgres_server import server
from tests.stores.steps import JOB, hold

NEWEST = migrations("sqlite")[-1][0]
"""The version that the newest migration leads to."""

POOLS = ("nightly", "other")
QUEUES = ("high", "default", "low")


def a_filled_store(count: int, seed: int = 0) -> MemoryStore:
    """So many runs in all states, in two pools that have been ticked."""
    random, store = Random(seed), MemoryStore()
    pools = [replace(a_pool(name, 5, QUEUES), version=3, holds=(a_hold(NOW + HOUR),), last_tick_at=NOW) for name in POOLS]
    deployments = [replace(a_deployment(f"deployment-{number}", pool="nightly"), version=2) for number in range(5)]
    runs = [a_past_run(random, list(RunState)[number % len(RunState)]) for number in range(count)]
    store.restore(pools=pools, deployments=deployments, runs=runs)
    return store


def a_past_run(random: Random, state: RunState) -> Run:
    """As ticks leave one in this state."""
    run_id = UUID(int=random.getrandbits(128))
    due = NOW + random.randrange(-5000, 5000) * SECOND
    claimed = (
        {"job": JOB, "fence": random.randrange(1, 4), "claimed_at": due, "start_within": 60.5} if state != "SCHEDULED" else {}
    )
    submitted = claimed and (state is not RunState.PENDING or random.random() < 0.5)
    submission = Submission(name=submission_name(run_id, 1), handle={"id": "ü"})
    return a_run(
        random.choice(POOLS),
        random.choice(QUEUES),
        id=run_id,
        due_at=due,
        state=state,
        deployment=random.choice([None, "deployment-1"]),
        job_variables=random.choice([{}, {"env": {"B": "{{ x }}", "A": None}}]),
        parameters=random.choice([{}, {"day": "2026-01-31", "limit": None}]),
        tags=("x",) * random.randrange(2),
        ended_attempts=random.randrange(2),
        lease_until=due + HOUR if claimed and not submitted else None,
        submission=submission if submitted else None,
        submitted_at=due + SECOND if submitted else None,
        ended_at=due + HOUR if state.is_terminal else None,
        lingers=bool(state.is_terminal and random.random() < 0.3),
        exit_code=random.choice([None, 0, 3]) if state.is_terminal else None,
        **claimed,
    )


def all_of(store):
    runs = [run for page in store.every_run() for run in page]
    return store.pools(), store.deployments(), sorted(runs, key=lambda run: run.id)


WAYS = {
    ("sqlite", "postgres", "sqlite"): 10_000,
    ("postgres", "dynamodb", "postgres"): 400 if dynamodb_server.ENDPOINT is None else 10_000,
}
"""How many runs go there and back: the emulator of DynamoDB is too slow for as many as a server takes."""


@pytest.mark.parametrize(("way", "count"), WAYS.items(), ids=str)
def test_a_store_that_was_copied_there_and_back_is_equal(way, count, tmp_path):
    source, counts = a_filled_store(count), []
    origin = all_of(source)
    for number, name in enumerate(way):
        directory = tmp_path / str(number)
        directory.mkdir()
        target = FACTORIES[name](directory)
        moved = copy(source, target, progress=counts.append)
        assert (moved.pools, moved.deployments, moved.runs) == (2, 5, count)
        assert list(check(target)) == []
        source.close()
        source = target
    assert all_of(source) == origin
    assert counts[-1] == count
    assert len(counts) == len(way) * -(-count // PAGE)
    source.close()


def test_a_target_that_holds_anything_is_refused_and_a_broken_copy_goes_on():
    source, target = a_filled_store(1200), MemoryStore()

    def break_off(runs):
        if runs > PAGE:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy(source, target, progress=break_off)
    with pytest.raises(Conflict, match="not empty"):
        copy(source, target)
    copy(source, target, resume=True)
    assert all_of(target) == all_of(source)


def test_a_source_that_is_ticked_meanwhile_is_reported():
    source, target = a_filled_store(10), MemoryStore()
    with pytest.raises(Conflict, match="stop its schedule"):
        copy(source, target, progress=lambda _runs: hold(source, NOW + 2 * HOUR, pool="nightly"))


SUBMITTED = {"submission": Submission(name="r-1", handle={})}
FAULTS = {
    "has no time of its end": {"state": RunState.COMPLETED},
    "has the time of an end": {"ended_at": NOW},
    "does not exist, so that it can never be admitted": {"queue": "gone"},
    "neither a job nor a claim": {"state": RunState.PENDING, "job": JOB},
    "without the job that its claim pinned": {
        "state": RunState.RUNNING,
        "submission": Submission(name="r-1", handle={}),
    },
    "waits, and has a job": SUBMITTED,
    "is to be tidied up": {"lingers": True},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_check_names_the_run_that_does_not_fit(fault):
    store, run = MemoryStore(), replace(a_run(), **FAULTS[fault])
    store.restore(pools=[replace(a_pool(), version=1)], runs=[a_run(), run])
    problems = list(check(store))
    assert len(problems) == 1
    assert str(run.id) in problems[0]
    assert fault in problems[0]


def test_check_names_pools_and_deployments_that_do_not_fit():
    store = MemoryStore()
    store.restore(pools=[replace(a_pool(queues=["high"]), version=1)], deployments=[a_deployment(queue="low")])
    problems = list(check(store))
    assert [line.partition(":")[0] for line in problems] == ["work pool 'pool'", "deployment 'deployment'"]


def test_check_finds_a_counter_of_dynamodb_that_has_drifted():
    table = dynamodb_server.fresh_table()
    store = DynamoStore(table, connect=dynamodb_server.connect, patience=dynamodb_server.PATIENT)
    copy(a_filled_store(20), store)
    dynamodb_server.connect().update_item(
        TableName=table,
        Key={"pk": {"S": "POOL/nightly"}, "sk": {"S": "SLOTS"}},
        UpdateExpression="ADD #used :one",
        ExpressionAttributeNames={"#used": "used/default"},
        ExpressionAttributeValues={":one": {"N": "1"}},
    )
    assert any("work queue 'default' of 'nightly'" in line for line in check(store))
    store.close()


# The command


def said(*words: str, store: str = "sqlite:///:memory:"):
    return CliRunner().invoke(root, ["--store", store, "store", *words], prog_name="dispatcher")


def test_the_schema_of_a_file_is_printed_applied_and_checked(tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'new.db'}"
    assert said("migrate", "check", store=url).exit_code == 1
    printed = said("migrate", "print", store=url).stdout
    assert not (tmp_path / "new.db").exists()
    with sqlite3.connect(tmp_path / "by-hand.db") as connection:
        connection.executescript(printed)
    assert said("migrate", "check", store=f"sqlite:///{tmp_path / 'by-hand.db'}").exit_code == 0
    assert said("migrate", "apply", store=url).stdout == f"Migrated from version 0 to {NEWEST}.\n"
    shape = json.loads(said("migrate", "apply", "--json", store=url).stdout)
    assert shape == {"current": NEWEST, "latest": NEWEST, "is_needed": False, "statements": []}


def test_the_schema_of_a_database_is_printed_applied_and_checked():
    url = server().url(server().empty_database())
    assert said("migrate", "check", store=url).exit_code == 1
    printed = said("migrate", "print", store=url).stdout
    assert "CREATE TABLE work_pools" in printed
    assert said("migrate", "check", store=url).exit_code == 1
    assert said("migrate", "apply", store=url).exit_code == 0
    assert said("migrate", "check", store=url).exit_code == 0
    by_hand = server().url(server().empty_database())
    with psycopg.connect(by_hand, autocommit=True) as connection:
        connection.execute(printed)
    assert said("migrate", "check", store=by_hand).exit_code == 0
    assert said("check", store=by_hand).stdout == "0 runs and all that belongs to them fit together.\n"


def test_a_table_that_is_missing_is_printed_made_and_checked(monkeypatch):
    client = dynamodb_server.connect()
    monkeypatch.setattr("dispatcher.stores.dynamodb.store._connect", lambda _region, _endpoint: dynamodb_server.connect())
    url = "dynamodb://moving-new-table"
    missing = said("check", store=url)
    assert missing.exit_code == 1
    assert "there is no DynamoDB table 'moving-new-table'" in missing.stderr
    definition = json.loads(said("migrate", "print", store=url).stdout)
    assert said("migrate", "check", store=url).exit_code == 1
    client.create_table(**definition)
    assert said("migrate", "check", store=url).exit_code == 0
    client.delete_table(TableName="moving-new-table")
    assert said("migrate", "apply", store=url).exit_code == 0
    assert said("check", store=url).exit_code == 0


def test_a_schema_that_is_newer_is_reported_in_one_line(tmp_path: Path):
    path = tmp_path / "newer.db"
    SqliteStore(path).migrate()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    report = said("check", store=f"sqlite:///{path}")
    assert (report.exit_code, len(report.stderr.splitlines())) == (1, 1)
    assert "use newer code" in report.stderr
    with pytest.raises(StoreSchemaError, match="version 99"):
        SqliteStore(path).pools()


def test_the_command_copies_and_says_what_to_do_next(tmp_path: Path):
    first, second = tmp_path / "first.db", tmp_path / "second.db"
    store = SqliteStore(first)
    copy(a_filled_store(30), store)
    store.close()
    words = ("copy", f"sqlite:///{first}", f"sqlite:///{second}")
    report = said(*words)
    assert report.stdout.startswith("Copied 2 work pools, 5 deployments, 0 automations and 30 runs.")
    again = said(*words)
    assert (again.exit_code, again.stdout) == (1, "")
    assert "--resume" in again.stderr
    assert json.loads(said(*words, "--resume", "--json").stdout)["runs"] == 30
    assert said("check", store=f"sqlite:///{second}").exit_code == 0


def test_a_store_with_faults_ends_in_exit_code_1_and_a_line_for_each(tmp_path: Path):
    path = tmp_path / "torn.db"
    store = SqliteStore(path)
    store.restore(pools=[replace(a_pool(), version=1)], runs=[a_run(ended_at=NOW), a_run(lingers=True)])
    store.close()
    report = said("check", store=f"sqlite:///{path}")
    assert (report.exit_code, len(report.stderr.splitlines())) == (1, 2)
    assert len(json.loads(said("check", "--json", store=f"sqlite:///{path}").stdout)["faults"]) == 2


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("nosql://x", "--store: 'nosql://x' names no store"),
        ("sqlite:///missing/folder/x.db", "missing/folder"),
        ("postgresql://me:hush@127.0.0.1:1/state", "cannot be reached"),
    ],
)
def test_a_wrong_url_is_reported_in_one_line_without_a_password(url, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for command in (("check",), ("migrate", "apply")):
        report = said(*command, store=url)
        assert (report.exit_code, report.stdout, len(report.stderr.splitlines())) == (1, "", 1)
        assert words in report.stderr
        assert "hush" not in report.stderr
