"""AWS ECS: rendered jobs become tasks, one RunTask call each.

    place, needs                            pure: where a task goes, how much it takes, how it is found again
    launch, definition, blueprint, request  pure: a rendered configuration becomes RegisterTaskDefinition and RunTask parameters
    shapes, rules, checking                 pure: the types of the API, and what is wrong with a configuration or has no effect
    outcomes, answers, observation, events  pure: what AWS answered or reported becomes an outcome or an observation
    service, clients, sdk                   the seam to AWS: every call bounded, every error read once
    preparation, lookup, provider           the calls of one submission, of one look-up, of the protocol

Importing this package loads no part of the SDK; the first call does.
"""

from providers.ecs.provider import EcsProvider

__all__ = ["EcsProvider"]
