"""Cloud SQL instances as a volume of sockets: https://cloud.google.com/sql/docs/postgres/connect-run."""

from __future__ import annotations

import re
from typing import Any

from providers.base import ConfigurationError
from providers.values import mapping, objects, text

VOLUME = "cloudsql"
PATH = "/cloudsql"
"""The directory of the sockets; Cloud Run allows no other."""

_INSTANCE = re.compile(r"[^:\s,]+(:[^:\s,]+){2,3}")  # a project may be `example.com:name`


def instances_of(value: Any, path: str) -> list[str]:
    """Connection names, from a list or a text with commas. Raises `ConfigurationError`."""
    instances = value.split(",") if isinstance(value, str) else value or []
    if not isinstance(instances, list | tuple):
        raise ConfigurationError(f"{path}: give a list of `project:region:instance`, not {value!r:.80}")
    names = [text(item).strip() for item in instances if item not in (None, "")]
    for name in names:
        if not _INSTANCE.fullmatch(name):
            raise ConfigurationError(f"{path}: give `project:region:instance`, not {name!r:.80}")
    return names


def add_instances(task: dict[str, Any], instances: list[str]) -> None:
    """Add a volume with these instances to a task, and mount it in the main container; an existing volume is reused."""
    if not instances:
        return
    volumes = objects(task.get("volumes"), "job_body.template.template.volumes")
    volume = next((item for item in volumes if item.get("name") == VOLUME), None)
    if volume is None:
        volumes.append(volume := {"name": VOLUME, "cloudSqlInstance": {}})
    if "cloudSqlInstance" not in volume:
        raise ConfigurationError(f"cloudsql_instances: the volume {VOLUME!r} of the job body is of another kind; rename it")
    held = mapping(volume["cloudSqlInstance"], "job_body.template.template.volumes: cloudSqlInstance")
    mounted = instances_of(held.get("instances"), "job_body.template.template.volumes: cloudSqlInstance.instances")
    volume["cloudSqlInstance"] = {**held, "instances": list(dict.fromkeys([*mounted, *instances]))}
    task["volumes"] = volumes
    main = task["containers"][0]
    mounts = objects(main.get("volumeMounts"), "job_body.template.template.containers[0].volumeMounts")
    if not any(mount.get("name") == VOLUME for mount in mounts):
        mounts.append({"name": VOLUME, "mountPath": PATH})
    main["volumeMounts"] = mounts
