"""Labels become tags, cut and cleaned to the rules of AWS.

https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Tag.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from providers.ecs.values import listed, pairs

MAX_TAGS = 50
MAX_KEY = 128
MAX_VALUE = 256
_FORBIDDEN = re.compile(r"[^\w .:/=+\-@]")
_RESERVED = re.compile(r"^aws:", re.IGNORECASE)


def tags_of(job_labels: Mapping[str, str], configuration: Mapping[str, Any], given: Any) -> list[dict[str, str]]:
    """The tags of a task. The dispatcher's labels win over the configuration's, and those over tags of the request.

    Of more than 50 the first in that order stay.
    """
    chosen: dict[str, str] = {}
    labels = pairs(configuration.get("labels"), "labels")
    for source in (job_labels, labels, pairs(given, "task_run_request.tags", key="key")):
        _add(chosen, source)
    return listed(chosen, key="key")


def _add(chosen: dict[str, str], source: Mapping[str, str]) -> None:
    for label in sorted(source):
        key = clean_key(label)
        if key and key not in chosen and len(chosen) < MAX_TAGS:
            chosen[key] = clean(source[label])[:MAX_VALUE]


def clean(label: str) -> str:
    """`label` with a hyphen in place of everything a tag may not hold, also in the reserved prefix `aws:`."""
    return _RESERVED.sub("aws-", _FORBIDDEN.sub("-", label))


@lru_cache(maxsize=1024)
def clean_key(label: str) -> str:
    """The same for a key, which has a length of its own and no spaces around it."""
    return clean(label.strip()).strip()[:MAX_KEY]
