"""AWS ECS: rendered jobs become tasks, one RunTask call each.

    place, needs                            pure: a task's place and size, and how it is found again
    launch, definition, blueprint, request  pure: a rendered configuration becomes RegisterTaskDefinition and RunTask parameters
    shapes, rules, checking                 pure: the types of the API; faults and settings without effect
    outcomes, answers, observation, events  pure: an answer or event of AWS becomes an outcome or an observation
    service, clients, sdk                   the interface to AWS: every call is bounded, every error is read once
    preparation, lookup, provider           the calls of a submission, of a look-up, and of the protocol

Importing this package loads no part of the SDK; the first call does.
"""

from providers.ecs.provider import EcsProvider

__all__ = ["EcsProvider"]
