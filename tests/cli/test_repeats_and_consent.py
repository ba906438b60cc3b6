"""What was asked for does not silently become something else: no option takes the last of two values, nothing goes unasked."""

from __future__ import annotations

import json
import os
import pty
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from tests.cli.test_every_command import EVERY

ONE_VALUE = [
    (path, option)
    for path, command in EVERY.items()
    for option in command.params
    if isinstance(option, click.Option) and not option.multiple and not option.is_flag
]


@pytest.mark.parametrize(
    ("path", "option"), ONE_VALUE, ids=lambda value: value.name if isinstance(value, click.Option) else None
)
def test_every_option_of_one_value_refuses_a_second_one(path, option, cli):
    words = [word for number in "12" for word in (option.opts[int(number) % len(option.opts)], number)]
    said = cli(*path, *words)
    assert said.exit_code == 2
    words = f"{option.opts[-1]} is given 2 times but takes one value; give it once."
    assert said.errors == (f"error: {words} See `dispatcher {' '.join(path)} --help`.",)


def test_the_store_option_is_refused_when_given_twice(cli):
    assert "--store is given 2 times" in cli("--store", "memory://", "--store", "memory://", "run", "ls").errors[0]


def test_a_flag_and_its_opposite_are_refused_and_a_flag_twice_says_the_same(cli):
    assert "--paused/--resumed is given 2 times" in cli("deployment", "update", "etl", "--paused", "--resumed").errors[0]
    assert cli("work-pool", "ls", "--json", "--json").json == []


A = "pools:\n  a: {type: process}\n"
B = "pools:\n  b: {type: process}\ndeployments:\n  etl: {pool: a, job_variables: {command: date}}\n"


@pytest.fixture
def two_files(tmp_path, a_file):
    (tmp_path / "more").mkdir()
    a_file("more/README.md", "not read")
    return a_file("a.yaml", A), a_file("more/b.yaml", B)


def test_several_files_and_directories_are_one_configuration(cli, two_files, tmp_path):
    first, second = two_files
    for sources in (("-f", first, "-f", second), ("-f", first, "-f", str(tmp_path / "more"))):
        planned = cli("plan", *sources, "--json")
        assert planned.exit_code == 2
        assert [change["name"] for change in planned.json["changes"]] == ["a", "b", "etl"]
    assert cli.ok("apply", "-f", second, "-f", first)["applied"]
    assert cli.ok("simulate", "-f", first, "-f", second, "--pool", "b")["pool"] == "b"


def test_a_noun_in_two_files_is_a_fault_that_names_both(cli, two_files, a_file):
    again = a_file("c.yaml", "pools:\n  z: {type: process}\n  a: {type: process, concurrency_limit: 5}\n")
    said = cli("plan", "-f", two_files[0], "-f", again)
    fix = "keep one of the two, or lay one file over the other with --overlay"
    assert said.exit_code == 1
    assert said.errors == (f"error: {again}:3:3: pools.a: stands in {two_files[0]}:2:3 too; {fix}",)


def test_a_fault_names_the_file_that_it_is_in(cli, two_files, a_file):
    wrong = a_file("c.yaml", "deployments:\n  x: {pool: b, job_variables: {comand: date}}\n")
    said = cli("plan", "-f", two_files[0], "-f", two_files[1], "-f", wrong)
    assert said.errors[0].startswith(f"error: {wrong}:2:")
    kinds = a_file("d.yaml", "pools: [a]\n")
    assert cli("plan", "-f", two_files[0], "-f", kinds).errors == (
        f"error: {kinds}:1:1: pools: must be an object in each of the files",
    )


def test_dispatcher_yaml_is_the_default_file(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = cli("plan")
    assert said.errors == ("error: -f: name a configuration file; there is no dispatcher.yaml here (dispatcher init)",)
    Path("dispatcher.yaml").write_text(A)
    assert cli("plan").exit_code == 2
    assert cli.ok("apply")["changes"][0]["name"] == "a"


DELETIONS = {
    ("work-pool", "delete", "other"): "delete work pool 'other', its queues, its deployments and its ended runs",
    ("work-pool", "sweep", "nightly"): "remove what ended jobs of work pool 'nightly' left behind",
    ("work-queue", "delete", "low", "--pool", "nightly"): "delete work queue 'low' of 'nightly'",
    ("deployment", "delete", "etl"): "delete deployment 'etl' and the future runs of its schedules",
    ("deployment", "schedule", "delete", "etl", "cron"): "delete schedule 'cron' of deployment 'etl' and its future runs",
    ("deployment", "schedule", "clear", "etl"): "delete all schedules of deployment 'etl' (cron) and their future runs",
    ("automation", "delete", "breaker"): "delete automation 'breaker'",
    ("apply", "-f", "less.yaml", "--prune"): "delete work pool 'other', with all ended runs of the pools",
}


@pytest.fixture
def furnished(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for pool in ("nightly", "other"):
        cli.ok("work-pool", "create", pool, "--type", "process")
    cli.ok("work-queue", "create", "low", "--pool", "nightly")
    cli.ok("deployment", "create", "etl", "--pool", "nightly", "-jv", "command=date", "--cron", "0 6 * * *")
    cli.ok(
        "automation",
        "create",
        "breaker",
        "--when",
        "ended: {states: [FAILED], deployment: etl}",
        "--then",
        "pause: {deployment: etl}",
    )
    exported = cli.ok("export")
    del exported["pools"]["other"]
    Path("less.yaml").write_text(json.dumps(exported))
    return cli


def everything(cli) -> tuple[object, object]:
    return cli.ok("export"), cli.stored()


@pytest.mark.parametrize("words", DELETIONS, ids=" ".join)
def test_nothing_is_deleted_unasked_where_nobody_can_be_asked(words, furnished):
    before = everything(furnished)
    said = furnished(*words)
    assert (said.exit_code, said.errors) == (
        1,
        (f"error: --yes: needed to {DELETIONS[words]}: there is no terminal to ask at; nothing was changed",),
    )
    assert everything(furnished) == before
    assert furnished(*words, "--yes").exit_code == 0


def test_every_command_that_deletes_is_among_them():
    takes_consent = {path for path, command in EVERY.items() if any(option.name == "yes" for option in command.params)}
    named = {tuple(words[: len(path)]) for words in DELETIONS for path in EVERY if words[: len(path)] == path}
    elsewhere = {("prefect", "disconnect")} | {("run", verb) for verb in ("cancel", "retry", "move", "start-now")}
    assert takes_consent == named | elsewhere, "one of a server in tests/prefect, those of a filter in test_run_bulk.py"
    assert takes_consent >= {path for path in EVERY if path[-1] in ("delete", "clear", "prune", "remove", "sweep")}


@pytest.mark.parametrize(("answer", "left"), [("n", ["nightly", "other"]), ("y", ["nightly"])])
def test_a_terminal_is_asked_for_confirmation(answer, left, furnished):
    ours, theirs = pty.openpty()
    line = [sys.executable, "-m", "dispatcher", "work-pool", "delete", "other"]
    with subprocess.Popen(
        line,
        env={**os.environ, **furnished.environment},
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        os.write(ours, f"{answer}\n".encode())
        _, errors = process.communicate(timeout=60)
    os.close(ours)
    os.close(theirs)
    assert "Delete work pool 'other', its queues, its deployments and its ended runs? [y/N]: " in errors, shlex.join(line)
    assert [pool["name"] for pool in furnished.ok("work-pool", "ls")] == left
