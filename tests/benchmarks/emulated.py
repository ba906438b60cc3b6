"""Emulators as processes of their own, so that what they cost is not counted as ours."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from providers.emulators.control import Remote
from tests.benchmarks.measuring import ROOT

PROVIDER_OPTIONS = {"launches_per_second": 1000, "call_timeout": 30}
"""AWS's own default is 20 launches a second after a burst of 100, and a tick keeps to it: nothing else would be measured.
The time for a call is raised because on a busy machine an emulator may need seconds for its first answers."""

_STRANGE = {"AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN"}


@dataclass(frozen=True)
class EmulatedCloud:
    """A running emulator."""

    remote: Remote
    environment: Mapping[str, str]
    """Points the cloud's own client at it."""

    @property
    def calls(self) -> Mapping[str, int]:
        """Calls so far, by operation."""
        counts: Mapping[str, int] = self.remote.get("calls")["counts"]
        return counts

    def reset(self) -> None:
        """Forget everything, ECS's task definitions included."""
        self.remote.post("reset")


@contextmanager
def emulated_ecs() -> Iterator[EmulatedCloud]:
    """Start ECS's, and point this process at it too."""
    own = {"MOTO_EC2_LOAD_DEFAULT_AMIS": "false"}  # 1,300 machine images, of use to nobody here
    with _emulated("ecs", own, {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}) as cloud:
        yield cloud


@contextmanager
def emulated_cloud_run() -> Iterator[EmulatedCloud]:
    """Likewise Cloud Run's."""
    with _emulated("cloud-run", {}, {}) as cloud:
        yield cloud


@contextmanager
def _emulated(name: str, own: Mapping[str, str], pointed: Mapping[str, str]) -> Iterator[EmulatedCloud]:
    command = [sys.executable, "-m", "providers.emulators", name, "--json"]
    before = dict(os.environ)
    environment = {**before, **own}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            about = json.loads(process.stdout.readline())
            pointed = {**about["environment"], **pointed}
            os.environ.update(pointed)
            for variable in _STRANGE:
                os.environ.pop(variable, None)
            yield EmulatedCloud(Remote(about["control_url"]), pointed)
        finally:
            process.terminate()
            os.environ.clear()
            os.environ.update(before)
