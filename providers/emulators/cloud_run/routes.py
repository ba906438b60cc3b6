"""Maps REST paths to operations and answers them in JSON. The mapping is run_v2's own (`transports/rest_base.py`)."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import proto  # type: ignore[import-untyped]  # it ships no type information
from google.cloud import run_v2

from providers.emulators.cloud_run.refusals import Refusal, invalid, not_found
from providers.emulators.cloud_run.rules import parse_job, parse_message
from providers.emulators.cloud_run.service import Service

PAGE_SIZE = 100
"""The default and the largest page size of a list."""

_LOCATION = r"projects/[^/:]+/locations/[^/:]+"
_JOB = rf"{_LOCATION}/jobs/[^/:]+"
_EXECUTION = rf"{_JOB}/executions/[^/:]+"

Answer = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call: the resource in its path, its query and its body."""

    name: str
    query: Mapping[str, str]
    body: bytes

    @property
    def numeric(self) -> bool:
        """True if the client requests enums as numbers."""
        return "enum-encoding=int" in self.query.get("$alt", "")

    @property
    def fields(self) -> dict[str, Any]:
        """The body of a call without a resource. Raises a 400 if it is not a JSON object."""
        try:
            fields = json.loads(self.body or b"{}")
        except ValueError as error:
            raise Refusal("INVALID_ARGUMENT", f"Invalid JSON payload received. {error}") from None
        if not isinstance(fields, dict):
            raise Refusal("INVALID_ARGUMENT", "Invalid JSON payload received. It is not an object.")
        return fields

    def flag(self, name: str) -> bool:
        """A boolean of the query."""
        return self.query.get(name, "").lower() == "true"

    def encode(self, message: proto.Message) -> Answer:
        """A message as JSON."""
        text = type(message).to_json(
            message, use_integers_for_enums=self.numeric, always_print_fields_with_no_presence=False, indent=None
        )
        encoded: Answer = json.loads(text)
        return encoded


class Routes:
    """Routes calls to operations and carries them out."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._operations: dict[str, Answer] = {}
        verbs: list[tuple[str, str, str, Callable[[Call], Answer]]] = [
            ("POST", rf"({_LOCATION})/jobs", "CreateJob", self._create_job),
            ("GET", rf"({_LOCATION})/jobs", "ListJobs", self._list_jobs),
            ("GET", rf"({_JOB})", "GetJob", lambda call: call.encode(service.get_job(call.name))),
            ("PATCH", rf"({_JOB})", "UpdateJob", self._update_job),
            ("DELETE", rf"({_JOB})", "DeleteJob", self._delete_job),
            ("POST", rf"({_JOB}):run", "RunJob", self._run_job),
            ("GET", rf"({_JOB})/executions", "ListExecutions", self._list_executions),
            ("GET", rf"({_EXECUTION})", "GetExecution", lambda call: call.encode(service.get_execution(call.name))),
            ("DELETE", rf"({_EXECUTION})", "DeleteExecution", self._delete_execution),
            ("POST", rf"({_EXECUTION}):cancel", "CancelExecution", self._cancel_execution),
            ("GET", rf"({_EXECUTION})/tasks", "ListTasks", self._list_tasks),
            ("GET", rf"({_EXECUTION}/tasks/[^/:]+)", "GetTask", lambda call: call.encode(service.get_task(call.name))),
            ("GET", rf"({_LOCATION}/operations/[^/:]+)", "GetOperation", self._get_operation),
            ("POST", rf"({_LOCATION}/operations/[^/:]+):wait", "WaitOperation", self._get_operation),
        ]
        self._table = [(method, re.compile(f"/v2/{path}"), name, act) for method, path, name, act in verbs]

    def find(self, method: str, path: str) -> tuple[str, str, Callable[[Call], Answer]]:
        """The operation's name, the resource in the path, and the function that answers. Raises a 404 for an unknown path."""
        for verb, pattern, operation, act in self._table:
            match = pattern.fullmatch(path)
            if match and method == verb:
                return operation, match[1], act
        raise Refusal("NOT_FOUND", f"The requested URL {path} was not found on this server.")

    def reset(self) -> None:
        """Forget every operation."""
        self._operations.clear()

    def _create_job(self, call: Call) -> Answer:
        job = parse_job(call.body)
        return self._begun(call, self._service.create_job(call.name, call.query.get("jobId", ""), job))

    def _update_job(self, call: Call) -> Answer:
        job = parse_job(call.body)
        return self._begun(call, self._service.update_job(call.name, job, allow_missing=call.flag("allowMissing")))

    def _delete_job(self, call: Call) -> Answer:
        return self._begun(call, self._service.delete_job(call.name, call.query.get("etag", "")))

    def _run_job(self, call: Call) -> Answer:
        request = parse_message(run_v2.RunJobRequest, json.dumps({**call.fields, "name": call.name}).encode())
        return self._begun(call, self._service.run_job(call.name, request))

    def _delete_execution(self, call: Call) -> Answer:
        return self._begun(call, self._service.delete_execution(call.name, call.query.get("etag", "")))

    def _cancel_execution(self, call: Call) -> Answer:
        return self._begun(call, self._service.cancel_execution(call.name, call.fields.get("etag", "")))

    def _list_jobs(self, call: Call) -> Answer:
        return _page(call, "jobs", self._service.list_jobs(call.name))

    def _list_executions(self, call: Call) -> Answer:
        return _page(call, "executions", self._service.list_executions(call.name))

    def _list_tasks(self, call: Call) -> Answer:
        return _page(call, "tasks", self._service.list_tasks(call.name))

    def _get_operation(self, call: Call) -> Answer:
        if call.name not in self._operations:
            raise not_found(call.name)
        return self._operations[call.name]

    def _begun(self, call: Call, resource: run_v2.Job | run_v2.Execution) -> Answer:
        """A long-running operation that has begun; it is done at the next request."""
        location = "/".join(resource.name.split("/")[:4])
        packed = {"@type": f"type.googleapis.com/google.cloud.run.v2.{type(resource).__name__}", **call.encode(resource)}
        name = f"{location}/operations/{uuid.uuid4()}"
        answer: Answer = {"name": name, "metadata": packed}
        self._operations[name] = {**answer, "done": True, "response": packed}
        return answer


def _page(call: Call, key: str, messages: Sequence[proto.Message]) -> Answer:
    """One page of a list; its token is the start of the next page."""
    limit, token = call.query.get("pageSize", "0"), call.query.get("pageToken", "0")
    if not limit.isdigit() or not token.isdigit():
        raise invalid("page_token", "is not one that this server gave")
    size = min(int(limit) or PAGE_SIZE, PAGE_SIZE)
    begin, end = int(token), int(token) + size
    page: Answer = {key: [call.encode(item) for item in messages[begin:end]]}
    return {**page, "nextPageToken": str(end)} if end < len(messages) else page
