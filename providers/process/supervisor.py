"""The program that accompanies one job. It is run as a file and never imported; it loads very little, so that it starts
quickly.

    python -I -S supervisor.py DIRECTORY STOP_SECONDS EXECUTABLE COMMAND...    < environment

The environment is a sequence of `NAME=value` items, each ended by a zero byte, with one more zero byte at the end; if it is cut
off, nothing is started. The job inherits the lock's descriptor. The first process exits as soon as the job has begun (0) or
cannot begin (1); the second stays until the job has ended.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections.abc import Mapping, Sequence


class Supervisor:
    """Starts the command, stops it on request, and records how it ended."""

    def __init__(
        self, directory: str, stop_seconds: float, executable: str, command: list[str], environment: Mapping[bytes, bytes]
    ) -> None:
        self.directory, self.stop_seconds = directory, stop_seconds
        self.executable, self.command, self.environment = executable, command, environment
        self.wake, self.bell = self._listen()
        self.stopped = False
        self.kill_at: float | None = None

    def run(self, begun: int) -> None:
        """Run the job from its start to its end; a byte is written to `begun` when the start is on disk."""
        if self.is_cancelled():
            self.stopped = True
            self._write_exit(0, 0)
            self._notify(begun)
            return
        gate, self.go = os.pipe()
        failed, self.failure = os.pipe()
        self.job = os.fork()
        if self.job == 0:
            self._become_the_job(gate)
        os.close(gate)
        os.close(self.failure)
        self._set_group(self.job)
        self._write("started", f'{{"pid": {self.job}, "session": {os.getsid(0)}, "at": {time.time()}}}')
        self._notify(begun)
        os.write(self.go, b"!")
        problem = int(os.read(failed, 16) or 0)
        self._write_exit(self._wait(), problem)

    def is_cancelled(self) -> bool:
        """True once somebody has requested the job's end."""
        return os.path.exists(os.path.join(self.directory, "cancel"))

    def _notify(self, begun: int) -> None:
        """Notify the first process. If it was killed because it waited too long, the start is on disk anyway."""
        try:  # noqa: SIM105 - contextlib costs 3 ms
            os.write(begun, b"!")
        except BrokenPipeError:
            pass
        os.close(begun)

    def _listen(self) -> tuple[int, int]:
        """The events that end a wait: an ended child, a signal to the supervisor, a byte in the bell."""
        wake, signalled = os.pipe()
        os.set_blocking(signalled, False)
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(signalled, warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: None)
        bell = os.path.join(self.directory, "bell")
        if not os.path.exists(bell):
            os.mkfifo(bell, 0o600)
        return wake, os.open(bell, os.O_RDWR | os.O_NONBLOCK)  # also for writing, so that it never reads as closed

    def _become_the_job(self, gate: int) -> None:
        os.close(self.go)
        self._set_group(0)
        if not os.read(gate, 1):
            os._exit(1)  # the supervisor was killed before it could note the start
        signal.set_wakeup_fd(-1)
        for number in signal.valid_signals():  # the job would inherit what Python or a background job ignores
            if signal.getsignal(number) is signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)
        try:
            os.execve(self.executable, self.command, self.environment)  # noqa: S606 - running what is asked for is the point
        except OSError as problem:
            os.write(self.failure, str(problem.errno).encode())
            os._exit(127)

    def _set_group(self, pid: int) -> None:
        """Put the job in its own process group. Both sides do it, because either may run first."""
        try:  # noqa: SIM105 - as above
            os.setpgid(pid, pid)
        except OSError:
            pass  # done by the other side, or over

    def _wait(self) -> int:
        """The job's exit status; the rest of its process group is ended with it, as in a container."""
        while True:
            ended, status = os.waitpid(self.job, os.WNOHANG)
            if ended:
                self._signal(signal.SIGKILL)
                return status
            timeout = None if self.kill_at is None else max(0.0, self.kill_at - time.monotonic())
            self._attend(select.select([self.wake, self.bell], [], [], timeout)[0])

    def _attend(self, readable: Sequence[int]) -> None:
        heard = {source: os.read(source, 512) for source in readable}
        if not readable:
            self.kill_at = None
            self._signal(signal.SIGKILL)
        elif self.is_cancelled() or set(heard.get(self.wake, b"")) - {signal.SIGCHLD}:
            self._stop()

    def _stop(self) -> None:
        if not self.stopped:
            self.stopped = True
            self.kill_at = time.monotonic() + self.stop_seconds
            self._signal(signal.SIGTERM)

    def _signal(self, number: int) -> None:
        try:  # noqa: SIM105 - as above
            os.killpg(self.job, number)
        except (ProcessLookupError, PermissionError):
            pass  # nobody is left

    def _write_exit(self, status: int, problem: int) -> None:
        by_signal = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else 0
        stopped = "true" if self.stopped else "false"
        end = f'"at": {time.time()}, "code": {code}, "signal": {by_signal}, "errno": {problem}, "stopped": {stopped}'
        self._write("exit", f"{{{end}}}")

    def _write(self, name: str, content: str) -> None:
        """Write a file atomically, so that it survives a power loss."""
        partial, whole = f"{self.directory}/.{name}", f"{self.directory}/{name}"
        file = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.write(file, content.encode())
        os.fsync(file)
        os.close(file)
        os.rename(partial, whole)
        directory = os.open(self.directory, os.O_RDONLY)
        os.fsync(directory)
        os.close(directory)


def main(arguments: Sequence[str]) -> int:
    """Start the supervisor in a second process, and wait until the job has begun."""
    directory, stop_seconds, executable, *command = arguments
    environment = read_environment()
    waiting, begun = os.pipe()
    if os.fork():
        os.close(begun)
        return 0 if os.read(waiting, 1) else 1
    os.close(waiting)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    Supervisor(directory, float(stop_seconds), executable, command, environment).run(begun)
    return 0


def read_environment() -> dict[bytes, bytes]:
    """The job's environment, read from standard input. Raises EOFError if it was cut off."""
    content = sys.stdin.buffer.read()
    if not content.endswith(b"\0\0") and content != b"\0":
        raise EOFError("the environment was cut off: whoever submitted the job was killed")
    pairs = (item.partition(b"=") for item in content.split(b"\0") if item)
    return {name: value for name, _, value in pairs}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
