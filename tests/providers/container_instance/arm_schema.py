"""Microsoft's published JSON Schema of container groups, where it is at hand: it is no part of this project.

Two of its flaws are patched, so that it can be an oracle: it wants whole numbers for CPUs and memory, and lets unknown keys
pass. Template expressions, which a direct PUT cannot hold, are refused.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft4Validator

FOLDER = Path(__file__).resolve().parents[4] / "shared" / "reference" / "azure-aci"
TYPE = "Microsoft.ContainerInstance/containerGroups"


@cache
def schema(version: str) -> dict[str, Any]:
    """The schema of a version, patched; skips the test where the folder is not there."""
    path = FOLDER / f"arm-schema-{version}.json"
    if not path.exists():
        pytest.skip(f"Microsoft's schema of {version} is not at {path}")
    return _patched(json.loads(path.read_text()))


def faults(name: str, body: dict[str, Any], version: str) -> list[str]:
    """What the schema finds wrong with the body of a PUT."""
    whole = schema(version)
    validator = Draft4Validator({**whole["resourceDefinitions"]["containerGroups"], "definitions": whole["definitions"]})
    resource = {**body, "name": name, "type": TYPE, "apiVersion": version}
    return [f"{list(error.absolute_path)}: {error.message}" for error in validator.iter_errors(resource)]


def _patched(value: Any) -> Any:
    if isinstance(value, list):
        return [_patched(item) for item in value]
    if not isinstance(value, dict):
        return value
    if str(value.get("$ref", "")).endswith("/expression"):
        return {"not": {}}
    patched = {key: _patched(item) for key, item in value.items()}
    if isinstance(value.get("properties"), dict) and value.get("type") == "object":
        patched.setdefault("additionalProperties", False)
        for size in {"cpu", "memoryInGB"} & value["properties"].keys():
            patched["properties"][size] = {"type": "number"}
    return patched
