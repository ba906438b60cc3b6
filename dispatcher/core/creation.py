"""What the runs of schedules and of automations copy from their deployment. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from dispatcher.core.notifications import at_creation
from dispatcher.models import Deployment, Hook, Share


def copied(
    deployment: Deployment,
    due_at: datetime,
    hooks: Sequence[Hook],
    priority: int | None = None,
    share: Share = Share.STRICT,
) -> dict[str, Any]:
    """The fields of a run of the deployment that is due at `due_at`. `hooks` are the hooks of its pool, `share` is the share of
    its queue. Without a `priority`, the run has the deployment's.
    """
    return {
        "pool": deployment.pool,
        "queue": deployment.queue,
        "deployment": deployment.name,
        "retry": deployment.retry,
        "due_at": due_at,
        "expires_at": due_at + deployment.expires_after if deployment.expires_after else None,
        "lane": deployment.lane_at(priority, share),
        **at_creation((*hooks, *deployment.hooks), due_at),
    }
