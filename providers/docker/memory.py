"""Amounts of bytes as Docker writes them: `128m`, `1g`, `100000`."""

from __future__ import annotations

import re
from typing import Any

from providers.base import ConfigurationError

_AMOUNT = re.compile(r"(\d+(?:\.\d+)?)\s*([bkmg]?)b?", re.IGNORECASE)
_UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}

LEAST = 6 << 20
"""The engine refuses a memory limit below 6 MB."""


def amount_of_bytes(value: Any, path: str) -> int:
    """The number of bytes in a number or a text with a unit (b, k, m, g). Raises `ConfigurationError`."""
    match = None if isinstance(value, bool) else _AMOUNT.fullmatch(str(value).strip())
    if match is None:
        raise ConfigurationError(f"{path}: give bytes, or a text with a unit (b, k, m, g), as '512m'")
    return int(float(match[1]) * _UNITS[match[2].lower()])


def memory_limit(value: Any, path: str) -> int:
    """A limit that the engine accepts."""
    amount = amount_of_bytes(value, path)
    if amount < LEAST:
        raise ConfigurationError(f"{path}: Docker's least is 6m")
    return amount


def swap_limit(value: Any, path: str) -> int:
    """Memory and swap together; -1 for no limit."""
    return -1 if str(value).strip() == "-1" else memory_limit(value, path)
