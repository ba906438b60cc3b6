"""The audit log entry that Cloud Run writes when an execution ends, in the form that a sink of Cloud Logging exports.

Google documents the frame (LogEntry, AuditLog) but not Cloud Run's content. The content here is what public repositories query:
`/Jobs.RunJob` of the log of system events, a resource name `namespaces/PROJECT/executions/EXECUTION`, the job's name and place
in the resource's labels, the execution's name in a label of the entry, and a status with code 10 if the execution failed.
https://cloud.google.com/logging/docs/reference/v2/rest/v2/LogEntry
"""

from __future__ import annotations

from typing import Any

from providers.emulators.cloud_run.messages import moment
from providers.emulators.jobs import StartedJob

ABORTED = 10
"""google.rpc.Code of an execution that has failed."""


def entry(execution: StartedJob, when: float) -> dict[str, Any]:
    """The entry about an execution that ended at `when`."""
    _, project, _, region, _, job, _, name = execution.identifier.split("/")
    time = f"{moment(when):%Y-%m-%dT%H:%M:%S.%fZ}"
    failed = execution.exit_code != 0
    said = "has failed to complete" if failed else "completed successfully"
    return {
        "insertId": f"{name}-{execution.version}",
        "logName": f"projects/{project}/logs/cloudaudit.googleapis.com%2Fsystem_event",
        "resource": {"type": "cloud_run_job", "labels": {"job_name": job, "location": region, "project_id": project}},
        "labels": {"run.googleapis.com/execution_name": name},
        "severity": "ERROR" if failed else "INFO",
        "timestamp": time,
        "receiveTimestamp": time,
        "protoPayload": {
            "@type": "type.googleapis.com/google.cloud.audit.AuditLog",
            "serviceName": "run.googleapis.com",
            "methodName": "/Jobs.RunJob",
            "resourceName": f"namespaces/{project}/executions/{name}",
            "status": {"code": ABORTED, "message": f"Execution {name} {said}."} if failed else {},
        },
    }
