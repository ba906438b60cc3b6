"""Jobs that are real containers: they run until the test gives them their exit code, and each start leaves a line on disk."""

import os
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from time import monotonic, sleep
from typing import ClassVar

from docker.errors import NotFound

from providers.docker import DockerProvider
from providers.docker.marks import MARK_LABEL, Mark, volume_name
from providers.docker.request import NAME_LABEL
from tests.network.faults import Fault, nth
from tests.providers.docker.engines import IMAGE
from tests.providers.harness import ProviderHarness

WAIT = 'until read code < "$1"; do :; done'
SCRIPT = f'echo begun >> "$1.begun"; {WAIT}; exit "$code"'
"""`$1` is the gate (a FIFO): the exit code comes through it."""

PATIENCE = 30.0
"""Seconds that a busy engine may take to notice something."""

_gates = count(1)


class DockerHarness(ProviderHarness):
    """One engine, asked through `proxy`, and a folder that is in every container."""

    lacks: ClassVar = {"throttle": "an engine refuses for no rate or quota; what waits for an image is in test_pulls.py"}

    def __init__(self, engine, proxy, root: Path, **options):
        self.engine, self.proxy, self.root, self.client = engine, proxy, root, engine.client
        self.passed = timedelta()
        self.options = {"now": self.now, "pull_directory": root / "pulls", **options}
        self.gates: dict[str, Path] = {}
        self._provider = self.another()

    def now(self):
        return datetime.now(UTC) + self.passed

    @property
    def provider(self):
        return self._provider

    def another(self, **options):
        hosts = {"docker_hosts": {}, "environment": {"DOCKER_HOST": f"tcp://127.0.0.1:{self.proxy.port}"}}
        return DockerProvider(**{**hosts, **self.options, **options})

    def direct(self, **options):
        """A provider without the proxy, as a machine that has the engine's socket."""
        return self.another(environment={"DOCKER_HOST": self.engine.socket}, **options)

    def unreachable(self):
        return self.another(environment={"DOCKER_HOST": f"unix://{self.root}/nobody.sock"})

    def configuration(self):
        return {**self.running(), "env": {"A": "1"}, "labels": {"team": "data"}, "mem_limit": "64m"}

    def running(self, script=SCRIPT):
        """The part of a configuration that says what runs: `script`, with a gate of its own."""
        gate = self.root / f"gate-{next(_gates)}"
        os.mkfifo(gate)
        command = ["sh", "-c", script, "job", f"/gates/{gate.name}"]
        return {"image": IMAGE, "network_mode": "none", "volumes": [f"{self.root}:/gates"], "command": command}

    def job(self, **fields):
        job = super().job(**fields)
        command = job.configuration.get("command")
        if isinstance(command, list) and len(command) == 5:
            self.gates[job.name] = self.root / Path(str(command[4])).name
        return job

    def settle(self):
        for volume in self.client.volumes(filters={"label": f"{MARK_LABEL}={Mark.STOP}"})["Volumes"] or ():
            try:
                self.client.wait(volume["Labels"][NAME_LABEL])
            except NotFound:
                continue

    def begun(self, name):
        """Wait until the running job is at its gate."""
        os.close(os.open(self.gates[name], os.O_WRONLY))

    def let_go_on(self, name):
        """Let the running job pass its gate."""
        gate = os.open(self.gates[name], os.O_WRONLY)  # waits until the job is there
        os.write(gate, b"0\n")
        os.close(gate)

    def finish(self, name, exit_code):
        gate = os.open(self.gates[name], os.O_RDWR)  # stays open until the job has read what is in it
        os.write(gate, f"{exit_code}\n".encode())
        self.client.wait(name)
        os.close(gate)

    def starts(self, name):
        if self.state_of(name) == "running":
            self.begun(name)
        begun = self.gates[name].with_suffix(".begun")
        return len(begun.read_text().splitlines()) if begun.exists() else 0

    def state_of(self, name):
        """Docker's own word; None when there is no such container."""
        try:
            return self.client.inspect_container(name)["State"]["Status"]
        except NotFound:
            return None

    def environment(self, name):
        return dict(item.split("=", 1) for item in self.client.inspect_container(name)["Config"]["Env"])

    def labels(self, name):
        return self.client.inspect_container(name)["Config"]["Labels"]

    def refuse_next(self):
        kwargs = {"user": "nobody-here"}
        return {**self.configuration(), "container_create_kwargs": kwargs}, "unable to find user nobody-here"

    def lose_next_answer(self):
        self.proxy.script = nth(1, Fault.CUT_AFTER, only=lambda call: call.action.endswith("/start"))

    def lose_next_request(self):
        self.proxy.script = nth(1, Fault.CUT_BEFORE, only=lambda call: call.action.endswith("/create"))

    def wait(self, seconds):
        self.passed += timedelta(seconds=seconds)

    def until_out_of_memory(self, name):
        """Wait until the engine has reported that one of the job's processes was killed for its memory."""
        ends = monotonic() + PATIENCE
        about = {"container": name, "event": "oom"}
        while not list(self.client.events(since=0, until=datetime.now(UTC), filters=about)):
            assert monotonic() < ends, f"{name}: the engine never heard that it was killed for its memory"
            sleep(0.01)

    def forget(self, name):
        self.client.remove_container(name)

    def leftover(self, name):
        left = {volume["Name"] for volume in self.client.volumes(filters={"label": MARK_LABEL})["Volumes"] or ()}
        return self.state_of(name) is not None or bool(left & {volume_name(name, mark) for mark in Mark})
