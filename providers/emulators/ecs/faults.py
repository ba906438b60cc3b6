"""The shared faults, in ECS's own form."""

from __future__ import annotations

from providers.emulators.ecs import errors
from providers.emulators.ecs.errors import EcsError
from providers.emulators.faults import FaultKind, InjectedFault
from providers.emulators.jobs import EndCause, Ending

NO_CAPACITY = "Capacity is unavailable at this time. Please try again later or in a different availability zone"
"""The reason of a failure without free capacity."""

TOO_MANY_REVISIONS = "ClientException: Too many concurrent attempts to create a new revision of the specified family."
"""The detail that refuses RegisterTaskDefinition as if two callers registered one family concurrently."""

PULL_FAILED = "TaskFailedToStart: CannotPullContainerError: pull image manifest has been retried 5 time(s): i/o timeout"
"""The detail with which a fault of `Task` ends a task before it runs."""


def refusal(fault: InjectedFault) -> EcsError:
    """The answer to a call that is refused, throttled or failed."""
    match fault.kind:
        case FaultKind.THROTTLE if fault.detail == "network":
            return errors.throttled_by_network("subnet-0123456789abcdef0")
        case FaultKind.THROTTLE:
            return errors.from_detail(fault.detail, errors.throttled())
        case FaultKind.REFUSE:
            return errors.from_detail(
                fault.detail, EcsError("AccessDeniedException", "You are not authorized to perform this action.")
            )
        case _:
            return errors.server_error()


def ending(fault: InjectedFault | None) -> Ending | None:
    """The end of a task for a fault of `Task`: `StopCode: reason`."""
    if fault is None:
        return None
    code, _, reason = (fault.detail or PULL_FAILED).partition(":")
    cause = EndCause.NOT_STARTED if code == "TaskFailedToStart" else EndCause.TAKEN
    return Ending(cause=cause, code=code, reason=reason.strip())
