"""A real Docker engine for tests: one for each test process, without a network; it stops when the process ends."""

import atexit
import io
import os
import shutil
import signal
import socket
import subprocess
import tarfile
import tempfile
import time
from contextlib import closing, suppress
from functools import cache
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import docker
import pytest
from docker.errors import APIError

from providers.docker.request import NAME_LABEL

IMAGE = "job:1"
WHAT_TO_INSTALL = "a Docker engine can be started by root alone, with Debian's packages docker.io and busybox-static"
SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
CONTAINERD = """
version = 2
root = "{root}/containerd"
state = "{root}/containerd-state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "{root}/containerd.sock"
[debug]
level = "warn"
"""
COMMANDS = ("sh", "sleep", "cat", "echo", "env", "true", "false", "seq", "dd", "tail", "kill")


@cache
def engine() -> "TestEngine":
    """The engine of this process. Where none can be started the test is skipped, but never in CI."""
    if os.geteuid() != 0 or not _program("dockerd") or not _busybox():
        if os.environ.get("CI", "").lower() in ("true", "1"):
            pytest.fail(WHAT_TO_INSTALL)
        pytest.skip(WHAT_TO_INSTALL)
    started = TestEngine()
    atexit.register(started.close)
    return started


def _program(name: str) -> str | None:
    return shutil.which(name, path=SYSTEM_PATH)


def _busybox() -> Path | None:
    """A program that needs no library: all that is in the image."""
    busybox = _program("busybox")
    return Path(busybox) if busybox and b"ld-linux" not in Path(busybox).read_bytes()[:4096] else None


class TestEngine:
    """A dockerd on a socket of its own and on a port of this machine."""

    __test__ = False

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="docker-"))
        self.port = _free_port()
        self.socket = f"unix://{self.root}/docker.sock"
        self.containerd = self._containerd()
        self.start()
        self.client = docker.APIClient(base_url=f"tcp://127.0.0.1:{self.port}", timeout=60)
        self.client.import_image_from_data(files(), repository="job", tag="1")

    @property
    def url(self) -> str:
        """Where it is reached over TCP."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, or start it again with all that it had."""
        (self.root / "pidfile").unlink(missing_ok=True)
        command = ["dockerd", "-H", self.socket, "-H", f"tcp://127.0.0.1:{self.port}", "--tls=false", "--bridge=none"]
        command += [f"--{option}={self.root}/{option}" for option in ("data-root", "exec-root", "pidfile")]
        command += ["--iptables=false", "--ip6tables=false", "--storage-driver=vfs", "--log-level=warn"]
        self.process = self._run([*command, f"--containerd={self.root}/containerd.sock"])
        self._wait_until_it_answers()

    def _run(self, command: list[str]) -> subprocess.Popen[bytes]:
        around = {**os.environ, "PATH": SYSTEM_PATH}
        with (self.root / "log").open("ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, env=around, start_new_session=True)

    def _containerd(self) -> subprocess.Popen[bytes]:
        """What keeps the containers, in a process of its own as on a real machine: it outlives a dockerd that is killed."""
        (self.root / "containerd.toml").write_text(CONTAINERD.format(root=self.root))
        containerd = self._run(["containerd", "--config", str(self.root / "containerd.toml")])
        while not (self.root / "containerd.sock").exists():
            if containerd.poll() is not None:
                _cannot(f"containerd does not start: {(self.root / 'log').read_text(errors='replace')[-1000:]}")
            time.sleep(0.05)
        return containerd

    def kill(self) -> None:
        """End it without a word; its containers go on."""
        self.process.kill()
        self.process.wait()

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def names(self) -> set[str]:
        """The jobs whose containers are there, ended or not."""
        rows = self.client.containers(all=True, filters={"label": NAME_LABEL})
        return {row["Labels"][NAME_LABEL] for row in rows}

    def clear(self) -> None:
        """Remove every container and volume."""
        for row in self.client.containers(all=True):
            try:
                self.client.remove_container(row["Id"], force=True, v=True)
            except APIError as problem:
                if problem.status_code not in (404, 409):
                    raise
        for volume in self.client.volumes()["Volumes"] or ():
            self.client.remove_volume(volume["Name"], force=True)

    def close(self) -> None:
        """Stop it and remove all that it had."""
        self.thaw()
        if self.process.poll() is None:
            self.clear()
        self.client.close()
        for process in (self.process, self.containerd):
            process.terminate()
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.root, ignore_errors=True)

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + 60
        while True:
            with closing(HTTPConnection("127.0.0.1", self.port, timeout=5)) as asking, suppress(OSError, HTTPException):
                asking.request("GET", "/_ping")
                if asking.getresponse().status == 200:
                    return
            if self.process.poll() is not None or time.monotonic() > deadline:
                words = (self.root / "log").read_text(errors="replace")[-1000:]
                _cannot(f"dockerd does not start: {words}")
            time.sleep(0.1)


def _cannot(words: str) -> None:
    if os.environ.get("CI", "").lower() in ("true", "1"):
        pytest.fail(words)
    pytest.skip(words)


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def files() -> bytes:
    """The image: busybox under the names of the commands that tests use, and a folder for anything."""
    archive = io.BytesIO()
    busybox = _busybox()
    assert busybox
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.add(busybox, "bin/busybox")
        for command in COMMANDS:
            link = tarfile.TarInfo(f"bin/{command}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
        folder = tarfile.TarInfo("tmp")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o1777
        tar.addfile(folder)
    return archive.getvalue()
