"""What every way onto AWS makes: Terraform's module and serverless.yml are both held against this list."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """One alarm; `metric` is the last word of the metric's name."""

    metric: str
    namespace: str
    period: int
    periods: int
    points: int
    comparison: str
    threshold: float
    missing: str
    notifies: bool
    notifies_end: bool


def _counted(metric: str, namespace: str = "AWS/Lambda") -> Alarm:
    return Alarm(
        metric=metric,
        namespace=namespace,
        period=60,
        periods=5,
        points=3,
        comparison="GreaterThanThreshold",
        threshold=0,
        missing="notBreaching",
        notifies=True,
        notifies_end=True,
    )


ALARMS = {
    _counted("Errors"),
    _counted("Throttles"),
    _counted("problems", "PushDispatcher"),
    _counted("TargetErrorCount", "AWS/Scheduler"),
    _counted("ApproximateNumberOfMessagesVisible", "AWS/SQS"),
    Alarm(
        metric="InvocationAttemptCount",
        namespace="AWS/Scheduler",
        period=600,
        periods=1,
        points=1,
        comparison="LessThanThreshold",
        threshold=1,
        missing="breaching",
        notifies=True,
        notifies_end=True,
    ),
}

TABLE = {"encrypted": True, "deletion_protection": True, "point_in_time_recovery": True, "time_to_live": "expires_at"}
QUEUE = {"encrypted": True, "seconds": 1_209_600}
DEAD_LETTERS_OF = {"schedule", "invocations", "task state changes"}
"""Whose failures the queue keeps."""
FILTER = '?"pool.problem" ?"pool.not_invoked"'
LOG_DAYS = 30
