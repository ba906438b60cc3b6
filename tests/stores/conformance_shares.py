"""What every store shows a claim of a pool whose queues share its slots fairly."""

import pytest

from dispatcher.core.admission import admit
from dispatcher.models import PinnedJob, Share
from dispatcher.models.records import Decision, Grant, Snapshot
from dispatcher.protocols import Store
from tests.builders import NOW, SECOND, a_pool, a_queue, a_run
from tests.stores.steps import a_running_run, claim

JOB = PinnedJob(configuration={})


def _fairly(snapshot: Snapshot) -> Decision:
    admission = admit(snapshot.pool, snapshot.in_use, snapshot.due, now=NOW, budget=100)
    return Decision(grants=tuple(Grant(run=run, job=JOB, start_within=None) for run in admission.admitted))


class FairShares:
    @pytest.fixture(autouse=True)
    def _fair(self, store: Store):
        queues = [a_queue("one", 1), a_queue("two", 2, weight=2), a_queue("few", 3), a_queue("default", 9)]
        store.save_pool(a_pool(limit=12, queues=queues, share=Share.FAIR), expected_version=None)

    def test_a_claim_reads_each_queue_up_to_its_share_and_further_if_others_leave_slots(self, store: Store):
        a_running_run(store, queue="one", due_at=NOW)
        waiting = {"one": 20, "two": 20, "few": 1}
        runs = [a_run(queue=queue, due_at=NOW - number * SECOND) for queue, count in waiting.items() for number in range(count)]
        store.add_runs(runs)
        claimed = [item.run for item in claim(store, takeovers=100, decide=_fairly).claims]
        assert sorted(run.queue for run in claimed) == sorted(["few", *["one"] * 3, *["two"] * 7])
        for queue in ("one", "two"):
            mine = {run.id for run in claimed if run.queue == queue}
            first = sorted((run for run in runs if run.queue == queue), key=lambda run: run.due_at)
            assert mine == {run.id for run in first[: len(mine)]}
        assert claim(store, takeovers=100, decide=_fairly).claims == ()
