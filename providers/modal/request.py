"""A rendered configuration becomes the arguments of a sandbox. Pure; every fault names its field."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from providers.base import ConfigurationError, Job
from providers.places import filled

DEFAULT_APP = "push-dispatcher"
DEFAULT_IMAGE = "python:3.12-slim"
DEFAULT_TIMEOUT = 3600
LONGEST_TIMEOUT = 24 * 3600
OURS = {"managed-by": "push-dispatcher"}
"""The tag of all our sandboxes; lists are filtered by it."""

VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
NAME_TAG = "push-dispatcher-job"
"""The tag that holds the job's name: a list does not show the names of sandboxes."""
OBJECT_NAME = re.compile(r"[a-zA-Z0-9._-]{1,63}")
"""The names of apps and environments that the SDK accepts."""
LONGEST_VALUE = 32_768
"""https://modal.com/docs/guide/secrets#limits"""
TAG_LENGTH = 63
UNFIT_FOR_TAGS = re.compile(r"[^a-zA-Z0-9._-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The place of our sandboxes within an account."""

    app: str = DEFAULT_APP
    environment: str | None = None
    """A Modal environment; None: the account's own default."""
    credentials: str | None = None
    """The name of an entry of the credentials; None: the host's own identity."""

    def handle(self) -> dict[str, str]:
        """The place as a part of a submission's handle."""
        return filled({"app": self.app, "environment": self.environment, "credentials": self.credentials})

    @classmethod
    def from_handle(cls, handle: Mapping[str, str]) -> Self:
        """The place that a handle names."""
        return cls(app=handle["app"], environment=handle.get("environment"), credentials=handle.get("credentials"))


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSpec:
    """A container image in a registry, and its additions. Equal specs are built once."""

    tag: str
    secret: str | None = None
    """A named Modal secret with the registry's credentials; its keys show the kind of registry."""
    add_python: str | None = None
    """The Python version to add to an image without Python, such as `3.12`."""
    pip_packages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxSpec:
    """One job, as a sandbox."""

    place: Place
    image: ImageSpec
    command: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    gpu: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    """The job's own environment; its secrets take precedence."""
    own_variables: Mapping[str, str] = field(default_factory=dict)
    """The dispatcher's variables, which take precedence over everything."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """The other arguments of `Sandbox.create`, by name."""


def place_of(configuration: Mapping[str, Any]) -> Place:
    """The place of a configuration's sandboxes."""
    return Place(
        app=_text(configuration, "app") or DEFAULT_APP,
        environment=_text(configuration, "modal_environment"),
        credentials=_credentials(configuration),
    )


def read(job: Job) -> SandboxSpec:
    """The sandbox that a job asks for. Raises `ConfigurationError`."""
    configuration = job.configuration
    options = {
        "timeout": whole(configuration, "timeout", 1, LONGEST_TIMEOUT) or DEFAULT_TIMEOUT,
        "cpu": number(configuration, "cpu"),
        "memory": whole(configuration, "memory", 1, None),
        "region": list(_names(configuration, "region")) or None,
        "cloud": _text(configuration, "cloud"),
        "workdir": _text(configuration, "workdir"),
        "tags": tags(job),
    }
    return SandboxSpec(
        place=place_of(configuration),
        image=_image(configuration),
        command=_command(configuration.get("command")),
        secrets=_names(configuration, "secrets"),
        gpu=_text(configuration, "gpu") if gpu_of(configuration) else None,
        variables=variables(configuration),
        own_variables=job.environment,
        options={name: value for name, value in options.items() if value is not None},
    )


def variables(configuration: Mapping[str, Any]) -> dict[str, str]:
    """The environment of the job's own configuration."""
    variables_by_name = _texts(configuration, "env")
    for name in variables_by_name:
        if not VARIABLE.fullmatch(name):
            raise ConfigurationError(f"env: {name!r} is not a name Modal accepts; use letters, digits and _, no digit first")
        if len(variables_by_name[name]) > LONGEST_VALUE:
            raise ConfigurationError(
                f"env.{name}: Modal takes {LONGEST_VALUE} characters at most, not {len(variables_by_name[name])}"
            )
    return variables_by_name


def gpu_of(configuration: Mapping[str, Any]) -> tuple[str, int] | None:
    """The kind and number of GPUs: `H100:2` is two. Raises `ConfigurationError`."""
    gpu = _text(configuration, "gpu")
    if gpu is None:
        return None
    kind, colon, count = gpu.partition(":")
    if not kind.strip() or (colon and not (count.isdecimal() and count.isascii() and int(count) > 0)):
        raise ConfigurationError(f"gpu: give a kind of GPU, and a count if more than one (H100:2), not {gpu!r}")
    return kind.strip().upper(), int(count) if colon else 1


def tags(job: Job) -> dict[str, str]:
    """Labels in the characters and lengths that Modal accepts."""
    labels = {**_texts(job.configuration, "labels"), **job.labels}
    cleaned = {_tag(name): _tag(value) for name, value in labels.items() if value}
    return {**cleaned, **OURS, NAME_TAG: job.name}


def _tag(value: str) -> str:
    return UNFIT_FOR_TAGS.sub("-", value)[:TAG_LENGTH] or "-"


def _texts(configuration: Mapping[str, Any], key: str) -> dict[str, str]:
    """An object of texts; numbers and booleans become JSON text, and a null removes its name."""
    items = _object(configuration, key).items()
    return {str(name): _scalar(value, f"{key}.{name}") for name, value in items if value is not None}


def _scalar(value: Any, path: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int | float):
        raise ConfigurationError(f"{path}: give a text, not {type(value).__name__}")
    return str(value)


def _image(configuration: Mapping[str, Any]) -> ImageSpec:
    image = configuration.get("image") or DEFAULT_IMAGE
    if isinstance(image, str):
        image = {"tag": image}
    if not isinstance(image, Mapping) or not isinstance(image.get("tag"), str):
        raise ConfigurationError("image: give a reference, as python:3.12-slim, or an object with a `tag` and a `secret`")
    return ImageSpec(
        tag=image["tag"],
        secret=_registry_secret(image),
        add_python=_text(image, "add_python"),
        pip_packages=_names(configuration, "pip_packages"),
    )


def _registry_secret(image: Mapping[str, Any]) -> str | None:
    """The registry's secret: `secret`, or a key that names its kind: `registry_secret`, `aws_secret`, `gcp_secret`."""
    secrets = [value for key, value in image.items() if (key == "secret" or key.endswith("_secret")) and value]
    if len(secrets) > 1:
        raise ConfigurationError("image: name one secret for the registry, not several")
    return _name(secrets[0], "image.secret") if secrets else None


def _credentials(configuration: Mapping[str, Any]) -> str | None:
    value = configuration.get("modal_credentials")
    if value in (None, "", {}):
        return None
    if not isinstance(value, str):
        raise ConfigurationError(
            "modal_credentials: give the name of an entry of DISPATCHER_CREDENTIALS; tokens never stand in a template"
        )
    return value


def _command(value: Any) -> tuple[str, ...]:
    if value in (None, ""):
        return ()
    if isinstance(value, str):
        try:
            return tuple(shlex.split(value))
        except ValueError as problem:
            raise ConfigurationError(f"command: {problem} in {value!r}") from None
    if isinstance(value, list | tuple):
        return tuple(_scalar(word, f"command[{index}]") for index, word in enumerate(value))
    raise ConfigurationError(f"command: give a text or a list of words, not {value!r}")


def _object(configuration: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = configuration.get(key) or {}
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{key}: give an object, not {value!r}")
    return value


def _names(configuration: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = configuration.get(key) or []
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list | tuple):
        raise ConfigurationError(f"{key}: give a list of names, not {value!r}")
    return tuple(_name(item, f"{key}[{index}]") for index, item in enumerate(value))


def _name(value: Any, path: str) -> str:
    name = value.get("name") if isinstance(value, Mapping) else value
    if not isinstance(name, str) or not name:
        raise ConfigurationError(f"{path}: give a name, not {value!r}")
    return name


def _text(configuration: Mapping[str, Any], key: str) -> str | None:
    value = configuration.get(key)
    if value in (None, ""):
        return None
    if not isinstance(value, str):
        raise ConfigurationError(f"{key}: give a text, not {value!r}")
    return value


def number(configuration: Mapping[str, Any], key: str) -> float | None:
    """A positive number, which may be written as text; None without a value. Raises `ConfigurationError`."""
    value = configuration.get(key)
    if value in (None, ""):
        return None
    try:
        amount = float(value)
    except (TypeError, ValueError):
        amount = 0.0
    if isinstance(value, bool) or not 0 < amount < float("inf"):
        raise ConfigurationError(f"{key}: give a positive number, not {value!r}")
    return amount


def whole(configuration: Mapping[str, Any], key: str, least: int, most: int | None) -> int | None:
    """A whole number within these bounds; None without a value. Raises `ConfigurationError`."""
    amount = number(configuration, key)
    if amount is None:
        return None
    if not amount.is_integer() or amount < least or (most is not None and amount > most):
        span = f"from {least} to {most}" if most is not None else f"of {least} or more"
        raise ConfigurationError(f"{key}: give a whole number {span}, not {configuration[key]!r}")
    return int(amount)
