"""Checks of a rendered configuration before any call: all remarks when it is saved, only the faults at a submission.

They do not need Azure's SDK. The keys of a container group are checked against Azure's model, up to the newest version that is
known here. A template for a newer version is left to Azure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from providers.base import Checked, ConfigurationError, Finding, Job
from providers.container_instance.entries import CredentialEntries
from providers.container_instance.group import group_request
from providers.container_instance.needs import needs
from providers.container_instance.place import first_group
from providers.remarks import finding_of, unknown_keys
from providers.values import mapping, named_texts, number, optional_text, sequence, texts

READ = frozenset(
    {"name", "labels", "image", "image_registry", "entrypoint", "command", "env", "secrets", "cpu", "memory", "gpu_count"}
    | {"gpu_sku", "priority", "subscription_id", "resource_group_name", "location", "aci_credentials", "identities"}
    | {"subnet_ids", "dns_servers", "task_start_timeout_seconds", "keep_container_group", "arm_template"}
)
"""The keys of a job configuration that are read here."""

ELSEWHERE: Mapping[str, str] = {
    "aci_credentials": "says who asks Azure, so it is not part of a container group",
    "task_start_timeout_seconds": "is read by the dispatcher, which deletes a container group that has not started by then",
}
"""Keys that have an effect but are not part of the request."""

NO_EFFECT: Mapping[str, str] = {
    "stream_output": "has no effect: there is no worker to stream to; `dispatcher run logs` shows what a run wrote",
    "task_watch_poll_interval": "has no effect: nothing polls; every tick looks at the run",
}
"""Prefect's keys that are accepted and ignored, each with the reason."""

_IGNORED_DEFAULTS: Mapping[str, tuple[Any, ...]] = {"stream_output": (False, None), "task_watch_poll_interval": (5, None)}
"""The default values of those keys in Prefect's templates. Nobody chose them, so they cause no remark."""

NEWEST_MODEL = "2025-09-01"
MOST_CPUS, MOST_MEMORY = 31, 240
"""https://learn.microsoft.com/azure/container-instances/container-instances-resource-and-quota-limits"""
GPU_SKUS = ("K80", "P100", "V100")

_TEMPLATE = frozenset(
    {"$schema", "contentVersion", "languageVersion", "apiProfile", "metadata", "parameters", "resources", "definitions"}
    | {"variables", "functions", "outputs"}
)
_UNEVALUATED = ("variables", "functions", "outputs")
_RESOURCE = frozenset(
    {"type", "apiVersion", "name", "location", "tags", "identity", "zones", "properties", "comments", "metadata"}
)
_UNDEPLOYED = ("condition", "copy", "dependsOn", "scope", "resources")
_GROUP = frozenset(
    {"containers", "initContainers", "osType", "restartPolicy", "priority", "sku", "imageRegistryCredentials", "ipAddress"}
    | {"volumes", "diagnostics", "subnetIds", "dnsConfig", "encryptionProperties", "confidentialComputeProperties"}
    | {"extensions", "secretReferences", "identityAcls", "containerGroupProfile", "standbyPoolProfile"}
)
_CONTAINER = frozenset(
    {"image", "command", "environmentVariables", "resources", "ports", "volumeMounts", "livenessProbe", "readinessProbe"}
    | {"securityContext", "configMap"}
)
_REGISTRY = frozenset({"registry_url", "username", "password", "identity", "reauth"})
_PATH = "arm_template.resources[0]"


def check(configuration: Mapping[str, Any]) -> Checked:
    """Everything that `submit` would reject or would accept without effect."""
    return Checked(faults=tuple(faults(configuration)), warnings=tuple(_unique(_collected(_warnings, configuration))))


def faults(configuration: Mapping[str, Any]) -> list[Finding]:
    """All faults of a configuration, without repeats."""
    rules = (_own_keys, _types, _template, _restarts, _registry, _gpus, _network, _sizes, _request_faults)
    return _unique(finding for rule in rules for finding in _collected(rule, configuration))


class _AnyEntries(CredentialEntries):
    """A stand-in for the dispatcher's credentials, which are unknown here: every name counts as an entry."""

    def __init__(self) -> None:
        super().__init__({})

    def entry(self, name: str, path: str, *, may_hold_secret: bool = False) -> Mapping[str, Any]:  # noqa: ARG002 - as its base
        return {"registry_url": "registry", "username": "somebody", "password_env": "SOMETHING"}

    def secret(self, entry: Mapping[str, Any], key: str, path: str) -> str:  # noqa: ARG002 - as its base
        return "hidden"


Rule = Callable[[Mapping[str, Any]], Iterable[Finding]]


def _collected(rule: Rule, configuration: Mapping[str, Any]) -> list[Finding]:
    """The faults that a rule returns, or the one that it raises."""
    findings: list[Finding] = []
    try:
        findings.extend(rule(configuration))
    except ConfigurationError as problem:
        findings.append(finding_of(problem))
    return findings


def _unique(findings: Iterable[Finding]) -> list[Finding]:
    return list(dict.fromkeys(findings))


def _own_keys(configuration: Mapping[str, Any]) -> Iterator[Finding]:
    yield from unknown_keys(configuration, READ | NO_EFFECT.keys())


def _types(configuration: Mapping[str, Any]) -> Iterator[Finding]:
    keep, seconds = configuration.get("keep_container_group"), configuration.get("task_start_timeout_seconds")
    if not (keep is None or isinstance(keep, bool)):
        yield Finding(path="keep_container_group", message="give true or false")
    if seconds is not None:
        number(seconds, "task_start_timeout_seconds")
    priority = optional_text(configuration.get("priority"), "priority")
    if priority not in ("", "Regular", "Spot"):
        yield Finding(path="priority", message=f"give Regular or Spot, not {priority!r}")


def _template(configuration: Mapping[str, Any]) -> Iterator[Finding]:
    template = mapping(configuration.get("arm_template"), "arm_template")
    yield from unknown_keys(template, _TEMPLATE, "arm_template")
    group = first_group(configuration)
    for index, item in enumerate(sequence(template.get("resources"), "arm_template.resources")):
        if item is not group:
            message = "is not deployed, only the first container group is: make it before, and name it by its resource id"
            yield Finding(path=f"arm_template.resources[{index}]", message=message)
    yield from unknown_keys(group, _RESOURCE | frozenset(_UNDEPLOYED), _PATH)
    if optional_text(group.get("apiVersion"), f"{_PATH}.apiVersion") <= NEWEST_MODEL:
        yield from _group_keys(mapping(group.get("properties"), f"{_PATH}.properties"))


def _group_keys(properties: Mapping[str, Any]) -> Iterator[Finding]:
    path = f"{_PATH}.properties"
    yield from unknown_keys(properties, _GROUP, path)
    for index, item in enumerate(sequence(properties.get("containers"), f"{path}.containers")):
        place = f"{path}.containers[{index}]"
        container = mapping(item, place)
        yield from unknown_keys(container, {"name", "properties"}, place)
        yield from unknown_keys(mapping(container.get("properties"), f"{place}.properties"), _CONTAINER, f"{place}.properties")


def _restarts(configuration: Mapping[str, Any]) -> Iterator[Finding]:
    path = f"{_PATH}.properties"
    policy = mapping(first_group(configuration).get("properties"), path).get("restartPolicy")
    if policy not in (None, "Never"):
        message = "repeats an attempt behind the dispatcher's back; leave it out, and give the deployment or run a retry policy"
        yield Finding(path=f"{path}.restartPolicy", message=f"{policy!r} {message}")


def _registry(configuration: Mapping[str, Any]) -> Iterator[Finding]:
    registry = configuration.get("image_registry")
    if isinstance(registry, Mapping):
        yield from unknown_keys(registry, _REGISTRY, "image_registry")
        if registry.get("identity") and (registry.get("username") or registry.get("password")):
            message = "takes no effect together with a user name and password; leave one of both out"
            yield Finding(path="image_registry.identity", message=message)


def _gpus(configuration: Mapping[str, Any]) -> Iterator[Finding]:
    count, sku = configuration.get("gpu_count"), optional_text(configuration.get("gpu_sku"), "gpu_sku")
    if sku and not count:
        yield Finding(path="gpu_sku", message="takes no effect without gpu_count")
    if sku and sku not in GPU_SKUS:
        yield Finding(path="gpu_sku", message=f"Azure has {', '.join(GPU_SKUS)}, not {sku!r}")
    if count and not float(number(count, "gpu_count")).is_integer():
        yield Finding(path="gpu_count", message="give a whole number")


def _network(configuration: Mapping[str, Any]) -> Iterator[Finding]:
    if not texts(configuration.get("subnet_ids"), "subnet_ids"):
        return
    if configuration.get("priority") == "Spot":
        yield Finding(path="priority", message="a Spot container group cannot be in a subnet; leave out one of both")
    if configuration.get("gpu_count"):
        yield Finding(path="gpu_count", message="a container group in a subnet can have no GPU; leave out one of both")


def _sizes(configuration: Mapping[str, Any]) -> Iterator[Finding]:
    size = needs(configuration).size
    for dimension, most, unit in (("cpu", MOST_CPUS, "CPUs"), ("memory", MOST_MEMORY, "GB")):
        if size[dimension] > most:
            message = f"a container group can have {most} {unit} at most, not {size[dimension]:g}"
            yield Finding(path=dimension, message=message)


def _request_faults(configuration: Mapping[str, Any]) -> Iterator[Finding]:
    """The fault raised by building the request."""
    group_request(Job(name="r0-1", configuration=configuration), _AnyEntries())
    yield from ()


def _warnings(configuration: Mapping[str, Any]) -> Iterator[Finding]:
    for key, reason in NO_EFFECT.items():
        if configuration.get(key) not in _IGNORED_DEFAULTS[key]:
            yield Finding(path=key, message=reason)
    template = mapping(configuration.get("arm_template"), "arm_template")
    for key in _UNEVALUATED:
        if template.get(key):
            yield Finding(path=f"arm_template.{key}", message="has no effect: the template is not evaluated by Azure")
    group = first_group(configuration)
    for key in _UNDEPLOYED:
        if group.get(key):
            yield Finding(path=f"{_PATH}.{key}", message="has no effect: the container group is made by itself")
    secrets = mapping(configuration.get("secrets"), "secrets")
    for name in named_texts(configuration.get("env"), "env"):
        if secrets.get(name) is not None:
            yield Finding(path=f"env.{name}", message=f"has no effect: secrets.{name} wins")
    if configuration.get("dns_servers") and not configuration.get("subnet_ids"):
        yield Finding(path="dns_servers", message="has no effect without subnet_ids: Azure asks them in a subnet only")
