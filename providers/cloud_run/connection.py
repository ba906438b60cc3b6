"""Google's clients for one identity. Only this module makes them; the first call imports it.

REST, not gRPC: a host that freezes between invocations then has no stale HTTP/2 channel to revive. Every call sets a timeout
and turns retries off, because Google's clients do neither by default.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from google.api_core.client_options import ClientOptions
from google.auth.transport.requests import Request
from google.cloud import run_v2
from google.protobuf.json_format import ParseError

from providers.base import ConfigurationError
from providers.cloud_run.place import Place
from providers.cloud_run.shape import shaped
from providers.google.accounts import AccountEntry
from providers.google.identity import anonymous, identity
from providers.remarks import reason_of

PAGE_SIZE = 500
"""The page size of lists; the service may return fewer jobs."""


class Connection:
    """The provider's calls as one identity. Safe to use from several threads.

    Raises the exceptions of Google's clients, which `failures` reads.
    """

    def __init__(self, account: AccountEntry, endpoint: str | None = None) -> None:
        credentials, self.project = anonymous() if endpoint else identity(account)
        options = ClientOptions(api_endpoint=endpoint) if endpoint else None
        self._credentials = credentials
        self._signing_in = threading.Lock()
        self._arguments = {"transport": "rest", "credentials": credentials, "client_options": options}

    @cached_property
    def _jobs(self) -> Any:
        return run_v2.JobsClient(**self._arguments)

    @cached_property
    def _executions(self) -> Any:
        return run_v2.ExecutionsClient(**self._arguments)

    @cached_property
    def _tasks(self) -> Any:
        return run_v2.TasksClient(**self._arguments)

    @property
    def is_signed_in(self) -> bool:
        """True while there is a valid token."""
        return bool(self._credentials.valid)

    def sign_in(self) -> None:
        """Get a token. Called before a call that starts a job, so a failure here proves that nothing was started."""
        with self._signing_in:
            if not self.is_signed_in:
                self._credentials.refresh(Request())

    def create_job(self, place: Place, name: str, job: Any, timeout: float) -> str:
        """Create a job and start its execution. Returns the job's full name, or an empty text if the answer does not name it.

        It never waits for the operation, which may end without a response.
        """
        return subject(self._jobs.create_job(parent=place.parent, job=job, job_id=name, timeout=timeout, retry=None))

    def get_job(self, name: str, timeout: float) -> Any:
        """One job by its full name."""
        return self._jobs.get_job(name=name, timeout=timeout, retry=None)

    def pages(self, place: Place, timeout: float) -> Iterator[Any]:
        """The pages of jobs in a place; each page is one call of at most `timeout` seconds."""
        request = run_v2.ListJobsRequest(parent=place.parent, page_size=PAGE_SIZE)
        yield from self._jobs.list_jobs(request=request, timeout=timeout, retry=None).pages

    def delete_job(self, name: str, timeout: float, etag: str = "") -> str:
        """Delete a job; with an etag, only in that version. Returns the full name of the deleted job."""
        request = run_v2.DeleteJobRequest(name=name, etag=etag)
        return subject(self._jobs.delete_job(request=request, timeout=timeout, retry=None))

    def get_execution(self, name: str, timeout: float) -> Any:
        """One execution by its full name."""
        return self._executions.get_execution(name=name, timeout=timeout, retry=None)

    def cancel_execution(self, name: str, timeout: float) -> str:
        """Request an execution's end. Returns its full name."""
        return subject(self._executions.cancel_execution(name=name, timeout=timeout, retry=None))

    def first_tasks(self, execution: str, timeout: float) -> list[Any]:
        """The first page of an execution's tasks."""
        return list(next(iter(self._tasks.list_tasks(parent=execution, timeout=timeout, retry=None).pages)).tasks)


def subject(operation: Any) -> str:
    """The full name of a long-running operation's subject; empty if the operation does not name it or has already failed."""
    if operation.operation.HasField("error") or operation.metadata is None:
        return ""
    return str(operation.metadata.name)


def message_of(body: Mapping[str, Any]) -> Any:
    """The body as Google's own message. Raises `ConfigurationError` with the path of each value that does not fit."""
    message, faults = shaped(body)
    if faults:
        raise ConfigurationError(reason_of(faults))
    try:
        return run_v2.Job.from_json(json.dumps(message))
    except (ParseError, TypeError, ValueError, RecursionError) as problem:
        words = " ".join(re.sub(r"Failed to parse \w+ field: ", "", str(problem)).split())
        raise ConfigurationError(f"job_body: {words}") from None
