"""Every store keeps automations, notes with an end what the run owes to them, and writes what they make of it at once."""

from dataclasses import replace
from typing import Any

import pytest

from dispatcher.errors import AlreadyExists, Conflict, NotFound
from dispatcher.models import (
    Automation,
    Cause,
    Episode,
    Paused,
    PoolHeld,
    PoolNotTicked,
    Progress,
    QueueLonger,
    Run,
    RunLate,
    RunOf,
    RunState,
    SeenEnd,
    Target,
    Then,
    When,
)
from dispatcher.models.records import Automated, Decision, FiringNotified, Move, Reconfiguration
from dispatcher.protocols import Store
from tests.builders import HOUR, MINUTE, NOW, SECOND, a_deployment, a_firing, a_pool, a_run, an_automation, an_id
from tests.stores.conformance_log import an_entry, logged
from tests.stores.steps import a_claimed_run, claim, moved, snapshot_of

EVERYTHING = (
    Then(pause=Target(deployment="deployment")),
    Then(resume=Target(pool="pool", queue="default")),
    Then(run=RunOf(deployment="deployment", job_variables={"env": {"A": "ü"}}, from_run={"env.RUN": "id"}, tags=("t",))),
    Then(run=RunOf(deployment="deployment", parameters={"day": ["ü", None]}, parameters_from_run={"of": "parameters.of"})),
    Then(retry=True),
    Then(cancel=True),
    Then(notify="ops"),
)


def crashed(store: Store, pool: str = "pool", **fields: Any) -> Run:
    return moved(store, a_claimed_run(store, pool, **fields), RunState.CRASHED, ended_at=NOW)


def saved(store: Store, automation: Automation) -> Automation:
    return store.save_automation(automation, expected_version=None)


class Automations:
    @pytest.fixture(autouse=True)
    def _pools(self, store: Store):
        store.save_pool(a_pool(), expected_version=None)
        store.save_pool(a_pool("other"), expected_version=None)

    def test_an_automation_reads_back_as_it_was_saved(self, store: Store):
        whens = [
            When(late=RunLate(by=90 * SECOND, deployment="deployment")),
            When(held=PoolHeld(pool="pool", longer_than=MINUTE)),
            When(not_ticked=PoolNotTicked(pool="other", longer_than=HOUR)),
            When(longer=QueueLonger(pool="pool", queue="default", than=3)),
        ]
        automations = [an_automation("b", *EVERYTHING, pool="pool", queue="q", deployment="d", tag="t", count=2, of_last=5)]
        automations += [an_automation(f"a{number}", when=when, paused=True) for number, when in enumerate(whens)]
        for automation in automations:
            assert saved(store, automation) == replace(automation, version=1)
        assert store.automations() == [replace(one, version=1) for one in sorted(automations, key=lambda one: one.name)]
        assert store.automation("b") == replace(automations[0], version=1)
        assert store.automation("none") is None

    def test_a_change_names_the_version_that_it_was_made_from(self, store: Store):
        first = saved(store, an_automation())
        changed = store.save_automation(replace(first, description="ü"), expected_version=1)
        assert (changed.version, changed.description) == (2, "ü")
        with pytest.raises(Conflict):
            store.save_automation(first, expected_version=1)
        with pytest.raises(AlreadyExists):
            saved(store, first)
        with pytest.raises(NotFound):
            store.save_automation(an_automation("none"), expected_version=1)
        store.delete_automation("automation")
        with pytest.raises(NotFound):
            store.delete_automation("automation")
        assert store.automations() == []

    def test_a_pool_says_whether_an_automation_looks_at_it(self, store: Store):
        saved(store, an_automation(pool="pool"))
        assert [(pool.name, pool.automated) for pool in store.pools()] == [("other", False), ("pool", True)]
        saved(store, an_automation("elsewhere", when=When(not_ticked=PoolNotTicked(pool="pool", longer_than=HOUR))))
        other = store.pool("other")
        assert other
        assert other.automated
        store.save_pool(other, expected_version=1)
        for name in ("automation", "elsewhere"):
            store.delete_automation(name)
        assert [pool.automated for pool in store.pools()] == [False, False]

    def test_an_end_is_owed_to_the_automations_that_look_at_it(self, store: Store):
        assert crashed(store).automate_at is None
        saved(store, an_automation(pool="pool"))
        run = crashed(store, job_variables={"command": "x"}, tags=("t",), cause=Cause(automation="a", run=an_id(), depth=2))
        assert run.automate_at == NOW
        assert store.to_automate("pool", NOW, limit=10) == [run]
        assert store.to_automate("other", NOW, limit=10) == store.to_automate("pool", NOW - SECOND, limit=10) == []
        assert store.get(run.id) == run

    def test_ends_that_no_automation_looks_at_are_not_owed(self, store: Store):
        saved(store, an_automation(pool="pool", deployment="deployment"))
        saved(store, an_automation("paused", paused=True))
        for other in (crashed(store, "other", deployment="deployment"), crashed(store), crashed(store, deployment="another")):
            assert other.automate_at is None
        completed = moved(store, a_claimed_run(store, deployment="deployment"), RunState.COMPLETED, ended_at=NOW)
        assert completed.automate_at is None
        assert crashed(store, deployment="deployment").automate_at == NOW

    def test_an_automation_that_counts_is_owed_successes_too(self, store: Store):
        saved(store, an_automation(count=2))
        assert moved(store, a_claimed_run(store), RunState.COMPLETED, ended_at=NOW).automate_at == NOW
        assert moved(store, a_claimed_run(store), RunState.CANCELLED, ended_at=NOW).automate_at is None

    def test_a_run_that_a_claim_crashes_owes_its_end(self, store: Store):
        saved(store, an_automation())
        run = a_run()
        store.add_runs([run])
        claim(store, NOW + MINUTE, decide=lambda _snapshot: Decision(crashes=((run, "no"),)))
        assert [owing.id for owing in store.to_automate("pool", NOW + MINUTE, limit=10)] == [run.id]

    def test_a_cancelled_run_owes_its_end(self, store: Store):
        saved(store, an_automation(states=frozenset({RunState.CANCELLED})))
        run = a_run()
        store.add_runs([run])
        assert moved(store, run, RunState.CANCELLED, ended_at=NOW).automate_at == NOW

    def test_a_pool_has_work_while_an_end_is_owed_or_an_automation_looks(self, store: Store):
        store.delete_pool("other", expected_version=1)
        saved(store, an_automation())
        assert store.pools_with_work(NOW) == []
        crashed(store)
        assert store.pools_with_work(NOW) == ["pool"]
        store.delete_automation("automation")
        assert store.pools_with_work(NOW) == []
        looking = saved(store, an_automation("held", when=When(held=PoolHeld(pool="pool"))))
        assert store.pools_with_work(NOW) == ["pool"]
        store.save_automation(replace(looking, paused=True, when=When(late=RunLate(by=HOUR, pool="x"))), expected_version=1)
        assert store.pools_with_work(NOW) == []

    def test_due_runs_are_counted_up_to_a_limit(self, store: Store):
        store.add_runs([a_run() for _ in range(4)] + [a_run(due_at=NOW + HOUR), a_run("other"), a_run(not_before=NOW + HOUR)])
        assert [store.due_count("pool", "default", NOW, limit=limit) for limit in (3, 5, 9)] == [3, 5, 5]

    def test_automations_are_part_of_a_reconfiguration(self, store: Store):
        first, second = saved(store, an_automation("first")), saved(store, an_automation("second"))
        read: dict[str, Any] = {
            "pools_read": {"pool": 1, "other": 1},
            "deployments_read": {},
            "automations_read": {"first": 1, "second": 1},
            "now": NOW,
        }
        new = an_automation("new")
        store.reconfigure(
            Reconfiguration(**read, automations=(replace(first, description="x"), new), automations_gone=("second",))
        )
        assert [(one.name, one.version) for one in store.automations()] == [("first", 2), ("new", 1)]
        with pytest.raises(Conflict):
            store.reconfigure(Reconfiguration(**read, automations=(second,)))
        store.reconfigure(Reconfiguration(pools_read=read["pools_read"], deployments_read={}, now=NOW))
        assert len(store.automations()) == 2


class Automating:
    @pytest.fixture(autouse=True)
    def _pools(self, store: Store):
        store.save_pool(a_pool(), expected_version=None)
        store.save_deployment(a_deployment(), expected_version=None, now=NOW)

    def test_everything_that_automations_make_of_an_end_is_written_at_once(self, store: Store):
        automation, waiting = saved(store, an_automation(count=2)), a_run(due_at=NOW + HOUR)
        run = crashed(store)
        store.add_runs([waiting])
        pool, deployment, new = store.pool("pool"), store.deployment("deployment"), a_run(cause=Cause(automation="automation"))
        assert pool
        assert deployment
        target = Target(deployment="deployment")
        firing = a_firing(
            run=run.id,
            did=("paused deployment 'deployment'",),
            problems=("ü",),
            paused=(Paused(target=target, paused=True, version=2),),
            hooks=("ops",),
            notify_at=NOW,
        )
        progress = Progress(ends=(SeenEnd(ended_at=NOW, run=run.id, counts=True),), episodes={"pool": Episode(since=NOW)})
        automated = Automated(
            run=run,
            progressed=(replace(automation, progress=progress),),
            firings=(firing,),
            runs=(new,),
            moves=(Move.of(waiting, RunState.CANCELLED, ended_at=NOW),),
            pools=(replace(pool, paused=True),),
            deployments=(replace(deployment, paused=True),),
            entries=(an_entry("one", actor="automation", runs=2), an_entry("two", via="automation", note="ü")),
            now=NOW,
        )
        assert store.automate(automated)
        assert logged(store) == sorted(automated.entries, key=lambda entry: entry.id)
        after, owing, cancelled = store.automation("automation"), store.get(run.id), store.get(waiting.id)
        assert after == replace(automation, progress=progress, revision=1)
        assert owing == replace(run, automate_at=None)
        assert store.get(new.id) == new
        assert cancelled
        assert cancelled.state is RunState.CANCELLED
        assert store.pool("pool") == replace(pool, paused=True, version=2)
        assert store.deployment("deployment") == replace(deployment, paused=True, version=2)
        assert store.firings(None, limit=10) == store.firings("automation", limit=10) == [firing]
        assert not store.automate(automated)
        assert store.automation("automation") == after
        assert len(logged(store)) == 2

    @pytest.mark.parametrize("changed", ["run", "automation", "progress", "pool", "deployment", "queue", "firing"])
    def test_nothing_is_written_when_something_has_changed(self, store: Store, changed: str):
        automation, run, pool = saved(store, an_automation(count=2)), crashed(store), store.pool("pool")
        deployment, firing, other = store.deployment("deployment"), a_firing(), crashed(store)
        assert pool
        assert deployment
        progressed = replace(automation, progress=Progress(episodes={"pool": Episode(since=NOW)}))
        changes = {
            "run": lambda: store.automate(Automated(run=run, now=NOW)),
            "automation": lambda: store.save_automation(automation, expected_version=1),
            "progress": lambda: store.automate(Automated(run=other, progressed=(progressed,), now=NOW)),
            "pool": lambda: store.save_pool(pool, expected_version=1),
            "deployment": lambda: store.save_deployment(deployment, expected_version=1, now=NOW),
            "queue": lambda: None,
            "firing": lambda: store.automate(Automated(run=other, firings=(firing,), now=NOW)),
        }
        changes[changed]()
        before = store.pools(), store.deployments(), store.automations(), store.firings(None, limit=10)
        automated = Automated(
            run=run,
            progressed=(progressed,),
            firings=(firing,),
            runs=(a_run(queue="none" if changed == "queue" else "default"),),
            pools=(replace(pool, paused=True),),
            deployments=(replace(deployment, paused=True),),
            entries=(an_entry(),),
            now=NOW,
        )
        assert not store.automate(automated)
        assert logged(store) == []
        assert (store.pools(), store.deployments(), store.automations(), store.firings(None, limit=10)) == before
        assert store.get(automated.runs[0].id) is None
        assert store.to_automate("pool", NOW, limit=10) == ([] if changed == "run" else [run]) + (
            [] if changed in ("progress", "firing") else [other]
        )

    def test_a_run_that_exists_and_a_move_that_comes_too_late_are_left_out(self, store: Store):
        saved(store, an_automation())
        run, there = crashed(store), a_run(due_at=NOW + HOUR)
        store.add_runs([there])
        late = Move.of(there, RunState.CANCELLED, ended_at=NOW)
        moved(store, there, RunState.CANCELLED, ended_at=NOW - SECOND)
        assert store.automate(Automated(run=run, runs=(replace(there, name="again"),), moves=(late,), now=NOW))
        stored = store.get(there.id)
        assert stored
        assert (stored.name, stored.ended_at) == (there.name, NOW - SECOND)

    def test_a_pool_is_saved_with_the_slot_that_a_run_of_it_gives_back(self, store: Store):
        run = a_claimed_run(store)
        pool = store.pool("pool")
        assert pool
        crash = Move.of(run, RunState.CRASHED, ended_at=NOW)
        assert store.automate(Automated(run=None, moves=(crash,), pools=(replace(pool, description="ü"),), now=NOW))
        after = store.pool("pool")
        assert after
        assert (after.description, after.version) == ("ü", pool.version + 1)
        assert sum(snapshot_of(store).in_use.values()) == 0

    def test_a_change_of_its_condition_lets_an_automation_count_from_zero(self, store: Store):
        automation = saved(store, an_automation(count=2))
        seen = replace(automation, progress=Progress(episodes={"pool": Episode(since=NOW, fired=True)}))
        assert store.automate(Automated(progressed=(seen,), now=NOW))
        renamed = store.save_automation(replace(automation, description="x"), expected_version=1)
        assert renamed.progress == seen.progress
        paused = store.save_automation(replace(renamed, paused=True), expected_version=2)
        assert paused.progress == Progress()
        assert not store.automate(Automated(progressed=(replace(renamed, progress=Progress()),), now=NOW))

    def test_a_firing_is_notified_of_until_its_hooks_have_confirmed(self, store: Store):
        first = a_firing(fired_at=NOW, hooks=("a", "ü"), notify_at=NOW)
        later = a_firing(fired_at=NOW + SECOND, hooks=("a",), notify_at=NOW + HOUR)
        assert store.automate(Automated(firings=(first, later, a_firing(fired_at=NOW - SECOND)), now=NOW))
        assert store.firings_to_notify("pool", NOW, limit=10) == [first]
        assert store.firings_to_notify("other", NOW + HOUR, limit=10) == []
        assert store.pools_with_work(NOW) == []
        saved(store, an_automation())
        assert store.pools_with_work(NOW) == ["pool"]
        store.firing_notified([FiringNotified(firing=first, again_at=NOW + MINUTE, hooks=frozenset({"ü"}))])
        store.firing_notified([FiringNotified(firing=first, again_at=None)])
        [again] = store.firings_to_notify("pool", NOW + MINUTE, limit=10)
        assert again == replace(first, notify_at=NOW + MINUTE, notify_tries=1, notified_hooks=frozenset({"ü"}))
        store.firing_notified([FiringNotified(firing=again, again_at=None, hooks=frozenset({"a", "ü"}))])
        assert store.firings_to_notify("pool", NOW + MINUTE, limit=10) == []
        assert [firing.fired_at for firing in store.firings(None, limit=2)] == [NOW + SECOND, NOW]
        assert store.firings("none", limit=10) == []

    def test_automations_and_firings_are_restored_as_they_were(self, store: Store):
        automation = replace(an_automation(), version=3, revision=7, progress=Progress(episodes={"x": Episode(since=NOW)}))
        firing, run = a_firing(notify_at=NOW, hooks=("ops",)), a_run(state=RunState.CRASHED, ended_at=NOW, automate_at=NOW)
        for _ in range(2):
            store.restore(automations=[automation], firings=[firing], runs=[run])
        assert store.automations() == [automation]
        assert store.firings(None, limit=10) == store.firings_to_notify("pool", NOW, limit=10) == [firing]
        assert store.to_automate("pool", NOW, limit=10) == [run]
