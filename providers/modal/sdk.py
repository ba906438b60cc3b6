"""The SDK, imported on first use."""

from __future__ import annotations

import os
from typing import Any

from providers.base import ProviderUnavailable

HINT = "the modal provider needs the Modal SDK: pip install 'push-dispatcher[modal]'"


def load() -> Any:
    """The package `modal`, set to tell of a throttle at once. Raises `ProviderUnavailable` when it is not installed.

    Without `MODAL_MAX_THROTTLE_WAIT` the SDK waits inside the call, without limit, for as long as it is throttled; a value that
    is set already stays.
    """
    os.environ.setdefault("MODAL_MAX_THROTTLE_WAIT", "0")
    try:
        import modal  # noqa: PLC0415 - a function that pushes elsewhere must not pay for it
    except ModuleNotFoundError as problem:
        raise ProviderUnavailable(f"{HINT} (missing: {problem.name})") from None
    return modal
