"""The published model of a Job, from the package `lightkube-models`, which is generated from Kubernetes' OpenAPI document.

python -m tests.providers.kubernetes.published    writes providers/kubernetes/job_shapes.json
"""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path
from typing import Any

FILE = Path(__file__).parents[3] / "providers" / "kubernetes" / "job_shapes.json"
SCALARS = {"str": "string", "int": "integer", "bool": "boolean", "float": "number", "dict": "object", "object": "any"}
TEXT_OR_NUMBER = ("IntOrString", "Quantity")
LEFT_OUT = {"JobStatus"}
"""What nobody sends."""

_LIST, _MAP = re.compile(r"List\[(.+)\]"), re.compile(r"(?:Dict|Mapping)\[str, (.+)\]|Dict\[(?:str), ?(.+)\]")


def published() -> dict[str, Any]:
    """Every type that a Job holds: its fields with their types, and which of them it needs."""
    shapes: dict[str, Any] = {}
    waiting = [("batch_v1", "Job")]
    while waiting:
        module_name, name = waiting.pop()
        if name in shapes or name in LEFT_OUT:
            continue
        module = importlib.import_module(f"lightkube.models.{module_name}")
        kind = getattr(module, name)
        fields = {field: _typed(text, module_name, waiting) for field, text in kind.__annotations__.items()}
        needed = [field for field, text in kind.__annotations__.items() if not text.startswith("Optional[")]
        shapes[name] = {"fields": {_wire(field): fields[field] for field in sorted(fields)}, "needed": sorted(needed)}
    return dict(sorted(shapes.items()))


def _wire(field: str) -> str:
    return field.removesuffix("_")


def _typed(text: str, module: str, waiting: list[tuple[str, str]]) -> str:
    if text.startswith("Optional["):
        return _typed(text[len("Optional[") : -1], module, waiting)
    if match := _LIST.fullmatch(text):
        return f"list of {_typed(match[1], module, waiting)}"
    if match := re.fullmatch(r"[Dd]ict(?:\[str, ?(.+)\])?", text):
        return f"map of {_typed(match[1], module, waiting)}" if match[1] else "object"
    if text in SCALARS:
        return SCALARS[text]
    home, dot, name = text.rpartition(".")
    if name in TEXT_OR_NUMBER:
        return "string or number"
    if home in ("datetime", "") and name in ("datetime", "Time", "MicroTime"):
        return "string"
    resolved = getattr(importlib.import_module(f"lightkube.models.{home if dot else module}"), name, None)
    if not hasattr(resolved, "__dataclass_fields__") and not hasattr(resolved, "from_dict"):
        return "string"
    waiting.append((home if dot else module, name))
    return name


if __name__ == "__main__":
    FILE.write_text(json.dumps(published(), indent=1) + "\n")
