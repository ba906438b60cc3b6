"""What a packaged function was built for: a wrong architecture or Python is named, before an import fails without a reason.

`dispatcher package` writes `built_for.json` beside this file. A clone or an installed package has none, and runs anywhere.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

FILE = Path(__file__).with_name("built_for.json")
MACHINES = {"aarch64": "arm64", "arm64": "arm64", "x86_64": "x86-64", "AMD64": "x86-64"}
"""The kernel's word for a machine -> our word for an architecture."""


class WrongPlatform(RuntimeError):
    """A package that was built for another architecture or Python than those it runs on."""


def content(target: str, arch: str, python: str) -> str:
    """What stands in the file."""
    return json.dumps({"target": target, "arch": arch, "python": python}) + "\n"


def check(file: Path = FILE, machine: str | None = None, version: tuple[int, int] = sys.version_info[:2]) -> None:
    """Raise `WrongPlatform` where a package was built for something else; `machine` is the kernel's word for this one."""
    try:
        built = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return
    machine = machine or os.uname().machine
    here = {"arch": MACHINES.get(machine, machine), "python": ".".join(map(str, version))}
    if here != {name: built[name] for name in here}:
        raise WrongPlatform(
            f"built for {built['arch']}, Python {built['python']}; runs on {here['arch']}, Python {here['python']}. "
            f"Build it with `dispatcher package --target {built['target']} --arch {here['arch']} --python {here['python']}`, "
            "or give the function the architecture and the runtime that it was built for"
        )
