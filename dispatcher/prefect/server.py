"""The calls of a Prefect server's API. Each can be repeated, and each ends within `SECONDS`, its repeats included."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

import httpx

from dispatcher.core.placeholders import MISSING
from dispatcher.environment.clock import Clock
from dispatcher.errors import SourceError
from dispatcher.prefect.flow_runs import FlowRun, flow_run_in

SECONDS = 8.0
"""For one call, repeats included."""
TRY_SECONDS = 4.0
"""For one try."""
AGAIN = frozenset({408, 429, 502, 503})
"""The answers of a busy server: on SQLite, it answers 503 even to plain writes of a single client."""
BUSY = " (a server on SQLite does under little load; use PostgreSQL)"
WHO = "; set PREFECT_API_KEY or PREFECT_API_AUTH_STRING to what the server accepts"
PAUSES = (0.1, 0.4, 1.0)
"""Seconds before each further try."""
PAGE = 200
"""The server's page limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PrefectAnswer:
    """An answer of the server, whatever it says."""

    code: int
    body: Any
    date: str = ""
    """When the server answered, as its header says."""


def headers_of(environment: Mapping[str, str]) -> dict[str, str]:
    """How requests identify themselves, by the variables that Prefect's own client reads; the auth string wins, as there."""
    if auth := environment.get("PREFECT_API_AUTH_STRING"):
        return {"Authorization": f"Basic {b64encode(auth.encode()).decode()}"}
    key = environment.get("PREFECT_API_KEY")
    return {"Authorization": f"Bearer {key}"} if key else {}


class PrefectServer:
    """A Prefect server. Safe to use from several threads."""

    def __init__(
        self,
        url: str,
        clock: Clock,
        *,
        headers: Mapping[str, str] | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self.busy = 0
        """How often it answered 503 so far."""
        self._clock = clock
        self._client = httpx.Client(headers=dict(headers or {}), timeout=TRY_SECONDS, transport=transport)

    def close(self) -> None:
        """Release connections."""
        self._client.close()

    # Pools and queues

    def pools(self, types: Sequence[str], names: Sequence[str] = ()) -> Sequence[Mapping[str, Any]]:
        """The work pools that have one of these types or names, by name."""
        by_type = self._pages("work_pools/filter", {"work_pools": {"type": {"any_": list(types)}}})
        by_name = self._pages("work_pools/filter", {"work_pools": {"name": {"any_": list(names)}}}) if names else ()
        pools = {str(pool.get("name")): pool for pool in (*by_type, *by_name)}
        return [pools[name] for name in sorted(pools)]

    def queues(self, pool: str) -> Sequence[Mapping[str, Any]]:
        """The queues of a pool."""
        return list(self._pages(f"work_pools/{_quoted(pool)}/queues/filter", {}))

    def heartbeat(self, pool: str, name: str, seconds: float) -> None:
        """Make the pool READY for three times that long."""
        body = {"name": name, "heartbeat_interval_seconds": max(1, round(seconds))}
        self._send("POST", f"work_pools/{_quoted(pool)}/workers/heartbeat", body)

    def poll(self, pool: str) -> None:
        """Make the pool's queues and deployments READY; takes no run."""
        self._send("POST", f"work_pools/{_quoted(pool)}/get_scheduled_flow_runs", {"limit": 0})

    def workers(self, pool: str) -> Sequence[Mapping[str, Any]]:
        """Who has sent heartbeats for the pool."""
        return list(self._pages(f"work_pools/{_quoted(pool)}/workers/filter", {}))

    # Flow runs

    def flow_runs(
        self, pool: str, states: Sequence[str], *, queue: str | None = None, before: datetime | None = None
    ) -> Iterator[FlowRun]:
        """The flow runs of a pool (of a queue) in these states, next start first; pages are read as they are needed."""
        where: dict[str, Any] = {"state": {"type": {"any_": list(states)}}}
        if before is not None:
            where["next_scheduled_start_time"] = {"before_": before.isoformat()}
        body: dict[str, Any] = {"flow_runs": where, "work_pools": {"name": {"any_": [pool]}}}
        if queue is not None:
            body["work_pool_queues"] = {"name": {"any_": [queue]}}
        return map(flow_run_in, self._pages("flow_runs/filter", {**body, "sort": "NEXT_SCHEDULED_START_TIME_ASC"}))

    def flow_runs_by_id(self, ids: Sequence[str]) -> Sequence[FlowRun]:
        """Those of these flow runs that exist, at most `PAGE`."""
        return list(map(flow_run_in, self._pages("flow_runs/filter", {"flow_runs": {"id": {"any_": list(ids)}}})))

    def flow_run(self, flow_run_id: str) -> FlowRun | None:
        """One flow run; None where it does not exist."""
        answer = self._call("GET", f"flow_runs/{flow_run_id}", None)
        return None if answer.code == 404 else flow_run_in(_body(answer))

    def deployments(self, ids: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        """The deployments that exist, by id."""
        if not ids:
            return {}
        records = self._pages("deployments/filter", {"deployments": {"id": {"any_": sorted(ids)}}})
        return {str(deployment.get("id")): deployment for deployment in records}

    def flow_names(self, ids: Sequence[str]) -> Mapping[str, str]:
        """The names of the flows that exist, by id."""
        flows = self._pages("flows/filter", {"flows": {"id": {"any_": list(ids)}}})
        return {str(flow.get("id")): str(flow.get("name")) for flow in flows}

    def set_state(self, flow_run_id: str, state: Mapping[str, Any]) -> PrefectAnswer:
        """Propose a state; the answer says what came of it."""
        return self._call("POST", f"flow_runs/{flow_run_id}/set_state", {"state": state, "force": False})

    def set_pid(self, flow_run_id: str, pid: str) -> None:
        """Note where the flow run's job is."""
        self._send("PATCH", f"flow_runs/{flow_run_id}", {"infrastructure_pid": pid})

    def set_labels(self, flow_run_id: str, labels: Mapping[str, str]) -> None:
        """Add labels to a flow run; others of it stay."""
        self._send("PATCH", f"flow_runs/{flow_run_id}/labels", labels)

    def variable(self, name: str) -> Any:
        """The value of a variable; `MISSING` where there is none of that name."""
        answer = self._call("GET", f"variables/name/{_quoted(name)}", None)
        return MISSING if answer.code == 404 else _body(answer).get("value")

    # The server itself

    def version(self) -> str:
        """Its version."""
        return str(_body(self._call("GET", "admin/version", None)))

    def clock_ahead(self) -> timedelta | None:
        """How far its clock is ahead of ours; None where its answer has no date. The date is exact to a second."""
        answer = self._call("GET", "admin/version", None)
        try:
            return parsedate_to_datetime(answer.date) - self._clock.now()
        except (TypeError, ValueError):
            return None

    # Anything else

    def read(self, path: str) -> Any:
        """The object; None where there is none."""
        answer = self._call("GET", path, None)
        return None if answer.code == 404 else _body(answer)

    def send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """One call of another kind, and its answer."""
        return _body(self._call(method, path, body))

    # Calls

    def _pages(self, path: str, body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        offset = 0
        while True:
            page = _body(self._call("POST", path, {**body, "limit": PAGE, "offset": offset}))
            if not isinstance(page, list) or not all(isinstance(item, Mapping) for item in page):
                raise SourceError(f"Prefect: {path} was not answered with a list")
            yield from page
            offset += len(page)
            if len(page) < PAGE:
                return

    def _send(self, method: str, path: str, body: Mapping[str, Any]) -> None:
        answer = self._call(method, path, body)
        if answer.code >= 300:
            raise _refused(answer)

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None) -> PrefectAnswer:
        """One call, repeated while the server is busy or does not answer. Raises `SourceError`."""
        began, problem = self._clock.now(), "no answer"
        for pause in (0.0, *PAUSES):
            self._clock.sleep(pause)
            if (self._clock.now() - began).total_seconds() > SECONDS - TRY_SECONDS:
                break
            try:
                answer = self._try(method, path, body)
            except httpx.HTTPError as failure:
                problem = f"no answer ({type(failure).__name__})"
                continue
            if answer.code not in AGAIN:
                return answer
            self.busy += answer.code == 503
            problem = f"it answered {answer.code}{BUSY if answer.code == 503 else ''}"
        raise SourceError(f"Prefect at {self.url}: {path}: {problem}")

    def _try(self, method: str, path: str, body: Mapping[str, Any] | None) -> PrefectAnswer:
        response = self._client.request(method, f"{self.url}/{path}", json=body)
        code, date = response.status_code, response.headers.get("Date", "")
        if not response.content:
            return PrefectAnswer(code=code, body=None, date=date)
        try:
            return PrefectAnswer(code=code, body=response.json(), date=date)
        except ValueError:
            return PrefectAnswer(code=code, body=response.text, date=date)


def _body(answer: PrefectAnswer) -> Any:
    if answer.code >= 300:
        raise _refused(answer)
    return answer.body


def _refused(answer: PrefectAnswer) -> SourceError:
    words = f"Prefect answered {answer.code}: {_short(answer.body)}"
    return SourceError(f"{words}{WHO if answer.code in (401, 403) else ''}")


def _short(body: Any) -> str:
    return str(body)[:200]


def _quoted(name: str) -> str:
    return quote(name, safe="")
