"""The one suite that decides whether a store is supported.

To have another store judged, add its factory to `tests.stores.factories`: this suite and the differential test run on it.
"""

from tests.stores.conformance_automations import Automating, Automations
from tests.stores.conformance_claims import Grants, Snapshots, Takeovers, WholeTicks
from tests.stores.conformance_deployment_shares import DeploymentShares
from tests.stores.conformance_lanes import Expiry, Lanes
from tests.stores.conformance_listing import Listing
from tests.stores.conformance_log import Log
from tests.stores.conformance_looks import Looks
from tests.stores.conformance_moving import Moving
from tests.stores.conformance_notifications import Notifications
from tests.stores.conformance_pools import Deployments, Pools, QueuesAndDeletion
from tests.stores.conformance_priorities import Priorities
from tests.stores.conformance_reconfiguration import Reconfigurations
from tests.stores.conformance_requeue import Requeues
from tests.stores.conformance_runs import LiveAndLingering, Moves, Runs
from tests.stores.conformance_schedules import Attempts, Pruning, Schedules
from tests.stores.conformance_shares import FairShares
from tests.stores.conformance_ticks import TicksOfTheHour
from tests.stores.conformance_work import Work

SUITE = (
    Pools,
    QueuesAndDeletion,
    Deployments,
    Reconfigurations,
    Runs,
    Listing,
    Moves,
    Requeues,
    LiveAndLingering,
    Looks,
    Snapshots,
    Grants,
    FairShares,
    DeploymentShares,
    Takeovers,
    WholeTicks,
    Moving,
    Log,
    Schedules,
    Attempts,
    Pruning,
    Notifications,
    Automations,
    Automating,
    Work,
    TicksOfTheHour,
    Lanes,
    Priorities,
    Expiry,
)
"""Classes of tests, each written against a fixture `store` that gives a fresh and empty one."""
