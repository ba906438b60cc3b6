"""Items of the emulator's DynamoDB are those that moto makes by itself."""

from __future__ import annotations

import copy
import random

import pytest
from moto.dynamodb.exceptions import ItemSizeTooLarge
from moto.dynamodb.models.dynamo_type import DynamoType, Item

from providers.emulators.ecs import items

VALUES = {
    "S": ["", "word", "ä\U0010ffff"],
    "N": ["0", "-7", "12345", "1.0", "1e2", "007", "-0"],
    "BOOL": [True, False],
    "NULL": [True],
    "B": ["YWJj"],
    "SS": [["b"], ["ä", "b"]],
    "NS": [["1"], ["1.0", "2"]],
}
NAMES = ("plain", "name[0]", "dotted.name", "ä")


def an_attribute(chance: random.Random, depth: int = 2) -> dict:
    kind = chance.choice([*VALUES, *(("L", "M") if depth else ())])
    if kind == "L":
        return {kind: [an_attribute(chance, depth - 1) for _ in range(chance.randint(0, 3))]}
    if kind == "M":
        return {kind: {name: an_attribute(chance, depth - 1) for name in chance.sample(NAMES, chance.randint(0, 3))}}
    return {kind: chance.choice(VALUES[kind])}


def an_item(chance: random.Random) -> dict:
    return {name: an_attribute(chance) for name in chance.sample(NAMES, chance.randint(0, 4))}


def moto(patch) -> None:
    """Let moto work as it does by itself."""
    patch.setattr(Item, "__init__", items._create)
    patch.setattr(Item, "project", items._project)
    patch.setattr(Item, "size", items._weigh_item)
    patch.setattr(Item, "__deepcopy__", items._copy_item)
    patch.setattr(DynamoType, "size", items._weigh)
    patch.setattr(DynamoType, "__deepcopy__", items._copy)


def work(attributes: dict, projection: list[list[str]]) -> tuple:
    """All that is done with an item."""
    key = DynamoType({"S": "key"})
    item = Item(key, None, attributes)
    copied = copy.deepcopy(item)
    try:
        projected = item.project(projection)
    except (TypeError, ValueError) as error:  # what is too odd for moto
        projected = Item(key, None, {"error": {"S": repr(error)}})
    parts = [sorted(value["SS"]) if "SS" in value else value for value in projected.to_json()["Attributes"].values()]
    return item.to_json(), item.size(), copied.to_json(), copied.size(), list(projected.attrs), parts, projected.size()


def test_an_item_is_made_weighed_copied_and_projected_as_by_moto(monkeypatch):
    assert Item.project is items.project
    for seed in range(300):
        chance = random.Random(seed)
        attributes = an_item(chance)
        projection = [[name] for name in chance.sample([*NAMES, "absent"], 3)] + chance.choice([[], [["plain", "ä"]]])
        quick = work(attributes, projection)
        with monkeypatch.context() as patch:
            moto(patch)
            assert quick == work(attributes, projection), seed


def test_a_copy_shares_nothing_that_can_change():
    item = Item(DynamoType({"S": "key"}), DynamoType({"S": "sort"}), {"a": {"M": {"b": {"L": [{"SS": ["c"]}]}}}})
    copied = copy.deepcopy(item)
    copied.attrs["a"].value["b"].value[0].value.append("d")
    copied.attrs["e"] = DynamoType({"S": "f"})
    assert item.to_json() == {"Attributes": {"a": {"M": {"b": {"L": [{"SS": ["c"]}]}}}}}


@pytest.mark.parametrize("size", [404_997, 404_998])
def test_the_size_limit_of_an_item_is_that_of_moto(size, monkeypatch):
    def is_taken() -> bool:
        try:
            Item(DynamoType({"S": "key"}), None, {"a": {"N": "1"}, "b": {"S": "x" * size}})
        except ItemSizeTooLarge:
            return False
        return True

    quick = is_taken()
    moto(monkeypatch)
    assert quick == is_taken() == (size == 404_997)
