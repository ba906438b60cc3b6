"""What a Job must not contain, because an attempt would run twice or its end would be lost. Each remark says what to do
instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from providers.base import Finding

KUEUE_LABEL = "kueue.x-k8s.io/queue-name"

LEAST_TTL = 3600
"""The least seconds before Kubernetes deletes an ended Job: a tick must have observed its end by then."""

RETRIES = "retries of a run are the dispatcher's (retry policies)"


def broken_rules(spec: Mapping[str, Any], path: str) -> Iterator[Finding]:
    """The faults of a Job's spec with its defaults. Its fields must have the published types already."""
    if spec.get("backoffLimit") != 0:
        yield Finding(path=f"{path}.backoffLimit", message=f"give 0: another pod would run the same attempt again; {RETRIES}")
    for field in ("completions", "parallelism"):
        if spec.get(field) != 1:
            yield Finding(path=f"{path}.{field}", message="give 1: each attempt of a run is one pod")
    for field in ("backoffLimitPerIndex", "maxFailedIndexes", "successPolicy"):
        if spec.get(field) is not None:
            yield Finding(path=f"{path}.{field}", message="is for Jobs of several pods; each attempt of a run is one")
    for field in ("selector", "manualSelector"):
        if spec.get(field):
            yield Finding(path=f"{path}.{field}", message="leave it out: a Job finds its pod by a label of Kubernetes' own")
    if spec.get("podReplacementPolicy") != "Failed":
        words = "give Failed: another pod could start while the first has not ended"
        yield Finding(path=f"{path}.podReplacementPolicy", message=words)
    yield from _policy_rules(spec, path)
    yield from _pod_rules(spec, path)


def _policy_rules(spec: Mapping[str, Any], path: str) -> Iterator[Finding]:
    for index, rule in enumerate((spec.get("podFailurePolicy") or {}).get("rules") or ()):
        if rule.get("action") != "FailJob":
            words = f"give FailJob: {rule.get('action')} would run the same attempt again; {RETRIES}"
            yield Finding(path=f"{path}.podFailurePolicy.rules[{index}].action", message=words)


def _pod_rules(spec: Mapping[str, Any], path: str) -> Iterator[Finding]:
    pod = (spec.get("template") or {}).get("spec") or {}
    if pod.get("restartPolicy") != "Never":
        words = f"give Never: a container that ended would run the same attempt again; {RETRIES}"
        yield Finding(path=f"{path}.template.spec.restartPolicy", message=words)
    for index, container in enumerate(pod.get("containers") or ()):
        if container.get("restartPolicy") not in (None, "Never"):
            words = "leave it out: a container that ended would run again"
            yield Finding(path=f"{path}.template.spec.containers[{index}].restartPolicy", message=words)


def spec_warnings(spec: Mapping[str, Any], labels: Mapping[str, Any], path: str) -> Iterator[Finding]:
    """Warnings about settings that are accepted but are changed or have consequences."""
    ttl = spec.get("ttlSecondsAfterFinished")
    if isinstance(ttl, int) and ttl < LEAST_TTL:
        words = (
            f"is raised to {LEAST_TTL}: the Job's end could be lost; the dispatcher removes it itself, once that is recorded"
        )
        yield Finding(path=f"{path}.ttlSecondsAfterFinished", message=words)
    if KUEUE_LABEL in labels:
        words = "Kueue may suspend a Job that runs and resume it later: its program then starts again"
        yield Finding(path=f"job_manifest.metadata.labels.{KUEUE_LABEL}", message=words)
    elif spec.get("suspend") is True:
        words = "the Job waits until somebody resumes it; without a label of Kueue nobody does"
        yield Finding(path=f"{path}.suspend", message=words)
