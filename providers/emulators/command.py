"""Runs an emulator as a separate process: `python -m providers.emulators NAME`, or the CLI's `dispatcher emulator NAME`."""

from __future__ import annotations

import argparse
import importlib
import json
import shlex
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from providers.base import ProviderUnavailable
from providers.emulators.base import Emulator

EMULATORS = {
    "ecs": ("providers.emulators.ecs:EcsEmulator", "emulators"),
    "cloud-run": ("providers.emulators.cloud_run:CloudRunEmulator", "gcp"),
    "vertex-ai": ("providers.emulators.vertex_ai:VertexAiEmulator", "vertex"),
    "aci": ("providers.emulators.container_instance:ContainerInstanceEmulator", "azure"),
    "modal": ("providers.emulators.modal:ModalEmulator", "modal"),
    "kubernetes": ("providers.emulators.kubernetes:KubernetesEmulator", "kubernetes"),
}
"""Every emulator by name: its class and the extra that it needs."""


def load(name: str) -> type[Emulator]:
    """The class of the emulator of that name, imported on use. Raises ProviderUnavailable, which names the extra to install."""
    if name not in EMULATORS:
        raise ProviderUnavailable(f"there is no emulator {name!r}; there are {', '.join(EMULATORS)}")
    path, extra = EMULATORS[name]
    module, _, attribute = path.partition(":")
    try:
        kind: type[Emulator] = getattr(importlib.import_module(module), attribute)
    except ImportError as error:
        raise ProviderUnavailable(
            f"the {name} emulator needs {error.name}, which is not installed: pip install 'push-dispatcher[{extra}]'"
        ) from error
    return kind


def serve(
    name: str,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    as_json: bool = False,
    output: TextIO | None = None,
    until: threading.Event | None = None,
    **settings: Any,
) -> None:
    """Print how to reach an emulator, and run it until `until` is set, SIGTERM or Ctrl-C.

    One line per variable for a shell to `eval`, or with `as_json` one line `{"name", "url", "control_url", "environment"}`.
    """
    stop = until or _stopped_by_signal()
    with load(name)(host=host, port=port, **settings) as emulator:
        print(_greeting(emulator, as_json=as_json), file=output or sys.stdout, flush=True)
        stop.wait()


def _stopped_by_signal() -> threading.Event:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def _greeting(emulator: Emulator, *, as_json: bool) -> str:
    environment = emulator.environment()
    if as_json:
        about = {"name": emulator.name, "url": emulator.url, "control_url": emulator.control_url, "environment": environment}
        return json.dumps(about)
    return exports(environment)


def exports(environment: Mapping[str, str]) -> str:
    """Lines for a shell to evaluate."""
    return "\n".join(f"export {variable}={shlex.quote(value)}" for variable, value in environment.items())


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; the exit code is 1 if the emulator is not available."""
    options = vars(_parser().parse_args(arguments))
    settings = {name: value for name, value in options.items() if value is not None}
    try:
        serve(settings.pop("name"), **settings)
    except ProviderUnavailable as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m providers.emulators", description="A local cloud for tests.")
    parser.add_argument("name", choices=EMULATORS)
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on")
    parser.add_argument("--port", type=int, default=0, help="0: a free one")
    parser.add_argument("--json", action="store_true", dest="as_json", help="one line of JSON when it is ready")
    parser.add_argument(
        "--job-seconds", type=float, help="a job ends by itself after so long; otherwise it is ended or stopped"
    )
    parser.add_argument("--capacity", type=int, help="the most jobs that may be live at once")
    parser.add_argument(
        "--run-commands", action="store_true", default=None, help="run the containers' commands as local processes"
    )
    return parser
