"""Managed pools: authors define what runs, and the platform team defines where.

    setting     `DISPATCHER_MANAGED`: the pool type behind, its job variables, the limits
    vocabulary  the authors' settings, in one vocabulary, checked and limited
    sizes       CPUs and memory, rounded up to the sizes that a platform offers
    mapping     the vocabulary becomes variables of the pool type behind, which fill its job configuration
    wrapping    a command that installs packages first or has a time limit, if the platform offers neither
    checking    checks of a configuration without a call
    provider    delegates every call to the provider behind

Only the SDK of the pool type behind is imported. README.md documents the mapping.
"""

from providers.managed.provider import ManagedProvider

__all__ = ["ManagedProvider"]
