"""A job's place and size, from its configuration alone; a tick computes this for every due run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from providers.base import Needs
from providers.modal.request import gpu_of, number, place_of, whole

DEFAULT_CPU, DEFAULT_MEMORY = 0.125, 128
"""The default physical cores and MiB of a Modal sandbox: https://modal.com/docs/guide/resources"""


def needs(configuration: Mapping[str, Any]) -> Needs:
    """The place is (credentials, environment); empty for the host's own credentials and the token's default environment.

    The sizes are cores, MiB, and GPUs by their kind (`gpu H100`): one kind may be scarce and another not. Raises
    `ConfigurationError`.
    """
    place = place_of(configuration)
    size: dict[str, float] = {
        "cpu": number(configuration, "cpu") or DEFAULT_CPU,
        "memory": whole(configuration, "memory", 1, None) or DEFAULT_MEMORY,
    }
    if gpu := gpu_of(configuration):
        kind, count = gpu
        size[f"gpu {kind}"] = count
    return Needs(place=(place.credentials or "", place.environment or ""), size=size)
