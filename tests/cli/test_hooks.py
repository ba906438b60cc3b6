"""Hooks on the command line: which hook is notified of what, and that the notification arrives."""

from __future__ import annotations

import json
import re
from uuid import UUID

import pytest
import yaml
from standardwebhooks import Webhook as Receiver

from dispatcher.models import TERMINAL_STATES
from tests.delivery.inbox import Inbox, an_inbox

pytest_plugins = ["providers.emulators.fixtures"]

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
TICKS = 100
"""Ticks until an end is seen; each is a process of its own, and the job ends by itself at once."""


@pytest.fixture
def inbox():
    with an_inbox() as opened:
        yield opened


@pytest.fixture
def settings(monkeypatch):
    """Set the hooks, and what else the environment holds."""

    def settings(hooks, **environment: str) -> None:
        monkeypatch.setenv("DISPATCHER_HOOKS", json.dumps(hooks))
        for name, value in environment.items():
            monkeypatch.setenv(name, value)

    return settings


def error(cli, *words: str) -> str:
    said = cli(*words)
    assert said.exit_code in (1, 2)
    [line] = said.errors
    return line


def a_hook(name, ends=("CRASHED", "FAILED"), late=None):
    return {"name": name, "states": list(ends), "late_after_seconds": late}


# The whole way


def test_a_tick_in_its_own_process_notifies_of_a_failed_run_and_the_receiver_verifies_it(cli, inbox: Inbox, settings):
    settings({"ops": {"url": inbox.url, "secret_variable": "OPS_SECRET"}}, OPS_SECRET=SECRET)
    cli.ok("work-pool", "create", "nightly", "--type", "process", "--hook", "ops")
    cli.ok("deployment", "create", "etl", "--pool", "nightly", "-jv", 'command=["sh", "-c", "exit 3"]')
    run = cli.ok("deployment", "run", "etl")
    for _ in range(TICKS):
        assert cli.alone("tick").errors == ()
        if inbox.got:
            break
    [(_, headers, body)] = inbox.got
    message = Receiver(SECRET).verify(body, headers)
    ended = cli.ok("run", "inspect", run["id"])
    shown = message["data"]["run"]
    assert (message["type"], message["data"]["hook"]) == ("run.failed", "ops")
    assert [shown[key] for key in ("id", "name", "pool", "deployment", "state", "exit_code", "reason")] == [
        *(run[key] for key in ("id", "name")),
        *("nightly", "etl", "FAILED", 3, "exit code 3"),
    ]
    assert shown["url"] == ended["url"]
    assert cli.alone("tick").errors == ()
    assert len(inbox.got) == 1


def test_a_receiver_that_refuses_is_a_problem_of_the_tick_and_not_of_the_run(cli, inbox: Inbox, settings):
    settings({"ops": {"url": inbox.url}})
    inbox.status = 503
    cli.ok("work-pool", "create", "nightly", "--type", "process", "--hook", "ops=CANCELLED")
    [run] = cli.ok("run", "create", "--pool", "nightly", "-jv", "command=echo hello")
    cli.ok("run", "cancel", run["id"])
    said = cli("tick")
    assert (said.exit_code, said.errors) == (1, ("error: nightly: not delivered: hook 'ops': it answered 503",))
    assert cli.ok("run", "inspect", run["id"])["state"] == "CANCELLED"


# Given and shown


def test_hooks_are_given_in_every_form_and_shown_with_pools_and_deployments(cli):
    forms = ("--hook", "ops", "--hook", "all=completed,Failed, CRASHED,CANCELLED", "--hook", "pager=LATE:600")
    expected = [a_hook("ops"), a_hook("all", sorted(TERMINAL_STATES)), a_hook("pager", (), 600)]
    assert cli.ok("work-pool", "create", "nightly", "--type", "process", *forms)["hooks"] == expected
    assert cli.ok("work-pool", "inspect", "nightly")["hooks"] == expected
    assert cli.ok("work-pool", "ls")[0]["hooks"] == expected
    made = cli.ok("deployment", "create", "etl", "-p", "nightly", "--hook", "team=FAILED,late:pt10m")
    assert made["hooks"] == [a_hook("team", ["FAILED"], 600)]
    assert cli.ok("deployment", "inspect", "etl")["hooks"] == made["hooks"]
    shown = cli("work-pool", "inspect", "nightly").out
    assert re.search(r"^hook ops +CRASHED or FAILED$", shown, re.MULTILINE)
    assert re.search(r"^hook pager +late by 10 min 0 s$", shown, re.MULTILINE)
    assert re.search(r"^hook team +FAILED, late by 10 min 0 s$", cli("deployment", "inspect", "etl").out, re.MULTILINE)


def test_an_update_replaces_takes_away_or_leaves_hooks(cli):
    cli.ok("work-pool", "create", "nightly", "--type", "process", "--hook", "ops")
    cli.ok("deployment", "create", "etl", "-p", "nightly", "--hook", "ops")
    for words in (("work-pool", "update", "nightly"), ("deployment", "update", "etl")):
        assert cli.ok(*words, "-d", "words")["hooks"] == [a_hook("ops")]
        assert cli.ok(*words, "--hook", "pager=LATE:PT1H")["hooks"] == [a_hook("pager", (), 3600)]
        assert cli.ok(*words, "--no-hooks")["hooks"] == []
        assert "--hook and --no-hooks exclude each other" in error(cli, *words, "--hook", "ops", "--no-hooks")


@pytest.mark.parametrize(
    ("hook", "says"),
    [
        ("ops=", "hook: 'ops=': after = must stand COMPLETED, FAILED, CRASHED, CANCELLED, once LATE:600"),
        ("ops=LATE", "'ops=LATE': after = must stand"),
        ("ops=RUNNING", "'ops=RUNNING': after = must stand"),
        ("ops=LATE:60,LATE:90", "'ops=LATE:60,LATE:90': after = must stand"),
        ("ops=LATE:soon", "hook: must be a number of seconds, or a length of time, as 15m"),
        ("ops=LATE:5", "hooks[0].late_after: must be from one minute to 30 days (got 0:00:05)"),
        ("=FAILED", "hooks[0].name: must be 1 to 200 printable characters"),
    ],
)
def test_an_impossible_request_is_reported_in_one_line_that_says_what_to_do(cli, hook, says):
    cli.ok("work-pool", "create", "nightly", "--type", "process")
    assert says in error(cli, "work-pool", "create", "other", "--type", "process", "--hook", hook)
    assert says in error(cli, "work-pool", "update", "nightly", "--hook", hook)
    assert says in error(cli, "deployment", "create", "etl", "-p", "nightly", "--hook", hook)


def test_an_update_of_nothing_names_the_options_of_hooks(cli):
    cli.ok("work-pool", "create", "nightly", "--type", "process")
    assert "--hook, --no-hooks" in error(cli, "work-pool", "update", "nightly")


# Files


def test_a_fault_of_a_hook_of_a_file_has_its_line_and_a_valid_hook_is_exported_as_written(cli, a_file):
    text = "pools:\n  nightly:\n    type: process\n    hooks:\n      ops:\n        late_after: {}\n"
    wrong = error(cli, "plan", "-f", a_file("wrong.yaml", text.format("PT10S")))
    assert "wrong.yaml:6:9: pools.nightly.hooks.ops.late_after: must be from one minute to 30 days (got 0:00:10)" in wrong
    right = a_file("right.yaml", text.format("PT10M"))
    assert "    hooks: {" in cli("plan", "-f", right).out
    cli.ok("apply", "-f", right)
    assert cli.ok("work-pool", "inspect", "nightly")["hooks"] == [a_hook("ops", late=600)]
    assert yaml.safe_load(cli("export").out)["pools"]["nightly"]["hooks"] == {"ops": {"late_after": 600}}


def test_the_hooks_of_a_new_file_are_valid_once_they_are_uncommented(cli, tmp_path):
    file = tmp_path / "dispatcher.yaml"
    cli.ok("init", "--type", "process", "-f", str(file))
    blocks = re.compile(r"^    # hooks:.*\n(?:    #.*\n)*", re.MULTILINE)
    text, count = blocks.subn(lambda match: re.sub("^    # ", "    ", match[0], flags=re.MULTILINE), file.read_text())
    assert count == 2
    file.write_text(text)
    cli.ok("apply", "-f", str(file))
    assert cli.ok("work-pool", "inspect", "my-pool")["hooks"] == [a_hook("ops", late=900)]
    assert cli.ok("deployment", "inspect", "hello")["hooks"] == [a_hook("team")]


# The entries of the settings


def test_entries_are_listed_with_the_nouns_that_name_them_and_without_secrets(cli, settings):
    topic = "arn:aws:sns:eu-central-1:123456789012:alarms"
    url = "https://user:hush@hooks.example:8443/token-hush?key=hush"
    settings({"ops": {"url": url, "secret_variable": "OPS_SECRET"}, "alarms": {"topic_arn": topic}})
    cli.ok("work-pool", "create", "nightly", "--type", "process", "--hook", "ops", "--hook", "gone")
    cli.ok("deployment", "create", "etl", "-p", "nightly", "--hook", "ops")
    assert cli.ok("hook", "ls") == [
        {"name": "alarms", "kind": "topic", "to": topic, "signed": False, "work_pools": [], "deployments": []},
        {"name": "gone", "kind": None, "to": None, "signed": False, "work_pools": ["nightly"], "deployments": []},
        {
            "name": "ops",
            "kind": "webhook",
            "to": "hooks.example:8443",
            "signed": True,
            "work_pools": ["nightly"],
            "deployments": ["etl"],
        },
    ]
    shown = cli("hook", "ls").out
    assert re.search(r"^gone +missing +nightly$", shown, re.MULTILINE)
    assert "missing denotes a hook that is named, and no entry of DISPATCHER_HOOKS here" in shown
    assert "hush" not in shown + json.dumps(cli.ok("hook", "ls"))


def test_an_empty_list_of_hooks_says_how_to_add_one(cli):
    assert cli.ok("hook", "ls") == []
    assert "Set DISPATCHER_HOOKS" in cli("hook", "ls").out


def test_a_test_notification_uses_the_real_channel_and_shows_its_id(cli, inbox: Inbox, settings):
    settings({"ops": {"url": inbox.url, "secret_variable": "OPS_SECRET"}}, OPS_SECRET=SECRET)
    answer = cli.ok("hook", "test", "ops")
    [(_, headers, body)] = inbox.got
    message = Receiver(SECRET).verify(body, headers)
    assert (message["type"], message["data"]) == ("hook.test", {"hook": "ops"})
    assert answer == {"hook": "ops", "id": headers["webhook-id"], "delivered": True, "problem": None}
    assert UUID(answer["id"].removeprefix("msg_"))
    assert cli("hook", "test", "ops").out.startswith("Hook 'ops' has taken the message msg_")
    assert len({headers["webhook-id"] for _, headers, _ in inbox.got}) == 2


def test_a_test_notification_that_is_refused_exits_with_1_and_the_reason(cli, inbox: Inbox, settings):
    settings({"ops": {"url": inbox.url}, "signed": {"url": inbox.url, "secret_variable": "OPS_SECRET"}})
    inbox.status = 404
    said = cli("hook", "test", "ops")
    assert (said.exit_code, said.errors) == (1, ("error: hook 'ops': it answered 404",))
    said = cli("hook", "test", "ops", "--json")
    assert (said.exit_code, said.json["delivered"], said.json["problem"]) == (1, False, "it answered 404")
    assert "the environment variable OPS_SECRET" in error(cli, "hook", "test", "signed")
    assert "DISPATCHER_HOOKS has no entry 'pager' (it has ops, signed)" in error(cli, "hook", "test", "pager")


def test_a_test_notification_to_a_topic_is_published(cli, ecs_emulator, settings):
    import boto3  # noqa: PLC0415 - one test of many needs it

    topic = boto3.client("sns", region_name="us-east-1").create_topic(Name="alarms")["TopicArn"]
    settings({"alarms": {"topic_arn": topic}, "nobody": {"topic_arn": f"{topic}-not"}})
    assert cli.ok("hook", "test", "alarms")["delivered"] is True
    assert "NotFound" in error(cli, "hook", "test", "nobody")


# The doctor


def findings(cli):
    return {finding["subject"]: finding for finding in cli("doctor", "--json").json if finding["check"] == "hooks"}


def test_the_doctor_finds_a_hook_that_the_settings_lack_and_says_who_names_it(cli, settings):
    cli.ok("work-pool", "create", "nightly", "--type", "process", "--hook", "ops", "--hook", "pager")
    cli.ok("deployment", "create", "etl", "-p", "nightly", "--hook", "ops")
    settings({"pager": {"url": "https://hooks.example/pager"}})
    by_subject = findings(cli)
    assert (by_subject["ops"]["level"], by_subject["pager"]["level"]) == ("problem", "ok")
    assert by_subject["ops"]["text"] == (
        "named by work pool 'nightly', deployment 'etl', and DISPATCHER_HOOKS has no such entry"
    )
    said = cli("doctor")
    assert said.exit_code == 1
    assert said.errors[0].startswith("error: hooks (ops): named by work pool 'nightly'")


def test_the_doctor_finds_a_secret_that_is_not_set_and_keeps_one_that_is(cli, settings):
    settings({"ops": {"url": "https://hooks.example/hush", "secret_variable": "OPS_SECRET"}})
    finding = findings(cli)["ops"]
    assert finding["level"] == "problem"
    assert "the variable OPS_SECRET, which is not set" in finding["text"]
    settings({"ops": {"url": "https://hooks.example/hush", "secret_variable": "OPS_SECRET"}}, OPS_SECRET="hush")
    assert findings(cli) == {}
    cli.ok("work-pool", "create", "nightly", "--type", "process", "--hook", "ops")
    assert findings(cli)["ops"]["level"] == "ok"
    assert "hush" not in cli("doctor", "--json").out


def test_the_doctor_is_silent_about_hooks_that_nobody_names(cli):
    cli.ok("work-pool", "create", "nightly", "--type", "process")
    assert findings(cli) == {}
