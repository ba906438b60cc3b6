"""Prefect in a virtual environment of its own, `.prefect-server` at the top of the checkout: its server, its command line with
this checkout's plug-in, and the newest worker packages with their base job templates. `uv` makes it once for the processes of a
test run.
"""

import fcntl
import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENVIRONMENT = ROOT / ".prefect-server"
VERSION = "3.8.8"
WORKERS = ("prefect-aws", "prefect-azure", "prefect-docker", "prefect-gcp", "prefect-kubernetes")
PACKAGES = (f"prefect=={VERSION}", "fastapi<0.141", "sqlalchemy<2.1", *WORKERS)
"""With what that version of the server was made for: the scheduler fails with a newer SQLAlchemy."""
PRINT_TEMPLATES = """
import json
from prefect.workers.base import BaseWorker
types = [name for name in BaseWorker.get_all_available_worker_types() if not name.endswith(":push")]
print(json.dumps({name: BaseWorker.get_worker_class_from_type(name).get_default_base_job_template() for name in types}))
"""


INSTALLED = pytest.param("installed", marks=pytest.mark.long)
"""The name of a template that is read from the newest packages: `template` gives it."""


@cache
def prefect_bin() -> Path:
    """The folder of its commands."""
    with (ROOT / ".prefect-server.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made_of = ENVIRONMENT / "made-of.txt"
        if not made_of.exists() or made_of.read_text() != "\n".join(PACKAGES):
            subprocess.run([sys.executable, "-m", "uv", "venv", "--quiet", "--allow-existing", ENVIRONMENT], check=True)
            python = str(ENVIRONMENT / "bin" / "python")
            words = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--upgrade", "--python", python]
            subprocess.run([*words, *PACKAGES, "-e", ROOT], check=True)
            made_of.write_text("\n".join(PACKAGES))
    return ENVIRONMENT / "bin"


def template(kind):
    """The default base job template of a worker type, as its newest package has it."""
    return templates()[kind]


@cache
def templates():
    """The default base job templates of the worker types, by type."""
    printed = subprocess.run([prefect_bin() / "python", "-c", PRINT_TEMPLATES], capture_output=True, text=True, check=True)
    return json.loads(printed.stdout.splitlines()[-1])
