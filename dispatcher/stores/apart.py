"""Copies that share nothing mutable with their originals. A store in a dictionary accepts and returns only such copies."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import TypeVar

from dispatcher.models import Automation, Deployment, Run, WorkPool

_MUTABLE = (
    "base_job_template",
    "holds",
    "job_variables",
    "parameters",
    "parameter_openapi_schema",
    "job",
    "submission",
    "past",
    "windows_until",
    "applied",
    "then",
    "progress",
)

T = TypeVar("T", Run, WorkPool, Deployment, Automation)


def apart(noun: T) -> T:
    """A copy that shares nothing mutable with the noun."""
    return replace(noun, **{name: deepcopy(getattr(noun, name)) for name in _MUTABLE if hasattr(noun, name)})


def small(run: Run) -> Run:
    """Such a copy of a run, without its long texts."""
    return apart(replace(run, job_variables={}, parameters={}, tags=(), job=None, cause=None, automate_at=None))
