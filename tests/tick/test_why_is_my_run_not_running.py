"""Sixteen situations in which a run is not running: what `explain` says, and that its advice helps.

Each situation is brought about by the real tick and the public API, `explain` is asked, what it names is removed, and the next
ticks start the run; where a run can never start again, the answer says what became of it.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from dispatcher.client import Dispatcher
from dispatcher.core.reasons import Reason
from dispatcher.errors import InvalidTemplate, NotFound
from dispatcher.models import RetryPolicy, RunState
from providers.base import Throttled
from providers.testing import LOST_ANSWER
from tests.builders import MINUTE, NOW, SECOND, a_run
from tests.tick.stage import Stage

TEMPLATE = {
    "job_configuration": {"name": "{{ name }}", "command": "{{ command }}", "task_start_timeout_seconds": 600},
    "variables": {
        "type": "object",
        "properties": {"name": {"type": "string", "default": "job"}, "command": {"type": "string", "default": "true"}},
    },
}


class Situation:
    """A pool with a provider, and people who ask."""

    def __init__(self):
        self.stage = Stage(store=None)
        self.stage.store.delete_pool("pool", expected_version=self.stage.store.pool("pool").version)
        self.people = Dispatcher(self.stage.store, clock=self.stage.clock)
        self.people.create_work_pool("pool", type="process", base_job_template=TEMPLATE)
        self.tick = self.stage.tick_pool

    def run(self, **fields):
        return self.people.create_run(**({"pool": "pool"} | fields))

    def running(self, **fields):
        """A run whose job is live."""
        run = self.run(**fields)
        self.tick()
        assert self.name(run) in self.stage.provider.live
        return run

    def why(self, run):
        return self.people.explain(run.id)

    def name(self, run):
        return f"r{run.id.hex}-{self.people.run(run.id).attempt}"

    def started(self, run):
        """Whether the next tick starts it."""
        self.tick()
        return self.stage.provider.starts.get(self.name(run), 0) == 1

    def finish(self, run):
        self.stage.provider.finish(self.name(run))


@pytest.fixture
def here():
    return Situation()


def test_a_paused_pool(here):
    here.people.update_work_pool("pool", paused=True)
    run = here.run()
    assert not here.started(run)
    why = here.why(run)
    assert (why.reason, why.fix) == (Reason.POOL_PAUSED, "dispatcher work-pool resume pool")
    here.people.update_work_pool("pool", paused=False)
    assert here.started(run)


def test_a_paused_queue(here):
    here.people.update_work_queue("pool", "default", paused=True)
    run = here.run()
    assert not here.started(run)
    why = here.why(run)
    assert (why.reason, why.fix) == (Reason.QUEUE_PAUSED, "dispatcher work-queue resume --pool pool default")
    here.people.update_work_queue("pool", "default", paused=False)
    assert here.started(run)


def test_a_full_pool(here):
    here.people.update_work_pool("pool", concurrency_limit=1)
    holder, run = here.running(), here.run()
    assert not here.started(run)
    why = here.why(run)
    assert (why.reason, [holding.id for holding in why.holders], why.position) == (Reason.POOL_FULL, [holder.id], 1)
    assert "1 of 1 slots" in why.text
    here.finish(holder)
    assert here.started(run)


def test_a_full_queue(here):
    here.people.update_work_queue("pool", "default", concurrency_limit=1)
    here.people.create_work_queue("pool", "other")
    other, holder = here.running(queue="other"), here.running()
    run = here.run()
    assert not here.started(run)
    why = here.why(run)
    assert (why.reason, [holding.id for holding in why.holders]) == (Reason.QUEUE_FULL, [holder.id])
    assert other.id not in [holding.id for holding in why.holders]
    here.finish(holder)
    assert here.started(run)


def test_behind_a_higher_queue(here):
    here.people.update_work_pool("pool", concurrency_limit=2)
    here.people.create_work_queue("pool", "urgent", priority=1)
    here.running()
    run, urgent = here.run(), here.run(queue="urgent")
    why = here.why(run)
    assert why.reason is Reason.HIGHER_QUEUES
    assert "'urgent'" in why.text
    here.people.cancel_run(urgent.id)
    assert here.started(run)


def test_a_provider_that_throttles(here):
    here.stage.provider.script("submit", Throttled(reason="slow down", retry_after=90))
    run = here.run()
    assert not here.started(run)
    why = here.why(run)
    assert why.reason in (Reason.POOL_HELD, Reason.RUN_HELD)
    assert "slow down" in why.text
    here.stage.wait(why.until - here.stage.clock.now())
    assert here.started(run)


def test_not_due(here):
    run = here.run(scheduled_at=NOW + 5 * MINUTE)
    assert not here.started(run)
    why = here.why(run)
    assert (why.reason, why.until) == (Reason.NOT_DUE, NOW + 5 * MINUTE)
    here.stage.wait(5 * MINUTE)
    assert here.started(run)


def test_a_retry_delay(here):
    run = a_run(retry=RetryPolicy(attempts=2, delay=MINUTE))
    here.stage.store.add_runs([run])
    here.tick()
    here.stage.provider.finish(here.name(run), 3)
    here.tick()
    why = here.why(run)
    assert why.reason is Reason.RETRY_DELAY
    assert "exit code 3" in why.text
    here.stage.wait(why.until - here.stage.clock.now())
    assert here.started(run)


def test_a_claim_in_flight(here):
    here.stage.provider.script("submit", LOST_ANSWER)
    run = here.run()
    here.tick()
    why = here.why(run)
    assert why.reason is Reason.CLAIMED
    assert why.until is not None
    here.stage.wait(why.until - here.stage.clock.now() + SECOND)
    assert here.why(run).reason is Reason.ANSWER_OPEN
    assert here.started(run)
    assert here.why(run).reason in (Reason.STARTING, Reason.RUNNING)


def test_a_start_deadline(here):
    run = here.run()
    here.tick()
    submitted = here.people.run(run.id)
    assert submitted.state is RunState.PENDING
    why = here.why(run)
    assert (why.reason, why.until) == (Reason.STARTING, submitted.submitted_at + 10 * MINUTE)
    assert "if it has not started by" in why.text
    here.tick()
    assert here.why(run).reason is Reason.RUNNING


def test_a_variable_that_is_missing(here):
    here.people.create_deployment("nightly", pool="pool", job_variables={"command": "echo"})
    run = here.run(deployment="nightly", scheduled_at=NOW + MINUTE)
    here.stage.store.delete_deployment("nightly")
    why = here.why(run)
    assert why.reason is Reason.UNRENDERABLE
    assert "deployment 'nightly' no longer exists" in why.text
    here.people.create_deployment("nightly", pool="pool", job_variables={"command": "echo"})
    here.stage.wait(MINUTE)
    assert here.started(run)


def test_a_template_that_makes_no_job(here):
    run = here.run(job_variables={"command": "echo"}, scheduled_at=NOW + MINUTE)
    pool = here.stage.store.pool("pool")
    broken = {**TEMPLATE, "job_configuration": {"name": "see {{ nested }}", "command": "true"}, "variables": nested()}
    with pytest.raises(InvalidTemplate, match="nested"):
        here.people.update_work_pool("pool", base_job_template=broken)
    here.stage.store.save_pool(replace(pool, base_job_template=broken), expected_version=pool.version)  # past validation
    why = here.why(run)
    assert why.reason is Reason.UNRENDERABLE
    assert "nested" in why.text
    here.people.update_work_pool("pool", base_job_template=pool.base_job_template)
    here.stage.wait(MINUTE)
    assert here.started(run)


def nested():
    """Variables of which one holds an object, which no text can take in."""
    return {"type": "object", "properties": {"command": {"type": "string"}, "nested": {"type": "object", "default": {"a": 1}}}}


def test_cancelled(here):
    run = here.run()
    here.people.cancel_run(run.id)
    assert not here.started(run)
    why = here.why(run)
    assert why.reason is Reason.ENDED
    assert why.text.startswith("CANCELLED at ")


def test_ended(here):
    run = here.running()
    here.stage.provider.finish(here.name(run), 3)
    here.tick()
    why = here.why(run)
    assert why.reason is Reason.ENDED
    assert "exit code 3" in why.text


def test_an_unknown_run(here):
    with pytest.raises(NotFound, match="does not exist"):
        here.people.explain("00000000-0000-0000-0000-000000000001")
