"""ECS's request rates as token buckets, for tests that need the throttling of a real account.

https://docs.aws.amazon.com/AmazonECS/latest/APIReference/request-throttling.html and
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/throttling.html
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from providers.base import Rate

LAUNCH_CALLS = "fargate-run-task"
LAUNCHES = "fargate-launches"
CHANGES = "cluster-resource-modify"
READS = "cluster-resource-read"

RATES = {
    LAUNCH_CALLS: Rate(burst=20, per_second=20),
    LAUNCHES: Rate(burst=100, per_second=20),
    CHANGES: Rate(burst=100, per_second=40),
    READS: Rate(burst=100, per_second=20),
    "definition-modify": Rate(burst=20, per_second=1),
    "definition-read": Rate(burst=50, per_second=20),
    "tag": Rate(burst=20, per_second=10),
}
"""Every bucket of an account and region."""

_BUCKETS = {
    "RunTask": (LAUNCH_CALLS, LAUNCHES, CHANGES),
    "StopTask": (CHANGES,),
    "DescribeTasks": (READS,),
    "ListTasks": (READS,),
    "RegisterTaskDefinition": ("definition-modify",),
    "DeregisterTaskDefinition": ("definition-modify",),
    "DescribeTaskDefinition": ("definition-read",),
    "ListTaskDefinitions": ("definition-read",),
    "ListTaskDefinitionFamilies": ("definition-read",),
    "TagResource": ("tag",),
    "UntagResource": ("tag",),
}


class Rates:
    """The buckets, filled by the emulator's clock. Safe to use from several threads."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._levels: dict[str, float] = {}
        self._filled = 0.0
        self.reset()

    def allow(self, operation: str, launches: int = 1) -> bool:
        """Take a token from every bucket of an operation. If one is empty, takes none and returns False."""
        with self._lock:
            self._fill()
            draws = {bucket: launches if bucket == LAUNCHES else 1 for bucket in _BUCKETS.get(operation, ())}
            if any(self._levels[bucket] < draw for bucket, draw in draws.items()):
                return False
            for bucket, draw in draws.items():
                self._levels[bucket] -= draw
            return True

    def _fill(self) -> None:
        now = self._now()
        for bucket, rate in RATES.items():
            self._levels[bucket] = min(rate.burst, self._levels[bucket] + (now - self._filled) * rate.per_second)
        self._filled = now

    def reset(self) -> None:
        """Fill every bucket."""
        self._levels = {bucket: rate.burst for bucket, rate in RATES.items()}
        self._filled = self._now()
