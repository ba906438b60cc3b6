"""Azure Container Instances: rendered jobs become container groups, one PUT each.

    values, expressions, container,  pure: a rendered configuration becomes the body of a PUT
    group, secret_values, tags
    needs, checking                  pure: a job's place and size; the faults of a configuration
    answers, states                  pure: an answer of Azure becomes an outcome or an observation
    place, entries                   a job's place, and the identity that reaches it
    arm, identity                    the calls to Azure; the only modules that import its SDK
    connections, timing, observing,  the rest
    provider

Importing this package loads no part of the SDK; the first call does.
"""

from providers.container_instance.provider import ContainerInstanceProvider

__all__ = ["ContainerInstanceProvider"]
