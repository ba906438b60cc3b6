"""Microsoft's published JSON Schema of container groups, of which `extract_arm_schema` has taken what matters here.

Two of its flaws are patched, so that it can be an oracle: it wants whole numbers for CPUs and memory, and lets unknown keys
pass.
"""

import json
from functools import cache
from typing import Any

from jsonschema import Draft4Validator

from tests.providers.container_instance.extract_arm_schema import DIRECTORY

TYPE = "Microsoft.ContainerInstance/containerGroups"


@cache
def schema(version: str) -> dict[str, Any]:
    """The schema of a version, patched: `group`, and the `definitions` to which it refers."""
    return _patched(json.loads((DIRECTORY / f"{version}.json").read_text(encoding="utf-8")))


def faults(name: str, body: dict[str, Any], version: str) -> list[str]:
    """What the schema finds wrong with the body of a PUT."""
    whole = schema(version)
    validator = Draft4Validator({**whole["group"], "definitions": whole["definitions"]})
    resource = {**body, "name": name, "type": TYPE, "apiVersion": version}
    return [f"{list(error.absolute_path)}: {error.message}" for error in validator.iter_errors(resource)]


def _patched(value: Any) -> Any:
    if isinstance(value, list):
        return [_patched(item) for item in value]
    if not isinstance(value, dict):
        return value
    patched = {key: _patched(item) for key, item in value.items()}
    if isinstance(value.get("properties"), dict) and value.get("type") == "object":
        patched.setdefault("additionalProperties", False)
        for size in {"cpu", "memoryInGB"} & value["properties"].keys():
            patched["properties"][size] = {"type": "number"}
    return patched
