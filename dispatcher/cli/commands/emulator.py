"""`dispatcher emulator`: a local emulator of a cloud, for trials and tests."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import click

from dispatcher.cli.command import Command, Output
from dispatcher.cli.context import Context, pass_context
from dispatcher.cli.input.lengths import Length
from dispatcher.cli.input.values import parse_json
from dispatcher.errors import Conflict
from providers.emulators import command

STARTED_WITHIN, STOPPED_WITHIN, LOOK = 60.0, 10.0, 0.05
"""Seconds: the longest wait for the emulator, and the time between two checks."""


@click.command(
    cls=Command,
    example="dispatcher emulator ecs --port 5005 --job-seconds 30\n"
    "dispatcher emulator ecs --background\ndispatcher emulator ecs --stop",
)
@click.argument("name", metavar=f"[{'|'.join(command.EMULATORS)}]")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=0, metavar="N", help="The port to listen on; 0 for a free one.")
@click.option("--job-seconds", type=Length(), metavar="LENGTH", help="How long a job runs; otherwise until it is stopped.")
@click.option("--capacity", type=int, metavar="N", help="The most live jobs at once.")
@click.option("--run-commands", is_flag=True, default=None, help="Run the containers' commands as local processes.")
@click.option("--background", is_flag=True, help="Return as soon as it answers; it runs until --stop.")
@click.option("--stop", is_flag=True, help="Stop the emulator that --background started.")
@pass_context
def emulator(context: Context, /, name: str, *, background: bool, stop: bool, **settings: Any) -> Output | None:
    """Run an emulator until Ctrl-C. What it prints first, evaluated by a shell, points the vendor's own clients at it.

    In a shell: eval "$(dispatcher emulator ecs --background)", and at the end eval "$(dispatcher emulator ecs --stop)", which
    unsets the variables.
    """
    chosen = {setting: value for setting, value in settings.items() if value is not None}
    if stop:
        return _stopped(name)
    if background:
        return _started(name, chosen)
    command.serve(name, as_json=context.as_json, **chosen)
    return None


def _started(name: str, settings: Mapping[str, Any]) -> Output:
    """Start an emulator in the background, or answer with the one that already runs. Raises `Conflict` if it does not
    start.
    """
    command.load(name)
    if (running := _noted(name)) and _answers(running):
        return Output(data=running, text=command.exports(running["environment"]))
    place = _file(name)
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    log = place.with_suffix(".log")
    words = [f"--{key.replace('_', '-')}" + ("" if value is True else f"={value}") for key, value in settings.items()]
    with place.open("w") as output, log.open("w") as errors:
        process = subprocess.Popen(  # noqa: S603 - our own module, with words that click has read
            [sys.executable, "-m", "providers.emulators", name, "--json", *words],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            start_new_session=True,
        )
    end = time.monotonic() + STARTED_WITHIN
    while process.poll() is None and time.monotonic() < end:
        if about := _noted(name):
            place.with_suffix(".pid").write_text(str(process.pid), encoding="utf-8")
            return Output(data={**about, "pid": process.pid}, text=command.exports(about["environment"]))
        time.sleep(LOOK)
    process.kill()
    raise Conflict(f"the {name} emulator did not start; see {log}")


def _stopped(name: str) -> Output:
    """Stop the emulator that runs in the background; the output unsets its variables."""
    about = _noted(name)
    if about is None or not _answers(about):
        raise Conflict(f"no {name} emulator runs in the background; start one with: dispatcher emulator {name} --background")
    pid = int(_file(name).with_suffix(".pid").read_text(encoding="utf-8"))
    os.kill(pid, signal.SIGTERM)
    end = time.monotonic() + STOPPED_WITHIN
    while _answers(about) and time.monotonic() < end:
        time.sleep(LOOK)
    for suffix in (".json", ".pid"):
        _file(name).with_suffix(suffix).unlink(missing_ok=True)
    text = "\n".join(f"unset {shlex.quote(variable)}" for variable in about["environment"])
    return Output(data={"name": name, "stopped": pid}, text=text)


def _answers(about: Mapping[str, Any]) -> bool:
    """Whether this same emulator answers: another process may have its port by now."""
    with suppress(OSError, URLError, ValueError):
        with urlopen(f"{about['control_url']}/_emulator", timeout=5) as answer:  # noqa: S310 - the address of our own server
            identity = parse_json(answer.read().decode(), "emulator", "emulator")
        return bool(identity.get("name") == about["name"])
    return False


def _noted(name: str) -> dict[str, Any] | None:
    """The note that the last emulator wrote about itself; None if there is no emulator, or it has not written yet."""
    try:
        text = _file(name).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    return parse_json(text, str(_file(name)), "emulator") if text.endswith("\n") else None


def _file(name: str) -> Path:
    return Path(os.environ.get("HOME") or Path.home()) / ".dispatcher" / "emulators" / f"{name}.json"
