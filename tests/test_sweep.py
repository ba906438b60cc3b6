"""What a sweep keeps, where it looks, what it removes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.environment.clock import SystemClock
from dispatcher.models import SLOT_STATES, TERMINAL_STATES, Attempt, RunState, submission_name
from dispatcher.models.records import Move
from dispatcher.stores.memory import MemoryStore
from dispatcher.ticking import Dispatch, tick
from dispatcher.upkeep.sweep import holders, kept, places, sweep
from providers import registry
from providers.base import Accepted, CallFailed, Job, Submission
from providers.cloud_run import CloudRunProvider
from providers.container_instance import ContainerInstanceProvider
from providers.emulators.cloud_run import CloudRunEmulator
from providers.emulators.container_instance import ContainerInstanceEmulator
from providers.emulators.faults import FaultKind
from providers.testing import FakeProvider
from tests.builders import NOW, a_pool, a_run
from tests.stores.steps import a_claimed_run

ACI = "azure-container-instance:push"
CLOUD_RUN = "cloud-run-v2:push"
VARIABLES = {"subscription_id": "00000000-0000-0000-0000-000000000000", "image": "busybox"}
LONG = timedelta(days=1)
ORPHAN = "r00000000000000000000000000000bad-1"


def a_store(*pools):
    store = MemoryStore()
    for pool in pools or (a_pool(),):
        store.save_pool(pool, expected_version=None)
    return store


def a_cloud_pool(kind, name="pool"):
    return a_pool(name, type=kind, base_job_template=registry.default_template(kind))


def a_dispatch(store, provider):
    return Dispatch(store=store, providers=lambda _: provider, clock=SystemClock(), events=lambda *_, **__: None)


def ticked(store, provider):
    dispatch = a_dispatch(store, provider)
    report = tick(dispatch, dispatch.clock.now() + timedelta(seconds=20))
    assert not report.problems


def ran(store, provider, emulator, **variables):
    """A run that a tick submitted and a tick saw end."""
    run = a_run(job_variables=variables, due_at=datetime(2020, 1, 1, tzinfo=UTC))
    store.add_runs([run])
    ticked(store, provider)
    emulator.finish(submission_name(run.id, 1))
    ticked(store, provider)
    assert store.get(run.id).state is RunState.COMPLETED
    return run


def left_behind(provider, configuration, name=ORPHAN):
    """A job of ours that no store speaks of."""
    assert isinstance(provider.submit(Job(name=name, configuration=configuration)), Accepted)


def test_a_sweep_removes_what_no_run_needs():
    store, fake = a_store(), FakeProvider()
    left_behind(fake, {})
    fake.finish(ORPHAN)
    assert sweep(a_dispatch(store, fake), store.pool("pool")) == (ORPHAN,)
    assert sweep(a_dispatch(store, fake), store.pool("pool")) == ()


def test_a_job_whose_answer_was_lost_is_kept_for_the_look_up_to_come():
    """Its run is a claim without a submission, and may be of another pool in the same place."""
    store, fake = a_store(a_pool(), a_pool("other")), FakeProvider()
    claimed = a_claimed_run(store, pool="other")
    name = submission_name(claimed.id, claimed.attempt)
    left_behind(fake, {}, name)
    fake.finish(name)
    assert list(store.live("other", limit=10)) == []
    assert sweep(a_dispatch(store, fake), store.pool("pool")) == ()


def test_a_sweep_leaves_lingering_jobs_to_the_tick():
    store = a_store()
    claimed = a_claimed_run(store)
    ended = {"ended_at": NOW, "lingers": True, "submission": Submission(name="n", handle={})}
    assert store.move([Move.of(claimed, RunState.COMPLETED, **ended)])
    assert kept(store) == {submission_name(claimed.id, 1)}
    store.discarded([claimed.id])
    assert kept(store) == frozenset()


@given(
    st.sampled_from(sorted(SLOT_STATES | TERMINAL_STATES)),
    st.lists(st.booleans(), max_size=4),
    st.booleans(),
)
def test_every_attempt_that_may_still_have_a_job_is_kept(state, earlier, lingers):
    """Whatever comes before the current attempt: what lingers of a run that holds a slot, or lingers itself, is kept."""
    past = tuple(
        Attempt(number=number, state=RunState.FAILED, submission=Submission(name="n", handle={}), lingers=left)
        for number, left in enumerate(earlier, 1)
    )
    number = len(past) + 1
    ended = {"ended_at": NOW, "lingers": lingers} if state in TERMINAL_STATES else {}
    run = a_run(state=state, attempt=number, past=past, submission=Submission(name="n", handle={}), **ended)
    store = a_store()
    store.restore(runs=[run])
    left = [attempt.number for attempt in past if attempt.lingers]
    needed = [*left, number] if state in SLOT_STATES or lingers else []
    assert kept(store) == {submission_name(run.id, attempt) for attempt in needed}


class ChangesBetweenPages:
    """A store in which the newest holder of a slot ends while the first page is looked at."""

    def __init__(self, store):
        self._store = store
        self.pages = 0

    def runs(self, where, *, limit, offset=0):
        page_of_runs = self._store.runs(where, limit=limit, offset=offset)
        self.pages += 1
        if self.pages == 1:
            assert self._store.move([Move.of(page_of_runs[0], RunState.COMPLETED, ended_at=NOW)])
        return page_of_runs


def test_no_holder_is_passed_over_because_another_ends_while_they_are_read():
    store = a_store()
    ids = {a_claimed_run(store).id for _ in range(9)}
    changing = ChangesBetweenPages(store)
    holding = {run.id for run in holders(changing, page=3)}
    assert len(ids - holding) == 1
    assert {run.id for run in holders(store, page=3)} == holding


def test_a_place_is_looked_through_once_however_many_runs_were_there():
    store, fake = a_store(a_cloud_pool(ACI)), FakeProvider()
    for number in range(6):
        ran(store, fake, fake, **VARIABLES, resource_group_name=f"group-{number % 2}", cpu=number + 1)
    groups = [place.get("resource_group_name") for place in places(store, store.pool("pool"))]
    assert groups[0] is None, "the template alone names none"
    assert sorted(groups[1:]) == ["group-0", "group-1"]


@pytest.mark.parametrize("reset", [False, True], ids=["known", "thrown-away"])
def test_azure_is_swept_where_the_runs_were_and_not_where_the_template_says_nothing(reset):
    def a_day_later():
        return datetime.now(UTC) + LONG

    store = a_store(a_cloud_pool(ACI))
    with ContainerInstanceEmulator() as emulator:
        provider = ContainerInstanceProvider(endpoint=emulator.url, clock=a_day_later)
        run = ran(store, provider, emulator, **VARIABLES, resource_group_name="jobs")
        name = submission_name(run.id, 1)
        left_behind(provider, store.get(run.id).job.configuration)
        emulator.finish(ORPHAN)
        if reset:
            store.discarded([run.id])
        expected = {ORPHAN, name} if reset else {ORPHAN}
        assert set(sweep(a_dispatch(store, provider), store.pool("pool"))) == expected
        assert emulator.lingering == 2 - len(expected)


def test_cloud_run_is_swept_in_the_templates_region_and_in_those_of_its_runs():
    store = a_store(a_cloud_pool(CLOUD_RUN))
    with CloudRunEmulator() as emulator:
        provider = CloudRunProvider(endpoint=emulator.url, project="p", now=lambda: datetime.now(UTC) + LONG)
        run = ran(store, provider, emulator, image="busybox", region="europe-west1")
        there = store.get(run.id).job.configuration
        left_behind(provider, there)
        left_behind(provider, {**there, "region": "us-central1"}, ORPHAN.replace("bad", "baf"))
        for name in (ORPHAN, ORPHAN.replace("bad", "baf")):
            emulator.finish(name)
        swept = sweep(a_dispatch(store, provider), store.pool("pool"))
        assert set(swept) == {ORPHAN, ORPHAN.replace("bad", "baf")}


def test_a_place_that_could_not_be_asked_is_reported():
    store = a_store(a_cloud_pool(CLOUD_RUN))
    with CloudRunEmulator() as emulator:
        provider = CloudRunProvider(endpoint=emulator.url, project="p")
        emulator.faults.add("ListJobs", FaultKind.REFUSE)
        with pytest.raises(CallFailed):
            sweep(a_dispatch(store, provider), store.pool("pool"))
