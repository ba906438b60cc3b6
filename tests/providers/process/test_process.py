"""What a job is given, how it ends and what is kept of it."""

import json
import os
from pathlib import Path

import pytest

from dispatcher.core.templates import render
from providers import registry
from providers.base import Accepted, Job, JobState, Rejected, Throttled
from tests.providers.process.processes import parent_of
from tests.providers.process.programs import python, result, submitter

PREFECT = {
    "job_configuration": {
        "command": "{{ command }}",
        "env": "{{ env }}",
        "labels": "{{ labels }}",
        "name": "{{ name }}",
        "stream_output": "{{ stream_output }}",
        "working_dir": "{{ working_dir }}",
    },
    "variables": {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "env": {"type": "object", "additionalProperties": {"type": "string"}},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            "command": {"type": "string"},
            "stream_output": {"type": "boolean", "default": True},
            "working_dir": {"type": "string", "format": "path"},
        },
    },
}
"""In the shape of Prefect's base job template of this type."""


def ended(harness, configuration, **fields):
    """Submit a job that ends by itself; how it ended."""
    job = harness.job(configuration=configuration, **fields)
    submission = harness.submitted(job)
    harness.ended(job.name)
    return job, harness.provider.observe([submission])[job.name]


def log(harness, configuration, **fields):
    job, seen = ended(harness, configuration, **fields)
    assert seen.state is JobState.SUCCEEDED, seen
    return "\n".join(harness.log(job.name))


# What it is given


@pytest.mark.parametrize("template", [PREFECT, registry.default_template("process")], ids=["Prefect's", "ours"])
def test_jobs_of_prefects_template_and_of_ours_run(harness, template):
    variables = {"command": "sh -c 'echo $GREETING $0' world", "env": {"GREETING": "hello"}, "name": "greeter"}
    job = harness.job(configuration=render(template, variables))
    harness.submitted(job)
    harness.ended(job.name)
    assert harness.log(job.name) == ["hello world"]
    assert harness.note(job.name)["title"] == "greeter"


def test_a_job_sees_a_little_of_the_dispatchers_environment_and_none_of_its_secrets(harness):
    harness.options["host_environment"] = {"PATH": os.environ["PATH"], "HOME": "/home/me", "AWS_SECRET_ACCESS_KEY": "hush"}
    job = Job(
        name="r1-1", configuration={"command": "env", "env": {"A": "1", "HOME": "/elsewhere"}}, environment={"B": "ü=\n2"}
    )
    assert isinstance(harness.another().submit(job), Accepted)
    harness.ended(job.name)
    assert sorted(harness.log(job.name)) == ["2", "A=1", "B=ü=", "HOME=/elsewhere", f"PATH={os.environ['PATH']}"]


def test_the_supervisor_that_stays_with_a_job_holds_no_secrets_either(harness):
    harness.options["host_environment"] = {"PATH": os.environ["PATH"], "AWS_SECRET_ACCESS_KEY": "hush"}
    job = harness.job()
    harness.another().submit(job)
    supervisor = Path("/proc") / str(parent_of(harness.directory(job.name).read("started")["pid"])) / "environ"
    assert supervisor.read_bytes() == f"PATH={os.environ['PATH']}\0".encode()


def test_the_dispatchers_own_variables_win(harness):
    configuration = {"command": "sh -c 'echo $DISPATCHER_RUN_ID'", "env": {"DISPATCHER_RUN_ID": "forged"}}
    assert log(harness, configuration, environment={"DISPATCHER_RUN_ID": "true"}) == "true"


def test_numbers_and_booleans_become_text_and_null_sets_nothing(harness):
    configuration = {"command": "sh -c 'echo $A $B $C ${D-unset}'", "env": {"A": 1, "B": True, "C": 0.5, "D": None}}
    assert log(harness, configuration) == "1 true 0.5 unset"


def test_nothing_of_the_environment_is_kept_on_disk(harness):
    job, _ = ended(harness, {"command": "true", "env": {"PASSWORD": "hush-hush"}})
    files = [path for path in harness.directory(job.name).path.rglob("*") if path.is_file()]
    assert not any(b"hush-hush" in path.read_bytes() for path in files)


def test_a_job_without_a_working_directory_gets_an_empty_one_of_its_own(harness):
    job, seen = ended(harness, {"command": "sh -c 'pwd; ls'"})
    assert seen.state is JobState.SUCCEEDED
    assert harness.log(job.name) == [str(harness.directory(job.name).path / "work")]


def test_a_job_runs_in_its_working_directory_and_finds_its_command_there(harness):
    script = harness.root / "script.sh"
    script.write_text("#!/bin/sh\npwd\n")
    script.chmod(0o700)
    assert log(harness, {"command": "./script.sh", "working_dir": str(harness.root)}) == str(harness.root)


def test_a_job_starts_with_default_signals_and_an_empty_standard_input(harness):
    if not Path("/proc/self/status").exists():
        pytest.skip("needs /proc")
    assert log(harness, {"command": "sh -c 'cat; grep SigIgn /proc/self/status'"}).split()[1] == "0" * 16


def test_a_script_may_use_descriptors_by_number_without_losing_its_lock(harness):
    taken = " ".join(f"{number}>/dev/null" for number in range(3, 10))
    job = harness.job(configuration=harness.running(f'exec {taken}; until read code < "$1"; do :; done'))
    assert result(submitter(harness, job)) == "Accepted"  # from a process in which those numbers are still free
    harness.kill_supervisor(job.name)
    assert harness.directory(job.name).is_held()


# What is refused before anything is started


@pytest.mark.parametrize(
    ("configuration", "words"),
    [
        ({}, "command: a process needs one; give the job variable `command`"),
        ({"command": ""}, "command: a process needs one"),
        ({"command": "   "}, "command: give text or a list of texts"),
        ({"command": {"a": 1}}, "command: give text or a list of texts"),
        ({"command": ["sh", 1]}, "command: give text or a list of texts"),
        ({"command": "echo 'open"}, "cannot be split into words"),
        ({"command": "no-such-program --help"}, "command: 'no-such-program' is not on the PATH"),
        ({"command": "/etc/passwd"}, "command: '/etc/passwd' is not an executable file"),
        ({"command": "./script.sh"}, "is relative; give working_dir with it"),
        ({"command": "true", "env": ["A=1"]}, "env: give an object of names and texts"),
        ({"command": "true", "env": {"A": {"b": 1}}}, "env.A: give text, a number or a boolean"),
        ({"command": "true", "env": {"A=B": "1"}}, "env: 'A=B' cannot be the name of a variable"),
        ({"command": "true", "env": {"A": "\x00"}}, "env.A: '\\x00' holds a character that no process can be given"),
        ({"command": "true", "env": {"A": "\ud800"}}, "holds a character that no process can be given"),
        ({"command": "true", "labels": 7}, "labels: give an object of names and texts"),
        ({"command": "true", "working_dir": "relative/path"}, "working_dir: 'relative/path' is relative"),
        ({"command": "true", "working_dir": "/no/such/place"}, "working_dir: '/no/such/place' is not a directory"),
        ({"command": "true", "working_dir": "~no-such-user/place"}, "working_dir: '~no-such-user/place': "),
        ({"command": "true", "working_dir": 7}, "working_dir: give a path"),
        ({"command": ["true", "x" * 3_000_000]}, "Argument list too long"),
    ],
)
def test_an_invalid_job_is_rejected_with_its_wrong_variable(harness, configuration, words):
    job = harness.job(configuration=configuration)
    outcome = harness.provider.submit(job)
    assert isinstance(outcome, Rejected)
    assert words in outcome.reason
    assert harness.provider.find(job) is None


@pytest.mark.parametrize("name", ["", "../escape", "A", "r1/2", "r" * 64, "r1-1\n"])
def test_a_name_that_is_not_a_directory_name_is_refused(harness, name):
    assert isinstance(harness.provider.submit(harness.job(name=name)), Rejected)


def test_a_machine_that_is_short_of_something_throttles(harness):
    program = """
import os, resource, sys
from providers.base import Job
from providers.process import ProcessProvider

provider = ProcessProvider(directory=sys.argv[1])
job = Job(name="r1-1", configuration={"command": "true"})
resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))
taken = []
try:
    while True:
        taken.append(os.open("/dev/null", os.O_RDONLY))
except OSError:
    pass
os.close(taken.pop())
os.close(taken.pop())
print(provider.submit(job))
"""
    assert "Throttled(reason='this machine is short of something: " in result(python(program, str(harness.root / "jobs")))


def test_a_state_directory_that_cannot_be_used_is_reported(harness):
    harness.options["directory"] = harness.root / "file"
    (harness.root / "file").write_text("")
    outcome = harness.another().submit(harness.job())
    assert isinstance(outcome, Rejected | Throttled)
    assert str(harness.root / "file") in outcome.reason


# How it ends


def test_a_command_that_is_not_a_program_crashes_its_job(harness):
    script = harness.root / "script"
    script.write_text("echo no first line that says what I am\n")
    script.chmod(0o700)
    _, seen = ended(harness, {"command": str(script)})
    assert (seen.state, seen.exit_code) == (JobState.CRASHED, None)
    assert seen.reason == "the command could not be started: Exec format error"


def test_a_cancelled_job_that_cleans_up_still_counts_as_stopped(harness):
    script = 'trap "echo tidied; exit 0" TERM; until read code < "$1"; do :; done'
    job = harness.job(configuration=harness.running(script))
    submission = harness.submitted(job)
    harness.begun(job.name)
    harness.provider.cancel(submission)
    harness.ended(job.name)
    seen = harness.provider.observe([submission])[job.name]
    assert (seen.state, seen.exit_code, seen.reason) == (JobState.STOPPED, 0, "stopped on request (exit code 0)")
    assert harness.log(job.name)[-1] == "tidied"


def test_a_job_that_ignores_sigterm_is_killed_by_its_supervisor(harness):
    harness.options["stop_seconds"] = 0.05
    job = harness.job(configuration=harness.running('trap "" TERM; until read code < "$1"; do :; done'))
    submission = harness.another().submit(job).submission
    harness.begun(job.name)
    harness.provider.cancel(submission)
    harness.ended(job.name)
    seen = harness.provider.observe([submission])[job.name]
    assert (seen.state, seen.exit_code, seen.reason) == (JobState.STOPPED, 137, "stopped on request (killed by SIGKILL)")


def test_a_job_whose_end_was_asked_for_before_it_began_never_begins(harness):
    job = harness.job()
    directory = harness.directory(job.name)
    directory.make()
    directory.ask_to_stop(5.0)
    submission = harness.submitted(job)
    harness.ended(job.name)
    seen = harness.provider.observe([submission])[job.name]
    assert (seen.state, seen.exit_code, seen.reason) == (JobState.STOPPED, None, "stopped before it began")
    assert harness.log(job.name) == []


def test_processes_that_a_job_leaves_running_end_with_it(harness):
    job, seen = ended(harness, {"command": "sh -c 'sleep 1000 & echo $!'"})
    assert seen.state is JobState.SUCCEEDED
    assert not directory_is_held(harness, job)


def test_a_job_that_is_cancelled_takes_its_children_along(harness):
    job = harness.job(configuration=harness.running('sleep 1000 & until read code < "$1"; do :; done'))
    submission = harness.submitted(job)
    harness.begun(job.name)
    harness.provider.cancel(submission)
    assert harness.state(submission) is JobState.STOPPED
    assert not directory_is_held(harness, job)


# What is kept


def test_both_outputs_are_kept_in_the_log_and_the_last_lines_are_reported(harness):
    job = harness.job(configuration={"command": "sh -c 'echo one; echo two >&2; echo three'"})
    submission = harness.submitted(job)
    harness.ended(job.name)
    assert harness.provider.logs(submission) == "one\ntwo\nthree\n"
    assert harness.provider.logs(submission, tail=2) == "two\nthree\n"
    assert harness.provider.logs(submission, tail=0) == ""
    harness.provider.discard([submission])
    assert harness.provider.logs(submission) == "one\ntwo\nthree\n"
    harness.provider.sweep({}, frozenset())
    assert harness.provider.logs(submission) == ""


def test_a_long_log_is_read_from_its_end(harness):
    job = harness.job(configuration={"command": "sh -c 'seq 1 400000'"})
    submission = harness.submitted(job)
    harness.ended(job.name)
    assert harness.provider.logs(submission, tail=2) == "399999\n400000\n"


def test_the_link_of_a_job_leads_to_its_log(harness):
    job = harness.job()
    submission = harness.submitted(job)
    assert submission.url == (harness.directory(job.name).path / "log").as_uri()


def test_files_of_a_job_are_readable_only_by_their_owner(harness):
    job = harness.job()
    harness.submitted(job)
    assert harness.directory(job.name).path.stat().st_mode & 0o077 == 0


def test_a_sweep_removes_what_never_began_and_leaves_strangers_alone(harness):
    never, stranger = harness.directory("r9-1"), harness.root / "jobs" / "Notes"
    never.make()
    stranger.mkdir()
    assert harness.provider.sweep({}, frozenset()) == ("r9-1",)
    assert [path.name for path in (harness.root / "jobs").iterdir()] == ["Notes"]


def test_a_sweep_of_a_place_that_was_never_used_is_not_an_error(harness):
    assert harness.provider.sweep({}, frozenset()) == ()


def test_a_submission_that_another_provider_wrote_cannot_be_read(harness):
    submission = harness.submitted(harness.job())
    foreign = type(submission)(name="r8-1", handle={"arn": "arn:aws:ecs:..."})
    seen = harness.provider.observe([foreign, submission])
    assert [name for name, observation in seen.items() if observation.state is JobState.UNREADABLE] == ["r8-1"]
    assert submission.name in seen


def test_a_job_directory_says_in_json_what_happened(harness):
    job, _ = ended(harness, {"command": "true"})
    files = {
        name: json.loads((harness.directory(job.name).path / name).read_text()) for name in ("job.json", "started", "exit")
    }
    assert files["job.json"]["command"] == ["true"]
    assert files["job.json"]["submitted_at"] <= files["started"]["at"] <= files["exit"]["at"]


def directory_is_held(harness, job):
    return harness.directory(job.name).is_held()
