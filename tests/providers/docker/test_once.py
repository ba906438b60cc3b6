"""Docker's own ways to run a job twice, or never, each tried on the real engine."""

from datetime import timedelta

import pytest
from docker.errors import APIError

from providers.base import Accepted, CallFailed, Hold, JobState, Rejected, Submission, Throttled, Unknown
from providers.docker.request import request_of
from tests.network.faults import Answer, Fault, junked, nth
from tests.providers.docker.containers import WAIT


def created(harness, job):
    """Create the container as a submission would that dies before its start."""
    body = request_of(job).body
    return harness.client.create_container_from_config(dict(body), name=job.name)["Id"]


def test_docker_itself_runs_an_ended_container_again_when_it_is_started(harness):
    job = harness.job()
    harness.submitted(job)
    harness.finish(job.name, 0)
    harness.client.start(job.name)
    assert harness.starts(job.name) == 2


def test_a_repeat_adopts_the_ended_container_and_never_starts_it(harness):
    job = harness.job()
    first = harness.submitted(job)
    harness.finish(job.name, 4)
    again = harness.another().submit(job)
    assert isinstance(again, Accepted)
    assert again.submission.handle == first.handle
    assert harness.starts(job.name) == 1


def test_a_container_that_another_process_is_about_to_start_is_left_alone(harness):
    job = harness.job()
    created(harness, job)
    assert isinstance(harness.provider.submit(job), Unknown)
    with pytest.raises(CallFailed, match="being started by somebody else"):
        harness.provider.find(job)
    assert harness.starts(job.name) == 0


def test_a_container_left_unstarted_is_replaced_and_a_late_start_of_it_meets_nothing(harness):
    job = harness.job()
    left_behind = created(harness, job)
    harness.wait(harness.provider.limits.lookup_lag + 1)
    assert harness.provider.find(job) is None
    outcome = harness.provider.submit(job)
    assert isinstance(outcome, Accepted), outcome
    assert outcome.submission.handle["id"] != left_behind
    with pytest.raises(APIError, match="No such container"):
        harness.client.start(left_behind)
    assert harness.starts(job.name) == 1


def test_a_lost_answer_to_create_starts_nothing_and_the_name_is_free_again_after_the_lag(harness):
    job = harness.job()
    harness.proxy.script = nth(1, Fault.CUT_AFTER, only=lambda call: call.action.endswith("/create"))
    assert isinstance(harness.provider.submit(job), Unknown)
    assert harness.state_of(job.name) == "created"
    harness.wait(harness.provider.limits.lookup_lag + 1)
    assert isinstance(harness.another().submit(job), Accepted)
    assert harness.starts(job.name) == 1


def test_a_create_that_takes_all_the_time_is_not_followed_by_a_start(harness):
    job = harness.job()
    slow = harness.another(call_timeout=1.5)
    slow.submit(harness.job())
    harness.engine.freeze()
    try:
        assert isinstance(slow.submit(job), Unknown)
    finally:
        harness.engine.thaw()
    harness.client.ping()
    assert harness.state_of(job.name) in (None, "created")
    assert harness.starts(job.name) == 0


def test_a_start_that_timed_out_on_a_frozen_engine_acts_when_it_thaws_and_is_found(harness):
    job = harness.job()
    identity = created(harness, job)
    frozen = harness.direct(call_timeout=5.0)
    engine = frozen._engine("")
    engine.identity()
    harness.engine.freeze()
    try:
        with pytest.raises(CallFailed):
            engine.post(f"/containers/{identity}/start")
    finally:
        harness.engine.thaw()
    harness.begun(job.name)
    assert harness.direct().find(job) is not None
    assert isinstance(harness.direct().submit(job), Accepted)
    assert harness.starts(job.name) == 1


def test_a_lost_start_is_made_good_as_long_as_the_engine_was_not_restarted(harness):
    job = harness.job()
    harness.proxy.script = nth(1, Fault.CUT_BEFORE, only=lambda call: call.action.endswith("/start"))
    assert isinstance(harness.provider.submit(job), Unknown)
    harness.wait(harness.provider.limits.lookup_lag + 1)
    assert isinstance(harness.another().submit(job), Accepted)
    assert harness.starts(job.name) == 1


def test_an_engine_that_may_have_forgotten_a_start_is_not_asked_for_another(harness):
    job = harness.job()
    harness.proxy.script = nth(1, Fault.CUT_BEFORE, only=lambda call: call.action.endswith("/start"))
    assert isinstance(harness.provider.submit(job), Unknown)
    harness.engine.kill()
    harness.engine.start()
    harness.wait(harness.provider.limits.lookup_lag + 1)
    outcome = harness.another().submit(job)
    assert isinstance(outcome, Rejected), outcome
    assert "restarted while it started the container" in outcome.reason
    assert harness.starts(job.name) == 0


def test_an_unstarted_container_is_replaced_also_after_a_restart_of_the_engine(harness):
    job = harness.job()
    created(harness, job)
    harness.engine.kill()
    harness.engine.start()
    harness.wait(harness.provider.limits.lookup_lag + 1)
    assert isinstance(harness.another().submit(job), Accepted)
    assert harness.starts(job.name) == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"container_create_kwargs": {"user": "nobody-here"}}, "unable to find user"),
        ({"network_mode": None, "networks": ["nowhere"]}, "network nowhere not found"),
        ({"container_create_kwargs": {"init": False}, "command": ["/no/such/program"]}, "no such file or directory"),
        ({"container_create_kwargs": {"device_requests": [{"Count": -1, "Capabilities": [["gpu"]]}]}}, "device driver"),
        ({"container_create_kwargs": {"nano_cpus": 10**15}}, "CPUs"),
    ],
)
def test_a_start_that_fails_is_refused_in_the_engines_words_and_leaves_nothing(harness, changes, words):
    job = harness.job(configuration={**harness.configuration(), **changes})
    outcome = harness.provider.submit(job)
    assert isinstance(outcome, Rejected), outcome
    assert words in outcome.reason
    assert harness.state_of(job.name) is None


def test_a_full_disk_is_not_the_fault_of_the_job_and_holds_all_jobs_of_its_engine(harness):
    def script(call):
        if call.action.endswith("/start"):
            return Answer(status=500, headers={"api-version": "1.41"}, body=b'{"message": "mkdir x: no space left on device"}')
        return junked(("State", "Error"), "mkdir x: no space left on device") if call.action.endswith("/json") else None

    job = harness.job()
    harness.proxy.script = script
    outcome = harness.provider.submit(job)
    assert isinstance(outcome, Throttled), outcome
    assert outcome.hold == Hold(place=("",), freed_by_end=True)
    assert (harness.starts(job.name), harness.state_of(job.name)) == (0, None)


def test_a_container_of_somebody_else_under_the_name_is_never_taken_for_the_job(harness):
    job = harness.job()
    config = {"Image": "job:1", "Cmd": ["sleep", "60"], "HostConfig": {"NetworkMode": "none"}}
    harness.client.create_container_from_config(config, name=job.name)
    assert isinstance(harness.provider.submit(job), Rejected)


def test_restart_and_auto_remove_stay_off_whatever_an_engine_or_a_template_would_do(harness):
    job = harness.job(configuration={**harness.configuration(), "auto_remove": True})
    harness.submitted(job)
    host = harness.client.inspect_container(job.name)["HostConfig"]
    assert (host["AutoRemove"], host["RestartPolicy"]["Name"]) == (False, "no")


def test_a_stop_by_somebody_else_is_a_crash_and_one_by_the_dispatcher_is_reported_as_such(harness):
    ours, theirs = (harness.submitted(harness.job()) for _ in range(2))
    harness.provider.cancel(ours)
    harness.client.kill(theirs.name, "SIGTERM")
    harness.settle()
    harness.client.wait(theirs.name)
    seen = harness.another().observe([ours, theirs])
    assert (seen[ours.name].state, seen[ours.name].exit_code) == (JobState.STOPPED, 143)
    assert (seen[theirs.name].state, seen[theirs.name].exit_code) == (JobState.CRASHED, 143)
    assert "somebody else than the dispatcher" in seen[theirs.name].reason
    assert "memory" not in seen[theirs.name].reason


def test_the_reason_of_a_kill_by_somebody_else_names_the_memory_that_the_engine_may_have_missed(harness):
    submission = harness.submitted(harness.job())
    harness.client.kill(submission.name, "SIGKILL")
    harness.client.wait(submission.name)
    seen = harness.another().observe([submission])[submission.name]
    assert (seen.state, seen.exit_code) == (JobState.CRASHED, 137)
    assert "the kernel for passing its memory limit" in seen.reason


def test_a_program_that_ignores_the_signal_is_killed_by_the_first_cancel_after_the_grace_period(harness):
    script = f"trap '' TERM; {SCRIPT_THAT_STAYS}"
    job = harness.job(configuration={**harness.configuration(), **harness.running(script)})
    submission = harness.submitted(job)
    harness.begun(job.name)
    harness.provider.cancel(submission)
    assert harness.another().observe([submission])[job.name].state is JobState.RUNNING
    harness.wait(harness.provider.limits.call_timeout + 1)
    harness.another().cancel(submission)
    seen = harness.state(submission)
    assert seen is JobState.STOPPED


SCRIPT_THAT_STAYS = 'while :; do read code < "$1"; done'


def test_the_mark_is_removed_with_its_container(harness):
    submission = harness.submitted(harness.job())
    harness.provider.cancel(submission)
    harness.settle()
    assert harness.provider.discard([submission]) == {submission.name}
    assert not harness.leftover(submission.name)


def test_a_program_over_its_memory_limit_has_failed_and_the_reason_says_so(harness):
    configuration = {**harness.configuration(), **harness.running(SCRIPT_THAT_IS_GREEDY), "mem_limit": "16m"}
    job = harness.job(configuration=configuration)
    submission = harness.submitted(job)
    harness.let_go_on(job.name)
    harness.until_out_of_memory(job.name)
    harness.finish(job.name, 137)
    seen = harness.another().observe([submission])[job.name]
    assert (seen.state, seen.exit_code) == (JobState.FAILED, 137)
    assert "out of memory" in seen.reason


SCRIPT_THAT_IS_GREEDY = f'{WAIT}; tail -c 200m /dev/zero; {WAIT}; exit "$code"'
"""An engine watches a container's memory only from the end of its start on: it missed 5 of 60 that were greedy at once,
and none of 40 that waited half a second. So the child is greedy once the start has been answered, and the shell outlives it.
"""


def test_another_engine_that_lacks_a_container_does_not_make_it_missing(harness):
    submission = harness.submitted(harness.job())
    elsewhere = Submission(name="r" + "f" * 32 + "-1", handle={**submission.handle, "engine": "another"})
    seen = harness.another().observe([elsewhere])[elsewhere.name]
    assert seen.state is JobState.UNREADABLE
    assert "another engine" in seen.reason


def test_a_live_container_is_never_removed(harness):
    job = harness.job()
    submission = harness.submitted(job)
    harness.passed += timedelta(days=1)
    assert harness.provider.discard([submission]) == frozenset()
    assert harness.provider.sweep(harness.configuration(), frozenset()) == ()
    assert harness.state(submission) is JobState.RUNNING


def test_a_sweep_removes_what_was_left_unstarted_and_marks_without_a_container(harness):
    job, gone = harness.job(), harness.submitted(harness.job())
    created(harness, job)
    harness.provider.cancel(gone)
    harness.settle()
    harness.client.remove_container(gone.name)
    harness.wait(3700)
    assert harness.provider.sweep(harness.configuration(), frozenset()) == (job.name,)
    assert not harness.leftover(gone.name)


def test_logs_are_text_and_end_with_the_lines_asked_for(harness):
    loud = ["sh", "-c", "echo one; echo two; echo three"]
    job = harness.job(configuration={**harness.configuration(), "command": loud})
    submission = harness.submitted(job)
    harness.client.wait(job.name)
    assert harness.provider.logs(submission) == "one\ntwo\nthree\n"
    assert harness.provider.logs(submission, tail=1) == "three\n"
    assert harness.provider.logs(submission, tail=0) == ""
    harness.forget(job.name)
    assert harness.provider.logs(submission) == ""


def test_both_streams_are_in_the_log(harness):
    loud = ["sh", "-c", "echo out; echo err >&2"]
    job = harness.job(configuration={**harness.configuration(), "command": loud})
    submission = harness.submitted(job)
    harness.client.wait(job.name)
    assert sorted(harness.provider.logs(submission).splitlines()) == ["err", "out"]  # Docker reads each at its own pace


def test_the_logs_of_a_terminal_have_no_frames(harness):
    loud = {"command": ["echo", "one line"], "container_create_kwargs": {"tty": True}}
    job = harness.job(configuration={**harness.configuration(), **loud})
    submission = harness.submitted(job)
    harness.client.wait(job.name)
    assert harness.provider.logs(submission) == "one line\n"
