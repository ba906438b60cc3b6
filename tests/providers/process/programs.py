"""Python programs that stand for other invocations: each submits one job, from a process of its own."""

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

ROOT = Path(__file__).parents[3]

SUBMIT = """
import json, os, signal, sys
from providers.base import Job
from providers.process import ProcessProvider

given = json.loads(sys.argv[1])

def die(step):
    if step == given["dies_at"]:
        os.kill(os.getpid(), signal.SIGKILL)

provider = ProcessProvider(directory=given["directory"], at=die)
job = Job(**given["job"])
if given["dies_after"] is not None:
    signal.setitimer(signal.ITIMER_REAL, given["dies_after"])  # nobody handles the alarm: it kills
outcome = provider.submit(job)
print(type(outcome).__name__)
"""


def submitter(harness, job, *, dies_at=None, dies_after=None):
    """Start another process that submits the job, and perhaps is killed on the way."""
    arguments = {"directory": str(harness.root / "jobs"), "job": asdict(job), "dies_at": dies_at, "dies_after": dies_after}
    return python(SUBMIT, json.dumps(arguments))


def python(program, *arguments):
    """Start a program, as the leader of a session of its own."""
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)


def result(process):
    """What the process printed, once it has ended."""
    output, _ = process.communicate(timeout=60)
    return output.strip()
