"""Which engine a job goes to: an entry of the settings, or the engine that the Docker CLI would use here.

An entry is `{"url": ...}` with one of

    unix:///run/docker.sock
    tcp://builder.example.com:2376    with `ca_file`, `cert_file` and `key_file`; `"tls": false` for one without TLS
    ssh://user@builder.example.com    by the host's own ssh program, its configuration and its keys

An entry only names files and never holds a key.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from providers.places import HostLacks

TLS_FILES = ("ca_file", "cert_file", "key_file")
KEYS = frozenset({"url", "tls", *TLS_FILES})
SCHEMES = ("unix", "tcp", "ssh")


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """The address of one engine, and its TLS files."""

    url: str
    tls: bool = False
    ca_file: str = ""
    """Without it, a TLS certificate is checked against the certificates that this machine trusts."""
    cert_file: str = ""
    key_file: str = ""
    verify: bool = True

    @property
    def scheme(self) -> str:
        """`unix`, `tcp` or `ssh`."""
        return urlsplit(self.url).scheme


class Hosts:
    """The entries by name. An entry is checked when it is used."""

    def __init__(self, entries: Mapping[str, Mapping[str, Any]], environment: Mapping[str, str] | None = None) -> None:
        self._entries = entries
        self._environment = os.environ if environment is None else environment

    def host(self, name: str) -> Host:
        """The host of an entry, or the default for an empty name. Raises `HostLacks`."""
        if not name:
            return default_host(self._environment)
        if name not in self._entries:
            names = ", ".join(sorted(self._entries)) or "none"
            raise HostLacks(
                f"docker_host: {name!r} is not an entry of DISPATCHER_DOCKER_HOSTS (its entries: {names}); add it there"
            )
        return _checked(f"docker_hosts.{name}", self._entries[name])


def _checked(path: str, entry: Mapping[str, Any]) -> Host:
    if surplus := sorted(entry.keys() - KEYS):
        raise HostLacks(f"{path}: has unknown keys: {', '.join(surplus)}; the keys are {', '.join(sorted(KEYS))}")
    url, files = entry.get("url"), {name: str(entry[name]) for name in TLS_FILES if entry.get(name)}
    if not isinstance(url, str) or urlsplit(url).scheme not in SCHEMES:
        raise HostLacks(f"{path}.url: give unix:///path, tcp://host:port or ssh://user@host")
    scheme = urlsplit(url).scheme
    if scheme != "tcp" and (files or "tls" in entry):
        raise HostLacks(f"{path}: tls and files of certificates are for tcp:// alone")
    host = Host(url=_usable(path, url), tls=scheme == "tcp" and _tls(path, entry, files))
    return replace(host, **dict[str, Any](files))


def _usable(path: str, url: str) -> str:
    parts = urlsplit(url)
    try:
        complete = bool(parts.path) if parts.scheme == "unix" else bool(parts.hostname)
        if parts.scheme == "tcp":
            complete = complete and parts.port is not None
    except ValueError:
        complete = False
    if not complete or parts.password is not None or parts.query or parts.fragment:
        raise HostLacks(f"{path}.url: give unix:///path, tcp://host:port or ssh://user@host, and no password")
    if parts.scheme == "ssh" and (parts.path.strip("/") or (parts.hostname or "").startswith("-")):
        raise HostLacks(f"{path}.url: give ssh://user@host or ssh://user@host:port")
    return url


def _tls(path: str, entry: Mapping[str, Any], files: Mapping[str, str]) -> bool:
    """The TLS settings. An entry must turn TLS off explicitly, because access to such a port is root access."""
    if entry.get("tls", True) is False and not files:
        return False
    if ("cert_file" in files) != ("key_file" in files):
        raise HostLacks(f"{path}: give cert_file and key_file together")
    for name, file in files.items():
        if not os.access(file, os.R_OK):
            raise HostLacks(f"{path}.{name}: there is no such file that can be read here: {file}")
    return True


def default_host(environment: Mapping[str, str]) -> Host:
    """The Docker CLI's engine: the first of DOCKER_HOST, DOCKER_CONTEXT, the current context, the usual socket. Raises
    `HostLacks`.
    """
    if environment.get("DOCKER_HOST"):
        return _of_environment(environment)
    url, tls = _of_context(environment.get("DOCKER_CONTEXT") or None)
    if tls is None:
        return Host(url=_usable("docker_host: Docker's context", url))
    cert, key = tls.cert or ("", "")
    return Host(url=url, tls=True, ca_file=tls.ca_cert or "", cert_file=cert, key_file=key, verify=bool(tls.verify))


def _of_context(name: str | None) -> tuple[str, Any]:
    """The address and TLS configuration of a context, by default the current one."""
    from docker.context import ContextAPI  # noqa: PLC0415 - loads the SDK
    from docker.context.config import get_current_context_name  # noqa: PLC0415 - likewise
    from docker.errors import DockerException  # noqa: PLC0415 - likewise

    name = name or str(get_current_context_name())
    try:
        context = ContextAPI.get_context(name)
    except (DockerException, OSError, ValueError, KeyError) as problem:
        raise HostLacks(f"docker_host: Docker's context {name!r} cannot be read: {problem}") from problem
    if context is None:
        raise HostLacks(f"docker_host: Docker has no context {name!r} here; see `docker context ls`")
    return str(context.Host or "unix:///var/run/docker.sock").replace("http+unix://", "unix://"), context.TLSConfig


def _of_environment(environment: Mapping[str, str]) -> Host:
    url = environment["DOCKER_HOST"]
    if urlsplit(url).scheme not in SCHEMES:
        raise HostLacks(f"DOCKER_HOST: give unix:///path, tcp://host:port or ssh://user@host, not {url!r}")
    verify = bool(environment.get("DOCKER_TLS_VERIFY"))
    directory = environment.get("DOCKER_CERT_PATH") or (os.path.expanduser("~/.docker") if verify else "")
    if urlsplit(url).scheme != "tcp" or not directory:
        return Host(url=_usable("DOCKER_HOST", url))
    files = {
        name: os.path.join(directory, file) for name, file in zip(TLS_FILES, ("ca.pem", "cert.pem", "key.pem"), strict=True)
    }
    return Host(url=_usable("DOCKER_HOST", url), tls=True, verify=verify, **files)
