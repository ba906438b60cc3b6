"""What every provider type must do, asked of Vertex AI."""

from __future__ import annotations

from typing import ClassVar

import pytest

from dispatcher.core.templates import render
from providers.emulators.faults import FaultKind
from providers.emulators.vertex_ai import VertexAiEmulator
from providers.vertex_ai import VertexAiProvider
from tests.providers.contract import ProviderContract, ProviderHarness
from tests.providers.vertex_ai.builders import FIRST, OURS, a_provider, prefects


class VertexAiHarness(ProviderHarness):
    lacks: ClassVar = {"unique": "Vertex AI takes no name from its caller: two creates on their way at once make two jobs"}

    def __init__(self, emulator, template=OURS, **options):
        self.emulator, self.template, self.options = emulator, template, options
        self._provider = self.another()

    @property
    def provider(self):
        return self._provider

    def another(self):
        return a_provider(self.emulator, **self.options)

    def configuration(self):
        variables = {**FIRST, "command": "python -m job", "maximum_run_time_hours": 24, "labels": {"team": "data"}}
        return render(self.template, {**variables, "env": {"MODE": "fast"}})

    def settle(self):
        self.emulator.advance(1)  # past what a list lags behind

    def wait(self, seconds):
        self.emulator.advance(seconds)

    def finish(self, name, exit_code):
        self.emulator.finish(name, exit_code)

    def starts(self, name):
        return self.emulator.starts.get(name, 0)

    def environment(self, name):
        return self.emulator.book.named(name)[-1].environment

    def labels(self, name):
        return self.emulator.book.named(name)[-1].detail.body["labels"]

    def refuse_next(self):
        self.emulator.faults.add("CreateCustomJob", FaultKind.REFUSE, detail="FAILED_PRECONDITION: the organisation forbids it")
        return self.configuration(), "the organisation forbids it"

    def lose_next_answer(self):
        self.emulator.faults.add("CreateCustomJob", FaultKind.LOSE_ANSWER)

    def lose_next_request(self):
        self.emulator.faults.add("CreateCustomJob", FaultKind.LOSE_REQUEST)

    def throttle_next(self):
        self.emulator.faults.add("CreateCustomJob", FaultKind.THROTTLE)

    def unreachable(self):
        return VertexAiProvider(endpoint="http://127.0.0.1:9", project="p", call_timeout=0.3)

    def forget(self, name):
        for job in self.emulator.book.named(name):
            job.detail.deleted = True

    def leftover(self, name):
        return any(not job.detail.deleted for job in self.emulator.book.named(name))


class KeepingHarness(VertexAiHarness):
    lacks: ClassVar = {
        **VertexAiHarness.lacks,
        "leftovers": "without `delete_ended` a job stays as a record",
    }


class TestVertexAi(ProviderContract):
    @pytest.fixture
    def harness(self):
        with VertexAiEmulator() as emulator:
            yield KeepingHarness(emulator)


class TestThatDeletes(ProviderContract):
    """With Prefect's template, and a list that lags."""

    @pytest.fixture
    def harness(self):
        with VertexAiEmulator(list_lag=0.5) as emulator:
            yield VertexAiHarness(emulator, prefects(), delete_ended=True)
