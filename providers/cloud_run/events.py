"""Entries of Google's audit log about Cloud Run jobs, delivered by a sink of Cloud Logging or by Eventarc.

Cloud Run writes an entry to the log of system events when an execution ends. The labels of the entry's resource name the job.
An entry is only a hint, and the state in it is not trusted: its shape is not documented, it may come twice, late or before
Cloud Run's own answer, and anybody who may publish to a topic can write one. So the provider is asked about that one job.
https://cloud.google.com/run/docs/audit-logging
https://cloud.google.com/logging/docs/reference/v2/rest/v2/LogEntry
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from providers.base import JOB_NAME, CallFailed, EventHost, JobEvent, Submission
from providers.cloud_run.place import Place

SERVICE = "run.googleapis.com"


class ExecutionEvents:
    """The reader of the entries (`providers.base.ReadsEvents`)."""

    def read(self, event: Mapping[str, Any]) -> JobEvent | None:
        """A hint about the job that the entry names; None for other entries, and for jobs that are not ours.

        Raises `CallFailed` for a malformed entry.
        """
        payload = event.get("protoPayload")
        if not isinstance(payload, Mapping) or payload.get("serviceName") != SERVICE:
            return None
        labels = _labels(event)
        name = labels.get("job_name", "")
        if not JOB_NAME.fullmatch(name):
            return None
        place = Place(project=labels.get("project_id", ""), region=labels.get("location", ""))
        return JobEvent(submission=Submission(name=name, handle={"job": place.job(name), **place.handle()}))

    def located(
        self,
        reported: JobEvent,
        recorded: Mapping[str, str] | None,
        configuration: Mapping[str, Any],  # noqa: ARG002 - an unrecorded job is looked up in its place
        host: EventHost,  # noqa: ARG002 - likewise
    ) -> Submission | None:
        """The recorded submission, if the entry comes from its project and region."""
        submission = reported.submission
        if recorded is None:
            return submission
        of_event = submission.handle.get("project"), submission.handle.get("region")
        return replace(submission, handle=recorded) if of_event == (recorded.get("project"), recorded.get("region")) else None


EXECUTION_EVENTS = ExecutionEvents()


def _labels(event: Mapping[str, Any]) -> dict[str, str]:
    """The labels of the entry's resource. Raises `CallFailed`."""
    resource = event.get("resource")
    labels = resource.get("labels") if isinstance(resource, Mapping) else None
    if not isinstance(labels, Mapping) or not all(isinstance(value, str) for value in labels.values()):
        raise CallFailed("the labels of the entry's resource are not an object of texts")
    return dict(labels)
