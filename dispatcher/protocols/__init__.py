"""The Store protocol: the guarantees of each method, for every database.

    TickStore      what a tick needs
    PeopleStore    what people need: the client, the command line, the page
    MovingStore    what a move to another store needs
    SharedStore    what all of them do
    Store          all of them: what a database implements

`source` holds the other protocol: `Source`, a system elsewhere that keeps and shows runs.

Code that needs one part names this part as its type.

A store decides nothing. It reads, passes what it read to a pure function, and writes that function's result, guarded by the
state and fence that were read. One conformance suite (`tests/stores/conformance.py`) says whether a store
is supported.

What every store guarantees:

* **Claims of one pool are serial**: between the reading of the slots and the writing of the claim, no other claim of that
  pool and no change of the pool takes place.
* **Slots are counted from runs**: a run holds a slot exactly while its state is PENDING, RUNNING or CANCELLING. No
  other record of it could differ from that.
* **A move happens once**: it is applied only to a run in the state, with the fence and with the `ending` that the move names.
* **Live runs of a deployment are counted from runs** of its pool, like slots. A snapshot names the lanes in which runs are due;
  a lane is read when it is asked for.
* **A window becomes one run**: the runs of a deployment's windows are added in the transaction that notes how far the schedules
  have come, if nobody has changed the deployment or made runs of it since it was read.
* **An end that automations look at is owed**: whatever moves a run to a terminal state, its `automate_at` is set in the same
  step if an automation looks at such ends (`dispatcher.core.automations.Watch`), and taken back by `automate` alone.
* **Costs depend on what is admitted**: `claim`, `live` and `lingering` read a bounded number of rows through an index, however
  many runs wait.
* A method whose answer was lost may have taken effect; repeating it is always safe.

Every method may raise `StoreUnavailable`. It raises nothing else but what its docstring names.
"""

from __future__ import annotations

from typing import Protocol

from dispatcher.protocols.moving import MovingStore
from dispatcher.protocols.people import PeopleStore
from dispatcher.protocols.shared import SharedStore
from dispatcher.protocols.ticks import TickStore

__all__ = ["MovingStore", "PeopleStore", "SharedStore", "Store", "TickStore"]


class Store(TickStore, PeopleStore, MovingStore, Protocol):
    """The state that all invocations share. An instance is used by one thread at a time."""
