"""Every provider type by its name: its module, its extra, and its default base job template.

Nothing is imported before it is used, so a pool of one type does not pay for the SDKs of the others, and a missing SDK
disables that one provider. The names are Prefect's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from providers.base import Checked, Finding, Needs, Provider, ProviderUnavailable, ReadsEvents


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformEvents:
    """How to recognise and read the events of a platform."""

    key: str
    """A member of the event, or of an object in it (`resource.type`)."""
    kind: str
    """An event is of this platform when it holds `kind` under `key`."""
    reader: str
    """`module:attribute` of a `providers.base.ReadsEvents`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderType:
    """One entry of the registry."""

    name: str
    """The `type` of its pools, such as `ecs:push`."""
    factory: str
    """`module:attribute` of the callable that makes the provider from `credentials=` and the provider's options."""
    template: str
    """The file of the default base job template, in `providers/templates`."""
    extra: str | None = None
    """The extra of push-dispatcher that installs the SDK; None when nothing is needed."""
    sdk: str | None = None
    """The module of that SDK."""
    credential_variable: str | None = None
    """The template variable that names an entry of the credentials; None when the type needs no credentials."""
    needs: str | None = None
    """`module:function` that reads a job's needs from its configuration, without the SDK (`Provider.needs`)."""
    check: str | None = None
    """`module:function` that checks a rendered configuration without a call, and without the SDK where it is missing."""
    check_environment: str | None = None
    """`module:function` that checks the environment variables that are added to a job; None where the platform takes any."""
    events: PlatformEvents | None = None
    """The events in which the platform reports the progress of a job; None when it sends none."""
    holder: str | None = None
    """The key of a handle that names the provider type that runs the job; None when that is always this type."""
    place: tuple[str, ...] = ()
    """The parts of a job configuration (dotted paths) that determine the job's place, and so where a sweep looks."""
    description: str


_TASK_STATE_CHANGE = PlatformEvents(key="detail-type", kind="ECS Task State Change", reader="providers.ecs.events:TASK_EVENTS")
_EXECUTION_LOGGED = PlatformEvents(
    key="resource.type", kind="cloud_run_job", reader="providers.cloud_run.events:EXECUTION_EVENTS"
)


def _ecs(name: str) -> ProviderType:
    return ProviderType(
        name=name,
        factory="providers.ecs:EcsProvider",
        template="ecs.json",
        extra="aws",
        sdk="boto3",
        credential_variable="aws_credentials",
        place=("aws_credentials", "cluster", "task_run_request.cluster"),
        needs="providers.ecs.needs:needs_of",
        check="providers.ecs.checking:check",
        check_environment="providers.ecs.checking:check_environment",
        events=_TASK_STATE_CHANGE,
        description="Tasks on AWS Elastic Container Service: Fargate, EC2 or External",
    )


def _cloud_run(name: str) -> ProviderType:
    return ProviderType(
        name=name,
        factory="providers.cloud_run:CloudRunProvider",
        template="cloud-run-v2.json",
        extra="gcp",
        sdk="google.cloud.run_v2",
        credential_variable="credentials",
        needs="providers.cloud_run.needs:needs_of",
        check="providers.cloud_run.checking:check",
        events=_EXECUTION_LOGGED,
        place=("credentials", "project", "region", "job_body.metadata.namespace"),
        description="Jobs on Google Cloud Run",
    )


def _container_instance(name: str) -> ProviderType:
    return ProviderType(
        name=name,
        factory="providers.container_instance:ContainerInstanceProvider",
        template="container-instance.json",
        extra="azure",
        sdk="azure.mgmt.containerinstance",
        credential_variable="aci_credentials",
        needs="providers.container_instance.needs:needs",
        check="providers.container_instance.checking:check",
        place=("aci_credentials", "subscription_id", "resource_group_name"),
        description="Container groups on Azure Container Instances",
    )


def _modal(name: str) -> ProviderType:
    return ProviderType(
        name=name,
        factory="providers.modal:ModalProvider",
        template="modal.json",
        extra="modal",
        sdk="modal",
        credential_variable="modal_credentials",
        needs="providers.modal.needs:needs",
        check="providers.modal.checking:check",
        description="Sandboxes on Modal",
    )


_PROCESS = ProviderType(
    name="process",
    factory="providers.process:ProcessProvider",
    template="process.json",
    needs="providers.process.checking:needs_of",
    check="providers.process.checking:check",
    description="Processes on the machine that ticks; they outlive the tick",
)

_DOCKER = ProviderType(
    name="docker",
    factory="providers.docker:DockerProvider",
    template="docker.json",
    extra="docker",
    sdk="docker",
    credential_variable="registry_credentials",
    needs="providers.docker.checking:needs_of",
    check="providers.docker.checking:check",
    place=("docker_host",),
    description="Containers on Docker engines: this machine's, or others by TLS or ssh",
)

_VERTEX_AI = ProviderType(
    name="vertex-ai",
    factory="providers.vertex_ai:VertexAiProvider",
    template="vertex-ai.json",
    extra="vertex",
    sdk="google.auth",
    credential_variable="credentials",
    needs="providers.vertex_ai.needs:needs_of",
    check="providers.vertex_ai.checking:check",
    place=("credentials", "project", "region"),
    description="Custom jobs on Google Vertex AI",
)

_KUBERNETES = ProviderType(
    name="kubernetes",
    factory="providers.kubernetes:KubernetesProvider",
    template="kubernetes.json",
    extra="kubernetes",
    sdk="urllib3",
    credential_variable="cluster_config",
    needs="providers.kubernetes.checking:needs_of",
    check="providers.kubernetes.checking:check",
    place=("cluster_config", "namespace", "job_manifest.metadata.namespace"),
    description="Jobs on Kubernetes clusters",
)


def _managed(name: str) -> ProviderType:
    return ProviderType(
        name=name,
        factory="providers.managed:ManagedProvider",
        template="managed.json",
        needs="providers.managed.checking:needs_of",
        check="providers.managed.checking:check",
        holder="managed_by",
        description="Jobs on what the platform team has chosen for all (DISPATCHER_MANAGED)",
    )


_TYPES: Mapping[str, ProviderType] = {
    kind.name: kind
    for kind in (
        _PROCESS,
        _DOCKER,
        _KUBERNETES,
        _ecs("ecs:push"),
        _cloud_run("cloud-run-v2:push"),
        _cloud_run("cloud-run:push"),
        _container_instance("azure-container-instance:push"),
        _modal("modal:push"),
        _VERTEX_AI,
        _managed("managed"),
        _managed("prefect:managed"),
        # The worker types: for pools that were moved here together with their templates.
        _ecs("ecs"),
        _cloud_run("cloud-run-v2"),
        _cloud_run("cloud-run"),
        _container_instance("azure-container-instance"),
        _modal("modal"),
    )
}


def types() -> tuple[str, ...]:
    """Every type's name; the push types come before the worker types that mean the same."""
    return tuple(_TYPES)


def provider_type(name: str) -> ProviderType:
    """The entry of that name. Raises `ProviderUnavailable` that lists the nearest names, or all."""
    kind = _TYPES.get(name)
    if kind is None:
        raise _unknown(name)
    return kind


def create(
    type_name: str, *, credentials: Mapping[str, Mapping[str, Any]] | None = None, options: Mapping[str, Any] | None = None
) -> Provider:
    """Make the provider of a type; `options` are its constructor's own.

    Raises `ProviderUnavailable` when the type is unknown, its SDK is not installed, or it has no such option.
    """
    kind = provider_type(type_name)
    factory = _load(kind)
    try:
        provider: Provider = factory(credentials=credentials or {}, **(options or {}))
    except TypeError as problem:
        raise ProviderUnavailable(f"options of provider type {type_name!r}: {problem}") from problem
    return provider


def require(type_name: str) -> None:
    """Raise `ProviderUnavailable`, naming the extra to install, when a type cannot be used here; nothing is imported."""
    kind = provider_type(type_name)
    if kind.sdk is not None and not _is_installed(kind.sdk):
        raise _missing(kind, kind.sdk)


def needs(type_name: str, configuration: Mapping[str, Any]) -> Needs:
    """What a rendered configuration needs of the provider of that type: `Provider.needs`, without its SDK.

    Raises `ProviderUnavailable` for an unknown type, and `ConfigurationError` for a configuration that cannot be used.
    """
    function = provider_type(type_name).needs
    answer: Needs = _attribute(function)(configuration) if function else Needs()
    return answer


def check(type_name: str, configuration: Mapping[str, Any]) -> Checked:
    """The result of that type's check of a rendered configuration, without a call. Raises `ProviderUnavailable`."""
    function = provider_type(type_name).check
    checked: Checked = _attribute(function)(configuration) if function else Checked()
    return checked


def check_environment(type_name: str, configuration: Mapping[str, Any], environment: Mapping[str, str]) -> tuple[Finding, ...]:
    """The reason why a valid job has no room for these environment variables. Raises `ProviderUnavailable`."""
    function = provider_type(type_name).check_environment
    findings: tuple[Finding, ...] = _attribute(function)(configuration, environment) if function else ()
    return findings


def events_of(event: Mapping[str, Any]) -> PlatformEvents | None:
    """The entry that an event belongs to; None if no platform matches."""
    entries = {kind.events for kind in _TYPES.values() if kind.events}
    return next((events for events in entries if _member(event, events.key) == events.kind), None)


def holder_of(type_name: str, handle: Mapping[str, str] | None) -> str | None:
    """The provider type that runs the jobs of a pool of this type; None if only a handle names it and there is none yet.

    Raises `ProviderUnavailable` for an unknown type.
    """
    key = provider_type(type_name).holder
    return (handle or {}).get(key) if key else type_name


def _member(event: Mapping[str, Any], path: str) -> Any:
    """The value in an event at a dotted path; None if the path leads nowhere."""
    value: Any = event
    for key in path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def event_reader(events: PlatformEvents) -> ReadsEvents:
    """The reader of these events."""
    reader: ReadsEvents = _attribute(events.reader)
    return reader


def default_template(type_name: str) -> dict[str, Any]:
    """The base job template that a pool of this type starts from, as new objects. Raises `ProviderUnavailable`."""
    from importlib import resources  # noqa: PLC0415 - 15 ms, and no tick needs it

    file = resources.files("providers").joinpath("templates", provider_type(type_name).template)
    template: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return template


def _unknown(name: str) -> ProviderUnavailable:
    from difflib import get_close_matches  # noqa: PLC0415 - only a typing error needs it

    near = get_close_matches(name, _TYPES, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"the types are {', '.join(_TYPES)}"
    return ProviderUnavailable(f"provider type {name!r} is unknown; {hint}")


def _load(kind: ProviderType) -> Any:
    require(kind.name)
    try:
        return _attribute(kind.factory)
    except ModuleNotFoundError as problem:
        if problem.name is None or problem.name.partition(".")[0] == "providers":
            raise  # our own fault, and no extra brings it
        raise _missing(kind, problem.name) from problem


def _attribute(path: str) -> Any:
    module, _, attribute = path.partition(":")
    return getattr(import_module(module), attribute)


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # a parent package is missing
        return False


def _missing(kind: ProviderType, module: str) -> ProviderUnavailable:
    fix = f"pip install 'push-dispatcher[{kind.extra}]'" if kind.extra else "reinstall push-dispatcher"
    return ProviderUnavailable(f"provider type {kind.name!r} needs {module}, which is not installed: {fix}")
