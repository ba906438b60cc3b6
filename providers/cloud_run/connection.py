"""Google's clients for one identity. The one module that makes them; it is imported by the first call.

REST, not gRPC: a host that freezes between invocations has no stale HTTP/2 channel to revive. Every call has a timeout and no
retry: Google's clients have neither by themselves.
"""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib import import_module
from typing import Any

import google.auth
from google.api_core.client_options import ClientOptions
from google.auth import exceptions as auth
from google.auth import impersonated_credentials
from google.auth.credentials import AnonymousCredentials
from google.auth.transport.requests import Request
from google.cloud import run_v2
from google.protobuf.json_format import ParseError

from providers.base import CallFailed, ConfigurationError
from providers.cloud_run.failures import Meaning, meaning
from providers.cloud_run.place import Account, HostLacks, Place
from providers.cloud_run.shape import shaped
from providers.remarks import reason_of

SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
FROM_AWS = "urn:ietf:params:aws:token-type:aws4_request"
"""The kind of word that AWS gives: a signed request, which whoever gets it sends to AWS."""
PAGE_SIZE = 500
"""Jobs asked for at once; the service may give fewer."""

NO_IDENTITY = (
    "credentials: the dispatcher's host has no Google identity; run it as a service account, name an entry of the credentials"
    " with an `external_account`, or on a desk run `gcloud auth application-default login`"
)


class Connection:
    """The calls this provider makes, as one identity. Safe to use from several threads.

    Raises what Google's clients raise; `failures` reads it.
    """

    def __init__(self, account: Account, endpoint: str | None = None) -> None:
        credentials, self.project = _anonymous() if endpoint else _identity(account)
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
        """True while there is a token that Google takes."""
        return bool(self._credentials.valid)

    def sign_in(self) -> None:
        """Get a token: before a call that starts a job, so that nothing is started where this fails."""
        with self._signing_in:
            if not self.is_signed_in:
                self._credentials.refresh(Request())

    def create_job(self, place: Place, name: str, job: Any, timeout: float) -> str:
        """Make a job and start its execution; the full name of what was made, empty when the answer does not say.

        The operation is never waited for: it may end without a response.
        """
        return subject(self._jobs.create_job(parent=place.parent, job=job, job_id=name, timeout=timeout, retry=None))

    def get_job(self, name: str, timeout: float) -> Any:
        """One job by its full name."""
        return self._jobs.get_job(name=name, timeout=timeout, retry=None)

    def pages(self, place: Place, timeout: float) -> Iterator[Any]:
        """The pages of jobs in a place; each is a call of at most `timeout` seconds."""
        request = run_v2.ListJobsRequest(parent=place.parent, page_size=PAGE_SIZE)
        yield from self._jobs.list_jobs(request=request, timeout=timeout, retry=None).pages

    def delete_job(self, name: str, timeout: float, etag: str = "") -> str:
        """Delete a job, in the given version only when there is an etag; the full name of what was deleted."""
        request = run_v2.DeleteJobRequest(name=name, etag=etag)
        return subject(self._jobs.delete_job(request=request, timeout=timeout, retry=None))

    def get_execution(self, name: str, timeout: float) -> Any:
        """One execution by its full name."""
        return self._executions.get_execution(name=name, timeout=timeout, retry=None)

    def cancel_execution(self, name: str, timeout: float) -> str:
        """Ask an execution to end; the full name of the one that was asked."""
        return subject(self._executions.cancel_execution(name=name, timeout=timeout, retry=None))

    def first_tasks(self, execution: str, timeout: float) -> list[Any]:
        """The first page of an execution's tasks."""
        return list(next(iter(self._tasks.list_tasks(parent=execution, timeout=timeout, retry=None).pages)).tasks)


def subject(operation: Any) -> str:
    """The full name of what a long-running operation is about; empty when it does not say, or has failed already."""
    if operation.operation.HasField("error") or operation.metadata is None:
        return ""
    return str(operation.metadata.name)


def message_of(body: Mapping[str, Any]) -> Any:
    """The body as Google's own message. Raises `ConfigurationError` with the path of everything that does not fit."""
    message, faults = shaped(body)
    if faults:
        raise ConfigurationError(reason_of(faults))
    try:
        return run_v2.Job.from_json(json.dumps(message))
    except (ParseError, TypeError, ValueError, RecursionError) as problem:
        words = " ".join(re.sub(r"Failed to parse \w+ field: ", "", str(problem)).split())
        raise ConfigurationError(f"job_body: {words}") from None


def _anonymous() -> tuple[Any, str | None]:
    """Nobody, who is all that an emulator asks for."""
    return AnonymousCredentials(), os.environ.get("GOOGLE_CLOUD_PROJECT", "emulated-project")


def _identity(account: Account) -> tuple[Any, str | None]:
    """The host's own credentials and project, another cloud's word, or a service account impersonated.

    Raises `HostLacks`, or another `CallFailed` when a service that knows who the host is did not answer.
    """
    try:
        if account.external_account is not None:
            credentials, project = _federated(account.external_account), os.environ.get("GOOGLE_CLOUD_PROJECT")
        else:
            credentials, project = google.auth.default(scopes=SCOPES)
    except auth.GoogleAuthError as problem:
        if meaning(problem) is Meaning.UNSENT:
            raise CallFailed(f"credentials: who the dispatcher's host is could not be asked: {problem}") from problem
        raise HostLacks(f"{NO_IDENTITY}: {problem}") from problem
    if account.service_account:
        credentials = impersonated_credentials.Credentials(
            source_credentials=credentials,
            target_principal=account.service_account,
            target_scopes=SCOPES,
            delegates=list(account.delegates),
        )
    return credentials, project


def _federated(configuration: Mapping[str, Any]) -> Any:
    """Credentials for what another cloud says of the host. Raises `HostLacks`."""
    kind: Any = import_module(
        "google.auth.aws" if configuration["subject_token_type"] == FROM_AWS else "google.auth.identity_pool"
    )
    try:
        return kind.Credentials.from_info(dict(configuration), scopes=SCOPES)
    except (ValueError, auth.GoogleAuthError) as problem:
        raise HostLacks(f"credentials: this external_account cannot be used: {problem}") from problem
