"""A kubeconfig becomes a cluster. Several files are merged as kubectl does: the first file that sets a value takes precedence.

https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from providers.kubernetes.endpoints import DEFAULT_NAMESPACE, Cluster, decoded, usable_server
from providers.kubernetes.identities import Certificate, Identity, Nobody, Plugin, Token, TokenFile
from providers.places import HostLacks

REFUSED = {
    "auth-provider": "auth providers were removed from Kubernetes 1.26; use an exec plug-in",
    "username": "basic authentication was removed from Kubernetes 1.19",
    "as": "the dispatcher impersonates nobody; give its own user the rights that it needs",
    "as-groups": "the dispatcher impersonates nobody; give its own user the rights that it needs",
    "as-uid": "the dispatcher impersonates nobody; give its own user the rights that it needs",
}


def cluster_in(files: Sequence[Path], context: str) -> Cluster:
    """The cluster of a context, by default the current one. Raises `HostLacks`."""
    content = _merged(files)
    where = f"kubeconfig {files[0]}" if files else "kubeconfig"
    name = context or str(content.get("current-context") or "")
    if not name:
        raise HostLacks(f"{where}: has no current context; name one as `context`")
    chosen = _named(content, "contexts", name, where)
    cluster, cluster_home = _placed(content, "clusters", str(chosen.get("cluster") or ""), where)
    user, user_home = _placed(content, "users", str(chosen.get("user") or ""), where) if chosen.get("user") else ({}, Path())
    return Cluster(
        server=usable_server(str(cluster.get("server") or ""), f"{where}: server"),
        ca=_text_of(cluster, "certificate-authority", cluster_home, where),
        verify=cluster.get("insecure-skip-tls-verify") is not True,
        tls_server_name=str(cluster.get("tls-server-name") or ""),
        identity=_identity(user, user_home, where),
        namespace=str(chosen.get("namespace") or DEFAULT_NAMESPACE),
        proxy=str(cluster.get("proxy-url") or ""),
    )


def _merged(files: Sequence[Path]) -> dict[str, Any]:
    """All files merged; each named entry remembers the directory to which its paths are relative."""
    merged: dict[str, Any] = {}
    for file in files:
        content = _loaded(file)
        merged.setdefault("current-context", None)
        merged["current-context"] = merged["current-context"] or content.get("current-context")
        for kind in ("clusters", "users", "contexts"):
            entries = merged.setdefault(kind, {})
            for entry in content.get(kind) or ():
                if isinstance(entry, Mapping) and isinstance(entry.get("name"), str):
                    entries.setdefault(entry["name"], (entry.get(kind[:-1]) or {}, file.parent))
    return merged


def _loaded(file: Path) -> Mapping[str, Any]:
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as problem:
        raise HostLacks(f"kubeconfig {file}: cannot be read here: {type(problem).__name__}") from problem
    if not isinstance(content, Mapping):
        raise HostLacks(f"kubeconfig {file}: is not a kubeconfig")
    return content


def _placed(content: Mapping[str, Any], kind: str, name: str, where: str) -> tuple[Mapping[str, Any], Path]:
    entries = content.get(kind) or {}
    if name not in entries or not isinstance(entries[name][0], Mapping):
        names = ", ".join(sorted(entries)) or "none"
        raise HostLacks(f"{where}: there is no {kind[:-1]} {name!r}; known: {names}")
    entry: tuple[Mapping[str, Any], Path] = entries[name]
    return entry


def _named(content: Mapping[str, Any], kind: str, name: str, where: str) -> Mapping[str, Any]:
    return _placed(content, kind, name, where)[0]


def _identity(user: Mapping[str, Any], home: Path, where: str) -> Identity:
    for key, words in REFUSED.items():
        if user.get(key):
            raise HostLacks(f"{where}: user.{key}: {words}")
    if user.get("exec"):
        return _plugin(user["exec"], home, where)
    if user.get("tokenFile"):
        return TokenFile(str(home / str(user["tokenFile"])))
    if user.get("token"):
        return Token(str(user["token"]))
    certificate, key = (_text_of(user, name, home, where) for name in ("client-certificate", "client-key"))
    return Certificate(certificate, key) if certificate and key else Nobody()


def _plugin(entry: Any, home: Path, where: str) -> Plugin:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("command"), str):
        raise HostLacks(f"{where}: user.exec: names no command")
    command = entry["command"]
    program = str(home / command) if "/" in command else command
    arguments = [str(argument) for argument in entry.get("args") or ()]
    variables = {
        str(item["name"]): str(item.get("value") or "") for item in entry.get("env") or () if isinstance(item, Mapping)
    }
    version = str(entry.get("apiVersion") or "client.authentication.k8s.io/v1")
    return Plugin([program, *arguments], variables, version)


def _text_of(entry: Mapping[str, Any], key: str, home: Path, where: str) -> str:
    """A text that the entry contains as base64 or whose file it names."""
    if entry.get(f"{key}-data"):
        return decoded(str(entry[f"{key}-data"]), f"{where}: {key}-data")
    if not entry.get(key):
        return ""
    try:
        return (home / str(entry[key])).read_text(encoding="utf-8")
    except (OSError, ValueError) as problem:
        raise HostLacks(f"{where}: {key}: cannot be read here: {problem}") from problem
