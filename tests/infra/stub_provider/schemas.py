"""The stored schemas, and how they look to Terraform.

A stored attribute is a word: the type, and `!` where it has to be given, `=` where only the provider gives it, `?` where it may
be given. `list(x)`, `set(x)`, `map(x)` and `any` are Terraform's own words. Extraction cannot tell what the provider fills in
where nothing is given, so every optional attribute of a resource itself counts as such a one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from tests.infra.stub_provider.messages import MESSAGES

DIRECTORY = Path(__file__).with_name("schemas")
PROVIDERS = ("google", "azurerm")
NESTING = {"single": 1, "list": 2, "set": 3, "map": 4}

Block = Mapping[str, Any]


@cache
def stored(provider: str) -> Mapping[str, Any]:
    """A provider's schemas: `version`, `source`, `licence`, `provider`, `resources`, `data`."""
    document: Mapping[str, Any] = json.loads((DIRECTORY / f"{provider}.json").read_text())
    return document


def type_of(word: str) -> Any:
    """Terraform's JSON form of a type: `list(string)` -> `["list", "string"]`."""
    word = word.rstrip("!?=")
    if word == "any":
        return "dynamic"
    nested = re.fullmatch(r"(list|set|map)\((.*)\)", word)
    return [nested[1], type_of(nested[2])] if nested else word


def computed(block: Block) -> dict[str, Any]:
    """The attributes that only the provider gives, with their types."""
    return {name: type_of(word) for name, word in block.get("attributes", {}).items() if word.endswith("=")}


def message(block: Block) -> Any:
    """A whole schema as Terraform asks for it."""
    return MESSAGES["Schema"](version=0, block=_block(block, top=True))


def _block(block: Block, *, top: bool = False) -> Any:
    attributes = [_attribute(name, word, top=top) for name, word in block.get("attributes", {}).items()]
    nested = [_nested(name, inner) for name, inner in block.get("blocks", {}).items()]
    return MESSAGES["Block"](version=0, attributes=attributes, block_types=nested)


def _attribute(name: str, word: str, *, top: bool) -> Any:
    optional = word.endswith("?")
    return MESSAGES["Attribute"](
        name=name,
        type=json.dumps(type_of(word)).encode(),
        required=word.endswith("!"),
        optional=optional,
        computed=word.endswith("=") or (top and optional),
    )


def _nested(name: str, nested: Block) -> Any:
    """`nesting` is as `list 1 1`: the kind, and how many there have to and may be (0: any number)."""
    kind, least, most = nested["nesting"].split()
    return MESSAGES["NestedBlock"](
        type_name=name, block=_block(nested), nesting=NESTING[kind], min_items=int(least), max_items=int(most)
    )
