"""Builders of jobs, and of what Azure shows of them."""

from datetime import UTC, datetime
from typing import Any

from providers.base import Accepted, Job, Observation, Submission
from providers.container_instance import ContainerInstanceProvider
from providers.container_instance.entries import CredentialEntries
from providers.container_instance.group import group_request
from providers.emulators.container_instance import ContainerInstanceEmulator
from providers.emulators.jobs import Life, Phase

SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"
NAME = "r0001-1"
PUT, GET = "ContainerGroups_CreateOrUpdate", "ContainerGroups_Get"
SLOW = Life(before=(Phase("Pending", 10), Phase("Creating", 20)), running="Running", ended="Terminated", stop_seconds=5)
IDENTITY = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/puller"


def a_configuration(**fields: Any) -> dict[str, Any]:
    """The least a job needs; a field given as None is left out."""
    defaults = {"subscription_id": SUBSCRIPTION, "resource_group_name": "rg", "location": "westeurope", "image": "alpine"}
    return {name: value for name, value in (defaults | fields).items() if value is not None}


def a_job(name: str = NAME, *, environment=None, labels=None, **fields: Any) -> Job:
    """A job with `fields` in its configuration."""
    return Job(name=name, configuration=a_configuration(**fields), environment=environment or {}, labels=labels or {})


def provider_for(aci: ContainerInstanceEmulator, **settings: Any) -> ContainerInstanceProvider:
    """A provider that takes the emulator for Azure, and its clock for the time."""
    return ContainerInstanceProvider(endpoint=aci.url, clock=lambda: datetime.fromtimestamp(aci.now(), UTC), **settings)


def submitted(provider: ContainerInstanceProvider, job: Job | None = None) -> Submission:
    """The submission of a job that is accepted."""
    outcome = provider.submit(job or a_job())
    assert isinstance(outcome, Accepted), outcome
    return outcome.submission


def submission_of(name: str = NAME, **handle: Any) -> Submission:
    """A submission that this process did not make."""
    return Submission(name=name, handle={"subscription_id": SUBSCRIPTION, "resource_group": "rg", **handle})


def seen(provider: ContainerInstanceProvider, submission: Submission) -> Observation:
    """What one submission is observed as."""
    return provider.observe([submission])[submission.name]


def request_for(job: Job | None = None, *, credentials=None, host=None, **fields: Any):
    """What a job's PUT is made of, on a host with these environment variables."""
    return group_request(job or a_job(**fields), CredentialEntries(credentials or {}, host or {}))


def properties_of(job: Job | None = None, **fields: Any) -> dict[str, Any]:
    return request_for(job, **fields).body["properties"]


def container_of(job: Job | None = None, **fields: Any) -> dict[str, Any]:
    return properties_of(job, **fields)["containers"][0]["properties"]


def a_template(**properties: Any) -> dict[str, Any]:
    """An ARM template with one container group."""
    return {"resources": [{"type": "Microsoft.ContainerInstance/containerGroups", "properties": properties}]}


def a_group(state: str | None = "Running", *, provisioning: str = "Succeeded", containers=None, events=()) -> dict[str, Any]:
    """A container group as a GET shows it; `containers` are current states, the main one first."""
    view = {"events": list(events), **({"state": state} if state else {})}
    listed = [
        {"name": f"c{place}", "properties": {"instanceView": {"currentState": current}}}
        for place, current in enumerate(containers if containers is not None else [{"state": "Running"}])
    ]
    return {"properties": {"provisioningState": provisioning, "instanceView": view, "containers": listed}}


def terminated(code: int, **fields: Any) -> dict[str, Any]:
    return {"state": "Terminated", "exitCode": code, "detailStatus": "Error" if code else "Completed", **fields}


def an_event(name: str, message: str, kind: str = "Warning") -> dict[str, Any]:
    return {"name": name, "message": message, "type": kind}
