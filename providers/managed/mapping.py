"""Maps the vocabulary to variables of the pool type behind, and fills its job configuration with them. Pure.

In this package's default templates each placeholder is a whole value, so filling them needs only the code below.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from providers import registry
from providers.base import ConfigurationError
from providers.managed.setting import Managed
from providers.managed.sizes import CLOUD_RUN, FARGATE, machine, pair, tenths
from providers.managed.vocabulary import Wish, wish_of
from providers.managed.wrapping import with_packages, with_timeout

_PLACEHOLDER = re.compile(r"\{\{ (\w+) \}\}")
_GONE = object()
CORE_UNITS, NANO = 1024, 1_000_000_000
INSTALLS, LIMITS_TIME = frozenset({"modal"}), frozenset({"kubernetes", "cloud-run-v2", "modal", "vertex-ai"})
"""Families that install packages by themselves, and families that enforce a time limit by themselves."""


def configuration_of(managed: Managed, configuration: Mapping[str, Any]) -> dict[str, Any]:
    """The job configuration for the type behind. Raises `ConfigurationError` in the words of the vocabulary."""
    wish = wish_of(configuration, managed.maximum)
    return filled(managed.type, _over(managed.job_variables, _variables(managed, wish)))


def place_of(managed: Managed) -> dict[str, Any]:
    """The configuration without a job: it names the place of managed pools."""
    return filled(managed.type, managed.job_variables)


def filled(type_name: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    """The default template of a type, filled with its defaults and these values; placeholders without a value are removed."""
    template = _template(type_name)
    declared = template["variables"]["properties"]
    if unknown := sorted(set(variables) - set(declared)):
        raise ConfigurationError(f"{unknown[0]}: {type_name} has no such job variable")
    values = {name: schema["default"] for name, schema in declared.items() if schema.get("default") is not None}
    values |= {name: value for name, value in variables.items() if value is not None}
    made: dict[str, Any] = _filled(template["job_configuration"], values)
    return made


@lru_cache(maxsize=16)
def _template(type_name: str) -> dict[str, Any]:
    return registry.default_template(type_name)


def _filled(value: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(value, dict):
        items = {key: _filled(item, values) for key, item in value.items()}
        return {key: item for key, item in items.items() if item is not _GONE}
    if isinstance(value, list):
        return [item for item in (_filled(item, values) for item in value) if item is not _GONE]
    match = _PLACEHOLDER.fullmatch(value) if isinstance(value, str) else None
    return values.get(match[1], _GONE) if match else value


def _over(low: Mapping[str, Any], high: Mapping[str, Any]) -> dict[str, Any]:
    """The author's values override the platform team's. Variables and labels of both are merged, and the team's options are
    kept.
    """
    merged = {**low, **{name: value for name, value in high.items() if value not in (None, "", {})}}
    for name in ("env", "labels", "container_create_kwargs"):
        if isinstance(low.get(name), Mapping) and isinstance(high.get(name), Mapping):
            merged[name] = {**low[name], **high[name]}
    return merged


def _variables(managed: Managed, wish: Wish) -> dict[str, Any]:
    family = managed.family
    if family != "process" and not wish.image and not managed.job_variables.get("image") and family != "modal":
        raise ConfigurationError("image: name the container image to run; managed pools have no default one here")
    words = _words(family, wish)
    common = {"name": wish.name, "image": wish.image, "command": shlex.join(words), "env": dict(wish.env)}
    return {**common, "labels": dict(wish.labels), **_OF[family](wish)}


def _words(family: str, wish: Wish) -> Sequence[str]:
    words: Sequence[str] = wish.command
    if wish.pip_packages and family not in INSTALLS:
        words = with_packages(_required(words, "pip_packages"), wish.pip_packages)
    if wish.timeout and family not in LIMITS_TIME:
        words = with_timeout(_required(words, "timeout"), wish.timeout)
    return words


def _required(words: Sequence[str], field: str) -> Sequence[str]:
    if not words:
        raise ConfigurationError(f"command: give one too; {field} is done by a command around it")
    return words


def _process(wish: Wish) -> dict[str, Any]:
    """The variables for a process. Its CPUs and memory cannot be limited and are omitted."""
    for field in ("image", "pip_packages"):
        if getattr(wish, field):
            raise ConfigurationError(
                f"{field}: managed pools are processes of this machine here, which have none; for containers set"
                ' DISPATCHER_MANAGED={"type": "docker"}'
            )
    return {}


def _docker(wish: Wish) -> dict[str, Any]:
    options = {"nano_cpus": round(wish.cpu * NANO)} if wish.cpu else {}
    return {"mem_limit": f"{round(wish.memory)}m" if wish.memory else None, "container_create_kwargs": options}


def _kubernetes(wish: Wish) -> dict[str, Any]:
    """The variables for a Job. Requests equal limits, so neighbouring pods neither slow the pod down nor lose resources
    to it.
    """
    cpu = f"{max(1, round(wish.cpu * 1000))}m" if wish.cpu else None
    memory = f"{round(wish.memory)}Mi" if wish.memory else None
    sizes = {"cpu_request": cpu, "cpu_limit": cpu, "memory_request": memory, "memory_limit": memory}
    return {**sizes, "active_deadline_seconds": wish.timeout}


def _ecs(wish: Wish) -> dict[str, Any]:
    if wish.cpu is None and wish.memory is None:
        return {}
    units, memory = pair(FARGATE, wish.cpu and wish.cpu * CORE_UNITS, wish.memory)
    return {"cpu": int(units), "memory": memory}


def _cloud_run(wish: Wish) -> dict[str, Any]:
    sizes: dict[str, Any] = {}
    if wish.cpu is not None or wish.memory is not None:
        cpus, memory = pair(CLOUD_RUN, wish.cpu, wish.memory)
        sizes = {"cpu": str(int(cpus)), "memory": f"{memory}Mi"}
    return {**sizes, "timeout": wish.timeout}


def _container_instance(wish: Wish) -> dict[str, Any]:
    return {
        "cpu": tenths(wish.cpu) if wish.cpu else None,
        "memory": tenths(wish.memory / 1024) if wish.memory else None,
    }


def _modal(wish: Wish) -> dict[str, Any]:
    sizes = {"cpu": wish.cpu, "memory": round(wish.memory) if wish.memory else None}
    return {**sizes, "timeout": wish.timeout, "pip_packages": list(wish.pip_packages) or None}


def _vertex_ai(wish: Wish) -> dict[str, Any]:
    sized = wish.cpu is not None or wish.memory is not None
    hours = wish.timeout / 3600 if wish.timeout else None
    return {"machine_type": machine(wish.cpu, wish.memory) if sized else None, "maximum_run_time_hours": hours}


_OF: Mapping[str, Callable[[Wish], dict[str, Any]]] = {
    "process": _process,
    "docker": _docker,
    "kubernetes": _kubernetes,
    "ecs": _ecs,
    "cloud-run-v2": _cloud_run,
    "azure-container-instance": _container_instance,
    "modal": _modal,
    "vertex-ai": _vertex_ai,
}
