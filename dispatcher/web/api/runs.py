"""Runs: list, create, explain, cancel, retry, logs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query
from starlette.requests import Request

from dispatcher.client import Dispatcher, shapes
from dispatcher.client.cursors import SEARCHED
from dispatcher.client.logs import job_of, log_text
from dispatcher.client.requests import run_request
from dispatcher.client.runs import MAX_PAGE
from dispatcher.client.secrets import of_runs
from dispatcher.errors import Conflict, Fault, InvalidInput
from dispatcher.models import Run, RunRequest, RunState
from dispatcher.models.records import RunFilter
from dispatcher.web.api.documents import ACT, ASK, CREATE, READ, body_of, documented
from dispatcher.web.api.requests import (
    NAME_PATTERN,
    TIME,
    Body,
    Client,
    JsonAnswer,
    PlainText,
    RunReference,
    Text,
    answer,
    time_in,
)
from dispatcher.web.bodies import MAX_BYTES_OF_RUNS, json_body
from dispatcher.web.cursors import runs_of, searched

MAX_TAIL = 10_000
NO_LOGS = (HTTPStatus.CONFLICT, HTTPStatus.BAD_GATEWAY)
"""The answers for a run without a job, and for a provider that does not respond."""
REASON = (
    "Words of the recorded reason: why a run ended, was refused or waits to be retried. No index has them: a page shows what"
    f" matches among the next {SEARCHED} runs, and may be empty and still have a `next`."
)

router = APIRouter()


def run_filter(
    *,
    pool: Text = "",
    queue: Text = "",
    deployment: Text = "",
    state: Annotated[Sequence[RunState], Query(description="Only runs in this state; repeat it for more.")] = (),
    tag: PlainText = "",
    name: Annotated[
        str, Query(max_length=200, pattern=NAME_PATTERN, description="Only runs whose name begins with this.")
    ] = "",
    since: Annotated[str, Query(max_length=40, description="Created at this time or later.", json_schema_extra=TIME)] = "",
    until: Annotated[str, Query(max_length=40, description="Created before this time.", json_schema_extra=TIME)] = "",
) -> RunFilter:
    """The filter in a query. Raises `InvalidInput` for a wrong time."""
    return RunFilter(
        pool=pool or None,
        queue=queue or None,
        deployment=deployment or None,
        states=frozenset(state) or None,
        tag=tag or None,
        name=name or None,
        since=time_in(since, "since"),
        until=time_in(until, "until"),
    )


@router.get("/runs", operation_id="list_runs", responses=documented(READ, "RunPage", HTTPStatus.BAD_REQUEST))
def list_runs(
    client: Client,
    request: Request,
    where: Annotated[RunFilter, Depends(run_filter)],
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE, description="The most runs of a page.")] = 50,
    cursor: Annotated[str, Query(max_length=400, description="The `next` of the previous page.")] = "",
    *,
    reason: Annotated[str, Query(max_length=200, description=REASON)] = "",
) -> JsonAnswer:
    """A page of runs, newest first. `next` is the cursor of the page that follows; null: there is none.

    Where no index has all that the filter asks for, a page is what matches among some thousands of runs: it may have fewer runs
    than `limit`, or none, and still a `next`.
    """
    page = searched(client, where, reason, cursor, limit) if reason else runs_of(client, where, cursor, limit)
    link = {"Link": f'<{request.url.include_query_params(cursor=page.next)}>; rel="next"'} if page.next else None
    return answer({"items": list(map(shapes.run, page.items)), "next": page.next}, headers=link)


async def new_runs(request: Request) -> Any:
    """The body of a creation: one run, or a list of them."""
    return await json_body(request, MAX_BYTES_OF_RUNS)


@router.post(
    "/runs",
    operation_id="create_runs",
    status_code=201,
    responses=documented(CREATE, "CreatedRuns"),
    openapi_extra=body_of("NewRuns"),
)
def create_runs(
    client: Client,
    body: Annotated[Any, Depends(new_runs)],
    idempotency_key: Annotated[
        str, Header(alias="Idempotency-Key", max_length=200, description="A repeat with the same key returns the same run.")
    ] = "",
) -> JsonAnswer:
    """Create one run from an object, or many from a list: all of them, or none.

    A header `Idempotency-Key` on a list gives its runs the keys KEY.0, KEY.1 and so on. Refuses a key that was used for a
    different run.
    """
    entries = body if isinstance(body, list) else [body]
    requests = [
        _keyed(run_request(entry, f"runs[{number}]" if isinstance(body, list) else "run"), idempotency_key, number, body)
        for number, entry in enumerate(entries)
    ]
    runs = client.create_runs(requests)
    _check_same(requests, runs)
    made = list(map(shapes.whole_run, runs))
    secrets = of_runs(client.store, runs)
    return answer(made if isinstance(body, list) else made[0], secrets, status=HTTPStatus.CREATED)


@router.get("/runs/{run}", operation_id="get_run", responses=documented(READ, "WholeRun"))
def get_run(client: Client, run: RunReference) -> JsonAnswer:
    """One run, with its timeline through all attempts."""
    return _whole(client, client.run(run))


@router.get("/runs/{run}/explain", operation_id="explain_run", responses=documented(READ, "Explanation"))
def explain_run(client: Client, run: RunReference) -> JsonAnswer:
    """Why the run is not running: the one primary reason, who holds the slots, and what to do."""
    return answer(shapes.explanation(client.run(run), client.explain(run)))


@router.post("/runs/{run}/cancel", operation_id="cancel_run", responses=documented(ACT, "WholeRun"))
def cancel_run(client: Client, run: RunReference) -> JsonAnswer:
    """Cancel a run: at once while it waits, otherwise as soon as its job has ended. An ended run stays as it is."""
    return _whole(client, client.cancel_run(run))


@router.post(
    "/runs/{run}/move",
    operation_id="move_run",
    responses=documented(ASK, "WholeRun"),
    openapi_extra=body_of("RunMove"),
)
def move_run(client: Client, run: RunReference, body: Body) -> JsonAnswer:
    """Move a waiting run into another queue of its pool, or change its priority. A run that does not wait is a conflict.

    `front` gives it a priority of one less than the lowest of the due runs of the queue.
    """
    if unknown := sorted(set(body) - {"queue", "priority", "front"}):
        raise InvalidInput("body", [Fault(name, "is not a field; they are queue, priority and front") for name in unknown])
    queue = body.get("queue")
    if queue is not None and not isinstance(queue, str):
        raise InvalidInput("body", [Fault("queue", "must be the name of a work queue")])
    return _whole(client, client.move_run(run, queue=queue, priority=body.get("priority"), front=body.get("front", False)))


@router.post("/runs/{run}/start-now", operation_id="start_run_now", responses=documented(ACT, "WholeRun"))
def start_run_now(client: Client, run: RunReference) -> JsonAnswer:
    """Make a waiting run due at once. Limits still hold. A run that does not wait is a conflict."""
    return _whole(client, client.start_run_now(run))


@router.post("/runs/{run}/retry", operation_id="retry_run", status_code=201, responses=documented(CREATE, "WholeRun"))
def retry_run(client: Client, run: RunReference) -> JsonAnswer:
    """Run an ended run again, as a new run. A repeat returns the same new run."""
    return _whole(client, client.retry_run(run), HTTPStatus.CREATED)


@router.get("/runs/{run}/logs", operation_id="read_logs", responses=documented(READ, "Logs", *NO_LOGS))
def read_logs(
    client: Client,
    request: Request,
    run: RunReference,
    attempt: Annotated[int, Query(ge=0, le=1000, description="0: the last attempt with a job.")] = 0,
    tail: Annotated[int, Query(ge=1, le=MAX_TAIL, description="The number of last lines.")] = 100,
) -> JsonAnswer:
    """The last lines of the logs of an attempt's job."""
    record = client.run(run)
    job = job_of(record, attempt or None)
    if job is None:
        raise Conflict(f"run {record.name!r} has no job yet, so it has no logs: {client.explain(record.id).text}")
    provider = request.app.state.clients.providers(client.work_pool(record.pool).type)
    text, number = log_text(provider, job[1], tail), job[0]
    shape = {"id": str(record.id), "name": record.name, "attempt": number, "logs": text, "url": job[1].url}
    return answer(shape, of_runs(client.store, [record]))


def _whole(client: Dispatcher, run: Run, status: HTTPStatus = HTTPStatus.OK) -> JsonAnswer:
    return answer(shapes.whole_run(run), of_runs(client.store, [run]), status=status)


def _keyed(request: RunRequest, key: str, number: int, body: Any) -> RunRequest:
    """The request with the key of the header, unless it has its own."""
    if not key or request.idempotency_key is not None:
        return request
    return replace(request, idempotency_key=f"{key}.{number}" if isinstance(body, list) else key)


def _check_same(requests: Sequence[RunRequest], runs: Sequence[Run]) -> None:
    """Raise `InvalidInput` if the run of a key differs from the present request."""
    for number, (request, run) in enumerate(zip(requests, runs, strict=True)):
        if request.idempotency_key is None:
            continue
        asked = {name: getattr(request, name) for name in ("queue", "name", "job_variables", "parameters", "scheduled_at")}
        asked["tags"] = tuple(request.tags) or None
        differs = [name for name, value in asked.items() if value is not None and value != getattr(run, name)]
        if differs:
            words = f"was used for run {run.id}, which differs in {', '.join(differs)}; use another key"
            raise InvalidInput(f"runs[{number}]", [Fault("idempotency_key", words)])
