"""Modal: an app with one function on a schedule, `modal deploy -m dispatcher.functions.modal_cron` (infra/modal.md).

The settings are the environment variables of the secret SECRET, DISPATCHER_STORE above all. The function takes an event as
every function does (`dispatcher.functions.invocation`), and nothing for a scheduled tick:

    modal.Function.from_name("push-dispatcher", "tick").remote({"pool": "batch"})

What it returns is the report. It raises where it cannot use the store or does not understand the event, so that the call counts
as failed; Modal does not repeat it. Ticks may overlap: claims are what keeps them apart, and no setting of Modal's.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

import modal

from dispatcher.functions.instance import Instance

NAME = "push-dispatcher"
SECRET = "push-dispatcher"  # noqa: S105 - its name
PYTHON = "3.13"
SECONDS = 60
"""The function's time limit."""
IDLE_SECONDS = 2
"""Seconds after which an idle container ends: the least that Modal allows. The default of 60 would keep one up all month."""
MANAGED = '{"type": "modal:push"}'
"""What pools of type `managed` are where the secret does not say: sandboxes, beside this function."""
SHIPPED = frozenset({".py", ".json", ".sql"})
PIP = "--require-hashes --no-deps --only-binary :all:"


def _image() -> modal.Image | None:
    """The distributions of requirements.lock, each with its hash, and this code; None inside Modal, where it has been built."""
    if os.environ.get("MODAL_IS_REMOTE") == "1":
        return None
    from dispatcher.packaging.lock import default_path  # noqa: PLC0415 - the function itself knows nothing of packaging

    plain = modal.Image.debian_slim(python_version=PYTHON)
    locked = plain.pip_install_from_requirements(str(default_path()), extra_options=PIP)
    return locked.add_local_python_source("dispatcher", "providers", ignore=_is_left_out)


def _is_left_out(path: Path) -> bool:
    return path.suffix not in SHIPPED


app = modal.App(NAME, include_source=False)


@app.function(  # type: ignore[untyped-decorator]  # the SDK is skipped
    image=_image(),
    schedule=modal.Cron("* * * * *"),
    secrets=[modal.Secret.from_name(SECRET)],
    env={"DISPATCHER_TIMEOUT_SECONDS": str(SECONDS)},
    timeout=SECONDS,
    scaledown_window=IDLE_SECONDS,
    retries=0,
)
def tick(event: dict[str, Any] | None = None) -> dict[str, Any]:
    """Do what the event asks for, and tick every pool without one."""
    instance = _instance()
    return instance.invoke(event, since=instance.clock.now())


@cache
def _instance() -> Instance:
    return Instance({"DISPATCHER_MANAGED": MANAGED, **os.environ})
