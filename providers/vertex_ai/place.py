"""The place of a job, and its address there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from providers.google.regions import GooglePlace

_RESOURCE = re.compile(r"projects/[^/]+/locations/([^/]+)/customJobs/(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place(GooglePlace):
    """Everything that is needed to address a call."""

    @property
    def jobs(self) -> str:
        """The resource that holds the jobs."""
        return f"projects/{self.project}/locations/{self.region}/customJobs"

    @property
    def host(self) -> str:
        """The host name; each region has its own service."""
        return f"https://{self.region}-aiplatform.googleapis.com"

    def job(self, identifier: str) -> str:
        """The full name of a job, from the number that Vertex AI gave it."""
        return f"{self.jobs}/{identifier}"

    def identifier(self, resource: Any) -> str:
        """The number in a job's full name; empty if it is not a job of this region.

        The project is not compared, because Google's answers contain its number instead of its id.
        """
        match = _RESOURCE.fullmatch(resource) if isinstance(resource, str) else None
        return match[2] if match and match[1] == self.region else ""

    def console(self, identifier: str) -> str:
        """The page of a job in Google's console; Google's own client prints the same URL."""
        return (
            f"https://console.cloud.google.com/vertex-ai/locations/{self.region}/training/{identifier}?project={self.project}"
        )

    def logs(self, identifier: str) -> str:
        """The page of a job's log in Google's log viewer."""
        query = f'resource.type="ml_job"\nresource.labels.job_id="{identifier}"'
        return f"https://console.cloud.google.com/logs/viewer?project={self.project}&advancedFilter={quote(query)}"
