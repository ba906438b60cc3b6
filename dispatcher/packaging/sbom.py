"""The contents of a package as a CycloneDX 1.6 bill of materials (https://cyclonedx.org/docs/1.6/json/).

It contains no time and no serial number, so that the same package has the same bill.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from packaging.utils import canonicalize_name

from dispatcher import __version__
from dispatcher.packaging.resolution import DISTRIBUTION
from dispatcher.packaging.targets import BuildTarget
from dispatcher.packaging.wheels import Wheel


def bill(wheels: Sequence[Wheel], target: BuildTarget, *, digest: str, interpreter: str | None) -> dict[str, Any]:
    """The bill of a package with the SHA-256 `digest`, whose bytecode was made by a Python of the release `interpreter`."""
    references = {wheel.name: _purl(wheel.name, wheel.version) for wheel in wheels}
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": _function(digest),
            "properties": [
                {"name": "push-dispatcher:target", "value": f"{target.name} {target.arch} python{target.python}"},
                {"name": "push-dispatcher:bytecode", "value": f"python {interpreter}" if interpreter else "none"},
            ],
        },
        "components": [_component(wheel) for wheel in wheels],
        "dependencies": [
            {"ref": _purl(DISTRIBUTION, __version__), "dependsOn": sorted(references.values())},
            *({"ref": references[wheel.name], "dependsOn": _needs(wheel, references)} for wheel in wheels),
        ],
    }


def _function(digest: str) -> dict[str, Any]:
    purl = _purl(DISTRIBUTION, __version__)
    return {
        "type": "application",
        "bom-ref": purl,
        "name": DISTRIBUTION,
        "version": __version__,
        "purl": purl,
        "hashes": [{"alg": "SHA-256", "content": digest}],
        "licenses": [{"license": {"id": "Apache-2.0"}}],
    }


def _component(wheel: Wheel) -> dict[str, Any]:
    purl = _purl(wheel.name, wheel.version)
    about = {"type": "library", "bom-ref": purl, "name": wheel.name, "version": wheel.version, "purl": purl}
    return {**about, "hashes": [{"alg": "SHA-256", "content": wheel.sha256}], **_licenses(wheel)}


def _licenses(wheel: Wheel) -> dict[str, Any]:
    """The licence as the wheel states it: an SPDX expression (PEP 639), or the words of older metadata."""
    expression, words = wheel.metadata.get("License-Expression"), wheel.metadata.get("License")
    if expression:
        return {"licenses": [{"expression": expression}]}
    first = (words or "").strip().partition("\n")[0]
    return {"licenses": [{"license": {"name": first}}]} if first else {}


def _needs(wheel: Wheel, references: dict[str, str]) -> list[str]:
    names = {canonicalize_name(requirement.name) for requirement in wheel.requirements}
    return sorted(references[name] for name in names & references.keys())


def _purl(name: str, version: str) -> str:
    return f"pkg:pypi/{name}@{version}"
