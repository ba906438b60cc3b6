"""Reads from a cluster: a Job by its name, Jobs and pods by their labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from providers.base import CallFailed
from providers.kubernetes.api import Answer, Api
from providers.kubernetes.labels import NAME_LABEL

PAGE = 500
"""The number of objects in one page; kubectl asks for as many."""

EXPIRED_TRIES = 2
"""How often a list is started again; a continuation token is valid for about five minutes."""


def jobs_path(namespace: str, name: str = "") -> str:
    """The path of all Jobs, or of one."""
    return f"/apis/batch/v1/namespaces/{namespace}/jobs" + (f"/{name}" if name else "")


def pods_path(namespace: str, name: str = "", part: str = "") -> str:
    """The path of all pods, of one pod, or of its subresource."""
    return f"/api/v1/namespaces/{namespace}/pods" + (f"/{name}{part}" if name else "")


def job_in(answer: Answer, name: str) -> Mapping[str, Any]:
    """The Job in an answer. Raises `CallFailed` for anything else."""
    value = answer.value
    if answer.status not in (200, 201) or not isinstance(value, Mapping) or value.get("kind") != "Job":
        raise answer.unexpected(name)
    checked_name(value, name)
    return value


def checked_name(item: Mapping[str, Any], name: str) -> str:
    """The uid of the object, which must have this name. Raises `CallFailed` for another one."""
    metadata = item.get("metadata")
    uid = metadata.get("uid") if isinstance(metadata, Mapping) else None
    if not isinstance(metadata, Mapping) or metadata.get("name") != name or not isinstance(uid, str) or not uid:
        raise CallFailed(f"{name}: the cluster's answer is not about this Job")
    return uid


def is_ours(job: Mapping[str, Any], name: str) -> bool:
    """True when a dispatcher made the Job for the job of this name."""
    labels = job["metadata"].get("labels")
    return isinstance(labels, Mapping) and labels.get(NAME_LABEL) == name


def job_named(api: Api, namespace: str, name: str) -> Mapping[str, Any] | None:
    """A Job by its name; None if the cluster says that there is none. Raises `CallFailed`."""
    answer = api.get(jobs_path(namespace, name))
    return None if answer.is_absence_of(name) else job_in(answer, name)


def jobs_of(api: Api, namespace: str, names: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    """The Jobs of these names that exist. Raises `CallFailed`."""
    jobs = {}
    for job in listed(api, jobs_path(namespace), "JobList", f"{NAME_LABEL} in ({','.join(names)})"):
        name = name_label(job)
        if name not in names:
            raise CallFailed("the cluster's list of Jobs holds something that is not a Job")
        checked_name(job, name)
        jobs[name] = job
    return jobs


def pods_of(api: Api, namespace: str, names: Sequence[str]) -> dict[str, list[Mapping[str, Any]]]:
    """The pods of the Jobs of these names. Raises `CallFailed`."""
    pods: dict[str, list[Mapping[str, Any]]] = {}
    for pod in listed(api, pods_path(namespace), "PodList", f"{NAME_LABEL} in ({','.join(names)})"):
        name = name_label(pod)
        if name not in names:
            raise CallFailed("the cluster's list of pods holds something that is not a pod")
        pods.setdefault(name, []).append(pod)
    return pods


def failed_creations(api: Api, namespace: str) -> dict[str, str]:
    """Why the cluster could not create a pod, by the uid of its Job: a quota of pods does not refuse the Job itself.

    Only Events show the reason. They are kept for about an hour, and the right to list them may be missing; then the result is
    empty.
    """
    query = {"fieldSelector": "involvedObject.kind=Job,reason=FailedCreate", "limit": PAGE}
    try:
        answer = api.get(f"/api/v1/namespaces/{namespace}/events", **query)
        items, _ = _page(answer, "EventList")
    except CallFailed:
        return {}
    events = ((item.get("involvedObject"), item.get("message")) for item in items)
    return {
        str(involved.get("uid")): words
        for involved, words in events
        if isinstance(involved, Mapping) and isinstance(words, str)
    }


def listed(api: Api, path: str, kind: str, selector: str) -> list[Mapping[str, Any]]:
    """Every object that a label selector picks, in one consistent view of the cluster. Raises `CallFailed`."""
    for _ in range(EXPIRED_TRIES):
        items = list(_pages(api, path, kind, selector))
        if None not in items:
            return [item for item in items if item is not None]
    raise CallFailed("the cluster's list grew old before it was read")


def _pages(api: Api, path: str, kind: str, selector: str) -> Iterator[Mapping[str, Any] | None]:
    """The items, page by page; a final None means that the rest has expired."""
    query: dict[str, Any] = {"labelSelector": selector, "limit": PAGE}
    while True:
        answer = api.get(path, **query)
        if answer.status == 410 and "continue" in query:
            yield None
            return
        items, token = _page(answer, kind)
        yield from items
        if not token:
            return
        query["continue"] = token


def _page(answer: Answer, kind: str) -> tuple[list[Mapping[str, Any]], str]:
    value = answer.value
    if answer.status != 200 or not isinstance(value, Mapping) or value.get("kind") != kind:
        raise answer.unexpected(f"a {kind} cannot be read")
    items, metadata = value.get("items"), value.get("metadata")
    if not isinstance(items, list) or not isinstance(metadata, Mapping):
        raise answer.unexpected(f"a {kind} cannot be read")
    if not all(isinstance(item, Mapping) and isinstance(item.get("metadata"), Mapping) for item in items):
        raise CallFailed(f"a {kind} holds something else")
    token = metadata.get("continue") or ""
    if not isinstance(token, str):
        raise CallFailed(f"a {kind} cannot be read to its end")
    return items, token


def name_label(item: Mapping[str, Any]) -> str:
    """The value of our label; empty without one."""
    labels = item["metadata"].get("labels")
    name = labels.get(NAME_LABEL) if isinstance(labels, Mapping) else None
    return name if isinstance(name, str) else ""
