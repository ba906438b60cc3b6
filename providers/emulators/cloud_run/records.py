"""The emulator's records of jobs and executions. The book holds the life of an execution, and these hold the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from google.cloud import run_v2


@dataclass(slots=True, kw_only=True, eq=False)
class JobRecord:
    """One job: `projects/P/locations/R/jobs/J`."""

    name: str
    uid: str
    body: run_v2.Job
    """The job in the request, with Cloud Run's defaults and without output fields."""
    created_at: float
    updated_at: float
    generation: int = 1
    token: str = ""
    """Its start token; dropped when an execution is created in another way."""
    executions: list[str] = field(default_factory=list)
    """Full names in the order of creation; deleted ones are removed."""
    used: set[str] = field(default_factory=set)
    """All execution ids that were ever used."""
    failure: str = ""
    """Why the job never became ready."""

    @property
    def identifier(self) -> str:
        """The last part of its name."""
        return self.name.rpartition("/")[2]

    @property
    def parent(self) -> str:
        """`projects/P/locations/R`."""
        return self.name.partition("/jobs/")[0]

    @property
    def etag(self) -> str:
        """Changes with every change of the job."""
        return f'"{self.uid[:8]}-{self.generation}-{len(self.used)}"'


@dataclass(slots=True, kw_only=True, eq=False)
class ExecutionRecord:
    """The detail of an execution's job in the book."""

    uid: str
    job: str
    """The full name of its job."""
    template: run_v2.TaskTemplate
    task_count: int
    labels: Mapping[str, str]
    deleted: bool = False
