"""Terraform on this machine: a root module in a directory of its own, with plug-ins that are here already."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
INFRA = ROOT / "infra"
MIRRORS = ("~/.terraform.d/plugins", "/usr/local/share/terraform/plugins", "/usr/share/terraform/plugins", "/opt/*")
"""Where plug-ins lie that were fetched beforehand: Terraform's own places, and what images of CI systems use."""


def mirror(provider: str) -> Path | None:
    """A directory with `<host>/<namespace>/<provider>` in it; None where there is none."""
    for pattern in MIRRORS:
        place = Path(pattern).expanduser()
        for root in sorted(place.parent.glob(place.name)):
            if any(root.glob(f"*/{provider}")):
                return root
    return None


installed = pytest.mark.skipif(shutil.which("terraform") is None, reason="Terraform is not installed")


def needs(provider: str) -> pytest.MarkDecorator:
    """Skip where Terraform or the plug-in is not on this machine."""
    why = "Terraform is not installed" if shutil.which("terraform") is None else f"the plug-in {provider} is not here"
    return pytest.mark.skipif(shutil.which("terraform") is None or mirror(provider) is None, reason=why)


class Terraform:
    """One root module, copied with `infra/` around it, so that what Terraform writes stays out of the project."""

    def __init__(
        self,
        directory: Path,
        module: str,
        *,
        plugins: Path | None,
        variables: Mapping[str, Any],
        environment: Mapping[str, str] | None = None,
        infra: Path = INFRA,
    ) -> None:
        shutil.copytree(infra, directory / "infra", ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*"))
        self.directory = directory / "infra" / module
        self.variables: dict[str, Any] = {}
        self.change(**variables)
        configuration = directory / "terraform.rc"
        mirror = f'provider_installation {{\n  filesystem_mirror {{ path = "{plugins}" }}\n}}\n' if plugins else ""
        configuration.write_text(mirror)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_"))}
        self.environment = {
            **kept,
            **(environment or {}),
            "TF_CLI_CONFIG_FILE": str(configuration),
            "TF_IN_AUTOMATION": "1",
            "CHECKPOINT_DISABLE": "1",
        }

    def change(self, **variables: Any) -> None:
        """Give the root module other values for these variables."""
        self.variables |= variables
        (self.directory / "terraform.tfvars.json").write_text(json.dumps(self.variables))

    def run(self, *words: str, codes: Iterable[int] = (0,)) -> str:
        """What a command of Terraform printed. Its exit code has to be one of `codes`."""
        command = ["terraform", *words, "-no-color"]
        done = self._done(command)
        assert done.returncode in set(codes), (
            f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        )
        return done.stdout

    def refusal(self, *words: str) -> str:
        """Why a command of Terraform was refused, in one line; empty when it was not."""
        done = self._done(["terraform", *words, "-no-color"])
        return " ".join(re.sub("[│╷╵]", " ", done.stdout + done.stderr).split()) if done.returncode else ""

    def _done(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=self.directory, env=self.environment, check=False, capture_output=True, text=True, timeout=600
        )

    def apply(self) -> None:
        """Make everything."""
        self.run("init", "-input=false")
        self.run("validate")
        self.run("apply", "-auto-approve", "-input=false")

    def planned(self) -> dict[str, dict[str, Any]]:
        """What a first apply would make, data left out: the values that are known, by address. Nothing is made."""
        self.run("init", "-input=false")
        self.run("plan", "-input=false", "-out=planned")
        plan = json.loads(self.run("show", "-json", "planned"))["planned_values"]["root_module"]
        return {resource["address"]: resource.get("values", {}) for resource in _resources(plan)}

    def settled(self) -> bool:
        """Whether another plan has nothing to do."""
        self.run("plan", "-detailed-exitcode", "-input=false")
        return True

    def outputs(self) -> dict[str, Any]:
        """The root module's outputs, by name."""
        return {name: output["value"] for name, output in json.loads(self.run("output", "-json")).items()}

    def resources(self) -> dict[str, dict[str, Any]]:
        """What there is, data included: values by address."""
        state = json.loads(self.run("show", "-json")).get("values", {}).get("root_module", {})
        return {resource["address"]: resource["values"] for resource in _resources(state)}

    def destroy(self) -> None:
        """Remove everything."""
        self.run("destroy", "-auto-approve", "-input=false")


def _resources(module: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    yield from module.get("resources", ())
    for child in module.get("child_modules", ()):
        yield from _resources(child)
