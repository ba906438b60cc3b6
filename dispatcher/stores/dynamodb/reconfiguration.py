"""A change of many pools and deployments: one transaction where it holds them, otherwise several, one on the other.

A transaction holds 100 items and some 4 MB. A pool takes three items and one for each queue that comes or goes, a deployment
takes one, and each queue that deployments name is looked at. So 5 pools with 20 queues and 50 deployments are one transaction,
and all or nothing.

What is bigger goes in parts: pools first, then deployments, last what is to go. What is guaranteed then:

* Each part is all or nothing, and leaves a configuration that ticks can use: a deployment's queue is there before it.
* The parts are a chain: each is written on the condition that nobody changed a pool or a deployment since the part before it.
  Somebody who does breaks the chain: `Conflict`, which says how many parts were written.
* After that, or after a crash, the parts that were written stay. The next plan shows what is left, and applying it goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from dispatcher.errors import Conflict
from dispatcher.store import Reconfiguration
from dispatcher.stores import refusals
from dispatcher.stores.dynamodb import keys
from dispatcher.stores.dynamodb.changes import MAX_ACTIONS, MAX_TRANSACTION_BYTES, Action, Actions
from dispatcher.stores.dynamodb.deployments import Deployments
from dispatcher.stores.dynamodb.items import plain, size
from dispatcher.stores.dynamodb.keys import Key
from dispatcher.stores.dynamodb.pools import Pools, changed
from dispatcher.stores.dynamodb.requests import Table
from dispatcher.stores.dynamodb.sweeping import sweep

Step = Callable[[str], Actions]
"""What changes one pool or deployment under a token, as the table is now. Raises what the store's verb raises."""


def reconfigure(table: Table, pools: Pools, deployments: Deployments, change: Reconfiguration) -> None:
    """See `Store.reconfigure`."""
    revision = _revision(table)
    _expect(pools, deployments, change)
    parts = list(_parts(_steps(pools, deployments, change)))
    for number, part in enumerate(parts):
        try:
            revision = _carry_out(table, part, revision)
        except Conflict as problem:
            if number == 0:
                raise
            raise Conflict(f"{problem}; {number} of {len(parts)} parts were written, and stay") from None
    for name in change.pools_gone:
        sweep(table, name)


def _revision(table: Table) -> str:
    """The token of the last change; empty where there was none yet."""
    found = table.items([keys.CONFIGURATION]).get(keys.CONFIGURATION)
    return plain(found["changed"]) if found else ""


def _expect(pools: Pools, deployments: Deployments, change: Reconfiguration) -> None:
    read = change.pools_read, change.deployments_read
    if read != tuple({each.name: each.version for each in nouns} for nouns in (pools.all(), deployments.all(None))):
        raise refusals.configuration_changed()


def _steps(pools: Pools, deployments: Deployments, change: Reconfiguration) -> Iterator[Step]:
    for pool in change.pools:
        yield partial(_second, pools.saving, pool, change.pools_read.get(pool.name))
    for deployment in change.deployments:
        yield partial(_second, deployments.saving, deployment, change.deployments_read.get(deployment.name))
    for name in change.deployments_gone:
        yield partial(_leaving, deployments, name)
    for name in change.pools_gone:
        yield partial(pools.leaving, name, change.pools_read[name])


def _leaving(deployments: Deployments, name: str, _token: str) -> Actions:
    return deployments.leaving(name)


def _second(saving: Callable[..., tuple[object, Actions]], *arguments: object) -> Actions:
    return saving(*arguments)[1]


def _parts(steps: Iterator[Step]) -> Iterator[Sequence[Step]]:
    """The steps in order, cut into what one transaction holds."""
    part: list[Step] = []
    actions: Actions = {}
    for step in steps:
        more = _merged(actions, step(""))
        if part and (len(more) >= MAX_ACTIONS or sum(map(_weight, more.values())) > MAX_TRANSACTION_BYTES):
            yield part
            part, more = [], step("")
        part.append(step)
        actions = more
    if part:
        yield part


def _carry_out(table: Table, part: Sequence[Step], revision: str) -> str:
    """One transaction; the answer is its token, on which the next one builds."""
    for _ in table.rounds("the configuration was not changed"):
        token = table.new_token()
        actions = changed(token, revision)
        for step in part:
            actions = _merged(actions, step(token))
        refused = table.transact(actions, token)
        if not refused:
            return token
        if keys.CONFIGURATION in refused:
            raise refusals.configuration_changed()
        for key in refused:
            _refuse_missing_door(key, actions[key])
    raise AssertionError  # the rounds end by an error


def _merged(actions: Actions, more: Actions) -> Actions:
    """Both; of a queue's door that is looked at and made, or closed, in one transaction, only what changes it."""
    for key, (kind, _) in more.items():
        if kind == "ConditionCheck" and key in actions and actions[key][0] == "Delete":
            raise _no_queue(key)
    writes = {key: action for key, action in more.items() if action[0] != "ConditionCheck"}
    return {**more, **actions, **writes}


def _refuse_missing_door(key: Key, action: Action) -> None:
    if action[0] == "ConditionCheck":
        raise _no_queue(key)


def _no_queue(door: Key) -> Exception:
    return refusals.no_queue(door[0].partition("/")[2], door[1].partition("/")[2])


def _weight(action: Action) -> int:
    return size(action[1].get("Item", {})) + 1000
