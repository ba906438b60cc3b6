"""The whole configuration as one file: plan, apply, export, schema and init on the command line."""

from __future__ import annotations

import json
import re
from itertools import cycle
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from providers import registry
from tests.cli.test_every_command import EVERY

TEMPLATE = {
    "job_configuration": {"command": "{{ command }}", "env": {"CPU": "{{ cpu }}"}},
    "variables": {
        "type": "object",
        "properties": {"command": {"type": "string"}, "cpu": {"type": "integer", "default": 1}},
        "required": ["command"],
    },
}


def a_large_configuration() -> dict:
    """5 pools with 20 queues, and 50 deployments over all of them, with 100 schedules of every kind."""
    pools = {
        f"pool-{number}": {
            "type": "process",
            "concurrency_limit": 10 * number,
            "queues": {name: {"priority": place} for place, name in enumerate(("critical", "default", "low", "later"), 1)},
            "base_job_template": "template.json",
        }
        for number in range(5)
    }
    places = cycle((pool, queue) for pool in pools for queue in pools[pool]["queues"])
    deployments = {
        f"deployment-{number:02}": {
            "pool": pool,
            "queue": queue,
            "job_variables": {"command": f"echo {number}", "cpu": number},
            "tags": ["etl", f"n{number}"],
            "schedules": a_pair_of_schedules(number),
            **(
                {"retry": {"attempts": 3, "delay": 60 + number, "backoff": 2.0, "states": ["FAILED"]}}
                if number % 3 == 0
                else {}
            ),
        }
        for number, (pool, queue) in zip(range(50), places, strict=False)
    }
    return {"pools": pools, "deployments": deployments}


def a_pair_of_schedules(number: int) -> dict:
    """Two of the three kinds, with all that they can say."""
    kinds = (
        {"cron": f"{number} 6 * * 1-5", "timezone": "Europe/Paris", "catch_up": "last"},
        {"interval": 900 + number, "anchor": "2026-01-31T08:00:00+00:00", "catch_up": "all", "catch_up_limit": 5},
        {"rrule": f"FREQ=WEEKLY;BYDAY=MO;BYHOUR={number % 24}", "timezone": "America/New_York", "active": False},
    )
    return {"first": kinds[number % 3], "second": kinds[(number + 1) % 3]}


@pytest.fixture
def large(a_file):
    a_file("template.json", TEMPLATE)
    return a_file("dispatcher.yaml", yaml.safe_dump(a_large_configuration(), sort_keys=False))


def test_a_large_file_goes_in_and_comes_out_as_it_was(cli, large, tmp_path):
    said = cli("plan", "-f", large)
    assert (said.exit_code, said.errors) == (2, ())
    assert "Plan: 55 to create." in said.out
    before = cli.ok("schema")
    applied = cli.ok("apply", "-f", large)
    assert (len(applied["changes"]), applied["applied"]) == (55, True)
    again = cli("plan", "-f", large)
    assert (again.exit_code, again.out) == (0, f"Nothing to change. Stored configuration: {applied['hash_after']}\n")
    exported = tmp_path / "exported.yaml"
    assert cli.ok("export", "-f", str(exported))["files"] == [str(exported), str(tmp_path / "dispatcher.schema.json")]
    assert cli("plan", "-f", str(exported)).exit_code == 0
    assert exported.read_text().startswith("# yaml-language-server: $schema=dispatcher.schema.json\n")
    Draft202012Validator(before).validate(yaml.safe_load(exported.read_text()))
    assert len(cli.ok("work-pool", "ls")) == 5
    assert sum(len(cli.ok("work-queue", "ls", "--pool", f"pool-{number}")) for number in range(5)) == 20
    assert len(cli.ok("deployment", "ls")) == 50
    assert sum(len(deployment["schedules"]) for deployment in cli.ok("deployment", "ls")) == 100
    document = a_large_configuration()
    for pool in document["pools"].values():
        pool["base_job_template"] = TEMPLATE
    for entry in document["deployments"].values():
        if entry["queue"] == "default":
            del entry["queue"]
    assert cli.ok("export") == document


def test_the_second_of_two_applies_with_the_same_hash_is_refused(cli, large, a_file):
    cli.ok("apply", "-f", large)
    expected = cli("plan", "-f", large, "--json").json["hash"]
    mine, theirs = (a_large_configuration() for _ in range(2))
    mine["pools"]["pool-1"]["concurrency_limit"] = 99
    theirs["deployments"]["deployment-07"]["tags"] = []
    theirs["deployments"]["deployment-08"]["schedules"]["first"]["timezone"] = "Asia/Tokyo"
    files = [a_file(f"{number}.yaml", yaml.safe_dump(value)) for number, value in enumerate((mine, theirs))]
    assert cli("apply", "-f", files[0], "--expect", expected).exit_code == 0
    before = cli.stored()
    said = cli("apply", "-f", files[1], "--expect", expected)
    assert said.exit_code == 1
    assert len(said.errors) == 1
    assert f"not {expected}: plan again" in said.errors[0]
    assert cli.stored() == before
    shown = cli("plan", "-f", files[1])
    assert (shown.exit_code, "concurrency_limit: 99 → 10" in shown.out, "tags: " in shown.out) == (2, True, True)


FAULTY = """\
pools:
  nightly:
    type: process
    concurency_limit: 3
    queues:
      critical: {priority: 1, limit: 2}
      default:
        priority: two
deployments:
  etl:
    pool: nightly
    tags: no
"""


def test_every_fault_is_reported_with_file_line_and_the_nearest_key(cli, a_file):
    path = a_file("dispatcher.yaml", FAULTY)
    said = cli("plan", "-f", path)
    assert said.exit_code == 1
    places = {line.removeprefix(f"error: {path}:").partition(": ")[0]: line for line in said.errors}
    assert "pools.nightly.concurency_limit: is not a key here; did you mean concurrency_limit?" in places["4:5"]
    assert "pools.nightly.queues.critical.limit: is not a key here; the keys are priority, " in places["6:31"]
    assert 'pools.nightly.queues.default.priority: must be a whole number of 1 or more (got "two")' in places["8:9"]
    assert "deployments.etl.tags: must be " in places["12:5"]
    assert len(said.errors) == 4
    assert cli("apply", "-f", path).errors == said.errors
    assert cli.stored() == ([], [])


def test_objects_that_do_not_fit_together_are_reported_with_their_lines(cli, a_file):
    deployment = "pool: a\n    queue: defalt\n    job_variables:\n      comand: x\n"
    path = a_file("c.yaml", f"pools:\n  a: {{type: process}}\ndeployments:\n  d:\n    {deployment}")
    queue, variable = cli("plan", "-f", path).errors
    assert queue.startswith(f"error: {path}:6:5: deployments.d.queue: work queue 'defalt' of 'a' does not exist; did you mean")
    assert variable.startswith(f"error: {path}:8:7: deployments.d.job_variables.comand: is not a variable of this pool's ")


SCHEDULED = """\
pools:
  a: {type: process}
deployments:
  d:
    pool: a
    job_variables: {command: date}
    schedules:
      daily:
        cron: 30 6 * *
      hourly: {interval: PT1H, timezone: Europe/Pris}
      often: {intervall: 60}
    retry:
      attempts: 30
"""


def test_faults_of_schedules_and_retries_are_reported_with_their_lines(cli, a_file):
    path = a_file("c.yaml", SCHEDULED)
    retries, key = sorted(cli("plan", "-f", path).errors, reverse=True)
    assert retries.startswith(f"error: {path}:13:7: deployments.d.retry.attempts: must be a whole number from 1 to 20")
    assert key.startswith(
        f"error: {path}:11:15: deployments.d.schedules.often.intervall: is not a key here; did you mean inter"
    )
    path = a_file("c.yaml", SCHEDULED.replace("intervall: 60", "interval: 60").replace("30\n", "3\n"))
    cron, zone = cli("plan", "-f", path).errors
    assert cron.startswith(f"error: {path}:9:9: deployments.d.schedules.daily.cron: must have five fields, as ")
    assert zone.startswith(f"error: {path}:10:32: deployments.d.schedules.hourly.timezone: is not a zone of the tz database")
    assert "did you mean Europe/Paris" in zone


def test_a_deployment_with_schedules_that_lacks_a_variable_is_reported_with_its_line(cli, a_file):
    text = "pools: {a: {type: process}}\ndeployments:\n  d:\n    pool: a\n    schedules: {daily: {cron: 30 6 * * *}}\n"
    [fault] = cli("plan", "-f", a_file("c.yaml", text)).errors
    assert "c.yaml:3:3: deployments.d.job_variables.command: is required and missing; give it a value here or as" in fault
    assert "the runs of a schedule without job variables bring none of their own" in fault
    assert cli("plan", "-f", a_file("c.yaml", text.replace("30 6 * * *", "30 6 * * *, active: false"))).exit_code == 2


def test_lengths_and_times_are_written_in_more_than_one_way_and_come_out_in_one(cli, a_file):
    schedule = "{interval: PT15M, anchor: '2026-01-31T08:00:00+01:00'}"
    deployment = f"pool: a, job_variables: {{command: date}}, schedules: {{s: {schedule}}}, retry: {{attempts: 2, delay: PT1M}}"
    path = a_file("c.yaml", f"pools: {{a: {{type: process}}}}\ndeployments: {{d: {{{deployment}}}}}\n")
    cli.ok("apply", "-f", path)
    assert cli("plan", "-f", path).exit_code == 0
    exported = cli.ok("export")["deployments"]["d"]
    assert exported["schedules"] == {"s": {"interval": 900, "anchor": "2026-01-31T07:00:00+00:00"}}
    assert exported["retry"] == {"attempts": 2, "delay": 60}


def test_the_pause_of_a_schedule_stays_where_the_file_says_nothing_of_it(cli, a_file):
    deployment = "{pool: a, job_variables: {command: date}, schedules: {s: {cron: 0 6 * * *}}}"
    text = f"pools: {{a: {{type: process}}}}\ndeployments: {{d: {deployment}}}\n"
    path = a_file("c.yaml", text)
    cli.ok("apply", "-f", path)
    cli.ok("deployment", "schedule", "pause", "d", "s")
    cli.ok("deployment", "pause", "d")
    assert cli("plan", "-f", path).exit_code == 0
    assert cli.ok("export")["deployments"]["d"]["schedules"] == {"s": {"cron": "0 6 * * *", "active": False}}
    said = cli("plan", "-f", a_file("d.yaml", text.replace("0 6 * * *", "0 6 * * *, active: true")))
    assert (said.exit_code, "schedules.s.active: false → true" in said.out) == (2, True)


@pytest.mark.parametrize("name", ["template.json", "template.yaml"])
def test_faults_of_a_templates_file_are_reported_with_its_own_lines(cli, a_file, name):
    wrong = {**TEMPLATE, "job_configuration": {"command": "{{ command }}", "cpu": "{{ cpus }}"}}
    template = a_file(name, json.dumps(wrong, indent=2) if name.endswith("json") else yaml.safe_dump(wrong, sort_keys=False))
    path = a_file("c.yaml", f"pools:\n  a:\n    type: process\n    base_job_template: {name}\n")
    said = cli("plan", "-f", path)
    line = 4 if name.endswith("json") else 3
    assert said.exit_code == 1
    assert f"{template}:{line}:" in said.errors[0]
    assert "pools.a.base_job_template.job_configuration.cpu: " in said.errors[0]
    assert "did you mean cpu" in said.errors[0]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "is empty"),
        ("a: [", ": is not YAML: while parsing a flow node"),
        ("pools:\n  a:\n    type: process\n    base_job_template: none.json\n", ":4:5: pools.a.base_job_template: "),
        ("- a\n", ":1:1: must be an object with `pools`, `deployments` and `automations`"),
        ("pools: [1]\n", ":1:1: pools: must be an object"),
        (b"a: \xff", "not UTF-8"),
    ],
)
def test_an_invalid_file_is_reported_in_one_line(cli, a_file, content, says):
    said = cli("plan", "-f", a_file("c.yaml", content))
    assert said.exit_code == 1
    assert len(said.errors) == 1
    assert says in said.errors[0]


def test_a_missing_file_is_reported_in_one_line(cli):
    assert cli("plan", "-f", "none.yaml").errors == (
        "error: none.yaml: No such file or directory; name a file that can be read",
    )


def test_a_configuration_comes_from_standard_input_as_json_too(cli):
    assert cli.ok("apply", "-f", "-", stdin=json.dumps({"pools": {"a": {"type": "process"}}}))["changes"][0]["name"] == "a"


def test_a_plan_lists_deletions_with_prune_and_unnamed_objects_without_it(cli, large, a_file):
    cli.ok("apply", "-f", large)
    path = a_file("less.yaml", "pools: {pool-0: {type: process, base_job_template: template.json}}\n")
    kept = cli("plan", "-f", path)
    assert "which the configuration does not name: name both, or neither" in kept.errors[0]
    said = cli("plan", "-f", path, "--prune")
    assert "- work pool pool-1" in said.out
    assert "- deployment deployment-00" in said.out
    assert "- queues.critical: " in said.out
    assert "Plan: 1 to change, 54 to delete." in said.out
    cli.ok("apply", "-f", path, "--prune", "--yes")
    assert [pool["name"] for pool in cli.ok("work-pool", "ls")] == ["pool-0"]
    assert "Not in the file, and left as they are: work pool pool-0." in cli("plan", "-f", "-", stdin="pools: {}").out


def test_secrets_are_not_shown(cli, a_file):
    text = "pools: {a: {type: process}}\ndeployments: {d: {pool: a, job_variables: {env: {DB_PASSWORD: hunter2}}}}\n"
    path = a_file("c.yaml", text)
    for words in (("plan",), ("apply",), ("plan", "--json")):
        assert "hunter2" not in cli(*words, "-f", path).out
    changed = a_file("c.yaml", text.replace("hunter2", "hunter3"))
    said = cli("plan", "-f", changed)
    assert (said.exit_code, 'job_variables.env.DB_PASSWORD: "(hidden)" → "(hidden)"' in said.out) == (2, True)


@pytest.mark.parametrize("pool_type", registry.types())
def test_a_first_file_of_every_type_plans_applies_and_satisfies_its_schema(cli, pool_type, tmp_path):
    path = str(tmp_path / "new.yaml")
    cli.ok("init", "--type", pool_type, "--file", path)
    written = Path(path).read_text()
    assert written.startswith("# yaml-language-server: $schema=dispatcher.schema.json\n")
    schema = json.loads((tmp_path / "dispatcher.schema.json").read_text())
    Draft202012Validator(schema).validate(yaml.safe_load(written))
    assert cli("plan", "-f", path).exit_code == 2
    cli.ok("apply", "-f", path)
    assert cli("plan", "-f", path).exit_code == 0
    assert cli("deployment", "run", "hello").exit_code == 0


def test_the_schedule_and_the_retries_that_a_first_file_offers_can_be_taken_as_they_are(cli, tmp_path):
    path = tmp_path / "new.yaml"
    cli.ok("init", "--type", "process", "--file", str(path))
    before, schedules, rest = path.read_text().partition("    # schedules:")
    offered, variables, after = rest.partition("    job_variables:")
    taken = re.sub("(?m)^    # ", "    ", schedules + offered)
    path.write_text(before + taken + variables + after)
    cli.ok("apply", "-f", str(path))
    deployment = cli.ok("export")["deployments"]["hello"]
    assert deployment["schedules"] == {"mornings": {"cron": "30 6 * * 1-5", "timezone": "Europe/Paris", "catch_up": "last"}}
    assert deployment["retry"] == {"attempts": 3, "delay": 60, "backoff": 2.0, "states": ["FAILED"]}


def test_a_file_is_not_written_over(cli, a_file):
    path = a_file("dispatcher.yaml", "pools: {}\n")
    for words in (("init", "--type", "process", "-f", path), ("export", "-f", path)):
        assert cli(*words).errors == (f"error: {path}: exists; name another, or give --force to write over it",)
        assert Path(path).read_text() == "pools: {}\n"
    cli.ok("export", "-f", path, "--force")
    assert Path(path).read_text().startswith("# yaml-language-server")


def test_the_schema_goes_into_a_file(cli, tmp_path):
    path = tmp_path / "s.json"
    cli.ok("schema", "-f", str(path))
    assert json.loads(path.read_text()) == cli.ok("schema") == json.loads(cli("schema").out)


def test_simulate_takes_the_changed_limits_from_a_file(cli, a_file):
    cli.ok("apply", "-f", "-", stdin="pools: {nightly: {type: process, concurrency_limit: 1}}")
    past = [
        {
            "id": f"00000000-0000-0000-0000-{number:012}",
            "name": f"run-{number}",
            "pool": "nightly",
            "queue": "default",
            "due_at": "2026-01-31T12:00:00+00:00",
            "started_at": "2026-01-31T12:00:00+00:00",
            "ended_at": "2026-01-31T12:10:00+00:00",
        }
        for number in range(3)
    ]
    history = a_file("history.json", past)
    changed = a_file("changed.yaml", "pools: {nightly: {type: process, concurrency_limit: 3}}")
    shape = cli.ok("simulate", "-f", changed, "--from", history, "--every", "60")
    assert (shape["pool"], shape["before"]["most_slots"], shape["after"]["most_slots"]) == ("nightly", 1, 3)
    two = a_file("two.yaml", "pools: {nightly: {type: process}, other: {type: process}}")
    assert "names 2 work pools: name one with --pool" in cli("simulate", "-f", two, "--from", history).errors[0]
    assert cli.ok("simulate", "-f", two, "--pool", "nightly", "--from", history)["after"]["concurrency_limit"] is None
    assert "does not name 'else'" in cli("simulate", "-f", two, "--pool", "else", "--from", history).errors[0]
    assert "name a work pool, or a configuration file" in cli("simulate", "--from", history).errors[0]
    assert cli.ok("work-pool", "inspect", "nightly")["concurrency_limit"] == 1


def test_without_yaml_there_is_a_line_that_says_what_to_install(cli):
    said = cli.alone("plan", "-f", "x.yaml", before="sys.modules['yaml'] = None")
    assert said.exit_code == 1
    assert said.errors == (
        "error: configuration files need PyYAML, which is not installed: pip install 'push-dispatcher[cli]'",
    )


def test_nothing_else_needs_yaml(cli):
    assert cli.alone("work-pool", "ls", "--json", before="sys.modules['yaml'] = None").exit_code == 0


def test_the_commands_of_configuration_files_exist():
    assert {("plan",), ("apply",), ("export",), ("schema",), ("init",)} <= EVERY.keys()
