"""What every provider type must do, asked of Modal."""

from __future__ import annotations

from typing import ClassVar

import pytest

from providers.emulators.faults import FaultKind
from providers.modal import ModalProvider
from tests.providers.contract import ProviderContract, ProviderHarness

from .builders import a_job

CREATE = "SandboxCreateV2"


class ModalHarness(ProviderHarness):
    lacks: ClassVar = {
        "leftovers": "an ended sandbox occupies nothing",
        "times": "Modal's public interface tells how a sandbox ended, and not when",
    }

    def __init__(self, emulator):
        self.emulator = emulator
        self._provider = self.another()

    @property
    def provider(self):
        return self._provider

    def another(self):
        return ModalProvider(server_url=self.emulator.url)

    def configuration(self):
        return dict(a_job(env={"MODE": "fast"}, labels={"team": "data"}, secrets=["database"], cpu=0.5).configuration)

    def settle(self):
        self.emulator.book.settle()

    def wait(self, seconds):
        self.emulator.advance(seconds)

    def finish(self, name, exit_code):
        self.emulator.finish(name, exit_code)

    def starts(self, name):
        return self.emulator.starts.get(name, 0)

    def environment(self, name):
        return self.emulator.book.named(name)[-1].environment

    def labels(self, name):
        return self.emulator.sandboxes.tags(name)

    def refuse_next(self):
        self.emulator.faults.add(CREATE, FaultKind.REFUSE, detail="PERMISSION_DENIED: not in this workspace")
        return self.configuration(), "not in this workspace"

    def lose_next_answer(self):
        self.emulator.faults.add(CREATE, FaultKind.LOSE_ANSWER)

    def lose_next_request(self):
        self.emulator.faults.add(CREATE, FaultKind.LOSE_REQUEST)

    def throttle_next(self):
        self.emulator.faults.add(CREATE, FaultKind.THROTTLE)

    def unreachable(self):
        return ModalProvider(server_url="http://127.0.0.1:9", call_timeout=0.3, gpu_timeout=0.3)

    def forget(self, name):
        self.emulator.forget(name)


class GpuHarness(ModalHarness):
    """The older backend, whose ended sandboxes are found by nothing but the claimed name."""

    lacks: ClassVar = {**ModalHarness.lacks, "forget": "the claimed name outlives the sandbox by a week"}

    def configuration(self):
        return {**super().configuration(), "gpu": "T4"}

    def refuse_next(self):
        self.emulator.faults.add("SandboxCreate", FaultKind.REFUSE, detail="INVALID_ARGUMENT: no such GPU")
        return self.configuration(), "no such GPU"

    def lose_next_answer(self):
        self.emulator.faults.add("SandboxCreate", FaultKind.LOSE_ANSWER)

    def lose_next_request(self):
        # Its first request; once the name is claimed, a lost one counts as started.
        self.emulator.faults.add("DictUpdate", FaultKind.LOSE_REQUEST)

    def throttle_next(self):
        self.emulator.faults.add("SandboxCreate", FaultKind.THROTTLE)


class TestModal(ProviderContract):
    @pytest.fixture
    def harness(self, emulator, signed_in):
        return ModalHarness(emulator)


class TestModalWithGpus(ProviderContract):
    @pytest.fixture
    def harness(self, emulator, signed_in):
        return GpuHarness(emulator)
