"""The public Python API. The command line and the functions are thin layers over it.

    from dispatcher.client import Dispatcher

    dispatcher = Dispatcher.from_environment()    # the store of DISPATCHER_STORE, as on the command line
    dispatcher.create_work_pool("nightly", type="process", concurrency_limit=2)
    dispatcher.create_run(pool="nightly", job_variables={"command": "echo hello"})

Everything is checked here, when it is saved, so that a tick checks nothing. The provider checks the jobs that will be made.
A refusal raises an error of `dispatcher.errors` and changes nothing. A value that is accepted but has no effect is reported as
a warning: `Dispatcher(store, warn=print)`.
"""

import os
from collections.abc import Mapping
from typing import Any, Self

from dispatcher.client.arguments import UNSET, default_base_job_template
from dispatcher.client.checks import calendar_days, configuration_schema, length_of_time, read_retry, recurrence_fields
from dispatcher.client.configuration import Plan
from dispatcher.client.functions import Functions
from dispatcher.client.jobs import Warn, log_warning
from dispatcher.client.pictures import Lane, PoolPicture, PoolPlan
from dispatcher.client.pools import PoolView, Upcoming
from dispatcher.client.previews import JobPreview
from dispatcher.client.simulations import Simulation, SlotsOverTime
from dispatcher.client.versions import VersionChanged
from dispatcher.environment.settings import Settings
from dispatcher.stores.opening import open_store
from dispatcher.waking import from_setting


class Dispatcher(Functions):
    """Everything that people do with pools, queues, deployments and runs: create, change, run, cancel, explain."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None, *, warn: Warn = log_warning) -> Self:
        """A dispatcher with the store that the settings name, as the command line and the functions use it.

        Raises `SettingsError` for a setting that is wrong, `StoreError` where the store cannot be opened.
        """
        settings = Settings.from_environment(os.environ if environment is None else environment)
        ports: dict[str, Any] = {
            "heartbeat": settings.heartbeat,
            "wake": from_setting(settings.wake),
            "history": settings.history,
        }
        return cls(open_store(settings.store), warn=warn, **ports)


__all__ = [
    "UNSET",
    "Dispatcher",
    "JobPreview",
    "Lane",
    "Plan",
    "PoolPicture",
    "PoolPlan",
    "PoolView",
    "Simulation",
    "SlotsOverTime",
    "Upcoming",
    "VersionChanged",
    "calendar_days",
    "configuration_schema",
    "default_base_job_template",
    "length_of_time",
    "read_retry",
    "recurrence_fields",
]
