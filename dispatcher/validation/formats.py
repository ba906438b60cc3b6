"""The formats of `dispatcher.core.formats`, and `regex`, which takes a library: a pattern that `regex` compiles."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dispatcher.core import formats
from dispatcher.validation.bounds import is_pattern

FORMATS: Mapping[str, Callable[[str], bool]] = {**formats.FORMATS, "regex": is_pattern}
"""By name: whether a text has the format."""


def has_format(name: object, value: object) -> bool:
    """See `dispatcher.core.formats.has_format`."""
    return formats.has_format(name, value, FORMATS)
