"""The mutants that change nothing, each with its reason: `equivalent.toml`."""

from __future__ import annotations

import tomllib
from pathlib import Path

LIST = Path(__file__).with_name("equivalent.toml")


def equivalents() -> dict[str, str]:
    """By name: the reason. Raises `ValueError` for a mutant that is listed twice."""
    listed = tomllib.loads(LIST.read_text(encoding="utf-8")).get("mutant", [])
    reasons = {entry["name"]: entry["reason"] for entry in listed}
    if len(reasons) < len(listed):
        raise ValueError(f"{LIST.name} lists a mutant twice")
    return reasons
