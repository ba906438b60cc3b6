"""A rendered configuration becomes the body of a create call, plus what the later calls need. No call is made here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from providers.base import ConfigurationError, Finding, Job
from providers.docker.keywords import flag, items, keyword_fields
from providers.docker.memory import memory_limit, swap_limit
from providers.places import credentials_name
from providers.remarks import reason_of, start_timeout_faults, unknown_keys
from providers.values import command, kind, name_of, named_texts, optional_text

NAME_LABEL = "push-dispatcher/name"
"""The label on all our containers and volumes: it holds the job's name, and look-ups use it."""

READ = frozenset(
    {"name", "command", "env", "labels", "image", "registry_credentials", "image_pull_policy", "networks", "network_mode"}
    | {"auto_remove", "volumes", "stream_output", "container_wait_timeout", "mem_limit", "memswap_limit", "privileged"}
    | {"container_create_kwargs", "docker_host", "task_start_timeout_seconds"}
)
"""The keys of a job configuration that are read here; the dispatcher itself reads the last one, for every type."""

_VOLUME_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")
_REFERENCE = re.compile(r"[a-z0-9][\w.:/@-]*", re.ASCII)


class PullPolicy(StrEnum):
    """When to pull an image, in Prefect's words."""

    ALWAYS = "Always"
    IF_NOT_PRESENT = "IfNotPresent"
    IF_POSSIBLE = "IfPossible"
    """Pull if the registry can be reached, otherwise use the engine's image."""
    NEVER = "Never"


@dataclass(frozen=True, slots=True)
class Place:
    """An engine, by its entry in the settings; an empty name is the engine that the Docker CLI would use."""

    docker_host: str

    def handle(self) -> dict[str, str]:
        """The place as a part of a submission's handle."""
        return {"docker_host": self.docker_host}

    @classmethod
    def from_handle(cls, handle: Mapping[str, str]) -> Self:
        """The place that a handle names. Raises `KeyError` for the handle of another provider."""
        return cls(handle["docker_host"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A checked request to the engine."""

    docker_host: str
    """The entry of the settings that names the engine; empty for the one that the Docker CLI would use."""
    image: str
    pull_policy: PullPolicy
    registry_credentials: str | None
    networks: tuple[str, ...]
    """The networks after the first one, which is in the body."""
    body: Mapping[str, Any]


def docker_host_of(configuration: Mapping[str, Any]) -> str:
    """The engine that a configuration names; empty for the default."""
    return optional_text(configuration.get("docker_host"), "docker_host")


def image_of(configuration: Mapping[str, Any]) -> str:
    """The image. Raises `ConfigurationError` if there is none: no default image is assumed."""
    image = optional_text(configuration.get("image"), "image")
    if not image:
        raise ConfigurationError("image: a container needs one; give the job variable `image`")
    if not _REFERENCE.fullmatch(image):
        raise ConfigurationError("image: is not a reference to an image, as 'registry.example.com/team/job:1.2'")
    return image


def request_of(job: Job) -> Request:
    """Read a job's configuration. Raises `ConfigurationError` that names the variable."""
    configuration = job.configuration
    if faults := own_faults(configuration):
        raise ConfigurationError(reason_of(faults))
    image = image_of(configuration)
    networks = tuple(items(configuration.get("networks"), "networks"))
    return Request(
        docker_host=docker_host_of(configuration),
        image=image,
        pull_policy=pull_policy(configuration.get("image_pull_policy"), image),
        registry_credentials=credentials_name(configuration.get("registry_credentials"), "registry_credentials"),
        networks=networks[1:],
        body=_body(job, image, networks[:1]),
    )


def own_faults(configuration: Mapping[str, Any]) -> list[Finding]:
    """The faults in a configuration's own keys."""
    return [*unknown_keys(configuration, READ), *start_timeout_faults(configuration)]


def pull_policy(value: Any, image: str) -> PullPolicy:
    """The policy. Prefect's default: an image with the tag `latest` or without a tag is always pulled."""
    if value in (None, ""):
        return PullPolicy.ALWAYS if tag_of(image)[1] == "latest" else PullPolicy.IF_NOT_PRESENT
    if value not in tuple(PullPolicy):
        raise ConfigurationError(f"image_pull_policy: give {', '.join(PullPolicy)}")
    return PullPolicy(value)


def tag_of(image: str) -> tuple[str, str]:
    """Repository and tag; the tag is empty if a digest names the image."""
    if "@" in image:
        return image, ""
    repository, colon, tag = image.rpartition(":")
    return (repository, tag) if colon and "/" not in tag else (image, "latest")


def _body(job: Job, image: str, network: tuple[str, ...]) -> dict[str, Any]:
    configuration = job.configuration
    container, host = keyword_fields(configuration.get("container_create_kwargs"), "container_create_kwargs")
    environment = {**_environment(configuration.get("env")), **job.environment}
    labels = {**named_texts(configuration.get("labels"), "labels"), **job.labels, NAME_LABEL: job.name}
    body: dict[str, Any] = {
        **container,
        "Image": image,
        "Env": [f"{name}={value}" for name, value in environment.items()],
        "Labels": labels,
        "HostConfig": {"Init": True, **host, **_host_fields(configuration, network)},
    }
    if words := command(configuration.get("command"), "command"):
        body["Cmd"] = words
    if anonymous := _anonymous_volumes(configuration.get("volumes")):
        body["Volumes"] = anonymous
    _no_nul(body, "")
    return body


def _environment(value: Any) -> dict[str, str]:
    environment = named_texts(value, "env")
    for name in environment:
        if not name or "=" in name:
            raise ConfigurationError(f"env: {name!r} cannot be the name of a variable")
    return environment


def _host_fields(configuration: Mapping[str, Any], network: tuple[str, ...]) -> dict[str, Any]:
    """The host configuration from the variables; `AutoRemove` and `RestartPolicy` are always ours."""
    fields: dict[str, Any] = {"AutoRemove": False, "RestartPolicy": {"Name": "no"}}
    mode = name_of(configuration.get("network_mode"), "network_mode")
    if mode and network:
        raise ConfigurationError("network_mode: cannot be set together with networks")
    if mode or network:
        fields["NetworkMode"] = mode or network[0]
    if binds := [volume for volume in _volumes(configuration.get("volumes")) if ":" in volume]:
        fields["Binds"] = binds
    if configuration.get("privileged") not in (None, ""):
        fields["Privileged"] = flag(configuration["privileged"], "privileged")
    for name in ("auto_remove", "stream_output"):
        if configuration.get(name) not in (None, ""):
            flag(configuration[name], name)
    return fields | _limits(configuration)


def _limits(configuration: Mapping[str, Any]) -> dict[str, int]:
    memory, swap = (configuration.get(name) for name in ("mem_limit", "memswap_limit"))
    fields = {}
    if memory not in (None, ""):
        fields["Memory"] = memory_limit(memory, "mem_limit")
    if swap not in (None, ""):
        fields["MemorySwap"] = swap_limit(swap, "memswap_limit")
        if "Memory" not in fields:
            raise ConfigurationError("memswap_limit: give mem_limit with it")
        if -1 < fields["MemorySwap"] < fields["Memory"]:
            raise ConfigurationError("memswap_limit: is memory and swap together, so at least mem_limit")
    return fields


def _volumes(value: Any) -> list[str]:
    volumes = items(value, "volumes")
    for index, volume in enumerate(volumes):
        _check_volume(volume, f"volumes[{index}]")
    return volumes


def _check_volume(volume: str, path: str) -> None:
    source, colon, rest = volume.partition(":")
    target, _, mode = rest.partition(":") if colon else (source, "", "")
    if not target.startswith("/"):
        raise ConfigurationError(f"{path}: give 'source:/path/in/the/container', or with ':ro' after it")
    if ":" in mode:
        raise ConfigurationError(f"{path}: has too many colons")
    if colon and not source.startswith("/") and not _VOLUME_NAME.fullmatch(source):
        raise ConfigurationError(
            f"{path}: {source!r} is neither a whole path on the engine's host nor the name of a volume; a relative path"
            " would be another one for each machine that ticks"
        )


def _anonymous_volumes(value: Any) -> dict[str, Any]:
    return {volume: {} for volume in _volumes(value) if ":" not in volume}


def _no_nul(value: Any, path: str) -> None:
    """Refuse NUL characters: a process cannot receive them, and the engine would cut the text or fail late."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            _no_nul(key, path or str(key))
            _no_nul(item, path or str(key))
    elif isinstance(value, list | tuple):
        for item in value:
            _no_nul(item, path)
    elif isinstance(value, str) and "\0" in value:
        raise ConfigurationError(f"{path}: holds a NUL character, which no container can be given")
    elif value is not None and not isinstance(value, str | int | float):
        raise ConfigurationError(f"{path}: {kind(value)} cannot stand there")
