"""Labels become tags, shortened and cleaned to fit Azure's rules, plus a tag of our own by which a sweep finds groups.

https://learn.microsoft.com/azure/azure-resource-manager/management/tag-resources#limitations
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from providers.base import Job
from providers.values import named_texts, optional_text

OWN_TAG = "push-dispatcher-job"
"""Holds the job's name. A group with another name in it (a copy) is not ours."""
KEEP_TAG = "push-dispatcher-keep"
ENDED_TAG = "push-dispatcher-ended"
"""Marks a group that was stopped because its main container had ended: that container's end is the job's."""
REPAIR_TAG = "push-dispatcher-repair-since"
"""When an observation first found Azure repairing the group, as an ISO time."""
MAX_TAGS, MAX_KEY, MAX_VALUE = 50, 512, 256
KEPT_FREE = 2
"""The number of tags that are reserved for observations."""
_FORBIDDEN = re.compile(r"[<>%&\\?/\x00-\x1f]")


def tags_of(job: Job, tags: Mapping[str, Any], *, keep: bool) -> dict[str, str]:
    """The group's tags: ours, then the dispatcher's labels, the configuration's, and those of the template."""
    own = {OWN_TAG: job.name} | ({KEEP_TAG: "true"} if keep else {})
    name = optional_text(job.configuration.get("name"), "name")
    labels = named_texts(job.configuration.get("labels"), "labels")
    sources = (own, job.labels, labels, {"name": name} if name else {}, named_texts(tags, "arm_template.resources[0].tags"))
    chosen: dict[str, tuple[str, str]] = {}
    for source in sources:
        for label in sorted(source):
            key = _FORBIDDEN.sub("-", label).strip()[:MAX_KEY]
            if key and len(chosen) < MAX_TAGS - KEPT_FREE:
                chosen.setdefault(key.lower(), (key, source[label][:MAX_VALUE]))  # Azure ignores the case of a name
    return dict(chosen.values())
