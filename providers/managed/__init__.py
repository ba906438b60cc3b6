"""Managed pools: authors say what to run, the platform team has said where.

    setting     `DISPATCHER_MANAGED`: the pool type behind, its job variables, the maxima
    vocabulary  what authors give, in one vocabulary, checked and bounded
    sizes       CPUs and memory in the steps that a platform has, rounded up
    mapping     the vocabulary becomes the variables of the pool type behind, and these its job configuration
    wrapping    a command that installs packages first, or has a time limit, where the platform has neither
    checking    what can be said of a configuration without a call
    provider    delegates every call to the provider behind

No SDK is imported but that of the pool type behind. README.md says what becomes what.
"""

from providers.managed.provider import ManagedProvider

__all__ = ["ManagedProvider"]
