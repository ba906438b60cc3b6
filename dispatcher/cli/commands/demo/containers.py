"""The stage of a Docker engine: the one that the Docker CLI would use here. `docker ps` shows the jobs while they run."""

from __future__ import annotations

import io
import json
import os
import shutil
import tarfile
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self
from uuid import UUID, uuid4

from dispatcher.cli.commands.demo.scenario import PlannedRun
from dispatcher.cli.commands.demo.stage import Evidence
from dispatcher.client import Dispatcher
from dispatcher.environment.settings import Settings
from dispatcher.errors import DispatcherError
from dispatcher.models import SLOT_STATES, parse_submission_name
from dispatcher.ticking import tick
from dispatcher.wiring import wire
from providers import registry
from providers.base import ProviderError
from providers.docker.request import NAME_LABEL

PUBLIC_IMAGE = "docker.io/library/busybox:1"
"""The image if this machine has no static busybox to build one from."""

DEADLINE = timedelta(seconds=20)
STOP_SECONDS = 1.0
TRIES = 50


class DockerStage:
    """Jobs are containers, and the demo itself ticks. Containers and image are removed at the end."""

    title = "a Docker engine"
    next_steps: tuple[str, ...] = (
        "dispatcher work-pool create machine --type docker --concurrency-limit 2",
        "dispatcher run create --pool machine -jv image=busybox -jv 'command=sleep 5' --count 4",
        "dispatcher tick && docker ps",
        "dispatcher run ls",
    )
    pool_type = "docker"
    tick_seconds = 0.5

    def __enter__(self) -> Self:
        registry.require("docker")
        self._connection = _connection()
        self._since = self._time()
        self._own_image = self._imported()
        self._started: Counter[UUID] = Counter()
        self._live: set[str] = set()
        self._peak = 0
        self._temporary = TemporaryDirectory(prefix="dispatcher-demo-", ignore_cleanup_errors=True)
        directory = Path(self._temporary.name)
        settings = Settings(
            store=f"sqlite:///{directory / 'demo.db'}",
            provider_options={"docker": {"stop_seconds": STOP_SECONDS, "pull_directory": str(directory / "pulls")}},
        )
        self._wiring = wire(settings)
        self.client: Dispatcher = self._wiring.client
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._stop_what_is_left()
        finally:
            self._remove()
            self._wiring.store.close()
            self._temporary.cleanup()

    def variables(self, planned: PlannedRun) -> Mapping[str, Any]:
        """A container without a network, which sleeps and exits."""
        script = f"sleep {planned.seconds:g}; exit {planned.exit_code}"
        return {
            "image": self._own_image or PUBLIC_IMAGE,
            "image_pull_policy": "Never" if self._own_image else "IfNotPresent",
            "network_mode": "none",
            "command": ["sh", "-c", script],
        }

    def expect(self, planned: Mapping[UUID, PlannedRun]) -> None:
        """Do nothing: each job's command holds its length and its end."""

    def tick(self) -> None:
        """Tick in this process, then read the engine's events."""
        tick(self._wiring.dispatch, self._wiring.dispatch.clock.now() + DEADLINE)
        self._read_events()

    def wait(self, seconds: float) -> bool:
        """Sleep; no event reports that a job has ended."""
        self._wiring.dispatch.clock.sleep(seconds)
        return False

    def evidence(self) -> Evidence:
        """The engine's own events: how often each container was started, and how many ran at once."""
        self._read_events()
        return Evidence(starts=self._started, peak=self._peak)

    def _read_events(self) -> None:
        """Read all events since the last time, in order; the engine keeps only a few hundred."""
        until = self._time()
        filters = {"type": ["container"], "event": ["start", "die"], "label": [NAME_LABEL]}
        answer = self._connection.engine().get("/events", since=self._since, until=until, filters=filters)
        if answer.status != 200:
            raise answer.unexpected("the engine's events cannot be read")
        for event in _json_lines(answer.body):
            name = event["Actor"]["Attributes"][NAME_LABEL]
            named = parse_submission_name(name)
            if named and event["Action"] == "start":
                self._started[named[0]] += 1
                self._live.add(name)
            self._live -= {name} if event["Action"] == "die" else set()
            self._peak = max(self._peak, len(self._live))
        self._since = until

    def _time(self) -> str:
        """The engine's time in the format of its event filter: seconds with nanoseconds."""
        text = str(self._connection.engine().get("/info").value["SystemTime"])
        whole, _, fraction = text.partition(".")
        seconds = int(datetime.fromisoformat(f"{whole[:19]}+00:00").timestamp())
        return f"{seconds}.{fraction.rstrip('Z').ljust(9, '0')[:9]}"

    def _imported(self) -> str | None:
        """An image made from this machine's static busybox; None if it has none."""
        busybox = shutil.which("busybox")
        if busybox is None or b"ld-linux" in Path(busybox).read_bytes()[:4096]:
            return None
        repository = f"push-dispatcher-demo-{uuid4().hex[:8]}"
        answer = self._connection.engine().upload("/images/create", _image(busybox), fromSrc="-", repo=repository, tag="1")
        return f"{repository}:1" if answer.status == 200 else None

    def _stop_what_is_left(self) -> None:
        """After Ctrl-C: cancel live runs, and tick until they have ended."""
        for pool in self.client.work_pools():
            self.client.update_work_pool(pool.name, paused=True)
        for _ in range(TRIES):
            live = self.client.runs(states=SLOT_STATES, limit=1000)
            if not live:
                return
            for run in live:
                self.client.cancel_run(run.id)
            self.tick()
            self.wait(STOP_SECONDS / 10)

    def _remove(self) -> None:
        """Remove the containers of these runs, and the image. A dispatcher itself would first wait for a lease."""
        provider = self._wiring.dispatch.providers(self.pool_type)
        provider.discard([run.submission for run in self.client.runs(limit=1000) if run.submission])
        if self._own_image:
            self._connection.engine().delete(f"/images/{self._own_image}", force=True)


def _connection() -> Any:
    """The engine that answers here. Raises `DispatcherError`."""
    from providers.docker.engine import Connection  # noqa: PLC0415 - loads the SDK
    from providers.docker.hosts import default_host  # noqa: PLC0415 - likewise

    try:
        connection = Connection(default_host(os.environ), timeout=10.0)
        connection.engine().identity()
    except ProviderError as problem:
        raise DispatcherError(f"no Docker engine answers here: {problem}; start one, or set DOCKER_HOST") from problem
    return connection


def _image(busybox: str) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.add(busybox, "bin/busybox")
        for command in ("sh", "sleep"):
            link = tarfile.TarInfo(f"bin/{command}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
    return archive.getvalue()


def _json_lines(body: bytes) -> Iterator[Any]:
    return (json.loads(line) for line in body.splitlines() if line.strip())
