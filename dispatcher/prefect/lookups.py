"""What a `prefect.yaml` leaves to be looked up, as variables of our configuration file. Pure.

{{ prefect.variables.region }}   ->  ${region}
{{ $IMAGE_TAG }}                 ->  ${IMAGE_TAG}
{{ build_image.image }}          ->  ${build_image_image}
{{ prefect.blocks.* }}           ->  left out: a secret is a reference that the provider resolves
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dispatcher.core.placeholders import PREFECT_BLOCKS, PREFECT_VARIABLES, joined, placeholders
from dispatcher.errors import Fault

_PLACEHOLDER = re.compile(r"\{\{\s*([\w.\-\[\]$]+)\s*\}\}")

A_BLOCK = "a block of Prefect has no counterpart: let the provider read a secret by a reference to it"


@dataclass
class Lookups:
    """The variables met so far, by the placeholder that each stands for."""

    by_placeholder: dict[str, str] = field(default_factory=dict)

    @property
    def variables(self) -> dict[str, None]:
        """The declarations of the file: none has a default, so that each has to be given."""
        return dict.fromkeys(self.by_placeholder.values())

    def filled(self, value: Any, path: str) -> tuple[Any, list[Fault]]:
        """The value with its placeholders filled by variables and without the parts that name a block, and these parts."""
        if isinstance(value, str):
            return self._text(value, path)
        if isinstance(value, Mapping):
            return self._all(value, [(key, joined(path, key), inner) for key, inner in value.items()])
        if isinstance(value, list):
            items, faults = self._all(value, [(number, joined(path, number), inner) for number, inner in enumerate(value)])
            return list(items.values()), faults
        return value, []

    def _all(self, _value: Any, parts: list[tuple[Any, str, Any]]) -> tuple[dict[Any, Any], list[Fault]]:
        read = {key: self.filled(inner, path) for key, path, inner in parts}
        gone = {key for key, _, inner in parts if inner is not None and read[key][0] is None}
        filled = {key: inner for key, (inner, _) in read.items() if key not in gone}
        return filled, [fault for _, faults in read.values() for fault in faults]

    def _text(self, text: str, path: str) -> tuple[str | None, list[Fault]]:
        names = [placeholder.name for placeholder in placeholders(text)]
        if blocks := [name for name in names if name.startswith(PREFECT_BLOCKS)]:
            return None, [Fault(path, f"{{{{ {blocks[0]} }}}}: {A_BLOCK}")]
        return _PLACEHOLDER.sub(lambda match: f"${{{self._variable(match[1])}}}", text), []

    def _variable(self, placeholder: str) -> str:
        if placeholder not in self.by_placeholder:
            plain = re.sub(r"\W", "_", placeholder.removeprefix(PREFECT_VARIABLES).lstrip("$")).strip("_") or "value"
            plain = f"_{plain}" if plain[0].isdigit() else plain
            name, number = plain, 2
            while name in self.by_placeholder.values():
                name, number = f"{plain}_{number}", number + 1
            self.by_placeholder[placeholder] = name
        return self.by_placeholder[placeholder]
