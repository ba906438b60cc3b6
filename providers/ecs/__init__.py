"""AWS ECS: rendered jobs become tasks, one RunTask call each.

    values, place, sizes, tags,     pure: a rendered configuration becomes RegisterTaskDefinition and RunTask parameters
    launch, definition, network,
    groundwork, request
    outcomes, observation, events,  pure: what AWS answered becomes an outcome or an observation
    console
    clients, once, registration,    what calls AWS
    lookup, provider

Importing this package loads no part of the SDK; the first call does.
"""

from providers.ecs.events import from_event
from providers.ecs.provider import EcsProvider

__all__ = ["EcsProvider", "from_event"]
