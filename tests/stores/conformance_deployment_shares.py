"""What every store shows a claim of a queue that its deployments share fairly."""

from collections import Counter
from dataclasses import replace

import pytest

from dispatcher.core.admission import admit
from dispatcher.models import PinnedJob, RunState, Share
from dispatcher.models.records import Decision, Grant, Snapshot
from dispatcher.protocols import Store
from tests.builders import NOW, SECOND, a_deployment, a_pool, a_queue, a_run
from tests.stores.steps import a_run_in, claim

JOB = PinnedJob(configuration={})


def _fairly(snapshot: Snapshot) -> Decision:
    limits = snapshot.deployment_limits
    admission = admit(snapshot.pool, snapshot.in_use, snapshot.due, now=NOW, budget=100, limits=limits)
    return Decision(grants=tuple(Grant(run=run, job=JOB, start_within=None) for run in admission.admitted))


def _deployed(store: Store, name: str, weight: int = 1, **fields: object) -> None:
    store.save_deployment(a_deployment(name, weight=weight, **fields), expected_version=None, now=NOW)


class DeploymentShares:
    @pytest.fixture(autouse=True)
    def _shared(self, store: Store):
        self.pool = store.save_pool(
            a_pool(limit=9, queues=[a_queue("high", 1), a_queue("default", 2, share=Share.FAIR)]), expected_version=None
        )

    def waiting(self, store: Store, deployment: str | None, number: int, **fields: object):
        runs = [
            a_run(deployment=deployment, lane=deployment, due_at=NOW - (100 - place) * SECOND, **fields)
            for place in range(number)
        ]
        store.add_runs(runs)
        return runs

    def test_the_fields_are_kept(self, store: Store):
        _deployed(store, "heavy", 7)
        deployment = store.deployment("heavy")
        assert (store.pool("pool").queue("default").share, deployment.weight) == (Share.FAIR, 7)
        store.save_deployment(replace(deployment, weight=2), expected_version=1, now=NOW)
        queues = tuple(replace(queue, share=Share.STRICT) for queue in self.pool.queues)
        store.save_pool(replace(self.pool, queues=queues), expected_version=1)
        assert (store.pool("pool").queue("default").share, store.deployment("heavy").weight) == (Share.STRICT, 2)

    def test_a_claim_sees_what_each_deployment_holds_of_a_queue(self, store: Store):
        for state in RunState:
            a_run_in(store, state, deployment="heavy")
        a_run_in(store, RunState.RUNNING, deployment="heavy", queue="high")
        a_run_in(store, RunState.RUNNING)
        assert store.look("pool", NOW, lambda snapshot: dict(snapshot.held("default"))) == {"heavy": 3, "": 1}
        assert store.look("pool", NOW, lambda snapshot: dict(snapshot.held("high"))) == {"heavy": 1}

    def test_each_deployment_gets_its_share_and_what_others_leave(self, store: Store):
        _deployed(store, "heavy", 3)
        _deployed(store, "light")
        _deployed(store, "few", 9)
        a_run_in(store, RunState.RUNNING, deployment="light", due_at=NOW)
        runs = {name: self.waiting(store, name, 20) for name in ("light", "heavy")}
        runs["few"] = self.waiting(store, "few", 1)
        claimed = [item.run for item in claim(store, takeovers=0, decide=_fairly).claims]
        assert Counter(run.deployment for run in claimed) == {"few": 1, "heavy": 6, "light": 1}
        for name, of_name in runs.items():
            mine = {run.id for run in claimed if run.deployment == name}
            assert mine == {run.id for run in of_name[: len(mine)]}
        assert claim(store, takeovers=0, decide=_fairly).claims == ()

    def test_runs_without_a_deployment_and_those_in_no_lane_take_part(self, store: Store):
        _deployed(store, "etl")
        alone = self.waiting(store, None, 20)
        store.add_runs([a_run(deployment="etl", due_at=NOW - (200 - number) * SECOND) for number in range(9)])
        claimed = [item.run for item in claim(store, takeovers=0, decide=_fairly).claims]
        assert Counter(run.deployment for run in claimed) == {None: 4, "etl": 5}
        assert {run.id for run in claimed if run.deployment is None} == {run.id for run in alone[:4]}

    def test_runs_of_a_deployment_start_by_priority(self, store: Store):
        _deployed(store, "etl")
        self.waiting(store, "etl", 9)
        first = a_run(deployment="etl", lane="etl%-5", due_at=NOW)
        store.add_runs([first])
        other = self.waiting(store, None, 9)
        claimed = [item.run for item in claim(store, takeovers=0, decide=_fairly).claims]
        assert first.id in {run.id for run in claimed}
        assert Counter(run.deployment for run in claimed) == {"etl": 5, None: 4}
        assert other[0].id in {run.id for run in claimed}
