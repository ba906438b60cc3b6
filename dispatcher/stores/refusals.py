"""The refusals of every store, in the same words for every database."""

from __future__ import annotations

from dispatcher.errors import AlreadyExists, Conflict, NotFound


def no_pool(name: str) -> NotFound:
    """There is no such pool."""
    return NotFound(f"no work pool named {name!r}")


def no_queue(pool: str, queue: str) -> NotFound:
    """The pool does not exist, or it has no such queue."""
    return NotFound(f"no work queue named {queue!r} in a work pool named {pool!r}")


def no_deployment(name: str) -> NotFound:
    """There is no such deployment."""
    return NotFound(f"no deployment named {name!r}")


def no_automation(name: str) -> NotFound:
    """There is no such automation."""
    return NotFound(f"no automation named {name!r}")


def automation_exists(name: str) -> AlreadyExists:
    """The automation's name is taken."""
    return AlreadyExists(f"an automation named {name!r} already exists")


def automation_changed(name: str, expected: int, stored: int) -> Conflict:
    """Somebody else changed the automation in between."""
    return Conflict(
        f"automation {name!r} was changed in between (version {expected} became {stored}): read it again and repeat"
    )


def pool_exists(name: str) -> AlreadyExists:
    """The pool's name is taken."""
    return AlreadyExists(f"a work pool named {name!r} already exists")


def deployment_exists(name: str) -> AlreadyExists:
    """The deployment's name is taken."""
    return AlreadyExists(f"a deployment named {name!r} already exists")


def pool_changed(name: str, expected: int, stored: int) -> Conflict:
    """Somebody else changed the pool in between."""
    return Conflict(f"work pool {name!r} was changed in between (version {expected} became {stored}): read it again and repeat")


def deployment_changed(name: str, expected: int, stored: int) -> Conflict:
    """Somebody else changed the deployment in between."""
    return Conflict(
        f"deployment {name!r} was changed in between (version {expected} became {stored}): read it again and repeat"
    )


def configuration_changed(subject: str = "") -> Conflict:
    """Somebody else changed something after it was read for a change of many nouns."""
    detail = f" ({subject})" if subject else ""
    return Conflict(f"the stored configuration was changed in between{detail}: plan again, and apply the new plan")


def pool_busy(name: str) -> Conflict:
    """The pool cannot be deleted yet."""
    return Conflict(f"work pool {name!r} has runs that have not ended: cancel them first, or wait for their ends")


def queue_busy(pool: str, queue: str) -> Conflict:
    """The queue cannot be deleted yet."""
    return Conflict(f"work queue {queue!r} of {pool!r} has runs that have not ended: cancel them first, or wait for their ends")
