"""Azure Container Instances: rendered jobs become container groups, one PUT each.

    values, expressions, container,  pure: a rendered configuration becomes the body of a PUT
    group, secret_values, tags
    needs, checking                  pure: where a job goes and what it takes; what is wrong with a configuration
    answers, states                  pure: an answer of Azure becomes an outcome or an observation
    place, entries                   where a job lives, and with which identity it is reached
    arm, identity                    what calls Azure; the only modules that import its SDK
    connections, timing, observing,  the rest
    provider

Importing this package loads no part of the SDK; the first call does.
"""

from providers.container_instance.provider import ContainerInstanceProvider

__all__ = ["ContainerInstanceProvider"]
