"""Where a job is put: whose credentials, which region, which cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from providers.base import ConfigurationError
from providers.ecs.values import mapping, name_of

NAMED_IN = frozenset({"name", "region_name", "$ref"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """All that is needed to address a call."""

    credentials: str | None = None
    """The name of an entry of the dispatcher's settings; None is the host's own identity."""
    region: str | None = None
    """None until the client's own region is known."""
    cluster: str | None = None
    """A name or an ARN; None is the account's cluster `default`."""

    @property
    def where(self) -> dict[str, str]:
        """The cluster as a parameter of a call."""
        return {"cluster": self.cluster} if self.cluster else {}


def place_of(configuration: Mapping[str, Any]) -> Place:
    """Read a rendered configuration. Raises `ConfigurationError` naming the field when it is not text, or more than a name."""
    request = mapping(configuration.get("task_run_request"), "task_run_request")
    cluster = name_of(request.get("cluster") or configuration.get("cluster"), "cluster")
    given = configuration.get("aws_credentials")
    return Place(credentials=credentials_name(given), region=_region(given, cluster), cluster=cluster)


def credentials_name(value: Any) -> str | None:
    """The name that `aws_credentials` gives: a text, `{"name": ...}`, or an exported Prefect block reference (by its id)."""
    if value is None or isinstance(value, str):
        return value or None
    given = mapping(value, "aws_credentials")
    if unknown := sorted(set(given) - NAMED_IN):
        raise ConfigurationError(
            f"aws_credentials: has {', '.join(unknown)}; give the name of an entry of the dispatcher's credentials,"
            " keys never stand in a template"
        )
    reference = mapping(given.get("$ref"), "aws_credentials.$ref")
    return name_of(given.get("name") or reference.get("block_document_id"), "aws_credentials.name")


def region_of_arn(arn: str) -> str | None:
    """The region of an ARN; None for a plain name."""
    parts = arn.split(":")
    return parts[3] or None if len(parts) > 5 and parts[0] == "arn" else None


def _region(given: Any, cluster: str | None) -> str | None:
    of_cluster = region_of_arn(cluster) if cluster else None
    named = given.get("region_name") if isinstance(given, Mapping) else None
    return of_cluster or name_of(named, "aws_credentials.region_name")
