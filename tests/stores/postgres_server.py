"""A real PostgreSQL for tests: one server for each test process, a fresh database for each test."""

import atexit
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

from dispatcher.stores.postgres import PostgresStore

WHAT_TO_INSTALL = "PostgreSQL's server is not installed: apt-get install postgresql, or brew install postgresql"
LOCKED = "locked"
"""A role that needs a password over TCP; every other one is let in."""
PASSWORD = "s3cret/word"

CONFIGURATION = """
fsync = off
full_page_writes = off
shared_buffers = 64MB
max_connections = 60
autovacuum = {autovacuum}
log_min_messages = fatal
lc_messages = 'C'
timezone = 'Asia/Kathmandu'
"""
"""Nothing here has to outlive a loss of power. A strange time zone shows what would hang on one."""


@cache
def server() -> "PostgresServer":
    """The server of this process; it stops when the process ends. Where there is none the test is skipped, but never in CI."""
    if binaries() is None:
        if os.environ.get("CI", "").lower() in ("true", "1"):
            pytest.fail(WHAT_TO_INSTALL)
        pytest.skip(WHAT_TO_INSTALL)
    started = PostgresServer()
    atexit.register(started.stop)
    return started


def binaries() -> Path | None:
    """Where `initdb` and `pg_ctl` are."""
    candidates = [shutil.which("initdb"), *sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=_version, reverse=True)]
    if shutil.which("pg_config"):
        directory = subprocess.run(["pg_config", "--bindir"], capture_output=True, text=True, check=False).stdout.strip()
        candidates.append(Path(directory) / "initdb")
    places = (Path(os.path.realpath(path)).parent for path in candidates if path)
    return next((place for place in places if (place / "pg_ctl").exists() and (place / "initdb").exists()), None)


def _version(path: Path) -> float:
    return float(path.parts[-3]) if path.parts[-3].replace(".", "").isdigit() else 0


class PostgresServer:
    """A server in a temporary directory, on a socket there and on a free port of the loopback interface."""

    def __init__(self, *, autovacuum: bool = False) -> None:
        self._binaries = binaries()
        shared = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.directory = Path(tempfile.mkdtemp(prefix="pg-test-", dir=shared))
        self.port = free_port()
        self._numbers = count(1)
        if os.geteuid() == 0:  # which PostgreSQL refuses to run as
            shutil.chown(self.directory, *_unprivileged())
        self._guard = self._guarded()
        try:
            self._set_up(autovacuum="on" if autovacuum else "off")
        except BaseException:
            self.stop()
            raise

    def url(self, database: str, *, user: str = "postgres", port: int | None = None) -> str:
        """A database of the server, over TCP."""
        return f"postgresql://{user}@127.0.0.1:{port or self.port}/{database}?sslmode=disable&gssencmode=disable"

    def empty_database(self) -> str:
        """The name of a new database without a schema."""
        return self._create("template0")

    def fresh_database(self) -> str:
        """The name of a new database with our schema and no rows."""
        return self._create("template_store")

    def administer(self, statement: str, database: str = "postgres") -> list[Any]:
        """Run a statement as the superuser."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def restart(self, how: str = "fast") -> None:
        """`fast` ends every session; `immediate` is a crash."""
        self._control("restart", "-m", how)

    def halt(self) -> None:
        """Stop, to be started again."""
        self._control("stop", "-m", "fast")

    def resume(self) -> None:
        """Start again."""
        self._control("start")

    def stop(self) -> None:
        """End the server and forget its files."""
        self._guard.communicate()

    def _guarded(self) -> "subprocess.Popen[bytes]":
        """A process that ends the server and forgets its files once nobody holds its input open: even when we are killed."""
        stop = f"{self._binaries}/pg_ctl -D {self.directory}/data -m immediate -w stop; rm -rf {self.directory}"
        return subprocess.Popen(
            ["sh", "-c", f"read nothing; {stop}"],
            **as_somebody(),
            cwd="/",
            start_new_session=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def _set_up(self, *, autovacuum: str) -> None:
        data = self.directory / "data"
        self._run("initdb", "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        with (data / "postgresql.conf").open("a") as file:
            file.write(CONFIGURATION.format(autovacuum=autovacuum))
            file.write(f"port = {self.port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{self.directory}'\n")
        rules = data / "pg_hba.conf"
        rules.write_text(f"host all {LOCKED} 127.0.0.1/32 scram-sha-256\n" + rules.read_text())
        self._control("start")
        self.administer(f"CREATE ROLE {LOCKED} LOGIN PASSWORD '{PASSWORD}'")
        self.administer("CREATE DATABASE template_store TEMPLATE template0")
        store = PostgresStore(self.url("template_store"))
        store.pools()
        store.close()

    def _create(self, template: str) -> str:
        name = f"test_{next(self._numbers)}"
        self.administer(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def _control(self, *what: str) -> None:
        self._run("pg_ctl", "-D", str(self.directory / "data"), "-l", str(self.directory / "log"), "-w", "-t", "60", *what)

    def _run(self, program: str, *arguments: str) -> None:
        ran = subprocess.run(
            [str((self._binaries or Path()) / program), *arguments],
            **as_somebody(),
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            stdout=(output := (self.directory / f"{program}.out").open("w")),  # a pipe would stay open with the server
            stderr=subprocess.STDOUT,
            check=False,
        )
        output.close()
        assert ran.returncode == 0, (self.directory / f"{program}.out").read_text() + self._log()

    def _log(self) -> str:
        log = self.directory / "log"
        return log.read_text()[-2000:] if log.exists() else ""


def as_somebody() -> dict[str, Any]:
    """Who to run a process as: not as root."""
    if os.geteuid() != 0:
        return {}
    user, group = _unprivileged()
    return {"user": user, "group": group, "extra_groups": []}


def _unprivileged() -> tuple[str, int]:
    """A user that is not root: PostgreSQL's own where there is one."""
    groups = {entry.pw_name: entry.pw_gid for entry in pwd.getpwall()}
    user = next(name for name in ("postgres", "nobody") if name in groups)
    return user, groups[user]


def free_port() -> int:
    """One at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
