"""What people do: the public Python API, which the CLI and the functions are thin over.

    from dispatcher.client import Dispatcher
    from dispatcher.stores.sqlite import SqliteStore

    dispatcher = Dispatcher(SqliteStore("dispatcher.db"))
    dispatcher.create_work_pool("nightly", type="process", concurrency_limit=2)
    dispatcher.create_run(pool="nightly", job_variables={"command": "echo hello"})

Everything is checked here, at the door, so that a tick checks nothing; the provider is asked about the jobs that will be made.
Every refusal is an error of `dispatcher.errors`, and what is refused changes nothing. What is accepted and has no effect is
told as a warning: `Dispatcher(store, warn=print)`.
"""

from dispatcher.client.configuration import Configurations, Plan
from dispatcher.client.door import configuration_schema, length_of_time, read_retry
from dispatcher.client.pools import PoolView, Upcoming
from dispatcher.client.questions import UNSET, default_base_job_template


class Dispatcher(Configurations):
    """Create, change, run, cancel, explain: everything that people do with pools, queues, deployments and runs."""


__all__ = [
    "UNSET",
    "Dispatcher",
    "Plan",
    "PoolView",
    "Upcoming",
    "configuration_schema",
    "default_base_job_template",
    "length_of_time",
    "read_retry",
]
