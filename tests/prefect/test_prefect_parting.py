"""The way back begins with a pause, gives claims back, reports ends, and is refused while it would leave something behind."""

import pytest

from dispatcher.errors import Conflict, SourceError
from dispatcher.models import RunState
from dispatcher.prefect.owed import GRACE
from dispatcher.prefect.parting import Parting
from providers.base import Throttled
from tests.builders import MINUTE
from tests.prefect.emulated import EmulatedPrefect
from tests.prefect.stage import Bridge


@pytest.fixture
def bridge():
    return Bridge()


@pytest.fixture
def prefect(bridge) -> EmulatedPrefect:
    return bridge.prefect


def part(bridge, store=None):
    return Parting(store=store or bridge.store, server=bridge.source.server, now=bridge.clock.time).part()


class Watched:
    """A store that does something right after its pool was paused, or tells what was written to it."""

    def __init__(self, store, then=lambda: None):
        self.store, self.then, self.writes = store, then, []

    def __getattr__(self, name):
        return getattr(self.store, name)

    def save_pool(self, pool, **arguments):
        self.writes.append(f"{'mirrored' if pool.mirror else 'own'} and {'paused' if pool.paused else 'not'}")
        saved = self.store.save_pool(pool, **arguments)
        if self.writes == ["mirrored and paused"]:
            self.then()
        return saved

    def move(self, moves):
        self.writes.append("moved")
        return self.store.move(moves)


def test_disconnecting_begins_with_a_pause_and_ends_with_a_pool_of_our_own(bridge, prefect):
    prefect.pools["p"]["concurrency_limit"] = 0
    flow_run = prefect.add_flow_run()
    bridge.tick()
    store = Watched(bridge.store)
    assert part(bridge, store) == ["p"]
    assert store.writes == ["mirrored and paused", "moved", "own and paused"]
    assert (prefect.state(flow_run), bridge.run_of(flow_run).state) == ("SCHEDULED", RunState.CANCELLED)


def test_a_run_that_was_claimed_before_the_pause_is_seen_after_it_and_the_pause_is_taken_back(bridge, prefect):
    prefect.pools["p"]["concurrency_limit"] = 1
    bridge.tick()
    before = bridge.store.pool("p")
    prefect.add_flow_run()

    def claim():
        pool = bridge.store.pool("p")
        bridge.store.save_pool(before, expected_version=pool.version)
        bridge.tick()
        bridge.store.save_pool(pool, expected_version=bridge.store.pool("p").version)

    with pytest.raises(Conflict, match="runs have not ended"):
        part(bridge, Watched(bridge.store, claim))
    bridge.tick()
    assert (bridge.store.pool("p").paused, bridge.store.pool("p").mirror) == (False, before.mirror)


def test_the_claim_of_a_run_that_waits_here_is_given_back(bridge, prefect):
    flow_run = prefect.add_flow_run()
    bridge.provider.script("submit", Throttled(reason="slow down", retry_after=1.0, hold=None))
    bridge.source.report = lambda *_: []  # the tick dies before it can report
    bridge.tick()
    bridge.wait(5 * MINUTE)
    assert (prefect.state(flow_run), bridge.run_of(flow_run).state) == ("PENDING", RunState.SCHEDULED)
    assert part(bridge) == ["p"]
    assert (prefect.state(flow_run), bridge.run_of(flow_run).state) == ("SCHEDULED", RunState.CANCELLED)
    assert Bridge(prefect, pools=False).settle(1)[0].pools[0].submitted == 1, "a worker could start it now"


def test_a_cancellation_that_was_asked_for_is_confirmed(bridge, prefect):
    prefect.pools["p"]["concurrency_limit"] = 0
    flow_run = prefect.add_flow_run(infrastructure_pid=None)
    bridge.tick()
    run = bridge.run_of(flow_run)
    prefect.flow_runs[flow_run]["infrastructure_pid"] = f"r{run.id.hex}-1"
    prefect.propose(flow_run, "CANCELLING")
    assert part(bridge) == ["p"]
    assert (prefect.state(flow_run), bridge.run_of(flow_run).state) == ("CANCELLED", RunState.CANCELLED)


def test_an_end_that_its_job_may_still_report_is_waited_for(bridge, prefect):
    flow_run = prefect.add_flow_run()
    bridge.tick()
    bridge.finish(flow_run, exit_code=3)
    bridge.tick()
    before = bridge.store.pool("p")
    with pytest.raises(Conflict, match="give the command again in a minute"):
        part(bridge)
    assert (bridge.store.pool("p").paused, bridge.store.pool("p").mirror) == (False, before.mirror)
    bridge.wait(GRACE)
    assert part(bridge) == ["p"]
    assert prefect.state(flow_run) == "CRASHED"


def test_a_server_that_does_not_answer_leaves_everything_as_it_was(bridge, prefect):
    bridge.tick()
    before = bridge.store.pool("p")
    prefect.fail("request", "", 100)
    with pytest.raises(SourceError):
        part(bridge)
    assert (bridge.store.pool("p").paused, bridge.store.pool("p").mirror) == (False, before.mirror)


def test_a_dispatcher_that_still_mirrors_is_noticed_and_takes_the_pause_back(bridge, prefect):
    bridge.tick()
    with pytest.raises(Conflict, match="remove DISPATCHER_PREFECT_API_URL where ticks run"):
        part(bridge, Watched(bridge.store, bridge.tick))
    assert not bridge.store.pool("p").paused
    prefect.add_flow_run()
    assert bridge.tick().pools[0].submitted == 1
