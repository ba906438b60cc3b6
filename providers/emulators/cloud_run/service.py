"""The operations of the Admin API on one state. Each is called under the book's lock."""

from __future__ import annotations

import random
import string
import uuid
from collections.abc import Callable, Container, Sequence
from datetime import timedelta
from typing import Any

from google.cloud import run_v2

from providers.emulators.cloud_run import messages
from providers.emulators.cloud_run.records import ExecutionRecord, JobRecord
from providers.emulators.cloud_run.refusals import Refusal, already_exists, invalid, not_found, over_quota
from providers.emulators.cloud_run.rules import check_identifier, check_job
from providers.emulators.jobs import Book, StartedJob

NAME_HELD_SECONDS = 30.0
"""How long the name of a deleted job stays taken. The source is prefect-archive/prefect-gcp#249; the duration is a guess."""


class Service:
    """Jobs and executions of every project and region."""

    def __init__(self, book: Book, now: Callable[[], float], *, missing_images: Container[str], lag: float, seed: int) -> None:
        self._book, self._now = book, now
        self._random = random.Random(seed)  # noqa: S311 - suffixes that must repeat, not secrets
        self.missing_images = missing_images
        self.lag = lag
        self.capacity: int | None = None
        self.max_jobs: int | None = None
        self.reset()

    def reset(self) -> None:
        """Forget every job."""
        self._jobs: dict[str, JobRecord] = {}
        self._deleted: dict[str, float] = {}

    # Jobs

    def create_job(self, parent: str, identifier: str, body: run_v2.Job) -> run_v2.Job:
        """Create a job and, with a token, its first execution."""
        check_identifier(identifier)
        check_job(body, identifier)
        name = f"{parent}/jobs/{identifier}"
        if name in self._jobs:
            raise already_exists(identifier)
        if self._now() - self._deleted.get(name, float("-inf")) < NAME_HELD_SECONDS:
            raise Refusal("ABORTED", f"Conflict for resource '{identifier}': it is being deleted.")
        if self.max_jobs is not None and sum(record.parent == parent for record in self._jobs.values()) >= self.max_jobs:
            raise over_quota("jobs per project and region", self.max_jobs)
        self._require_room(1 if body.start_execution_token or body.run_execution_token else 0)
        now = self._now()
        record = JobRecord(name=name, uid=str(uuid.uuid4()), body=with_defaults(body), created_at=now, updated_at=now)
        self._jobs[name] = record
        self._start_by_token(record, body)
        return self.job_message(record)

    def get_job(self, name: str) -> run_v2.Job:
        """One job in its current state."""
        return self.job_message(self._job(name))

    def list_jobs(self, parent: str) -> list[run_v2.Job]:
        """The jobs of a region in their state `lag` seconds ago."""
        seen_until = self._now() - self.lag
        return [
            messages.job_message(record, self._latest(record), seen_until)
            for record in self._jobs.values()
            if record.parent == parent and record.created_at <= seen_until
        ]

    def update_job(self, name: str, body: run_v2.Job, *, allow_missing: bool) -> run_v2.Job:
        """Change a job; a new token starts an execution."""
        if name not in self._jobs and allow_missing:
            parent, _, identifier = name.partition("/jobs/")
            return self.create_job(parent, identifier, body)
        record = self._job(name)
        check_etag(body.etag, record.etag)
        check_job(body, record.identifier)
        token = body.start_execution_token or body.run_execution_token
        if token and token != record.token:
            if f"{record.identifier}-{token}" in record.used:
                raise already_exists(f"{record.identifier}-{token}")
            self._require_room(1)
        record.body, record.updated_at = with_defaults(body), self._now()
        record.generation += 1
        if token != record.token:
            record.token = ""
            self._start_by_token(record, body)
        return self.job_message(record)

    def delete_job(self, name: str, etag: str) -> run_v2.Job:
        """Delete a job and end its executions. Returns the deleted job."""
        record = self._job(name)
        check_etag(etag, record.etag)
        for execution in list(record.executions):
            self._drop(record, self._execution(execution))
        message = self.job_message(record)
        message.delete_time = messages.moment(self._now())
        del self._jobs[name]
        self._deleted[name] = self._now()
        return message

    def run_job(self, name: str, request: run_v2.RunJobRequest) -> run_v2.Execution:
        """Start a new execution under a name that the service chooses; every call starts one."""
        record = self._job(name)
        check_etag(request.etag, record.etag)
        self._require_room(1)
        suffix = "".join(self._random.choices(string.ascii_lowercase + string.digits, k=5))
        record.token = ""
        template, tasks = override(record.body.template, request.overrides)
        return self._start(record, f"{record.identifier}-{suffix}", f"{record.identifier}-{suffix}", template, tasks)

    # Executions and tasks

    def get_execution(self, name: str) -> run_v2.Execution:
        """One execution in its current state."""
        return messages.execution_message(self._execution(name))

    def list_executions(self, parent: str) -> list[run_v2.Execution]:
        """The executions of a job, or of every job of the region if it is `-`; newest first."""
        return [messages.execution_message(execution) for execution in self._executions(parent)]

    def cancel_execution(self, name: str, etag: str) -> run_v2.Execution:
        """Request the end of an execution."""
        execution = self._execution(name)
        check_etag(etag, messages.execution_message(execution).etag)
        if not execution.live:
            raise Refusal("FAILED_PRECONDITION", f"Execution '{name.rpartition('/')[2]}' is already completed.")
        self._book.stop(execution, "The execution was cancelled by users.")
        return messages.execution_message(execution)

    def delete_execution(self, name: str, etag: str) -> run_v2.Execution:
        """Delete an execution; a live one is ended first."""
        execution = self._execution(name)
        check_etag(etag, messages.execution_message(execution).etag)
        self._drop(self._job(execution.detail.job), execution)
        return messages.execution_message(execution)

    def list_tasks(self, parent: str) -> list[run_v2.Task]:
        """The tasks of an execution; job and execution may be `-`."""
        jobs, _, identifier = parent.partition("/executions/")
        executions = [e for e in self._executions(jobs) if identifier in ("-", e.identifier.rpartition("/")[2])]
        if not executions and identifier != "-":
            raise not_found(parent)
        return [task for execution in executions for task in messages.task_messages(execution)]

    def get_task(self, name: str) -> run_v2.Task:
        """One task."""
        tasks = self.list_tasks(name.partition("/tasks/")[0])
        task = next((task for task in tasks if task.name == name), None)
        if task is None:
            raise not_found(name)
        return task

    def job_message(self, record: JobRecord) -> run_v2.Job:
        """The record in its current state."""
        return messages.job_message(record, self._latest(record), self._now())

    def _start_by_token(self, record: JobRecord, body: run_v2.Job) -> None:
        token = body.start_execution_token or body.run_execution_token
        images = [container.image for container in body.template.template.containers]
        record.failure = next((f"Image '{image}' not found." for image in images if image in self.missing_images), "")
        if not token or record.failure:
            return
        record.token = token
        # The caller's own name for the work: the job's id if it created one for it, else the token.
        caller = record.identifier if record.generation == 1 else token
        template = record.body.template
        self._start(record, f"{record.identifier}-{token}", caller, template, template.task_count)

    def _start(
        self, record: JobRecord, identifier: str, caller: str, template: run_v2.ExecutionTemplate, tasks: int
    ) -> run_v2.Execution:
        name = f"{record.name}/executions/{identifier}"
        container = template.template.containers[0]
        detail = ExecutionRecord(
            uid=str(uuid.uuid4()),
            job=record.name,
            template=template.template,
            task_count=tasks,
            labels={**template.labels, "run.googleapis.com/job": record.identifier},
        )
        environment = {
            **{variable.name: variable.value for variable in container.env},
            "CLOUD_RUN_JOB": record.identifier,
            "CLOUD_RUN_EXECUTION": identifier,
            "CLOUD_RUN_TASK_INDEX": "0",
            "CLOUD_RUN_TASK_ATTEMPT": "0",
            "CLOUD_RUN_TASK_COUNT": str(tasks),
        }
        command = [*container.command, *container.args] if container.command else []
        seconds = template.template.timeout.total_seconds()
        execution = self._book.start(name, caller, command=command, environment=environment, timeout=seconds, detail=detail)
        record.executions.append(name)
        record.used.add(identifier)
        return messages.execution_message(execution)

    def _require_room(self, executions: int) -> None:
        if executions and self.capacity is not None and self._book.live + executions > self.capacity:
            raise over_quota("running executions per project and region", self.capacity)

    def _drop(self, record: JobRecord, execution: StartedJob) -> None:
        execution.detail.deleted = execution.live
        self._book.stop(execution, "The execution was deleted.")
        record.executions.remove(execution.identifier)

    def _job(self, name: str) -> JobRecord:
        if name not in self._jobs:
            raise not_found(name)
        return self._jobs[name]

    def _execution(self, name: str) -> StartedJob:
        record = self._job(name.partition("/executions/")[0])
        execution = self._book.get(name) if name in record.executions else None
        if execution is None:
            raise not_found(name)
        return execution

    def _executions(self, parent: str) -> list[StartedJob]:
        region, _, job = parent.partition("/jobs/")
        records = [r for r in self._jobs.values() if r.parent == region and job in ("-", r.identifier)]
        if not records and job != "-":
            raise not_found(parent)
        names = [name for record in records for name in record.executions]
        executions = [execution for name in names if (execution := self._book.get(name)) is not None]
        return sorted(executions, key=lambda execution: execution.created_at, reverse=True)

    def _latest(self, record: JobRecord) -> StartedJob | None:
        return self._book.get(record.executions[-1]) if record.executions else None


def with_defaults(body: run_v2.Job) -> run_v2.Job:
    """The requested part of a job, with Cloud Run's defaults (run_v2's own documentation names the values)."""
    job = run_v2.Job(
        labels=body.labels,
        annotations=body.annotations,
        client=body.client,
        client_version=body.client_version,
        launch_stage=body.launch_stage or "GA",
        binary_authorization=body.binary_authorization,
        template=body.template,
    )
    job.template.task_count = job.template.task_count or 1
    task = job.template.template
    if "max_retries" not in task:
        task.max_retries = 3
    if "timeout" not in task:
        task.timeout = timedelta(seconds=600)
    return job


def override(template: run_v2.ExecutionTemplate, overrides: Any) -> tuple[run_v2.ExecutionTemplate, int]:
    """The template of one execution with RunJob's overrides: only args, env (merged), task count and timeout."""
    changed = run_v2.ExecutionTemplate(template)
    if "timeout" in overrides:
        changed.template.timeout = overrides.timeout
    for change in overrides.container_overrides:
        _override_container(changed.template.containers, change)
    return changed, overrides.task_count or changed.task_count


def _override_container(containers: Sequence[run_v2.Container], change: Any) -> None:
    container = next((c for c in containers if change.name in ("", c.name)), None)
    if container is None:
        raise invalid("overrides.container_overrides", f"no container is named '{change.name}'")
    if change.args or change.clear_args:
        container.args = change.args
    merged = {variable.name: variable for variable in [*container.env, *change.env]}
    container.env = list(merged.values())


def check_etag(etag: str, current: str) -> None:
    """Refuse a change that is based on another version; without an etag any version matches."""
    if etag and etag != current:
        raise Refusal("ABORTED", f"Conflict: the etag {etag} is not the current {current}.")
