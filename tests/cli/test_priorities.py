"""`--priority` and `--front` on the command line."""

import json

from dispatcher.models import RunRequest


def test_runs_are_made_and_moved_with_a_priority(cli):
    cli("work-pool", "create", "nightly", "--type", "process")
    cli("deployment", "create", "etl", "--pool", "nightly", "-jv", "command=date", "--priority", "5")
    cli("deployment", "schedule", "create", "etl", "--cron", "0 6 * * *", "--slug", "early", "--priority", "-7")
    shown = json.loads(cli("deployment", "inspect", "etl", "--json").out)
    assert (shown["priority"], shown["schedules"][0]["priority"]) == (5, -7)
    assert "5 in its queue" in cli("deployment", "inspect", "etl").out
    first, second = (
        json.loads(cli("deployment", "run", "etl", *options, "--json").out) for options in ([], ["--priority", "-2"])
    )
    front = json.loads(cli("run", "create", "--pool", "nightly", "-jv", "command=date", "--front", "--json").out)[0]
    assert [run["priority"] for run in (first, second, front)] == [5, -2, -3]
    said = cli("run", "move", first["id"], "--priority", "0").out
    assert said == f"Run {first['name']!r} now waits in work queue 'default'; before, in 'default' with priority 5.\n"
    assert cli("run", "move", front["id"], "--front").out == (
        f"Run {front['name']!r} already waits in work queue 'default' with priority -3, before all others.\n"
    )
    listed = json.loads(cli("run", "ls", "--json").out)
    assert [run["id"] for run in listed] == [front["id"], second["id"], first["id"]]
    assert ["priority", "-3"] in [line.split() for line in cli("run", "inspect", front["id"]).out.splitlines()]
    assert json.loads(cli("deployment", "update", "etl", "--priority", "0", "--json").out)["priority"] == 0


def test_a_priority_goes_with_one_run_and_not_with_a_filter(cli):
    cli("work-pool", "create", "nightly", "--type", "process")
    said = cli("run", "move", "--pool", "nightly", "--priority", "1", "--yes")
    assert said.exit_code != 0
    assert "--priority and --front go with one run: name it, without a filter" in " ".join(said.errors)


def test_lines_of_a_file_have_priorities_of_their_own(cli, tmp_path):
    cli("work-pool", "create", "nightly", "--type", "process")
    lines = [{"priority": -1}, {"front": True}, {}]
    source = tmp_path / "requests.jsonl"
    source.write_text("\n".join(json.dumps({**line, "job_variables": {"command": "date"}}) for line in lines))
    made = json.loads(cli("run", "create", "--pool", "nightly", "--from", str(source), "--json").out)
    assert [run["priority"] for run in made] == [-1, -1, 0]
    assert RunRequest().priority is None
