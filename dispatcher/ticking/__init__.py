"""One tick: a straight line through which the data flows once.

    line         the order of the steps, for one pool and for all of them
    pools        which pools have something to do, and which are ticked side by side
    observing    observe the live jobs, settle their runs, stop the jobs of runs in CANCELLING
    submitting   claim what is due, submit it, record the answers
    windows      materialise: windows of schedules become runs
    tidying      discard what ended jobs left behind, prune old history
    notifying    the last step: notifications to hooks
    settling     one run by itself, when its platform reports that something became of its job
    sourcing     what is asked of a source of runs (a Prefect server), where there is one
    pool_tick    what the steps of one pool's tick share
    holding      which runs a refusal keeps back, in this tick and later ones
    run_events   the log events of runs
    seam         where an exception of a provider, a store or a schedule becomes its pool's problem
    calls        provider calls on threads, paced, never begun after the deadline
    dispatch     a tick's dependencies and its limits
    report       what a tick did, as data: every entry point returns it

All cleverness is in pure functions (`dispatcher.core`); all failure is in two seams, the store and the provider.
"""

from dispatcher.ticking.dispatch import Dispatch, TickLimits
from dispatcher.ticking.line import admit_next, dry_run, tick, tick_all, tick_pool
from dispatcher.ticking.settling import look_at, settle_event

__all__ = ["Dispatch", "TickLimits", "admit_next", "dry_run", "look_at", "settle_event", "tick", "tick_all", "tick_pool"]
