"""AWS ECS: rendered jobs become tasks, one RunTask call each.

    values, place, sizes, tags,     pure: a rendered configuration becomes RegisterTaskDefinition and RunTask parameters
    launch, definition, network,
    blueprint, request
    keys, shapes, rules, findings,  pure: what is wrong with a configuration, or has no effect; `submit` asks the same
    checking, needs
    outcomes, answers, observation, pure: what AWS answered becomes an outcome or an observation
    events, console
    calls, clients, once, lookup,   what calls AWS
    registration, provider

Importing this package loads no part of the SDK; the first call does.
"""

from providers.ecs.events import from_event
from providers.ecs.provider import EcsProvider

__all__ = ["EcsProvider", "from_event"]
