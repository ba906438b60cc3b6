"""The pool that is taken where none is named."""

from __future__ import annotations

import json

import pytest

FIX = "dispatcher work-pool update NAME --set-as-default"


@pytest.fixture
def pools(cli):
    cli.ok("work-pool", "create", "first", "--type", "process", "--set-as-default")
    cli.ok("work-pool", "create", "second", "--type", "process")


def test_a_default_is_taken_by_run_create_and_deployment_create(cli, pools):
    (run,) = cli.ok("run", "create", "-jv", "command=date")
    assert (run["pool"], cli.ok("deployment", "create", "etl")["pool"]) == ("first", "first")
    assert "It is the default now." in cli("work-pool", "update", "second", "--set-as-default").out
    assert cli.ok("run", "create", "-jv", "command=date")[0]["pool"] == "second"


def test_a_named_pool_or_deployment_wins_over_the_default_pool(cli, pools):
    assert cli.ok("run", "create", "--pool", "second", "-jv", "command=date")[0]["pool"] == "second"
    cli.ok("deployment", "create", "etl", "--pool", "second", "-jv", "command=date")
    assert cli.ok("run", "create", "--deployment", "etl")[0]["pool"] == "second"


def test_the_environment_wins_and_the_command_says_so(cli, pools, monkeypatch):
    monkeypatch.setenv("DISPATCHER_DEFAULT_POOL", "second")
    assert cli.ok("run", "create", "-jv", "command=date")[0]["pool"] == "second"
    assert "but DISPATCHER_DEFAULT_POOL=second wins" in cli("work-pool", "update", "first", "--set-as-default").out


def test_without_a_default_the_error_says_how_to_choose_one(cli):
    cli.ok("work-pool", "create", "first", "--type", "process")
    for words in (("run", "create"), ("deployment", "create", "etl")):
        assert cli(*words).errors == (f"error: pool: name a work pool (--pool), or choose a default: {FIX}",)


def test_a_default_is_forgotten_with_its_pool(cli, pools):
    cli.ok("work-pool", "delete", "first", "--yes")
    assert "choose a default" in cli("run", "create").errors[0]


def test_a_default_that_is_gone_is_named(cli, pools, monkeypatch):
    monkeypatch.setenv("DISPATCHER_DEFAULT_POOL", "third")
    (line,) = cli("run", "create").errors
    assert "the default work pool 'third' (DISPATCHER_DEFAULT_POOL) does not exist; choose another" in line


def test_every_store_has_a_default_of_its_own(cli, pools, tmp_path):
    other = f"sqlite:///{tmp_path / 'other.db'}"
    assert "choose a default" in cli("--store", other, "run", "create").errors[0]
    cli("--store", other, "work-pool", "create", "theirs", "--type", "process", "--set-as-default")
    assert cli.ok("run", "create", "-jv", "command=date")[0]["pool"] == "first"
    noted = json.loads((tmp_path / ".dispatcher" / "default-pools.json").read_text())
    assert sorted(noted.values()) == ["first", "theirs"]


def test_a_store_is_the_same_from_wherever_it_is_named(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cli("--store", "sqlite:///a.db", "work-pool", "create", "first", "--type", "process", "--set-as-default")
    said = cli("--store", f"sqlite:///{tmp_path / 'a.db'}", "run", "create", "-jv", "command=date", "--json")
    assert said.json[0]["pool"] == "first"


def test_a_spoiled_file_is_reported_in_one_line(cli, pools, tmp_path):
    (tmp_path / ".dispatcher" / "default-pools.json").write_text("[")
    (line,) = cli("run", "create").errors
    assert "default-pools.json: is not what --set-as-default writes; correct or remove it" in line
