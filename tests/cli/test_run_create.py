"""`dispatcher run create` for many runs: alike by `--count`, or each its own line of a file."""

import json

import pytest

from dispatcher.client.runs import MAX_RUNS_AT_ONCE


@pytest.fixture
def pool(cli):
    cli.ok("work-pool", "create", "p", "--type", "process", "-jv", "command=true")
    return "p"


def lines(*requests):
    return "".join(f"{request if isinstance(request, str) else json.dumps(request)}\n" for request in requests)


def test_many_runs_alike_are_created_together(cli, pool):
    runs = cli.ok("run", "create", "-p", pool, "--count", "3", "--name", "night", "--idempotency-key", "k")

    assert [run["name"] for run in runs] == ["night-1", "night-2", "night-3"]
    assert cli.ok("run", "create", "-p", pool, "--count", "3", "--name", "night", "--idempotency-key", "k") == runs


def test_each_line_of_a_file_is_a_run(cli, pool, a_file):
    path = a_file(
        "runs.jsonl",
        lines(
            {"pool": "p", "name": "first", "scheduled_at": "2031-01-31T08:00:00+01:00"},
            "",
            {
                "name": "second",
                "tags": ["b"],
                "job_variables": {"command": "echo", "env": {"ZIP": 10.50}},
                "retry": {"attempts": 2},
            },
        ),
    )
    first, second = cli.ok("run", "create", "--from", path, "-p", pool, "--tag", "a", "-jv", "command=date")

    assert first["scheduled_at"] == "2031-01-31T07:00:00.000+00:00"
    whole = [cli.ok("run", "inspect", run["id"]) for run in (first, second)]
    assert [run["tags"] for run in whole] == [["a"], ["b"]], "a line's own keys win over the options"
    assert [run["job_variables"] for run in whole] == [{"command": "date"}, {"command": "echo", "env": {"ZIP": "10.5"}}]
    assert [run["retry"] and run["retry"]["attempts"] for run in whole] == [None, 2]


def test_requests_come_from_standard_input_too(cli, pool):
    said = cli("run", "create", "-p", pool, "--from", "-", stdin=lines({"name": "a"}, {"name": "b"}))

    assert said.exit_code == 0, said.errors
    assert "Created run a in p/default" in said.out


def test_each_line_that_is_not_a_request_is_named_and_nothing_is_created(cli, pool, a_file):
    path = a_file("runs.jsonl", lines({"pool": "p"}, "{oops", [1], {"poool": "p"}, {"scheduled_at": "soon"}, {"retry": 1}))
    said = cli("run", "create", "--from", path)

    assert said.exit_code == 1
    assert [line.removeprefix(f"error: {path}:")[:2] for line in said.errors] == ["2:", "3:", "4:", "5:", "6:"]
    assert "not JSON" in said.errors[0]
    assert "poool: is not a field of a run request" in said.errors[2]
    assert cli.stored()[1] == []


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"pool": "q"}, "runs.jsonl:2: work pool 'q' does not exist"),
        ({"pool": "p", "job_variables": {"comand": "x"}}, "runs.jsonl:2: comand: is not a variable of this pool's template"),
        ({"pool": "p", "tags": "x"}, "runs.jsonl:2: tags: must be a list of texts"),
        (
            {"pool": "p", "scheduled_at": "2031-01-31T08:00:00"},
            "runs.jsonl:2: scheduled_at: 2031-01-31T08:00:00 has no time zone",
        ),
    ],
)
def test_a_request_that_is_refused_is_named_and_none_is_created(cli, pool, a_file, request_, words):
    said = cli("run", "create", "--from", a_file("runs.jsonl", lines({"pool": "p"}, request_, {"pool": "p"})))

    assert said.exit_code == 1
    assert words in said.errors[0]
    assert cli.stored()[1] == []


@pytest.mark.parametrize("option", [("--count", "2"), ("--name", "a"), ("--idempotency-key", "k")])
def test_options_for_a_single_run_are_refused_beside_a_file(cli, pool, option):
    said = cli("run", "create", "-p", pool, "--from", "-", *option, stdin=lines({}))

    assert said.errors == (f"error: options: {option[0]} does not go with --from; give names and keys in the lines",)


def test_a_file_without_a_request_is_refused(cli, pool):
    assert "standard input: holds no request" in cli("run", "create", "-p", pool, "--from", "-", stdin="\n").errors[0]


def test_more_than_fit_into_one_part_are_created_in_parts_and_a_later_refusal_says_how_many_exist(cli, pool, monkeypatch):
    monkeypatch.setattr("dispatcher.cli.commands.run_create.MAX_RUNS_AT_ONCE", 2)
    assert len(cli.ok("run", "create", "-p", pool, "--count", "5")) == 5

    refused = cli("run", "create", "-p", pool, "--from", "-", stdin=lines({}, {}, {"queue": "none"}))
    assert refused.errors[0].startswith("error: standard input:3: work queue 'none'")
    assert refused.errors[0].endswith("(2 runs were created before)")
    assert len(cli.stored()[1]) == 7


def test_ten_thousand_runs_are_one_part():
    assert MAX_RUNS_AT_ONCE == 10_000
