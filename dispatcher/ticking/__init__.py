"""One tick: a straight line through which the data flows once.

    line         the order of the steps, for one pool and for all of them
    pool_tick    the steps of one pool: observe, settle, stop, claim, submit, record
    windows      the step that makes runs of the windows of schedules
    tidying      the step that removes what ended jobs left behind, and old history
    notifying    the last step: hooks
    holding      what the provider's refusals keep back, in this tick and later ones
    noting       the events of runs
    seam         where whatever a provider, a store or a schedule raises becomes its pool's problem
    calls        provider calls on threads, paced, never begun after the deadline
    dispatch     what a tick works with, and how much it may do
    report       what a tick did, as data: the answer of every entry point

All cleverness is in pure functions (`dispatcher.core`); all failure is in two seams, the store and the provider.
"""

from dispatcher.ticking.dispatch import Dispatch, TickLimits
from dispatcher.ticking.line import admit_next, dry_run, settle_event, tick, tick_pool

__all__ = ["Dispatch", "TickLimits", "admit_next", "dry_run", "settle_event", "tick", "tick_pool"]
