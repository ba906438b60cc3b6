"""The console script as a process: what it loads, and how it ends when things go wrong around it."""

from __future__ import annotations

import json
import signal

import pytest

HEAVY = ("pydantic", "jsonschema", "rich", "boto3", "asyncio")
TELL = f"import atexit; atexit.register(lambda: print([m for m in {HEAVY} if m in sys.modules], file=sys.stderr))"


@pytest.mark.parametrize(
    "words", [("--help",), ("--version",), ("run", "ls", "--json"), ("run", "create", "--help"), ("version",)], ids=" ".join
)
def test_simple_commands_load_nothing_heavy(words, cli):
    said = cli.alone(*words, before=TELL)
    assert (said.exit_code, said.errors) == (0, ("[]",))


def test_a_table_loads_rich_alone(cli):
    cli.ok("work-pool", "create", "pool", "--type", "process")
    assert cli.alone("work-pool", "ls", before=TELL).errors == ("['rich']",)


@pytest.mark.parametrize(
    ("module", "words", "says"),
    [
        ("click", ("--help",), "the command line needs click, which is not installed: pip install 'push-dispatcher[cli]'"),
        (
            "rich",
            ("work-pool", "inspect", "pool"),
            "tables need rich, which is not installed: pip install 'push-dispatcher[cli]'",
        ),
        ("moto", ("emulator", "ecs"), "the ecs emulator needs moto"),
    ],
)
def test_a_missing_extra_is_reported_in_one_line(module, words, says, cli):
    cli.ok("work-pool", "create", "pool", "--type", "process")
    said = cli.alone(*words, before=f"sys.modules['{module}'] = None")
    assert (said.exit_code, said.out, len(said.errors)) == (1, "", 1)
    assert says in said.errors[0]


def test_a_closed_pipe_is_quiet(cli):
    with cli.process("work-pool", "get-default-base-job-template", "--type", "ecs:push") as process:
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode != 0


def test_ctrl_c_ends_with_130_and_without_a_traceback(cli):
    before = "import signal, os, dispatcher.environment.settings as s\n"
    before += "s.Settings.from_environment = lambda _: os.kill(os.getpid(), signal.SIGINT)"
    said = cli.alone("work-pool", "ls", before=before)
    assert said.exit_code == 130
    assert "Traceback" not in "".join(said.errors)


def test_a_fault_of_our_own_is_reported_in_one_line_and_verbose_shows_where(cli):
    before = "import dispatcher.environment.settings as s; s.Settings.from_environment = lambda _: 1 / 0"
    said = cli.alone("work-pool", "ls", before=before)
    assert said.exit_code == 1
    assert said.errors == (
        "error: unexpected ZeroDivisionError: division by zero; a bug in push-dispatcher; --verbose shows the traceback",
    )
    assert "Traceback (most recent call last):" in cli.alone("--verbose", "work-pool", "ls", before=before).errors


def test_verbose_shows_each_decision_as_a_line_of_json(cli):
    cli.ok("work-pool", "create", "pool", "--type", "process", "--concurrency-limit", "0")
    said = cli("--verbose", "tick")
    assert [json.loads(line)["event"] for line in said.errors] == ["tick.idle"]
    assert cli("tick").errors == ()


def test_an_emulator_says_where_it_is_and_ends_when_it_is_asked_to(cli):
    with cli.process("emulator", "aci", "--json", "--job-seconds", "1") as process:
        about = json.loads(process.stdout.readline())
        assert about["name"] == "aci"
        assert about["url"].startswith("http://127.0.0.1:")
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0


def test_an_unknown_emulator_names_those_there_are(cli):
    said = cli("emulator", "esc")
    assert (said.exit_code, said.errors) == (
        1,
        ("error: there is no emulator 'esc'; there are ecs, cloud-run, vertex-ai, aci, modal, kubernetes",),
    )


def test_an_unknown_setting_is_a_warning(cli, monkeypatch):
    monkeypatch.setenv("DISPATCHER_MAX_CLAIM", "5")
    said = cli("work-pool", "ls", "--json")
    assert (said.exit_code, said.json) == (0, [])
    assert said.errors == ("warning: DISPATCHER_MAX_CLAIM is not a setting; did you mean DISPATCHER_MAX_CLAIMS?",)
