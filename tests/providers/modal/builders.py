"""Jobs for Modal."""

from __future__ import annotations

from providers.base import Job


def a_job(number=1, *, attempt=1, environment=None, labels=None, **configuration):
    return Job(
        name=f"r{number:032x}-{attempt}",
        configuration={"command": "python job.py", "image": "python:3.12-slim", "timeout": 600, **configuration},
        environment=environment or {},
        labels=labels or {},
    )
