"""The provider of Jobs on Kubernetes clusters."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from providers.base import (
    Accepted,
    CallFailed,
    ConfigurationError,
    Hold,
    Job,
    JobState,
    Misconfigured,
    Needs,
    Observation,
    Outcome,
    ProviderLimits,
    Rejected,
    Submission,
    Unknown,
    Unreachable,
    unreadable,
)
from providers.kubernetes.api import Api, Connection
from providers.kubernetes.checking import needs_of
from providers.kubernetes.clusters import Clusters
from providers.kubernetes.leftovers import ours, remove, swept
from providers.kubernetes.lookup import (
    checked_name,
    failed_creations,
    is_ours,
    job_in,
    job_named,
    jobs_of,
    jobs_path,
    pods_of,
    pods_path,
)
from providers.kubernetes.manifest import manifest_of
from providers.kubernetes.outcomes import refusal
from providers.kubernetes.place import Place, place_of
from providers.kubernetes.pods import Pod
from providers.kubernetes.rights import missing_rights
from providers.kubernetes.states import CANCELLED_AT, BatchJob, observation_of
from providers.once import Once
from providers.places import HostLacks, by_place, filled
from providers.sending import NeverSent

NO_LABEL = "the Job of this name has no label push-dispatcher/name; put it back, or delete the Job if a stranger made it"


class KubernetesProvider:
    """Attempts as Jobs.

    `clusters` are the entries of the settings; `start_deadline` is how long a pod may take to start if its run sets no limit,
    `memory` is how long the cluster keeps a Job at least, and `now` is the clock (aware times).
    """

    def __init__(
        self,
        *,
        credentials: Mapping[str, Mapping[str, Any]] | None = None,  # noqa: ARG002 - clusters have settings of their own
        clusters: Mapping[str, Mapping[str, Any]] | None = None,
        environment: Mapping[str, str] | None = None,
        concurrency: int = 8,
        call_timeout: float = 10.0,
        memory: float | None = 3600.0,
        start_deadline: float | None = 600.0,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._clusters = Clusters(clusters or {}, os.environ if environment is None else environment)
        self._connections: Once[str, Connection] = Once()
        self._now = now
        self._limits = ProviderLimits(
            concurrency=concurrency,
            call_timeout=call_timeout,
            lookup_lag=0.0,
            memory=memory,
            start_deadline=start_deadline,
            lingers=True,
        )

    @property
    def limits(self) -> ProviderLimits:
        """Kubernetes publishes no rate. An ended Job counts against quotas until it is discarded."""
        return self._limits

    def needs(self, configuration: Mapping[str, Any]) -> Needs:
        """The cluster and the namespace."""
        return needs_of(configuration)

    def submit(self, job: Job) -> Outcome:
        """Create the Job. A Job of ours with this name counts as already started."""
        cluster = ""
        try:
            place = place_of(job.configuration)
            cluster = place.cluster
            return self._created(self._api(place), job, place)
        except HostLacks as problem:
            return Misconfigured(reason=str(problem), hold=Hold(place=(cluster,)))
        except ConfigurationError as problem:
            return Rejected(reason=str(problem))
        except NeverSent as problem:
            return Unreachable(cause=str(problem))
        except CallFailed as problem:
            return Unknown(cause=str(problem))

    def _created(self, api: Api, job: Job, place: Place) -> Outcome:
        namespace = place.namespace or api.cluster.namespace
        manifest = manifest_of(job)
        manifest["metadata"]["namespace"] = namespace
        answer = api.post(jobs_path(namespace), manifest, fieldValidation="Strict")
        if answer.status == 201:
            made = job_in(answer, job.name)
            return Accepted(submission=_submission(api, place.cluster, namespace, job.name, checked_name(made, job.name)))
        if answer.status == 409 and answer.reason == "AlreadyExists":
            return self._adopted(api, place.cluster, namespace, job.name)
        return refusal(answer, (place.cluster, place.namespace))

    @staticmethod
    def _adopted(api: Api, cluster: str, namespace: str, name: str) -> Outcome:
        manifest = job_named(api, namespace, name)
        if manifest is None:
            return Unknown(cause=f"{name}: the Job was there, and is gone again")
        if not is_ours(manifest, name):
            return Rejected(reason=f"{name}: the namespace {namespace!r} has a Job of this name that no dispatcher has made")
        return Accepted(submission=_submission(api, cluster, namespace, name, checked_name(manifest, name)))

    def find(self, job: Job) -> Submission | None:
        """The Job of the name, ended or not. The read is consistent: a Job that is not returned does not exist."""
        place = place_of(job.configuration)
        api = self._api_for_read(place)
        namespace = place.namespace or api.cluster.namespace
        manifest = job_named(api, namespace, job.name)
        if manifest is None:
            return None
        if not is_ours(manifest, job.name):
            raise CallFailed(f"{job.name}: {NO_LABEL}")
        return _submission(api, place.cluster, namespace, job.name, checked_name(manifest, job.name))

    def observe(self, submissions: Sequence[Submission]) -> Mapping[str, Observation]:
        """One list of Jobs per namespace, and one list of the pods of Jobs that failed or do not run yet."""
        deadline = time.monotonic() + self._limits.call_timeout
        seen: dict[str, Observation] = {}
        for place, group in by_place(Place, submissions).items():
            try:
                api = self._api(place, deadline)
                seen |= self._observations(api, place.namespace, group)
            except (CallFailed, ConfigurationError) as problem:
                seen |= unreadable(group, problem)
        return seen

    def _observations(self, api: Api, namespace: str, submissions: Sequence[Submission]) -> dict[str, Observation]:
        strangers = [submission for submission in submissions if _is_elsewhere(api, submission)]
        seen = unreadable(strangers, f"{api.cluster.server} is another cluster than its own; name clusters by cluster_config")
        by_name = {submission.name: submission for submission in submissions if submission.name not in seen}
        jobs = {name: BatchJob(job) for name, job in jobs_of(api, namespace, list(by_name)).items()} if by_name else {}
        current = {name: job for name, job in jobs.items() if by_name[name].handle.get("uid") in (None, job.uid)}
        unclear = [name for name, job in current.items() if job.needs_pods]
        pods = pods_of(api, namespace, unclear) if unclear else {}
        podless = any(not pods.get(name) and not current[name].is_over for name in unclear)
        failures = failed_creations(api, namespace) if podless and api.has_time else {}
        for name, job in current.items():
            seen |= self._observed(by_name[name], job, pods.get(name, ()), failures.get(job.uid, ""))
        for name in by_name.keys() - current.keys():
            if api.has_time:
                seen |= _missing(api, namespace, by_name[name])
        return seen

    def _observed(
        self, submission: Submission, job: BatchJob, pods: Sequence[Mapping[str, Any]], no_pod: str
    ) -> dict[str, Observation]:
        patience = timedelta(seconds=self._limits.start_deadline or 0)
        try:
            return {submission.name: observation_of(job, pods, now=self._now(), patience=patience, no_pod=no_pod)}
        except CallFailed as problem:
            return unreadable([submission], problem)

    def cancel(self, submission: Submission) -> None:
        """Set a mark and a deadline that has passed: the cluster ends the pods with their grace period, and the Job can be
        observed.

        A suspended Job has no pods and is deleted; afterwards it is observed as missing.
        """
        api, namespace, name = self._api_of(submission)
        manifest = job_named(api, namespace, name)
        if manifest is None:
            return
        job = BatchJob(manifest)
        if submission.handle.get("uid") not in (None, job.uid) or job.is_over or job.failure or job.is_complete:
            return
        if job.is_suspended:
            remove(api, namespace, name, job.uid, policy="Foreground")
        elif not job.is_cancelled:
            self._mark(api, namespace, job)

    def _mark(self, api: Api, namespace: str, job: BatchJob) -> None:
        metadata = {"uid": job.uid, "annotations": {CANCELLED_AT: self._now().isoformat()}}
        change = {"metadata": metadata, "spec": {"activeDeadlineSeconds": 1}}
        answer = api.patch(jobs_path(namespace, job.name), change)
        if not answer.is_absence_of(job.name):
            job_in(answer, job.name)

    def discard(self, submissions: Sequence[Submission]) -> frozenset[str]:
        """Delete Jobs with their pods, as many as the time allows."""
        deadline, gone = time.monotonic() + self._limits.call_timeout, set()
        for submission in submissions:
            try:
                api, namespace, name = self._api_of(submission, deadline)
                if not api.has_time:
                    break
                if not _is_elsewhere(api, submission) and remove(api, namespace, name, submission.handle.get("uid", "")):
                    gone.add(name)
            except CallFailed:
                continue
        return frozenset(gone)

    def sweep(self, configuration: Mapping[str, Any], keep: frozenset[str]) -> tuple[str, ...]:
        """Delete our Jobs that ended over an hour ago and that no store knows."""
        place = place_of(configuration)
        api = self._api_for_read(place)
        return swept(api, place.namespace or api.cluster.namespace, keep, self._now())

    def strays(self, configuration: Mapping[str, Any], known_names: frozenset[str]) -> tuple[str, ...]:
        """The names of our Jobs that have not ended, without `known_names`."""
        place = place_of(configuration)
        api = self._api_for_read(place)
        jobs = ours(api, place.namespace or api.cluster.namespace)
        return tuple(job.name for job in jobs if not job.is_over and job.name not in known_names)

    def logs(self, submission: Submission, tail: int = 100) -> str:
        """The last lines that the job's container wrote; empty before it ran and after its pod is gone. Raises `CallFailed`."""
        api, namespace, name = self._api_of(submission)
        manifest = job_named(api, namespace, name)
        if manifest is None or tail <= 0:
            return ""
        job = BatchJob(manifest)
        pods = [Pod(pod, job.main_container) for pod in pods_of(api, namespace, [name]).get(name, ())]
        pod = max((pod for pod in pods if pod.belongs_to(job.uid)), key=lambda candidate: candidate.created_at, default=None)
        if pod is None:
            return ""
        answer = api.get(pods_path(namespace, pod.name, "/log"), container=job.main_container, tailLines=tail)
        if answer.is_absence_of(pod.name) or (answer.status == 400 and "waiting to start" in answer.message):
            return ""
        if answer.status != 200:
            raise answer.unexpected(f"{name}: its log cannot be read")
        return answer.body.decode("utf-8", errors="replace")

    def advice(self, configuration: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
        """The rights that the dispatcher lacks in the place that `configuration` names, each with its fix. Raises
        `CallFailed`.
        """
        place = place_of(configuration)
        api = self._api_for_read(place)
        namespace = place.namespace or api.cluster.namespace
        lacks = missing_rights(api, namespace)
        text = f"in the namespace {namespace!r} the dispatcher lacks the right to {', '.join(lacks)}"
        return ((text, "give it the Role of infra/kubernetes"),) if lacks else ()

    def _api_for_read(self, place: Place) -> Api:
        """The server for a read. Raises `CallFailed` even for a missing entry: then the state of every job is unknown."""
        try:
            return self._api(place)
        except HostLacks as problem:
            raise CallFailed(str(problem)) from None

    def _api(self, place: Place, deadline: float | None = None) -> Api:
        """The server, for as long as one call may take. Raises `HostLacks`."""
        timeout = self._limits.call_timeout
        connection = self._connections.get(place.cluster, lambda: Connection(self._clusters.cluster(place.cluster)))
        return Api(connection, time.monotonic() + timeout if deadline is None else deadline)

    def _api_of(self, submission: Submission, deadline: float | None = None) -> tuple[Api, str, str]:
        try:
            place = Place.from_handle(submission.handle)
            return self._api(place, deadline), place.namespace, submission.name
        except (KeyError, ConfigurationError) as problem:
            raise CallFailed(f"{submission.name}: {problem}") from problem


def _submission(api: Api, cluster: str, namespace: str, name: str, uid: str) -> Submission:
    """The submission of a Job. `server` distinguishes the host's default cluster from another host's."""
    handle = filled({**Place(cluster=cluster, namespace=namespace).handle(), "uid": uid, "server": api.cluster.server})
    return Submission(name=name, handle=handle)


def _is_elsewhere(api: Api, submission: Submission) -> bool:
    """True if another host submitted the job to its own, different default cluster."""
    home = submission.handle.get("server")
    return not submission.handle.get("cluster") and bool(home) and home != api.cluster.server


def _missing(api: Api, namespace: str, submission: Submission) -> dict[str, Observation]:
    """The observation of an unlisted Job. Its labels may have been changed, so it is looked up by name."""
    try:
        manifest = job_named(api, namespace, submission.name)
    except CallFailed as problem:
        return unreadable([submission], problem)
    if manifest is not None and submission.handle.get("uid") in (None, checked_name(manifest, submission.name)):
        return unreadable([submission], NO_LABEL)
    return {submission.name: Observation(state=JobState.MISSING)}
