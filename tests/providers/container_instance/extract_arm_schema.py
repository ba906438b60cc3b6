"""Takes what tests need out of one of Microsoft's JSON Schemas: the shape of a container group, without descriptions.

    python -m tests.providers.container_instance.extract_arm_schema Microsoft.ContainerInstance.json

The schemas are published in https://github.com/Azure/azure-resource-manager-schemas, as
schemas/2025-09-01/Microsoft.ContainerInstance.json, under the MIT licence, which stands beside the extracts. Beside each value
they allow a template expression, which the body of a PUT cannot hold: that choice is left out.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

DIRECTORY = Path(__file__).with_name("arm_schemas")
RESOURCE = "containerGroups"
EXPRESSION = "https://schema.management.azure.com/schemas/common/definitions.json#/definitions/expression"


def extract(published: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a published schema that a container group consists of."""
    group, definitions = _plain(published["resourceDefinitions"][RESOURCE]), _plain(published["definitions"])
    used = {name: definitions[name] for name in sorted(_reached(group, definitions))}
    return {"source": published["id"], "licence": "MIT", "group": group, "definitions": used}


def _plain(value: Any) -> Any:
    """A part without descriptions and template expressions."""
    if isinstance(value, list):
        return [_plain(item) for item in value if item != {"$ref": EXPRESSION}]
    if not isinstance(value, dict):
        return value
    plain = {key: _plain(item) for key, item in value.items() if not (key == "description" and isinstance(item, str))}
    choices = plain.get("oneOf", ())
    return choices[0] if len(plain) == len(choices) == 1 else plain


def _reached(part: Any, definitions: Mapping[str, Any]) -> set[str]:
    """The names of the definitions that a part refers to, directly or through others."""
    reached: set[str] = set()
    waiting = list(_references(part))
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting.extend(_references(definitions[name]))
    return reached


def _references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"].removeprefix("#/definitions/")
        part = list(part.values())
    if isinstance(part, list):
        for item in part:
            yield from _references(item)


def _written(extracted: Mapping[str, Any]) -> str:
    """The extract as JSON, a line for each definition."""
    definitions = ",\n".join(f"{json.dumps(name)}: {json.dumps(part)}" for name, part in extracted["definitions"].items())
    head = "".join(f"{json.dumps(key)}: {json.dumps(extracted[key])},\n" for key in ("source", "licence", "group"))
    return f'{{{head}"definitions": {{\n{definitions}\n}}}}\n'


def main(paths: list[str]) -> None:
    for path in paths:
        extracted = extract(json.loads(Path(path).read_text(encoding="utf-8")))
        version = extracted["source"].split("/")[4]
        (DIRECTORY / f"{version}.json").write_text(_written(extracted), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
