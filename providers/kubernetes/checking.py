"""Checks of a rendered configuration before any call; they do not load urllib3."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from providers.base import Checked, ConfigurationError, Finding, Job, Needs
from providers.kubernetes.manifest import PATH, READ, SPEC, manifest_of, own_faults
from providers.kubernetes.place import place_of
from providers.kubernetes.rules import spec_warnings
from providers.remarks import START_TIMEOUT, findings_of

_SOMEBODY = "r" + "0" * 32 + "-1"

NO_EFFECT = {
    "stream_output": "has no effect here: the output is always kept in the pod's log (`dispatcher run logs`)",
    "job_watch_timeout_seconds": "has no effect here: nobody watches a Job, each tick looks at it; see activeDeadlineSeconds",
    "pod_watch_timeout_seconds": "has no effect here: `task_start_timeout_seconds` is the time that a pod may take to start",
}
"""Variables of the template that are accepted but change nothing, each with the reason."""

_DEFAULTS = {"stream_output": True, "pod_watch_timeout_seconds": 60}


def needs_of(configuration: Mapping[str, Any]) -> Needs:
    """The cluster and the namespace. Raises `ConfigurationError`."""
    place = place_of(configuration)
    return Needs(place=(place.cluster, place.namespace))


def check(configuration: Mapping[str, Any]) -> Checked:
    """Everything that `submit` would reject without asking the cluster or would accept without effect."""
    faults = own_faults(configuration)
    keys = {key: value for key, value in configuration.items() if key in READ and key != START_TIMEOUT}
    warnings = list(_warnings(configuration))
    try:
        place_of(keys)
        manifest = manifest_of(Job(name=_SOMEBODY, configuration=keys))
    except ConfigurationError as problem:
        return Checked(faults=(*faults, *findings_of(problem)), warnings=tuple(warnings))
    spec = {**manifest["spec"], **(_manifest_spec(configuration))}
    warnings += spec_warnings(spec, manifest["metadata"]["labels"], SPEC)
    return Checked(faults=tuple(faults), warnings=tuple(warnings))


def _manifest_spec(configuration: Mapping[str, Any]) -> Mapping[str, Any]:
    manifest = configuration.get("job_manifest")
    spec = manifest.get("spec") if isinstance(manifest, Mapping) else None
    return spec if isinstance(spec, Mapping) else {}


def _warnings(configuration: Mapping[str, Any]) -> Iterator[Finding]:
    """The warnings. A value that equals the template's default causes no warning."""
    for name, words in NO_EFFECT.items():
        value = configuration.get(name)
        if value not in (None, "") and value != _DEFAULTS.get(name):
            yield Finding(path=name, message=words)
    manifest = configuration.get("job_manifest")
    metadata = manifest.get("metadata") if isinstance(manifest, Mapping) else None
    if isinstance(metadata, Mapping) and metadata.get("name"):
        yield Finding(path=f"{PATH}.metadata.name", message="has no effect here: the Job is called after its run")
