"""The launch type and the network of a task; pure.

A task has a launch type or a capacity provider strategy, never both. In awsvpc mode its network comes from the first of:
`network_configuration`, `task_run_request.networkConfiguration`, `subnets` with `security_groups`, the subnets of `vpc_id`, the
subnets of the account's default VPC. Later ones supply what the first lacks.
https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_AwsVpcConfiguration.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from providers.base import ConfigurationError
from providers.ecs.shapes import pruned
from providers.values import kind, mapping, name_of, objects, texts

CLUSTER_DEFAULT = "CLUSTER_DEFAULT"
"""Not a launch type of ECS: it stands for no launch type and no strategy, so the cluster's default strategy applies."""
LAUNCH_TYPES = frozenset({"FARGATE", "EC2", "EXTERNAL"})
SPOT = "FARGATE_SPOT"
"""Not a launch type of ECS: Prefect's name for this strategy."""
FARGATE_PROVIDERS = frozenset({"FARGATE", SPOT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """A launch type, a strategy, or neither; with neither, the cluster's default strategy applies."""

    launch_type: str | None = None
    strategy: tuple[Mapping[str, Any], ...] = ()
    cluster_default: bool = False
    """True if the cluster's default strategy was requested, which may be Fargate or the user's own machines."""

    @property
    def fargate(self) -> bool:
        """True if the task can only run on Fargate."""
        if not self.strategy:
            return self.launch_type == "FARGATE"
        return all(item.get("capacityProvider") in FARGATE_PROVIDERS for item in self.strategy)

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters of RunTask."""
        if self.strategy:
            return {"capacityProviderStrategy": list(self.strategy)}
        return {"launchType": self.launch_type} if self.launch_type else {}


def launch_of(request: Mapping[str, Any], compatibilities: Sequence[str]) -> Launch:
    """Read RunTask parameters; `compatibilities` are the task definition's `requiresCompatibilities`.

    A strategy replaces the launch type. Without either, Fargate is assumed, unless the definition is not made for it.
    """
    path = "task_run_request.capacityProviderStrategy"
    strategy = tuple(objects(pruned(request.get("capacityProviderStrategy")), path))
    launch_type = name_of(request.get("launchType"), "launch_type")
    if strategy:
        return Launch(strategy=strategy)
    if launch_type == SPOT:
        return Launch(strategy=({"capacityProvider": SPOT, "weight": 1},))
    if launch_type == CLUSTER_DEFAULT:
        return Launch(cluster_default=True)
    if launch_type is None:
        return Launch(launch_type=_default(compatibilities))
    if launch_type not in LAUNCH_TYPES:
        names = ", ".join(sorted(LAUNCH_TYPES | {SPOT, CLUSTER_DEFAULT}))
        raise ConfigurationError(
            f"launch_type: {launch_type!r} is not one of {names}; for others give capacity_provider_strategy"
        )
    return Launch(launch_type=launch_type)


def _default(compatibilities: Sequence[str]) -> str | None:
    elsewhere = "EC2" in compatibilities or (compatibilities and "FARGATE" not in compatibilities)
    return None if elsewhere else "FARGATE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """The network that a configuration requests. If it has no `subnets`, they must be looked up."""

    subnets: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()
    assign_public_ip: str | None = None
    """ENABLED, DISABLED, or None if the configuration does not say."""
    vpc_id: str | None = None
    """The VPC whose subnets to use; None is the default VPC."""


def network_of(configuration: Mapping[str, Any], network_mode: str | None, launch: Launch) -> Network | None:
    """The network of a task; None in other modes than awsvpc. Raises `ConfigurationError` for a contradiction."""
    contents = networks(configuration)
    content = contents[0][1] if contents else {}
    subnets = texts(content.get("subnets") or configuration.get("subnets"), "subnets")
    if network_mode != "awsvpc":
        if content or subnets or configuration.get("security_groups") or configuration.get("assign_public_ip"):
            raise ConfigurationError(
                "network_configuration: needs a task definition in network mode awsvpc,"
                f" this one has {network_mode or 'no network mode, which is bridge'}"
            )
        return None
    groups = texts(content.get("securityGroups") or configuration.get("security_groups"), "security_groups")
    public = _public_ip(content.get("assignPublicIp", configuration.get("assign_public_ip")))
    if public is None and not subnets and launch.fargate:
        public = "ENABLED"  # as in Prefect: a default VPC has only public subnets, where a pull needs a public address
    return Network(
        subnets=tuple(subnets),
        security_groups=tuple(groups),
        assign_public_ip=public,
        vpc_id=configuration.get("vpc_id") or None,
    )


@lru_cache(maxsize=256)
def network_parameters(network: Network, subnets: tuple[str, ...]) -> Mapping[str, Any]:
    """`networkConfiguration` of RunTask."""
    content = {
        "subnets": list(subnets),
        "securityGroups": list(network.security_groups),
        "assignPublicIp": network.assign_public_ip,
    }
    parameters: Mapping[str, Any] = {"awsvpcConfiguration": pruned(content)}
    return parameters


def _public_ip(value: Any) -> str | None:
    if isinstance(value, bool):
        return "ENABLED" if value else "DISABLED"
    if value in (None, "", "ENABLED", "DISABLED"):
        return value or None
    raise ConfigurationError(f"assign_public_ip: give true or false, not {kind(value)}")


NETWORK = frozenset({"subnets", "securityGroups", "assignPublicIp"})
"""The content of `awsvpcConfiguration`."""


def networks(configuration: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """The contents of `awsvpcConfiguration`, wrapped or not, with their paths; the first is used."""
    request = mapping(configuration.get("task_run_request"), "task_run_request")
    contents: list[tuple[str, Mapping[str, Any]]] = []
    for path, value in (
        ("network_configuration", configuration.get("network_configuration")),
        ("task_run_request.networkConfiguration", request.get("networkConfiguration")),
    ):
        network = mapping(pruned(value), path)
        wrapped = network.keys() == {"awsvpcConfiguration"}
        inner = f"{path}.awsvpcConfiguration" if wrapped else path
        if content := mapping(network["awsvpcConfiguration"] if wrapped else network, inner):
            contents.append((inner, content))
    return contents
