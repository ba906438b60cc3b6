"""The fields that the emulator knows are those of Microsoft's published schemas."""

from typing import Any

import pytest

from providers.emulators.container_instance.shapes import GROUP, Fields, Map
from tests.providers.container_instance.arm_schema import schema

REPLY_ONLY = frozenset(
    {"id", "name", "type", "provisioningState", "instanceView", "isCreatedFromStandbyPool", "principalId", "tenantId", "fqdn"}
)


def published(version: str) -> dict[str, frozenset[str]]:
    whole = schema(version)
    shapes: dict[str, frozenset[str]] = {}
    _walk_schema(whole["group"], whole["definitions"], "", shapes)
    shapes[""] -= {"name", "type", "apiVersion"}
    return shapes


def _walk_schema(part: dict[str, Any], definitions: dict[str, Any], path: str, shapes: dict[str, frozenset[str]]) -> None:
    if "$ref" in part:
        part = definitions[part["$ref"].rpartition("/")[2]]
    for choice in part.get("oneOf", ()):
        _walk_schema(choice, definitions, path, shapes)
    if isinstance(part.get("items"), dict):
        _walk_schema(part["items"], definitions, path + "[]", shapes)
    if part.get("properties"):
        shapes[path] = frozenset(part["properties"])
        for key, item in part["properties"].items():
            _walk_schema(item, definitions, f"{path}.{key}", shapes)


def shapes_of(version: str) -> dict[str, frozenset[str]]:
    shapes: dict[str, frozenset[str]] = {}
    _walk_shape(GROUP, version, "", shapes)
    return shapes


def _walk_shape(shape: Any, version: str, path: str, shapes: dict[str, frozenset[str]]) -> None:
    if isinstance(shape, list):
        _walk_shape(shape[0], version, path + "[]", shapes)
    if isinstance(shape, Fields):
        mine = {key: item for key, item in shape.kinds.items() if version >= "2025-09-01" or key not in shape.new}
        shapes[path] = frozenset(key for key, item in mine.items() if not (key in REPLY_ONLY and item is object))
        for key, item in mine.items():
            _walk_shape(item, version, f"{path}.{key}", shapes)


OPEN = (
    ".properties.extensions[].properties",
    ".properties.identityAcls",
    ".properties.containerGroupProfile",
    ".properties.standbyPoolProfile",
)
"""What the emulator does not look into."""


@pytest.mark.parametrize("version", ["2023-05-01", "2025-09-01"])
def test_every_field_is_known_and_no_other(version):
    theirs = {path: keys for path, keys in published(version).items() if not path.startswith(OPEN)}
    ours = shapes_of(version)
    assert {path: keys - {"fqdn"} for path, keys in ours.items()} == theirs
    assert isinstance(GROUP.kinds["tags"], Map)
