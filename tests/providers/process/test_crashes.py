"""Whichever process is killed, and whenever: what it leaves behind can be recognised, and a job begins at most once."""

import os
import signal
from threading import Event, Thread

import pytest

from providers.base import Accepted, CallFailed, JobState, Throttled
from providers.process import ProcessProvider
from providers.process.job_directory import JobDirectory
from tests.providers.process.processes import parent_of
from tests.providers.process.programs import python, result, submitter


def killed_at(harness, job, step):
    submitting = submitter(harness, job, dies_at=step)
    result(submitting)
    assert submitting.returncode == -signal.SIGKILL
    if step != "begun":
        harness.ended(job.name) if step != "made" else None


@pytest.mark.parametrize("step", ["made", "locked", "noted", "spawned"])
def test_killed_before_the_job_began_the_submitter_leaves_nothing_and_a_repeat_begins_it(harness, step):
    job = harness.job()
    killed_at(harness, job, step)
    assert harness.provider.find(job) is None
    assert isinstance(harness.provider.submit(job), Accepted)
    assert harness.starts(job.name) == 1


def test_killed_after_the_job_began_the_submitter_leaves_a_job_that_is_found(harness):
    job = harness.job()
    killed_at(harness, job, "begun")
    existing = harness.provider.find(job)
    assert harness.state(existing) is JobState.RUNNING
    assert harness.provider.submit(job) == Accepted(submission=existing)
    assert harness.starts(job.name) == 1


@pytest.mark.parametrize("milliseconds", [1, 2, 4, 8, 15, 20, 25, 30, 40, 60, 90, 130])
def test_killed_at_any_instant_the_submitter_leaves_at_most_one_job_and_a_repeat_makes_it_one(harness, milliseconds):
    job = harness.job()
    result(submitter(harness, job, dies_after=milliseconds / 1000))
    outcome = harness.provider.submit(job)
    assert isinstance(outcome, Accepted)
    assert harness.starts(job.name) == 1
    harness.finish(job.name, 0)
    assert harness.state(outcome.submission) is JobState.SUCCEEDED
    assert harness.log(job.name).count("begun") == 1


def test_eight_processes_that_submit_one_name_start_one_job(harness):
    job = harness.job()
    submitters = [submitter(harness, job) for _ in range(8)]
    assert {result(submitter) for submitter in submitters} == {"Accepted"}
    assert harness.starts(job.name) == 1
    harness.finish(job.name, 0)
    assert harness.log(job.name).count("begun") == 1


def test_during_a_submission_a_look_up_answers_that_it_does_not_know(harness):
    job = harness.job()
    directory = harness.directory(job.name)
    directory.make()
    lock = directory.try_lock()
    with pytest.raises(CallFailed, match="being submitted"):
        harness.provider.find(job)
    os.close(lock)
    assert harness.provider.find(job) is None


def test_a_job_whose_supervisor_was_killed_still_runs_and_then_has_crashed(harness):
    job = harness.job()
    submission = harness.submitted(job)
    harness.kill_supervisor(job.name)
    assert harness.state(submission) is JobState.RUNNING
    assert isinstance(harness.provider.submit(job), Accepted)
    harness.finish(job.name, 0)
    seen = harness.provider.observe([submission])[job.name]
    assert (seen.state, seen.exit_code) == (JobState.CRASHED, None)
    assert "supervisor" in seen.reason
    assert isinstance(harness.provider.submit(job), Accepted)
    assert harness.starts(job.name) == 1


def test_a_job_whose_supervisor_was_killed_can_be_cancelled(harness):
    job = harness.job()
    submission = harness.submitted(job)
    harness.kill_supervisor(job.name)
    harness.provider.cancel(submission)
    assert harness.state(submission) is JobState.STOPPED


def test_a_job_that_ignores_sigterm_without_a_supervisor_is_killed_by_a_later_cancel(harness):
    harness.options["stop_seconds"] = 0.0
    job = harness.job(configuration=harness.running('trap "" TERM; until read code < "$1"; do :; done'))
    submission = harness.submitted(job)
    harness.begun(job.name)
    harness.kill_supervisor(job.name)
    harness.another().cancel(submission)
    assert harness.directory(job.name).is_held()
    harness.another().cancel(submission)
    assert harness.state(submission) is JobState.STOPPED


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_job_that_a_signal_from_outside_killed_has_crashed_with_the_signal_as_its_reason(harness, number):
    job = harness.job()
    submission = harness.submitted(job)
    os.kill(harness.directory(job.name).read("started")["pid"], number)
    harness.ended(job.name)
    seen = harness.provider.observe([submission])[job.name]
    assert (seen.state, seen.exit_code, seen.reason) == (JobState.CRASHED, 128 + number, f"killed by {number.name}")


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT])
def test_a_signal_that_a_program_brings_on_itself_is_its_own_failure(harness, number):
    job = harness.job(configuration={"command": ["sh", "-c", f"kill -{int(number)} $$"]})
    submission = harness.submitted(job)
    harness.ended(job.name)
    seen = harness.provider.observe([submission])[job.name]
    assert (seen.state, seen.reason) == (JobState.FAILED, f"killed by {number.name}")


@pytest.mark.parametrize("code", [137, 143])
def test_a_shell_that_reports_a_killed_process_has_crashed(harness, code):
    job = harness.job()
    submission = harness.submitted(job)
    harness.finish(job.name, code)
    seen = harness.provider.observe([submission])[job.name]
    assert (seen.state, seen.exit_code) == (JobState.CRASHED, code)
    assert "a process of the job was killed by SIG" in seen.reason


def test_a_job_killed_together_with_its_supervisor_has_crashed(harness):
    job = harness.job()
    submission = harness.submitted(job)
    harness.kill_supervisor(job.name)
    os.kill(harness.directory(job.name).read("started")["pid"], signal.SIGKILL)
    harness.ended(job.name)
    assert harness.state(submission) is JobState.CRASHED


def test_a_supervisor_that_is_asked_to_end_stops_its_job_and_writes_it_down(harness):
    job = harness.job()
    submission = harness.submitted(job)
    os.kill(parent_of(harness.directory(job.name).read("started")["pid"]), signal.SIGTERM)
    harness.ended(job.name)
    seen = harness.provider.observe([submission])[job.name]
    assert (seen.state, seen.exit_code) == (JobState.STOPPED, 143)


def test_a_supervisor_that_cannot_note_the_start_starts_nothing_and_says_why(harness):
    job = harness.job()
    in_the_way = harness.directory(job.name).path / ".started"
    in_the_way.mkdir(parents=True)
    outcome = harness.provider.submit(job)
    assert isinstance(outcome, Throttled)
    assert "Is a directory" in outcome.reason
    assert harness.starts(job.name) == 0
    in_the_way.rmdir()
    assert isinstance(harness.provider.submit(job), Accepted)
    assert harness.starts(job.name) == 1


def test_a_job_that_came_and_went_while_a_submission_waited_for_the_lock_is_not_started_again(harness):
    job = harness.job(configuration={"command": "echo begun"})

    def somebody_else_is_quicker(step):
        if step == "made":
            harness.another().submit(job)
            harness.ended(job.name)

    late = ProcessProvider(**harness.options, at=somebody_else_is_quicker)
    assert isinstance(late.submit(job), Accepted)
    harness.ended(job.name)
    assert harness.log(job.name) == ["begun"]


def test_a_lock_is_never_that_of_a_directory_that_a_sweep_has_removed(harness):
    directory = harness.directory("r1-1")
    swept = Event()

    def sweep():
        while not swept.is_set():
            harness.provider.sweep({}, frozenset())

    sweeper = Thread(target=sweep)
    sweeper.start()
    locks = 0
    while locks < 500:
        directory.make()
        lock = directory.try_lock()
        if lock is not None:
            locks += 1
            assert os.path.samestat(os.fstat(lock), (directory.path / "lock").stat())
            os.close(lock)
    swept.set()
    sweeper.join()


def test_a_directory_that_is_swept_in_the_middle_of_a_submission_is_made_again(harness):
    swept = []

    def sweep_once(step):
        if step == "made" and not swept:
            swept.append(harness.another().sweep({}, frozenset()))

    job = harness.job()
    assert isinstance(ProcessProvider(**harness.options, at=sweep_once).submit(job), Accepted)
    assert swept == [(job.name,)]
    assert harness.starts(job.name) == 1


def test_a_job_that_ends_during_an_observation_has_not_crashed(harness):
    job = harness.job()
    harness.submitted(job)

    class EndsJustThen(JobDirectory):
        def is_held(self):
            harness.finish(job.name, 0)
            return super().is_held()

    assert EndsJustThen(harness.directory(job.name).path).observation().state is JobState.SUCCEEDED


def test_a_number_that_belongs_to_somebody_else_by_now_is_not_taken_for_the_job(harness):
    stranger = python("print('here', flush=True); input()")
    assert stranger.stdout.readline() == "here\n"
    job = harness.job()
    directory = harness.directory(job.name)
    directory.make()
    directory.write("started", {"pid": stranger.pid, "session": os.getsid(0), "at": 1.0})
    submission = harness.provider.find(job)
    assert harness.state(submission) is JobState.CRASHED
    lock = directory.try_lock()  # even when somebody holds the lock
    harness.provider.cancel(submission)
    os.close(lock)
    assert stranger.poll() is None
    stranger.kill()
    stranger.communicate()


def test_a_long_lived_submitter_has_no_dead_children(harness):
    program = """
import fcntl, os, sys
from providers.base import Job
from providers.process import ProcessProvider
from providers.process.job_directory import JobDirectory

submission = ProcessProvider(directory=sys.argv[1]).submit(Job(name="r1-1", configuration={"command": "true"})).submission
with open(submission.handle["directory"] + "/lock") as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
try:
    print(os.waitpid(-1, os.WNOHANG))
except ChildProcessError:
    print("no children")
"""
    assert result(python(program, str(harness.root / "jobs"))) == "no children"


UNHEARD = """
import os, sys
from providers.process.supervisor import Supervisor

nobody, begun = os.pipe()
os.close(nobody)
Supervisor(sys.argv[1], 1.0, sys.executable, ["python", "-c", "print('began')"], dict(os.environb)).run(begun)
"""


def test_a_submitter_that_gives_up_while_the_start_is_noted_leaves_the_job_running(harness):
    job = harness.job()
    directory = harness.directory(job.name)
    directory.make()
    output = result(python(UNHEARD, str(directory.path)))
    assert output == "began"
    assert directory.observation().state is JobState.SUCCEEDED
