"""The nouns: work pools, work queues, deployments, runs and their states.

Plain frozen dataclasses, so that a tick can use them without a validation library. The constraints in the annotations are
read by `dispatcher.validation` alone, when something is saved; inside, a value is trusted. All times are aware and UTC.
"""

from __future__ import annotations

from dispatcher.models.deployments import (
    LONGEST_EXPIRY,
    CatchUp,
    Deployment,
    OnCollision,
    RetryPolicy,
    Schedule,
    WhenRepeated,
    WhenSkipped,
)
from dispatcher.models.log import Actor, LogEntry
from dispatcher.models.naming import (
    DEFAULT_QUEUE,
    FORBIDDEN_IN_NAMES,
    MAX_INTEGER,
    Limit,
    Name,
    Owner,
    Priority,
    Weight,
    is_name,
)
from dispatcher.models.pools import HoldKind, Hook, Mirror, PoolHold, Share, WorkPool, WorkQueue
from dispatcher.models.runs import (
    MAX_PAST,
    PINNED_BY_CREATION,
    Attempt,
    PinnedJob,
    Run,
    RunFields,
    RunRequest,
    parse_submission_name,
    submission_name,
)
from dispatcher.models.states import SLOT_STATES, TERMINAL_STATES, RunState, Status

__all__ = [
    "DEFAULT_QUEUE",
    "FORBIDDEN_IN_NAMES",
    "LONGEST_EXPIRY",
    "MAX_INTEGER",
    "MAX_PAST",
    "PINNED_BY_CREATION",
    "SLOT_STATES",
    "TERMINAL_STATES",
    "Actor",
    "Attempt",
    "CatchUp",
    "Deployment",
    "HoldKind",
    "Hook",
    "Limit",
    "LogEntry",
    "Mirror",
    "Name",
    "OnCollision",
    "Owner",
    "PinnedJob",
    "PoolHold",
    "Priority",
    "RetryPolicy",
    "Run",
    "RunFields",
    "RunRequest",
    "RunState",
    "Schedule",
    "Share",
    "Status",
    "Weight",
    "WhenRepeated",
    "WhenSkipped",
    "WorkPool",
    "WorkQueue",
    "is_name",
    "parse_submission_name",
    "submission_name",
]
