"""An emulated Prefect server: the answers and transitions that Prefect 3.8 was seen to give, and every way to lose them.

It is a transport for httpx, so that the real client runs. A state carries its transition id; nothing else of the server's inner
life is here. `fail` makes calls fail: `busy` (503), `request` (it never arrives), `answer` (it takes effect, unanswered).
"""

import json
from collections import Counter
from datetime import datetime, timedelta
from email.utils import format_datetime
from uuid import uuid4

import httpx

ENDED = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
SLOT_WAIT = timedelta(seconds=30)


class EmulatedPrefect:
    def __init__(self, now, new_id=uuid4):
        self.now, self.new_id = now, new_id
        self.pools, self.queues, self.deployments, self.flow_runs = {}, {}, {}, {}
        self.variables, self.automations, self.blocks = {}, {}, {}
        self.clock_ahead, self.auth = timedelta(), None
        self.calls, self.faults = [], []
        self.histories = {}

    @property
    def transport(self):
        return httpx.MockTransport(self.answer)

    # What people do

    def add_pool(self, name="p", kind="ecs:push", template=None, limit=None, queues=(("default", 1),), **fields):
        self.pools[name] = {
            "id": str(self.new_id()),
            "name": name,
            "type": kind,
            "base_job_template": template or {},
            "concurrency_limit": limit,
            "is_paused": False,
            "status": "NOT_READY",
            **fields,
        }
        self.queues[name] = [
            {"id": str(self.new_id()), "name": queue, "priority": priority, "concurrency_limit": None, "is_paused": False}
            for queue, priority in queues
        ]
        return self.pools[name]

    def add_deployment(self, name="d", *, limit=None, strategy="ENQUEUE", **fields):
        identity = str(self.new_id())
        self.deployments[identity] = {
            "id": identity,
            "name": name,
            "job_variables": {},
            "limit": limit,
            "strategy": strategy,
            **fields,
        }
        return identity

    def add_flow_run(self, name="run", pool="p", queue="default", at=None, deployment=None, **fields):
        identity, due = str(self.new_id()), at or self.now()
        self.flow_runs[identity] = {
            "id": identity,
            "name": name,
            "work_pool_name": pool,
            "work_pool_id": self.pools[pool]["id"] if pool in self.pools else None,
            "work_queue_name": queue,
            "deployment_id": deployment,
            "flow_id": str(self.new_id()),
            "job_variables": {},
            "tags": [],
            "infrastructure_pid": None,
            "labels": {},
            "empirical_policy": {"retry_type": None},
            "next_scheduled_start_time": due.isoformat(),
            "state": None,
            **fields,
        }
        self._set(self.flow_runs[identity], {"type": "SCHEDULED", "name": "Scheduled"}, due)
        return identity

    def propose(self, flow_run, kind, name=None, **details):
        """A state that somebody else sets: a container, a worker, the page."""
        state = {
            "type": kind,
            "name": name or kind.capitalize(),
            "state_details": {"transition_id": str(self.new_id()), **details},
        }
        return self._set_state(flow_run, state)

    def state(self, flow_run):
        return self.flow_runs[flow_run]["state"]["type"]

    def message(self, flow_run):
        return self.flow_runs[flow_run]["state"].get("message")

    def history(self, flow_run):
        return self.histories[flow_run]

    def fail(self, kind, part="", times=1):
        """The next calls whose path holds `part` fail."""
        self.faults += [(kind, part)] * times

    def counts(self):
        return Counter(self._kind_of(path) for _, path in self.calls)

    # Calls

    def answer(self, request):
        path = request.url.path.removeprefix("/api/")
        self.calls.append((request.method, path))
        fault = next((fault for fault in self.faults if fault[1] in path), None)
        if fault:
            self.faults.remove(fault)
        if fault and fault[0] == "busy":
            return httpx.Response(503, json={"exception_message": "Service Unavailable"})
        if fault and fault[0] == "request":
            raise httpx.ConnectError("refused", request=request)
        body = json.loads(request.content) if request.content else {}
        if self.auth and request.headers.get("Authorization") != self.auth:
            return httpx.Response(401, json={"exception_message": "Unauthorized"})
        code, content = self._answer(request.method, path, body)
        if fault and fault[0] == "answer":
            raise httpx.ReadTimeout("timed out", request=request)
        headers = {"Date": format_datetime(self.now() + self.clock_ahead)}
        return httpx.Response(code, headers=headers, **({} if content is None else {"json": content}))

    def _answer(self, method, path, body):  # noqa: C901, PLR0912 - one case for each call
        if path.startswith(("automations", "block_")):
            return self._answer_of_automations(method, path.strip("/").split("/"), body)
        match method, path.split("/"):
            case "GET", ["admin", "version"]:
                return 200, "3.8.8"
            case "POST", ["work_pools", "filter"]:
                return 200, self._page(self._pools(body["work_pools"]), body)
            case "POST", ["work_pools", pool, "queues", "filter"]:
                return 200, self._page(self.queues[pool], body)
            case "POST", ["work_pools", pool, "workers", "heartbeat"]:
                self.pools[pool]["status"] = "READY"
                return 204, None
            case "POST", ["work_pools", pool, "workers", "filter"]:
                return 200, self._page(self.pools[pool].get("workers", []), body)
            case "POST", ["work_pools", pool, "get_scheduled_flow_runs"]:
                self.pools[pool]["polled"] = body
                return 200, []
            case "POST", ["deployments", "filter"]:
                wanted = body["deployments"]["id"]["any_"]
                return 200, self._page([deployment for key, deployment in self.deployments.items() if key in wanted], body)
            case "POST", ["flows", "filter"]:
                flows = [{"id": flow, "name": f"flow-{flow[:4]}"} for flow in body["flows"]["id"]["any_"]]
                return 200, self._page(flows, body)
            case "GET", ["variables", "name", name]:
                if name not in self.variables:
                    return 404, {"detail": "Variable not found"}
                return 200, {"name": name, "value": self.variables[name]}
            case "POST", ["flow_runs", "filter"]:
                return 200, self._page(self._flow_runs(body), body)
            case "POST", ["flow_runs", flow_run, "set_state"]:
                return self._set_state(flow_run, body["state"])
            case "GET", ["flow_runs", flow_run]:
                found = self.flow_runs.get(flow_run)
                return (200, found) if found else (404, {"detail": "Flow run not found"})
            case "PATCH", ["flow_runs", flow_run, "labels"]:
                labels = self.flow_runs[flow_run]["labels"] if flow_run in self.flow_runs else {}
                return self._patch(flow_run, {"labels": {**labels, **body}})
            case "PATCH", ["flow_runs", flow_run]:
                return self._patch(flow_run, body)
        raise AssertionError(f"an unknown call: {method} {path}")

    def _answer_of_automations(self, method, path, body):
        match method, path:
            case "GET", ["block_types", "slug", "webhook"]:
                return 200, {"id": "webhook-type"}
            case "POST", ["block_schemas", "filter"]:
                assert body["block_schemas"]["block_type_id"]["any_"] == ["webhook-type"]
                return 200, [{"id": "webhook-schema"}]
            case "GET", [*_, "block_documents", "name", name]:
                document = next((document for document in self.blocks.values() if document["name"] == name), None)
                return (200, document) if document else (404, {"detail": "Block document not found"})
            case "POST", ["automations", "filter"]:
                return 200, self._page(list(self.automations.values()), body)
            case "POST", ["automations" | "block_documents" as kind]:
                made = {**body, "id": str(self.new_id())}
                (self.automations if kind == "automations" else self.blocks)[made["id"]] = made
                return 201, made
            case "PUT" | "PATCH", [kind, identity]:
                (self.automations if kind == "automations" else self.blocks)[identity].update(body)
                return 204, None
            case "DELETE", [kind, identity]:
                del (self.automations if kind == "automations" else self.blocks)[identity]
                return 204, None
        raise AssertionError(f"an unknown call: {method} {path}")

    def _pools(self, where):
        if "type" in where:
            return [pool for pool in self.pools.values() if pool["type"] in where["type"]["any_"]]
        return [pool for pool in self.pools.values() if pool["name"] in where["name"]["any_"]]

    def _flow_runs(self, body):
        where = body["flow_runs"]
        found = list(self.flow_runs.values())
        if "id" in where:
            found = [run for run in found if run["id"] in where["id"]["any_"]]
        if "state" in where:
            found = [run for run in found if run["state"]["type"] in where["state"]["type"]["any_"]]
        if "next_scheduled_start_time" in where:
            before = datetime.fromisoformat(where["next_scheduled_start_time"]["before_"])
            found = [run for run in found if datetime.fromisoformat(run["next_scheduled_start_time"]) <= before]
        for field, key in (("work_pools", "work_pool_name"), ("work_pool_queues", "work_queue_name")):
            if field in body:
                found = [run for run in found if run[key] in body[field]["name"]["any_"]]
        if "sort" in body:
            assert body["sort"] == "NEXT_SCHEDULED_START_TIME_ASC"
            found.sort(key=lambda run: run["next_scheduled_start_time"])
        return found

    def _page(self, items, body):
        assert 0 <= body["limit"] <= 200
        return items[body["offset"] : body["offset"] + body["limit"]]

    def _patch(self, flow_run, fields):
        found = self.flow_runs.get(flow_run)
        if found is None:
            return 404, {"detail": "Flow run not found"}
        if "job_variables" in fields and found["state"]["type"] != "SCHEDULED":
            return 400, {"detail": "Job variables for a flow run in state PENDING cannot be updated"}
        found.update(fields)
        return 204, None

    # Transitions

    def _set_state(self, flow_run, proposed):
        run = self.flow_runs.get(flow_run)
        if run is None:
            return 404, {"exception_message": f"Flow run with id {flow_run} not found"}
        current, kind = run["state"], proposed["type"]
        transition = proposed.get("state_details", {}).get("transition_id")
        if transition and current["state_details"].get("transition_id") == transition:
            return self._refused(200, "REJECT", run, "This run has already made this state transition.")
        if (
            current["type"] in ENDED
            and (kind in ENDED | {"CANCELLING", "PENDING"})
            and (current["type"], kind)
            != (
                "CRASHED",
                "COMPLETED",
            )
        ):
            return self._refused(200, "ABORT", run, f"Run is already in terminal state {current['type']}.")
        if current["type"] == "CANCELLING" and kind != "CANCELLED":
            words = "Cannot transition flows that are cancelling to a state other than Cancelled."
            return self._refused(200, "REJECT", run, words)
        if kind == "PENDING":
            return self._to_pending(run, proposed)
        if kind == "CANCELLING" and current["type"] == "SCHEDULED" and run["infrastructure_pid"] is None:
            self._set(run, {"type": "CANCELLED", "name": "Cancelled"})
            return self._refused(201, "REJECT", run, "Scheduled flow run has no infrastructure to terminate.")
        return self._accepted(run, proposed)

    def _to_pending(self, run, proposed):
        current = run["state"]
        if current["type"] == "PENDING" and proposed["name"] in ("Pending", current["name"]):
            return self._refused(200, "ABORT", run, "This run is in a PENDING state and cannot transition to a PENDING state.")
        if current["type"] == "RUNNING":
            return self._refused(200, "ABORT", run, "This run is in a RUNNING state and cannot transition to a PENDING state.")
        deployment = self.deployments.get(run["deployment_id"] or "")
        if current["type"] == "SCHEDULED" and deployment and self._is_full(deployment):
            return self._no_slot(run, deployment)
        return self._accepted(run, proposed)

    def _is_full(self, deployment):
        active = [
            run
            for run in self.flow_runs.values()
            if run["deployment_id"] == deployment["id"] and run["state"]["type"] in ("PENDING", "RUNNING")
        ]
        return deployment["limit"] is not None and len(active) >= deployment["limit"]

    def _no_slot(self, run, deployment):
        if deployment["strategy"] == "CANCEL_NEW":
            self._set(run, {"type": "CANCELLED", "name": "Cancelled"})
        else:
            self._set(run, {"type": "SCHEDULED", "name": "AwaitingConcurrencySlot"}, self.now() + SLOT_WAIT)
        return self._refused(201, "REJECT", run, "Deployment concurrency limit reached.")

    def _accepted(self, run, proposed):
        at = proposed.get("state_details", {}).get("scheduled_time")
        self._set(run, proposed, datetime.fromisoformat(at) if at else None)
        return 201, {"status": "ACCEPT", "state": run["state"], "details": {"type": "accept_details"}}

    def _refused(self, code, status, run, reason):
        return code, {"status": status, "state": run["state"], "details": {"type": status.lower(), "reason": reason}}

    def _set(self, run, state, at=None):
        details = dict(state.get("state_details", {}))
        if state["type"] == "SCHEDULED":
            at = at or self.now()
            details["scheduled_time"] = run["next_scheduled_start_time"] = at.isoformat()
        run["state"] = {**state, "id": str(self.new_id()), "timestamp": self.now().isoformat(), "state_details": details}
        self.histories.setdefault(run["id"], []).append(run["state"]["name"])

    def _kind_of(self, path):
        parts = path.split("/")
        return "/".join(part for part in parts if len(part) != 36 and part not in self.pools)
