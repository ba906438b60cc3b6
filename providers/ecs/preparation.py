"""Prepares a RunTask request from a rendered job; reads from AWS that it needs are made once.

A task definition is looked up by the name of its content, and registered only if it is missing. Registrations are limited to
one a second for an account and region, and two concurrent ones for one family fail. So threads that need the same definition
wait for the thread that looks it up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from providers.base import ConfigurationError, Job, Rejected
from providers.deadlines import OutOfTime
from providers.ecs.answers import definition_in, member, objects_of, optional
from providers.ecs.blueprint import Blueprint, blueprint_for_existing, blueprint_of, check_existing
from providers.ecs.clients import CONNECT_SHARE, READ_SHARE, Clients
from providers.ecs.definition import Facts, existing_definition, facts_of, main_container
from providers.ecs.launch import Network, network_parameters
from providers.ecs.outcomes import AwsFailure, fault_of, outcome_of_error
from providers.ecs.place import Place, place_of
from providers.ecs.request import run_task_request
from providers.ecs.service import AwsService
from providers.once import Once
from providers.values import name_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A request, and the data for sending it and reading its answer."""

    ecs: AwsService
    place: Place
    container: str
    remembered: str
    """The key under which the definition is remembered."""
    request: Mapping[str, Any]


class _TimeLeft:
    """Checks that one more call and RunTask after it can still end in time."""

    def __init__(self, seconds: float, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._latest = monotonic() + seconds

    def __call__(self) -> None:
        if self._monotonic() > self._latest:
            raise OutOfTime("looking up the task definition and the network took too long; what was found is kept")

    def without(self, make: Callable[[], Any]) -> Any:
        """The result of `make`, whose time does not count: a small function takes seconds to load a client, without a call."""
        begin = self._monotonic()
        made = make()
        self._latest += self._monotonic() - begin
        return made


class Preparation:
    """Prepares requests. Reads from AWS that they need are made once and remembered."""

    def __init__(self, clients: Clients, call_timeout: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._clients = clients
        self._call_timeout = call_timeout
        self._monotonic = monotonic
        self._definitions = TaskDefinitions()
        self._subnets: Once[tuple[Place, str | None], tuple[str, ...]] = Once()

    def prepare(self, job: Job) -> Prepared:
        """Prepare a request. Raises `ConfigurationError`, `OutOfTime` and `CallFailed`; nothing was started then."""
        place = self._clients.located(place_of(job.configuration))
        ecs = self._clients.client("ecs", place)
        check = self._time_left()
        self._clients.sign_in(place)
        definition, remembered, blueprint = self._definition(ecs, place, job.configuration, check)
        container = main_container(
            blueprint.facts.containers, name_of(job.configuration.get("container_name"), "container_name")
        )
        network = self._network(place, blueprint.network, check)
        request = run_task_request(
            job, definition=definition, container=container, facts=blueprint.facts, launch=blueprint.launch, network=network
        )
        check()
        return Prepared(ecs=ecs, place=place, container=container, remembered=remembered, request=request)

    def forget(self, prepared: Prepared) -> None:
        """Forget a definition that is gone, so the next request looks it up again."""
        self._definitions.forget(prepared.place, prepared.remembered)

    def _definition(
        self, ecs: AwsService, place: Place, configuration: Mapping[str, Any], check: Check
    ) -> tuple[str, str, Blueprint]:
        """The task definition for RunTask, the key under which it is remembered, and the blueprint."""
        if existing := existing_definition(configuration):
            check_existing(configuration)
            return (
                existing,
                existing,
                blueprint_for_existing(self._definitions.facts(ecs, place, existing, check), configuration),
            )
        definition, blueprint = blueprint_of(configuration, place.region or "")
        return self._definitions.registered(ecs, place, definition, check), definition["family"], blueprint

    def _network(self, place: Place, network: Network | None, check: _TimeLeft) -> Mapping[str, Any] | None:
        if network is None:
            return None
        subnets = network.subnets or self._subnets_of(place, network.vpc_id, check)
        return network_parameters(network, subnets)

    def _subnets_of(self, place: Place, vpc_id: str | None, check: _TimeLeft) -> tuple[str, ...]:
        ec2 = check.without(lambda: self._clients.client("ec2", place))
        return self._subnets.get((place, vpc_id), lambda: subnets_of_vpc(ec2, vpc_id, check))

    def _time_left(self) -> _TimeLeft:
        return _TimeLeft(self._call_timeout * (1 - CONNECT_SHARE - READ_SHARE), self._monotonic)


Check = Callable[[], None]
"""A function that is called before each call. It raises `OutOfTime` if no time is left."""


class TaskDefinitions:
    """The known definitions, by place."""

    def __init__(self) -> None:
        self._arns: Once[tuple[Place, str], str] = Once()
        self._facts: Once[tuple[Place, str], Facts] = Once()

    def registered(self, ecs: AwsService, place: Place, definition: Mapping[str, Any], check: Check) -> str:
        """The ARN of the active revision with the content of `definition`. Raises the client's exceptions."""
        return self._arns.get((place, definition["family"]), lambda: _find_or_register(ecs, definition, check))

    def facts(self, ecs: AwsService, place: Place, identifier: str, check: Check) -> Facts:
        """The facts of an existing definition, read from ECS. Raises `ConfigurationError` if it cannot be run."""
        return self._facts.get((place, identifier), lambda: _describe_existing(ecs, identifier, check))

    def forget(self, place: Place, identifier: str) -> None:
        """Forget a definition that is gone in ECS."""
        self._arns.forget((place, identifier))
        self._facts.forget((place, identifier))


def _find_or_register(ecs: AwsService, definition: Mapping[str, Any], check: Check) -> str:
    check()
    if arn := _active_revision(ecs, definition["family"]):
        return arn
    check()
    answer = ecs.ask("register_task_definition", **definition)
    return str(definition_in(answer, definition["family"])["taskDefinitionArn"])


def _active_revision(ecs: AwsService, family: str) -> str | None:
    """The newest active revision of a family; None if it has none, which ECS reports as a ClientException."""
    try:
        described = definition_in(ecs.ask("describe_task_definition", taskDefinition=family), family)
    except AwsFailure as error:
        if _says_unknown(error):
            return None
        raise
    return str(described["taskDefinitionArn"]) if described.get("status", "ACTIVE") == "ACTIVE" else None


def _describe_existing(ecs: AwsService, identifier: str, check: Check) -> Facts:
    check()
    try:
        described = definition_in(ecs.ask("describe_task_definition", taskDefinition=identifier), identifier)
    except AwsFailure as error:
        if _says_unknown(error):
            _refuse(identifier, error)
        raise
    if optional(described, "status", str) == "INACTIVE":
        raise ConfigurationError(f"task_definition_arn: {identifier} is INACTIVE; name an active revision, or only the family")
    return facts_of(described)


def _says_unknown(error: AwsFailure) -> bool:
    return fault_of(error).code == "ClientException" and isinstance(outcome_of_error(error), Rejected)


def _refuse(identifier: str, error: AwsFailure) -> NoReturn:
    raise ConfigurationError(
        f"task_definition_arn: {identifier}: {fault_of(error).words} (check it, its region and account)"
    ) from error


MAX_SUBNETS = 16


def subnets_of_vpc(ec2: AwsService, vpc_id: str | None, check: Callable[[], None] = lambda: None) -> tuple[str, ...]:
    """The subnets of a VPC, by default the default VPC, in a stable order, read from EC2. `check` is called before each call.

    Raises `ConfigurationError` if there are none, and the client's exceptions.
    """
    check()
    vpc_id = vpc_id or _default_vpc(ec2)
    check()
    answer = ec2.ask("describe_subnets", Filters=[{"Name": "vpc-id", "Values": [vpc_id]}])
    member(answer, "Subnets", list)
    subnets = tuple(sorted(member(subnet, "SubnetId", str) for subnet in objects_of(answer, "Subnets")))
    if not subnets:
        raise ConfigurationError(f"vpc_id: found no subnets of {vpc_id} in {ec2.region}; check it, or give subnets")
    return subnets[:MAX_SUBNETS]


def _default_vpc(ec2: AwsService) -> str:
    answer = ec2.ask("describe_vpcs", Filters=[{"Name": "is-default", "Values": ["true"]}])
    member(answer, "Vpcs", list)
    vpcs = objects_of(answer, "Vpcs")
    if not vpcs:
        raise ConfigurationError(f"vpc_id: the account has no default VPC in {ec2.region}; give vpc_id, or subnets")
    return member(vpcs[0], "VpcId", str)
