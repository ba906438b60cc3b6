"""Which cluster a job goes to: an entry of the settings, or the host's default.

An entry is one of

    {"server": "https://10.0.0.1:6443", "ca_file": ..., "token_file": ...}
    {"server": ..., "ca_data": "LS0tLS1CRUdJTi...", "token_variable": "CLUSTER_TOKEN"}    where there are no files
    {"server": ..., "ca_file": ..., "cert_file": ..., "key_file": ...}                    a client's certificate
    {"kubeconfig": "/etc/clusters/team.yaml", "context": "prod"}                          with its exec plug-ins
    {"in_cluster": true}                                                                  the pod's own service account

each with a `"namespace"` for pools that name none. Without an entry, the first of these applies: KUBECONFIG, the pod's service
account, `~/.kube/config`. A token is read anew for every call, since it is rotated; an entry never holds one.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from providers.kubernetes.endpoints import DEFAULT_NAMESPACE, Cluster, decoded, usable_server
from providers.kubernetes.identities import Certificate, Identity, TokenFile, TokenVariable
from providers.places import HostLacks

SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"

KEYS = frozenset(
    {"server", "ca_file", "ca_data", "token_file", "token_variable", "cert_file", "key_file", "tls_server_name"}
    | {"kubeconfig", "context", "in_cluster", "namespace"}
)
WAYS = ("server", "kubeconfig", "in_cluster")


class Clusters:
    """The entries by name. An entry is checked when it is used."""

    def __init__(self, entries: Mapping[str, Mapping[str, Any]], environment: Mapping[str, str]) -> None:
        self._entries, self._environment = entries, environment

    def cluster(self, name: str) -> Cluster:
        """The cluster of an entry; an empty name is the host's default. Raises `HostLacks`."""
        if not name:
            return default_cluster(self._environment)
        if name not in self._entries:
            names = ", ".join(sorted(self._entries)) or "none"
            raise HostLacks(
                f"cluster_config: {name!r} is not an entry of DISPATCHER_KUBERNETES_CLUSTERS (its entries: {names});"
                " add it there"
            )
        return cluster_of(f"kubernetes_clusters.{name}", self._entries[name], self._environment)


def default_cluster(environment: Mapping[str, str]) -> Cluster:
    """The first of: KUBECONFIG as kubectl reads it, the service account of this process's pod, `~/.kube/config`."""
    if named := environment.get("KUBECONFIG"):
        return _of_files([Path(file) for file in named.split(os.pathsep) if file], "")
    if environment.get("KUBERNETES_SERVICE_HOST"):
        return in_cluster(environment)
    file = Path(environment.get("HOME") or Path.home()) / ".kube" / "config"
    if not file.exists():
        raise HostLacks(
            "cluster_config: names no cluster, and this host knows none: set KUBECONFIG, run in a cluster, or add an entry"
            " to DISPATCHER_KUBERNETES_CLUSTERS"
        )
    return _of_files([file], "")


def in_cluster(environment: Mapping[str, str], directory: str = SERVICE_ACCOUNT) -> Cluster:
    """The cluster of this process's pod. Raises `HostLacks`."""
    host, port = environment.get("KUBERNETES_SERVICE_HOST", ""), environment.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        raise HostLacks("cluster_config: in_cluster: this is not a pod of a cluster: KUBERNETES_SERVICE_HOST is not set")
    home = Path(directory)
    return Cluster(
        server=f"https://{f'[{host}]' if ':' in host else host}:{port}",
        ca=_read("cluster_config: in_cluster", home / "ca.crt"),
        identity=TokenFile(str(home / "token")),
        namespace=_read("cluster_config: in_cluster", home / "namespace").strip() or DEFAULT_NAMESPACE,
    )


def cluster_of(path: str, entry: Mapping[str, Any], environment: Mapping[str, str]) -> Cluster:
    """The cluster of an entry of the settings. Raises `HostLacks`."""
    if surplus := sorted(entry.keys() - KEYS):
        raise HostLacks(f"{path}: has unknown keys: {', '.join(surplus)}; the keys are {', '.join(sorted(KEYS))}")
    texts = {key: str(value) for key, value in entry.items() if value}
    if len([way for way in WAYS if way in texts]) != 1:
        raise HostLacks(f"{path}: give one of {', '.join(WAYS)}")
    if "kubeconfig" in texts:
        cluster = _of_files([Path(texts["kubeconfig"]).expanduser()], texts.get("context", ""))
    elif "in_cluster" in texts:
        cluster = in_cluster(environment)
    else:
        cluster = _of_server(path, texts, environment)
    return replace(cluster, namespace=texts["namespace"]) if "namespace" in texts else cluster


def _of_files(files: Sequence[Path], context: str) -> Cluster:
    from providers.kubernetes.kubeconfig import cluster_in  # noqa: PLC0415 - loads PyYAML

    return cluster_in(files, context)


def _of_server(path: str, entry: Mapping[str, str], environment: Mapping[str, str]) -> Cluster:
    ca = _read(f"{path}.ca_file", Path(entry["ca_file"])) if "ca_file" in entry else ""
    if "ca_data" in entry:
        ca = decoded(entry["ca_data"], f"{path}.ca_data")
    return Cluster(
        server=usable_server(entry["server"], f"{path}.server"),
        ca=ca,
        tls_server_name=entry.get("tls_server_name", ""),
        identity=_identity(path, entry, environment),
    )


def _identity(path: str, entry: Mapping[str, str], environment: Mapping[str, str]) -> Identity:
    if "token_file" in entry:
        return TokenFile(entry["token_file"])
    if "token_variable" in entry:
        return TokenVariable(entry["token_variable"], environment)
    if "cert_file" in entry and "key_file" in entry:
        cert, key = (_read(f"{path}.{name}", Path(entry[name])) for name in ("cert_file", "key_file"))
        return Certificate(cert, key)
    raise HostLacks(f"{path}: give token_file, token_variable, or cert_file and key_file")


def _read(path: str, file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, ValueError) as problem:
        raise HostLacks(f"{path}: cannot be read here: {problem}") from problem
