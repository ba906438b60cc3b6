"""What every store does with pools, queues and deployments."""

from dataclasses import replace
from uuid import UUID

import pytest

from dispatcher.errors import AlreadyExists, Conflict, NotFound
from dispatcher.models import HoldKind, Mirror, RunState, Share
from dispatcher.protocols import Store
from tests.builders import HOUR, MINUTE, NOW, a_deployment, a_hold, a_pool, a_queue, a_run
from tests.stores.steps import a_run_in, a_stored_run, claim, hold, nothing

TWO_QUEUES = [a_queue("default", 2, limit=0), a_queue("high", 1, limit=3, paused=True, description="first", weight=3)]


class Pools:
    def test_a_created_pool_reads_back_whole_at_version_1(self, store: Store):
        pool = a_pool("ecs", limit=0, queues=TWO_QUEUES, paused=True, description="Zürich 🚀", created_at=NOW + MINUTE / 7)
        pool = replace(pool, share=Share.FAIR)
        saved = store.save_pool(pool, expected_version=None)
        assert saved == replace(pool, version=1)
        assert store.pool("ecs") == saved
        assert store.pools() == [saved]

    def test_owners_and_what_was_last_applied_read_back_and_change(self, store: Store):
        pool = store.save_pool(a_pool(owner="team-a", applied={"paused": "12345678"}), expected_version=None)
        deployment = store.save_deployment(a_deployment(owner="team-a", applied={"queue": "1"}), expected_version=None, now=NOW)
        assert (store.pool(pool.name), store.deployment(deployment.name)) == (pool, deployment)
        pool = store.save_pool(replace(pool, owner="", applied={}), expected_version=1)
        deployment = store.save_deployment(replace(deployment, owner="b", applied={"tags": "2"}), expected_version=1, now=NOW)
        assert (store.pool(pool.name), store.deployment(deployment.name)) == (pool, deployment)
        assert (pool.owner, pool.applied, deployment.owner, deployment.applied) == ("", {}, "b", {"tags": "2"})

    def test_pools_come_by_name(self, store: Store):
        for name in ("b", "é", "a", "B", "a b", "10", "9"):
            store.save_pool(a_pool(name), expected_version=None)
        assert [pool.name for pool in store.pools()] == ["10", "9", "B", "a", "a b", "b", "é"]

    def test_an_unknown_pool_is_none(self, store: Store):
        assert store.pool("none") is None
        assert store.pools() == []

    def test_queues_come_in_order_of_priority_however_they_were_given(self, store: Store):
        pool = replace(a_pool(), queues=(a_queue("default", 10), a_queue("z", 9), a_queue("a", 11)))
        saved = store.save_pool(pool, expected_version=None)
        assert [queue.name for queue in saved.queues] == ["z", "default", "a"]
        assert store.pool("pool") == saved

    def test_a_template_keeps_the_order_its_author_gave(self, store: Store):
        template = {"variables": {"properties": {"z": {}, "a": {}}}, "job_configuration": {"y": 1, "b": [None, 1.5, "{{ z }}"]}}
        store.save_pool(a_pool(base_job_template=template), expected_version=None)
        stored = store.pool("pool")
        assert stored
        assert stored.base_job_template == template
        assert list(stored.base_job_template) == ["variables", "job_configuration"]
        assert list(stored.base_job_template["variables"]["properties"]) == ["z", "a"]

    def test_a_name_is_taken_once(self, store: Store):
        saved = store.save_pool(a_pool(limit=1), expected_version=None)
        with pytest.raises(AlreadyExists, match="'pool'"):
            store.save_pool(a_pool(limit=2), expected_version=None)
        assert store.pools() == [saved]

    def test_a_replaced_pool_has_the_next_version(self, store: Store):
        created = store.save_pool(a_pool(limit=1), expected_version=None)
        changed = replace(created, concurrency_limit=None, paused=True, description="new", queues=tuple(TWO_QUEUES[::-1]))
        saved = store.save_pool(changed, expected_version=1)
        assert saved == replace(changed, version=2)
        assert store.pool("pool") == saved

    def test_the_version_that_counts_is_the_expected_one(self, store: Store):
        created = store.save_pool(a_pool(version=7), expected_version=None)
        assert created.version == 1
        assert store.save_pool(replace(created, version=9), expected_version=1).version == 2

    def test_the_second_of_two_changes_of_one_version_is_refused(self, store: Store):
        created = store.save_pool(a_pool(), expected_version=None)
        first = store.save_pool(replace(created, description="first"), expected_version=created.version)
        with pytest.raises(Conflict, match="version 1 became 2"):
            store.save_pool(replace(created, description="second"), expected_version=created.version)
        assert store.pool("pool") == first

    def test_a_pool_that_does_not_exist_cannot_be_replaced(self, store: Store):
        with pytest.raises(NotFound, match="'pool'"):
            store.save_pool(a_pool(), expected_version=1)
        assert store.pools() == []

    def test_the_mirror_of_a_pool_and_the_source_ids_of_its_runs_read_back(self, store: Store):
        mirror = Mirror(source="prefect", revision="1")
        created = store.save_pool(a_pool(mirror=mirror), expected_version=None)
        assert store.pool("pool") == created
        assert created.mirror == mirror
        newer = Mirror(source="prefect", revision="2", problem="variables: no schema")
        store.save_pool(replace(created, mirror=newer), expected_version=created.version)
        assert [pool.mirror for pool in store.pools()] == [newer]
        run = a_run(source_id="flow-run")
        store.add_runs([run])
        assert store.get(run.id) == run
        own = replace(newer, problem="")
        store.save_pool(replace(created, mirror=own), expected_version=2)
        assert store.save_pool(replace(created, mirror=None), expected_version=3).mirror is None

    def test_a_new_pool_has_nothing_that_only_ticks_write(self, store: Store):
        pool = a_pool(holds=(a_hold(),), last_tick_at=NOW)
        saved = store.save_pool(pool, expected_version=None)
        assert (saved.holds, saved.last_tick_at) == ((), None)
        assert store.pool("pool") == saved

    def test_the_times_at_which_a_pool_and_its_queues_were_paused_and_resumed_are_kept(self, store: Store):
        over = {"paused_at": NOW - HOUR, "resumed_at": NOW}
        queues = [a_queue("high", 1, paused=True, paused_at=NOW), a_queue("default", 2, **over)]
        saved = store.save_pool(a_pool(queues=queues, **over), expected_version=None)
        assert (saved.paused_at, saved.resumed_at) == (NOW - HOUR, NOW)
        assert [(queue.paused_at, queue.resumed_at) for queue in saved.queues] == [(NOW, None), (NOW - HOUR, NOW)]
        assert store.pool("pool") == store.pools()[0] == saved
        again = replace(saved, paused=True, paused_at=NOW + HOUR, resumed_at=None)
        saved = store.save_pool(again, expected_version=1)
        assert store.pool("pool") == saved == replace(again, version=2)
        assert store.look("pool", NOW, lambda snapshot: snapshot.pool) == saved

    def test_fields_that_ticks_wrote_survive_a_change_of_the_pool(self, store: Store):
        created = store.save_pool(a_pool(), expected_version=None)
        claim(store, NOW, decide=nothing)
        hold(store, NOW + HOUR)
        saved = store.save_pool(replace(created, description="new", holds=(a_hold(NOW),)), expected_version=1)
        assert (saved.holds, saved.last_tick_at) == ((a_hold(NOW + HOUR),), NOW)
        assert store.pool("pool") == saved

    def test_fields_that_ticks_write_do_not_count_as_a_change_of_the_pool(self, store: Store):
        created = store.save_pool(a_pool(), expected_version=None)
        claim(store, decide=nothing)
        hold(store, NOW + HOUR)
        store.heartbeat("pool", NOW)
        assert store.save_pool(created, expected_version=1).version == 2

    def test_holds_read_back_whole_and_in_order(self, store: Store):
        store.save_pool(a_pool(), expected_version=None)
        passed = {"default": (NOW, UUID(int=7)), "ü": (NOW + MINUTE / 7, UUID(int=2**127))}
        holds = (
            a_hold(NOW + MINUTE / 7, "Zürich 🚀", kind=HoldKind.MISCONFIGURED),
            a_hold(
                place=("", "eu", "main"), size={"gpu": 1, "cpu": 0.5}, freed_by_end=True, kind=HoldKind.CAPACITY, passed=passed
            ),
        )
        assert store.hold("pool", lambda _: holds) == holds
        stored = store.pool("pool")
        assert stored
        assert stored.holds == holds
        assert store.pools() == [stored]

    def test_holds_are_changed_from_what_they_are(self, store: Store):
        store.save_pool(a_pool(), expected_version=None)
        east, west = a_hold(place=("east",)), a_hold(place=("west",))
        assert store.hold("pool", lambda holds: (*holds, east)) == (east,)
        assert store.hold("pool", lambda holds: (*holds, west)) == (east, west)
        assert store.hold("pool", lambda holds: holds) == (east, west)
        assert store.hold("pool", lambda holds: holds[1:]) == (west,)
        assert store.hold("pool", lambda _: ()) == ()
        assert store.pool("pool") == replace(store.pool("pool"), holds=())

    def test_a_change_of_holds_that_fails_leaves_them(self, store: Store):
        store.save_pool(a_pool(), expected_version=None)
        hold(store)
        with pytest.raises(KeyError, match="place"):
            store.hold("pool", lambda _: {}["place"])
        assert store.hold("pool", lambda holds: holds) == (a_hold(),)

    def test_an_unknown_pool_has_no_holds_and_no_heartbeat(self, store: Store):
        assert store.hold("none", lambda _: (a_hold(),)) == ()
        store.heartbeat("none", NOW)
        assert store.pools() == []

    def test_a_heartbeat_concerns_only_its_pool(self, store: Store):
        for name in ("pool", "other"):
            store.save_pool(a_pool(name), expected_version=None)
        store.heartbeat("pool", NOW + MINUTE)
        assert [pool.last_tick_at for pool in store.pools()] == [None, NOW + MINUTE]

    def test_an_answer_that_is_changed_does_not_change_the_store(self, store: Store):
        template = {"job_configuration": {"command": "true"}, "variables": {}}
        saved = store.save_pool(a_pool(base_job_template=template), expected_version=None)
        template["job_configuration"]["command"] = "given"
        saved.base_job_template["job_configuration"]["command"] = "answered"
        store.pools()[0].base_job_template["job_configuration"]["command"] = "read"
        stored = store.pool("pool")
        assert stored
        assert stored.base_job_template["job_configuration"] == {"command": "true"}


class QueuesAndDeletion:
    @pytest.mark.parametrize("state", [RunState.SCHEDULED, RunState.PENDING, RunState.RUNNING, RunState.CANCELLING])
    def test_a_queue_is_deleted_only_when_all_its_runs_have_ended(self, store: Store, state: RunState):
        store.save_pool(a_pool(queues=["default", "low"]), expected_version=None)
        a_run_in(store, state, queue="low")
        before = store.pool("pool")
        with pytest.raises(Conflict, match="'low'"):
            store.save_pool(replace(a_pool(), description="new"), expected_version=1)
        assert store.pool("pool") == before

    def test_a_queue_is_deleted_when_its_runs_have_ended_and_they_stay(self, store: Store):
        store.save_pool(a_pool(queues=["default", "low"]), expected_version=None)
        ended = a_run_in(store, RunState.FAILED, queue="low")
        a_stored_run(store, queue="default")
        saved = store.save_pool(a_pool(), expected_version=1)
        assert [queue.name for queue in saved.queues] == ["default"]
        assert store.get(ended.id) == ended

    def test_a_queue_of_the_same_name_in_another_pool_does_not_matter(self, store: Store):
        for name in ("pool", "other"):
            store.save_pool(a_pool(name, queues=["default", "low"]), expected_version=None)
        a_stored_run(store, "other", "low")
        assert store.save_pool(a_pool(), expected_version=1).version == 2
        other = store.pool("other")
        assert other
        assert [queue.name for queue in other.queues] == ["default", "low"]

    def test_queues_can_trade_their_priorities(self, store: Store):
        store.save_pool(a_pool(queues=["default", "low"]), expected_version=None)
        saved = store.save_pool(a_pool(queues=["low", "default"]), expected_version=1)
        assert [(queue.name, queue.priority) for queue in saved.queues] == [("low", 1), ("default", 2)]

    def test_a_deleted_pool_takes_its_deployments_and_ended_runs_along(self, store: Store):
        for name in ("pool", "other"):
            store.save_pool(a_pool(name), expected_version=None)
            store.save_deployment(a_deployment(f"of-{name}", pool=name), expected_version=None, now=NOW)
        ended, kept = a_run_in(store, RunState.COMPLETED), a_run_in(store, RunState.COMPLETED, "other")
        waiting = a_stored_run(store, "other")
        store.delete_pool("pool", expected_version=1)
        assert store.pool("pool") is None
        assert [deployment.name for deployment in store.deployments()] == ["of-other"]
        assert store.get(ended.id) is None
        assert [store.get(run.id) for run in (kept, waiting)] == [kept, waiting]

    def test_a_deleted_name_is_free_again(self, store: Store):
        store.save_pool(a_pool(), expected_version=None)
        store.delete_pool("pool", expected_version=1)
        assert store.save_pool(a_pool(), expected_version=None).version == 1

    @pytest.mark.parametrize("state", [RunState.SCHEDULED, RunState.PENDING, RunState.RUNNING, RunState.CANCELLING])
    def test_a_pool_is_deleted_only_when_all_its_runs_have_ended(self, store: Store, state: RunState):
        store.save_pool(a_pool(), expected_version=None)
        store.save_deployment(a_deployment(), expected_version=None, now=NOW)
        run = a_run_in(store, state)
        with pytest.raises(Conflict, match="'pool'"):
            store.delete_pool("pool", expected_version=1)
        assert store.get(run.id) == run
        assert store.deployment("deployment")

    def test_a_pool_is_deleted_only_as_it_was_read(self, store: Store):
        created = store.save_pool(a_pool(), expected_version=None)
        saved = store.save_pool(created, expected_version=1)
        with pytest.raises(Conflict, match="version 1 became 2"):
            store.delete_pool("pool", expected_version=1)
        assert store.pool("pool") == saved

    def test_an_unknown_pool_cannot_be_deleted(self, store: Store):
        with pytest.raises(NotFound, match="'none'"):
            store.delete_pool("none", expected_version=1)


class Deployments:
    @pytest.fixture(autouse=True)
    def _two_pools(self, store: Store):
        store.save_pool(a_pool(queues=["default", "low"]), expected_version=None)
        store.save_pool(a_pool("other"), expected_version=None)

    def test_a_created_deployment_reads_back_whole_at_version_1(self, store: Store):
        variables = {"env": {"B": "{{ x }}", "A": None}, "list": [1, 2.5, True, {"deep": "ü"}]}
        schema = {"type": "object", "properties": {"b": {"type": "string"}, "a": {"default": 1}}, "required": ["b"]}
        deployment = a_deployment(
            queue="low",
            job_variables=variables,
            parameters=variables,
            parameter_openapi_schema=schema,
            tags=("b", "a"),
            description="nightly",
        )
        saved = store.save_deployment(deployment, expected_version=None, now=NOW)
        assert saved == replace(deployment, version=1)
        assert store.deployment("deployment") == saved
        assert list(saved.parameter_openapi_schema["properties"]) == ["b", "a"], "in the author's order"

    def test_deployments_come_by_name_all_or_of_one_pool(self, store: Store):
        for name, pool in (("b", "pool"), ("c", "other"), ("a", "pool"), ("B", "other")):
            store.save_deployment(a_deployment(name, pool), expected_version=None, now=NOW)
        assert [deployment.name for deployment in store.deployments()] == ["B", "a", "b", "c"]
        assert [deployment.name for deployment in store.deployments("pool")] == ["a", "b"]
        assert store.deployments("none") == []
        assert store.deployment("none") is None

    def test_a_deployments_name_is_taken_once(self, store: Store):
        saved = store.save_deployment(a_deployment(), expected_version=None, now=NOW)
        with pytest.raises(AlreadyExists, match="'deployment'"):
            store.save_deployment(a_deployment(pool="other"), expected_version=None, now=NOW)
        assert store.deployments() == [saved]

    def test_a_replaced_deployment_has_the_next_version(self, store: Store):
        created = store.save_deployment(a_deployment(), expected_version=None, now=NOW)
        changed = replace(created, pool="other", job_variables={"command": "false"}, parameters={"a": 1}, version=8)
        saved = store.save_deployment(changed, expected_version=1, now=NOW)
        assert saved == replace(changed, version=2)
        assert store.deployments() == [saved]

    def test_the_second_of_two_changes_of_one_deployment_is_refused(self, store: Store):
        created = store.save_deployment(a_deployment(), expected_version=None, now=NOW)
        first = store.save_deployment(replace(created, description="first"), expected_version=1, now=NOW)
        with pytest.raises(Conflict, match="version 1 became 2"):
            store.save_deployment(replace(created, description="second"), expected_version=1, now=NOW)
        assert store.deployment("deployment") == first

    def test_a_deployment_that_does_not_exist_cannot_be_replaced(self, store: Store):
        with pytest.raises(NotFound, match="'deployment'"):
            store.save_deployment(a_deployment(), expected_version=1, now=NOW)

    @pytest.mark.parametrize(("pool", "queue"), [("none", "default"), ("pool", "none"), ("other", "low")])
    def test_a_deployment_names_a_queue_that_exists(self, store: Store, pool: str, queue: str):
        with pytest.raises(NotFound, match=f"'{queue}' in a work pool named '{pool}'"):
            store.save_deployment(a_deployment(pool=pool, queue=queue), expected_version=None, now=NOW)
        created = store.save_deployment(a_deployment(), expected_version=None, now=NOW)
        with pytest.raises(NotFound, match=f"'{queue}'"):
            store.save_deployment(replace(created, pool=pool, queue=queue), expected_version=1, now=NOW)
        assert store.deployments() == [created]

    def test_a_deleted_deployment_leaves_its_runs(self, store: Store):
        store.save_deployment(a_deployment(), expected_version=None, now=NOW)
        run = a_stored_run(store, deployment="deployment")
        store.delete_deployment("deployment")
        assert store.deployment("deployment") is None
        assert store.get(run.id) == run
        with pytest.raises(NotFound, match="'deployment'"):
            store.delete_deployment("deployment")

    def test_a_deployment_that_is_changed_outside_does_not_change_the_store(self, store: Store):
        variables = {"env": {"A": "1"}}
        saved = store.save_deployment(a_deployment(job_variables=variables), expected_version=None, now=NOW)
        variables["env"]["A"] = "given"
        saved.job_variables["env"]["A"] = "answered"
        store.deployments()[0].job_variables["env"]["A"] = "read"
        stored = store.deployment("deployment")
        assert stored
        assert stored.job_variables == {"env": {"A": "1"}}
