"""The AWS SDK's data files (models, endpoints), each read once in a process. The SDK is not imported.

The SDK reads JSON into `OrderedDict`, which takes twice the time and memory of a dictionary and has the same order.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from providers.once import Once

_OPENERS: Mapping[str, Callable[..., Any]] = {".json": open, ".json.gz": gzip.open}
_read: Once[str, Any] = Once()


def exists(path: str) -> bool:
    """Whether a file exists at this path, which has no suffix."""
    return any(os.path.isfile(path + suffix) for suffix in _OPENERS)


def content(path: str) -> Any:
    """The content of the file at this path without a suffix; None if there is none. Callers share it and must not change it."""
    return _read.get(path, lambda: _content(path)) if exists(path) else None


def sdk_model(service: str) -> Mapping[str, Any] | None:
    """The newest published model of a service; None where the SDK is not installed."""
    path = next(_model_paths(service), None)
    model: Mapping[str, Any] | None = content(path) if path else None
    return model


def _model_paths(service: str) -> Iterator[str]:
    package = find_spec("botocore")
    for place in (package.submodule_search_locations or ()) if package else ():
        for folder in sorted(Path(place, "data", service).glob("*"), reverse=True):
            if exists(path := str(folder / "service-2")):
                yield path


def _content(path: str) -> Any:
    suffix = next(suffix for suffix in _OPENERS if os.path.isfile(path + suffix))
    with _OPENERS[suffix](path + suffix, "rb") as file:
        read = json.loads(file.read())
    for shape in read.get("shapes", {}).values():
        for described in (shape, *shape.get("members", {}).values()):
            described.pop("documentation", None)  # two thirds of a model, and nobody reads it
    return read
