"""What the checks against Microsoft's schemas rest on: extracts that state their source and leave out nothing referred to."""

import json

import pytest

from tests.providers.container_instance.extract_arm_schema import DIRECTORY, EXPRESSION, extract

PUBLISHED = {
    "id": "https://schema.management.azure.com/schemas/2025-09-01/Microsoft.ContainerInstance.json#",
    "resourceDefinitions": {
        "containerGroups": {
            "description": "A container group.",
            "properties": {
                "description": {"type": "string", "description": "Not a description, but a field."},
                "properties": {"oneOf": [{"$ref": "#/definitions/Properties"}, {"$ref": EXPRESSION}]},
            },
        }
    },
    "definitions": {
        "Properties": {"properties": {"containers": {"items": {"$ref": "#/definitions/Container"}}}},
        "Container": {"type": "object"},
        "Profile": {"type": "object"},
    },
}


def test_the_extracted_schema_holds_the_group_and_its_references_without_descriptions():
    extracted = extract(PUBLISHED)
    assert extracted["group"] == {
        "properties": {"description": {"type": "string"}, "properties": {"$ref": "#/definitions/Properties"}}
    }
    assert set(extracted["definitions"]) == {"Container", "Properties"}


@pytest.mark.parametrize("version", ["2023-05-01", "2025-09-01"])
def test_an_extract_states_its_source_and_its_licence(version):
    extracted = json.loads((DIRECTORY / f"{version}.json").read_text(encoding="utf-8"))
    assert extracted["source"] == f"https://schema.management.azure.com/schemas/{version}/Microsoft.ContainerInstance.json#"
    assert extracted["licence"] == "MIT"
    assert "Microsoft Corporation" in (DIRECTORY / "LICENSE").read_text(encoding="utf-8")
