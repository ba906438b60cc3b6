"""From a rendered job to a RunTask request that only has to be sent."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from providers.base import Job
from providers.ecs.blueprint import Blueprint, blueprint_for_existing, blueprint_of, check_existing
from providers.ecs.calls import Service
from providers.ecs.clients import CONNECT_SHARE, READ_SHARE, Clients
from providers.ecs.containers import main_container
from providers.ecs.definition import given_definition
from providers.ecs.network import Network, network_parameters, subnets_of_vpc
from providers.ecs.once import Once
from providers.ecs.place import Place, place_of
from providers.ecs.registration import Check, TaskDefinitions
from providers.ecs.request import run_task_request
from providers.ecs.values import name_of


class OutOfTime(Exception):
    """What a submission needs first took so long that RunTask might end too late."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A request, and what is needed to send it and to read the answer."""

    ecs: Service
    place: Place
    container: str
    remembered: str
    """Under which name the definition is remembered."""
    request: Mapping[str, Any]


class _TimeLeft:
    """A check that one more call, and RunTask after it, still ends in time."""

    def __init__(self, seconds: float, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._latest = monotonic() + seconds

    def __call__(self) -> None:
        if self._monotonic() > self._latest:
            raise OutOfTime("looking up the task definition and the network took too long; what was found is kept")

    def without(self, make: Callable[[], Any]) -> Any:
        """What `make` gives; its time does not count. A small function takes seconds to load a client, and calls nobody."""
        begin = self._monotonic()
        made = make()
        self._latest += self._monotonic() - begin
        return made


class Preparation:
    """Prepares requests. What has to be asked of AWS for it is asked once and remembered."""

    def __init__(self, clients: Clients, call_timeout: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._clients = clients
        self._call_timeout = call_timeout
        self._monotonic = monotonic
        self._definitions = TaskDefinitions()
        self._subnets: Once[tuple[Place, str | None], tuple[str, ...]] = Once()

    def prepare(self, job: Job) -> Prepared:
        """Raises `ConfigurationError`, `OutOfTime`, and whatever the SDK raises; nothing is started by any of it."""
        place = self._clients.located(place_of(job.configuration))
        ecs = self._clients.client("ecs", place)
        check = self._check()
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
        """The definition is gone: look for it again next time."""
        self._definitions.forget(prepared.place, prepared.remembered)

    def _definition(
        self, ecs: Service, place: Place, configuration: Mapping[str, Any], check: Check
    ) -> tuple[str, str, Blueprint]:
        """What RunTask is to name, under what it is remembered, and what else follows from it."""
        if given := given_definition(configuration):
            check_existing(configuration)
            return given, given, blueprint_for_existing(self._definitions.facts(ecs, place, given, check), configuration)
        definition, blueprint = blueprint_of(configuration, place.region or "")
        return self._definitions.registered(ecs, place, definition, check), definition["family"], blueprint

    def _network(self, place: Place, network: Network | None, check: _TimeLeft) -> dict[str, Any] | None:
        if network is None:
            return None
        subnets = network.subnets or self._subnets_of(place, network.vpc_id, check)
        return network_parameters(network, subnets)

    def _subnets_of(self, place: Place, vpc_id: str | None, check: _TimeLeft) -> tuple[str, ...]:
        ec2 = check.without(lambda: self._clients.client("ec2", place))
        return self._subnets.get((place, vpc_id), lambda: subnets_of_vpc(ec2, vpc_id, check))

    def _check(self) -> _TimeLeft:
        return _TimeLeft(self._call_timeout * (1 - CONNECT_SHARE - READ_SHARE), self._monotonic)
