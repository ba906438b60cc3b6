"""What a command costs before it does anything: CPU of whole processes, in the environment of `.[dev]`."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial

from tests.benchmarks.figures import Figure, Result, Target
from tests.benchmarks.measuring import Options, cold, in_turns, ratios, workspace
from tests.benchmarks.worlds import settings_environment

EMPTY, HELP, LIST, CREATE = "python -c pass", "dispatcher --help", "run ls", "run create"
CODE = "import sys, io; sys.stdout = io.StringIO(); from dispatcher.cli.main import main; main()"
SIDES = {
    EMPTY: ["-c", "pass"],
    HELP: ["-c", CODE, "--help"],
    LIST: ["-c", CODE, "run", "ls"],
    CREATE: ["-c", CODE, "run", "create", "--pool", "benchmark", "--job-variable", "command=true"],
}


def measure(options: Options) -> Result:
    """A store with one pool; the commands take turns."""
    with workspace() as directory:
        environment = settings_environment(directory / "start.db")
        create = ["-m", "dispatcher", "work-pool", "create", "benchmark", "--type", "process"]
        subprocess.run([sys.executable, *create], check=True, env={**os.environ, **environment}, stdout=subprocess.DEVNULL)
        cpus = in_turns(options.runs, {name: partial(_cpu, words, environment) for name, words in SIDES.items()})
    return Result(
        "start_up",
        "CPU of a command from its start to its end",
        [
            *(Figure(name, "ms", cpus[name]) for name in SIDES),
            Figure("--help to python -c pass", "times", ratios(cpus[HELP], cpus[EMPTY]), Target("<=", 5)),
            Figure("run create to run ls", "times", ratios(cpus[CREATE], cpus[LIST]), Target("<=", 1.5)),
        ],
        ["user and system time of one process; bytecode is there"],
    )


def _cpu(words: list[str], environment: dict[str, str]) -> float:
    return 1000 * cold(words, environment).cpu
