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
        configuration.write_text(_installation(plugins) if plugins else "")
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
        """Make everything. Whatever `validate` would refuse is refused here too."""
        self.run("init", "-input=false")
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

    @property
    def state(self) -> Path:
        """The file in which Terraform keeps what it has made."""
        return self.directory / "terraform.tfstate"

    def outputs(self) -> dict[str, Any]:
        """The root module's outputs, by name."""
        return {name: output["value"] for name, output in self._state()["outputs"].items()}

    def resources(self) -> dict[str, dict[str, Any]]:
        """What there is, data included: values by address. Read from the state: `terraform show` would start every plug-in."""
        return {
            _address(resource, instance): instance["attributes"]
            for resource in self._state()["resources"]
            for instance in resource["instances"]
        }

    def _state(self) -> dict[str, Any]:
        state: dict[str, Any] = json.loads(self.state.read_text())
        return state

    def destroy(self) -> None:
        """Remove everything."""
        self.run("destroy", "-auto-approve", "-input=false")


def _resources(module: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    yield from module.get("resources", ())
    for child in module.get("child_modules", ()):
        yield from _resources(child)


def _address(resource: Mapping[str, Any], instance: Mapping[str, Any]) -> str:
    """As Terraform writes it: `module.pool["batch"].data.aws_region.current[0]`."""
    parts = [resource.get("module"), "data" if resource["mode"] == "data" else None, resource["type"], resource["name"]]
    index = f"[{json.dumps(instance['index_key'])}]" if "index_key" in instance else ""
    return ".".join(part for part in parts if part) + index


def _installation(plugins: Path) -> str:
    """Where plug-ins are found. As development overrides they are not hashed anew by every command, 700 MB each time."""
    places = {f"{place.parents[2].name}/{place.parents[1].name}": place for place in sorted(plugins.glob("*/*/*/*/*_*"))}
    overrides = "".join(f'    "{name}" = "{place}"\n' for name, place in places.items())
    return f'provider_installation {{\n  dev_overrides {{\n{overrides}  }}\n  filesystem_mirror {{ path = "{plugins}" }}\n}}\n'
