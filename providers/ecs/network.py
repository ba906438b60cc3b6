"""The network of a task in awsvpc mode: given, or taken from a VPC.

In order: `network_configuration`, `task_run_request.networkConfiguration`, `subnets` with `security_groups`, the subnets of
`vpc_id`, the subnets of the account's default VPC. What the first lacks is taken from the later ones.
https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_AwsVpcConfiguration.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from providers.base import ConfigurationError
from providers.ecs.calls import Service, member, objects_of
from providers.ecs.keys import networks
from providers.ecs.launch import Launch
from providers.ecs.values import kind, pruned, texts

MAX_SUBNETS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """What a configuration asks for. Without `subnets` they have to be looked up."""

    subnets: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()
    assign_public_ip: str | None = None
    """ENABLED, DISABLED, or None where the configuration leaves it open."""
    vpc_id: str | None = None
    """Whose subnets to take; None is the default VPC."""


def network_of(configuration: Mapping[str, Any], network_mode: str | None, launch: Launch) -> Network | None:
    """The network a task needs, or None in other modes than awsvpc. Raises `ConfigurationError` for a contradiction."""
    found = networks(configuration)
    given = found[0][1] if found else {}
    subnets = texts(given.get("subnets") or configuration.get("subnets"), "subnets")
    if network_mode != "awsvpc":
        if given or subnets or configuration.get("security_groups") or configuration.get("assign_public_ip"):
            raise ConfigurationError(
                "network_configuration: needs a task definition in network mode awsvpc,"
                f" this one has {network_mode or 'no network mode, which is bridge'}"
            )
        return None
    groups = texts(given.get("securityGroups") or configuration.get("security_groups"), "security_groups")
    public = _public_ip(given.get("assignPublicIp", configuration.get("assign_public_ip")))
    if public is None and not subnets and launch.fargate:
        public = "ENABLED"  # as Prefect: a default VPC has only public subnets, where an image can be pulled no other way
    return Network(
        subnets=tuple(subnets),
        security_groups=tuple(groups),
        assign_public_ip=public,
        vpc_id=configuration.get("vpc_id") or None,
    )


def network_parameters(network: Network, subnets: Iterable[str]) -> dict[str, Any]:
    """`networkConfiguration` of RunTask."""
    content = {
        "subnets": list(subnets),
        "securityGroups": list(network.security_groups),
        "assignPublicIp": network.assign_public_ip,
    }
    return {"awsvpcConfiguration": pruned(content)}


def subnets_of_vpc(ec2: Service, vpc_id: str | None, check: Callable[[], None] = lambda: None) -> tuple[str, ...]:
    """Ask EC2 for the subnets of a VPC, or of the default one, in a stable order. `check` is called before each call.

    Raises `ConfigurationError` when there are none, and whatever the client raises.
    """
    check()
    vpc_id = vpc_id or _default_vpc(ec2)
    check()
    answer = ec2.ask("describe_subnets", Filters=[{"Name": "vpc-id", "Values": [vpc_id]}])
    member(answer, "Subnets", list)
    found = tuple(sorted(member(subnet, "SubnetId", str) for subnet in objects_of(answer, "Subnets")))
    if not found:
        raise ConfigurationError(f"vpc_id: found no subnets of {vpc_id} in {ec2.region}; check it, or give subnets")
    return found[:MAX_SUBNETS]


def _default_vpc(ec2: Service) -> str:
    answer = ec2.ask("describe_vpcs", Filters=[{"Name": "is-default", "Values": ["true"]}])
    member(answer, "Vpcs", list)
    vpcs = objects_of(answer, "Vpcs")
    if not vpcs:
        raise ConfigurationError(f"vpc_id: the account has no default VPC in {ec2.region}; give vpc_id, or subnets")
    return member(vpcs[0], "VpcId", str)


def _public_ip(value: Any) -> str | None:
    if isinstance(value, bool):
        return "ENABLED" if value else "DISABLED"
    if value in (None, "", "ENABLED", "DISABLED"):
        return value or None
    raise ConfigurationError(f"assign_public_ip: give true or false, not {kind(value)}")
