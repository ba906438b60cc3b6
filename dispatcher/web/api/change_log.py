"""The log of changes."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request

from dispatcher.client import shapes
from dispatcher.client.change_log import MAX_ENTRIES, log_filter
from dispatcher.models.records import LogFilter
from dispatcher.web.api.documents import READ, documented
from dispatcher.web.api.requests import TIME, Client, JsonAnswer, PlainText, Text, answer, time_in
from dispatcher.web.cursors import entries_of

router = APIRouter()


def entry_filter(
    *,
    pool: Text = "",
    deployment: Text = "",
    automation: Text = "",
    run: Annotated[str, Query(max_length=60, pattern=r"^[0-9a-zA-Z-]+$", description="The run's id.")] = "",
    actor: PlainText = "",
    since: Annotated[str, Query(max_length=40, description="Changed at this time or later.", json_schema_extra=TIME)] = "",
    until: Annotated[str, Query(max_length=40, description="Changed before this time.", json_schema_extra=TIME)] = "",
) -> LogFilter:
    """The filter in a query; it may name only one pool, deployment, automation or run. Raises `InvalidInput`."""
    names = {"pool": pool, "deployment": deployment, "automation": automation, "run": run}
    return log_filter(names, actor=actor, since=time_in(since, "since"), until=time_in(until, "until"))


@router.get("/log", operation_id="list_changes", responses=documented(READ, "LogPage", HTTPStatus.BAD_REQUEST))
def list_changes(
    client: Client,
    request: Request,
    where: Annotated[LogFilter, Depends(entry_filter)],
    limit: Annotated[int, Query(ge=1, le=MAX_ENTRIES, description="The most entries of a page.")] = 50,
    cursor: Annotated[str, Query(max_length=400, description="The `next` of the previous page.")] = "",
) -> JsonAnswer:
    """A page of the log of changes, the latest first: who changed what, and which way it came in."""
    entries, following = entries_of(client, where, cursor, limit)
    link = {"Link": f'<{request.url.include_query_params(cursor=following)}>; rel="next"'} if following else None
    return answer({"items": list(map(shapes.log_entry, entries)), "next": following}, headers=link)
