"""Builders of jobs, and of what a cluster shows of them."""

from datetime import UTC, datetime
from itertools import count
from typing import Any

from providers.base import Accepted, Job, Observation, Submission
from providers.emulators.kubernetes import KubernetesEmulator
from providers.kubernetes import KubernetesProvider

IMAGE = "registry.example.test/team/job:1"
_numbers = count(1)


def a_manifest(*, spec: dict[str, Any] | None = None, pod: dict[str, Any] | None = None, **container: Any) -> dict[str, Any]:
    """A manifest with one container."""
    main = {"name": "main", "image": IMAGE, **container}
    return {"metadata": {}, "spec": {**(spec or {}), "template": {"spec": {"containers": [main], **(pod or {})}}}}


def a_configuration(**fields: Any) -> dict[str, Any]:
    """The least a job needs; a field given as None is left out."""
    defaults = {"namespace": "default", "job_manifest": a_manifest()}
    return {name: value for name, value in (defaults | fields).items() if value is not None}


def a_job(name: str = "", *, environment=None, labels=None, **fields: Any) -> Job:
    """A new job with `fields` in its configuration."""
    name = name or f"r{next(_numbers):032x}-1"
    return Job(name=name, configuration=a_configuration(**fields), environment=environment or {}, labels=labels or {})


def provider_for(cluster: KubernetesEmulator, **settings: Any) -> KubernetesProvider:
    """A provider that takes the emulator for its host's cluster, and its clock for the time."""
    defaults = {"environment": cluster.environment(), "now": lambda: datetime.fromtimestamp(cluster.now(), UTC)}
    return KubernetesProvider(**{**defaults, **settings})


def submitted(provider: KubernetesProvider, job: Job | None = None) -> Submission:
    """The submission of a job that is accepted."""
    outcome = provider.submit(job or a_job())
    assert isinstance(outcome, Accepted), outcome
    return outcome.submission


def seen(provider: KubernetesProvider, submission: Submission) -> Observation:
    """What is seen of one submission."""
    return provider.observe([submission])[submission.name]
