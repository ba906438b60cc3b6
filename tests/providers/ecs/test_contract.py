"""What every provider type must do, asked of ECS."""

from __future__ import annotations

from typing import ClassVar

import pytest

from providers.ecs import EcsProvider
from providers.ecs.clients import Clients
from providers.ecs.preparation import Preparation
from providers.emulators.ecs import EcsEmulator
from providers.emulators.ecs.tasks import KEPT_SECONDS
from providers.emulators.faults import FaultKind
from tests.providers.contract import ProviderContract, ProviderHarness
from tests.providers.ecs.builders import OURS, PREFECT, a_configuration


def remembering_nothing(clients):
    """A provider whose time to prepare never runs out: a busy machine must not decide what a test says."""
    provider = EcsProvider()
    provider._clients = clients
    provider._preparation = Preparation(clients, provider.limits.call_timeout, monotonic=lambda: 0.0)
    return provider


class EcsHarness(ProviderHarness):
    lacks: ClassVar = {"leftovers": "a stopped task occupies nothing, and ECS forgets it by itself"}

    def __init__(self, aws, clients, template=OURS):
        self.aws, self.clients, self.template = aws, clients, template
        self._provider = self.another()

    @property
    def provider(self):
        return self._provider

    def another(self):
        return remembering_nothing(self.clients)

    def configuration(self):
        return a_configuration(self.template, command="python -m job", env={"MODE": "fast"}, labels={"team": "data"})

    def settle(self):
        self.aws.book.settle()

    def wait(self, seconds):
        self.aws.advance(seconds)

    def finish(self, name, exit_code):
        self.aws.finish(name, exit_code)

    def starts(self, name):
        return self.aws.starts.get(name, 0)

    def environment(self, name):
        return self.aws.book.named(name)[-1].environment

    def labels(self, name):
        return {tag["key"]: tag["value"] for tag in self.aws.book.named(name)[-1].detail.tags}

    def refuse_next(self):
        self.aws.faults.add("RunTask", FaultKind.REFUSE, detail="AccessDeniedException: not with this role")
        return self.configuration(), "not with this role"

    def lose_next_answer(self):
        self.aws.faults.add("RunTask", FaultKind.LOSE_ANSWER)

    def lose_next_request(self):
        self.aws.faults.add("RunTask", FaultKind.LOSE_REQUEST)

    def throttle_next(self):
        self.aws.faults.add("RunTask", FaultKind.THROTTLE)

    def unreachable(self):
        """Its cloud goes away after a first submission: without one it would know that it never came as far as RunTask."""
        with EcsEmulator(account="210987654321") as other:
            elsewhere = Clients(credentials={}, endpoint_url=other.url, region=None, call_timeout=10.0, connections=10)
            provider = remembering_nothing(elsewhere)
            provider.submit(self.job())
        return provider

    def forget(self, name):
        assert not self.aws.book.named(name)[-1].live
        self.aws.advance(KEPT_SECONDS)


class TestEcs(ProviderContract):
    @pytest.fixture
    def harness(self, aws, clients):
        return EcsHarness(aws, clients)


class TestEcsWithPrefectsTemplate(ProviderContract):
    @pytest.fixture
    def harness(self, aws, clients):
        return EcsHarness(aws, clients, PREFECT)
