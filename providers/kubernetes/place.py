"""The place of Jobs: a cluster and a namespace."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from providers.base import ConfigurationError
from providers.places import credentials_name, filled
from providers.values import mapping, optional_text

_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A namespace of a cluster. An empty namespace is the default of the cluster's entry, or of the host."""

    cluster: str = ""
    namespace: str = ""

    def handle(self) -> dict[str, str]:
        """The place as a part of a submission's handle."""
        return filled({"cluster": self.cluster, "namespace": self.namespace})

    @classmethod
    def from_handle(cls, handle: Mapping[str, str]) -> Self:
        """The place that a handle names. Raises `KeyError` for the handle of another provider."""
        return cls(cluster=handle.get("cluster", ""), namespace=handle["namespace"])


def place_of(configuration: Mapping[str, Any]) -> Place:
    """The place of a configuration's Job. Raises `ConfigurationError`."""
    metadata = mapping(mapping(configuration.get("job_manifest"), "job_manifest").get("metadata"), "job_manifest.metadata")
    outer = optional_text(configuration.get("namespace"), "namespace")
    inner = optional_text(metadata.get("namespace"), "job_manifest.metadata.namespace")
    if outer and inner and outer != inner:
        raise ConfigurationError("job_manifest.metadata.namespace: differs from `namespace`; give the same, or only one")
    namespace = outer or inner
    if namespace and not _NAMESPACE.fullmatch(namespace):
        raise ConfigurationError("namespace: give a name of small letters, digits and hyphens, at most 63")
    return Place(cluster=_cluster(configuration.get("cluster_config")), namespace=namespace)


def _cluster(value: Any) -> str:
    return credentials_name(value, "cluster_config") or ""
