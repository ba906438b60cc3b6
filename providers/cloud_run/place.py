"""The place of a job: credentials, project and region."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from providers.google import accounts
from providers.google.accounts import PlaceNames
from providers.google.regions import GooglePlace


@dataclass(frozen=True, slots=True, kw_only=True)
class Place(GooglePlace):
    """Everything that is needed to address a call."""

    @property
    def parent(self) -> str:
        """The resource that holds the jobs."""
        return f"projects/{self.project}/locations/{self.region}"

    def job(self, name: str) -> str:
        """The full name of a job."""
        return f"{self.parent}/jobs/{name}"

    def execution(self, name: str, execution: str) -> str:
        """The full name of an execution."""
        return f"{self.job(name)}/executions/{execution}"

    def console(self, execution: str) -> str:
        """The page of an execution in Google's console."""
        return (
            f"https://console.cloud.google.com/run/jobs/executions/details/{self.region}/{execution}/tasks"
            f"?project={self.project}"
        )

    def logs(self, name: str, execution: str) -> str:
        """The page of an execution's log in Google's log viewer, in the form of `Execution.log_uri`."""
        query = (
            f'resource.type="cloud_run_job"\nresource.labels.job_name="{name}"\n'
            f'resource.labels.location="{self.region}"\nlabels."run.googleapis.com/execution_name"="{execution}"'
        )
        return f"https://console.cloud.google.com/logs/viewer?project={self.project}&advancedFilter={quote(query)}"


def place_names(configuration: Mapping[str, Any]) -> PlaceNames:
    """Read a rendered configuration; the namespace of a Knative body is its project. Raises `ConfigurationError`."""
    return accounts.place_names(configuration, _namespace(configuration))


def _namespace(configuration: Mapping[str, Any]) -> str | None:
    """The project of a Knative body, which is its namespace."""
    body = configuration.get("job_body")
    metadata = body.get("metadata") if isinstance(body, Mapping) else None
    return (metadata.get("namespace") or None) if isinstance(metadata, Mapping) else None
