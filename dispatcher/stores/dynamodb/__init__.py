"""DynamoDB: one table, on demand. An idle table costs only its storage, so this store suits a Lambda function.

The table (`definition.TABLE_DEFINITION`; no name contains `/`, so it separates them):

    item         pk                   sk                  holds
    pool         POOL/<pool>          CONFIG              its configuration: limit, template, queues, `version`
    slots        POOL/<pool>          SLOTS               `used/<queue>` for each queue, `turn`, heartbeat, holds;
                                                          `00` to `59`: the hour of the last tick in that minute
    gate         POOL/<pool>          QUEUE/<queue>       `filled`: the transaction that last let a run begin to wait
    windows      POOL/<pool>          WINDOWS             `at/<deployment>`: when its next window comes near
    lanes        POOL/<pool>          LANES               nothing: it is there once runs of the pool may wait in lanes
    name         POOLS                <pool>              nothing; `leaving` while what a deleted pool left is swept away
    deployment   DEPLOYMENTS          <deployment>        all of it, `revision`, `places`, and `withdrawing` while runs go
    run          RUN/<id>             RUN                 all of it, `revision`, and `expires_at` once it has ended
    entries      DUE/<pool>/<queue>   <due_at>#<id>       SCHEDULED: `not_before` if it is held back, `deployment`, `schedule`
                                                          if a schedule made it and nobody has claimed it
                   the same           lane/<lane>/<due_at>#<id>: of a deployment with a limit or a share, or with a priority
                 EXPIRES/<pool>       <expires_at>#<id>   waits, and expires then
                 CLAIMED/<pool>       <lease_until>#<id>  holds a slot, has no submission
                 LIVE/<pool>          <id>                holds a slot, has a submission: the run without its long texts
                 LINGERS/<pool>       <ended_at>#<id>     ended, and still to be removed: likewise
                 NEWS/<pool>          <notify_at>#<id>    a notification of it is due then, whatever its state
    changed      CONFIGURATION        CONFIGURATION       `changed`: the transaction that last changed a pool or a deployment
    log          LOG/<month>          <newest first>#<id> an entry of the log of changes, `more` of its transaction
    months       LOG                  <month>             nothing: the log has entries of that month
    schema       SCHEMA               SCHEMA              the version of all this
    index        `listing`: runs by pool, newest first, with queue, deployment and state; for `runs`, and nothing else

Why it is correct:

* A run is written whole, on the condition that its `revision` is the one that was read, and in the same transaction as its
  entry, its pool's slots if it takes or gives back one, and its queue's gate if it begins to wait.
* A claim reads the slots item, decides, and writes on the condition that nobody has ended its `turn`. Another claim, a change
  of the pool, or a move that takes a slot ends it. A move that gives a slot back does not: then the claim has only counted one
  slot too many.
* A transaction holds 100 items, which is 33 claimed runs. If more are granted, further transactions follow, each on the turn
  that the one before has left. If another writer comes between, the claim returns the prefix that was written.
* A change of many pools and deployments is one transaction if it fits (see `reconfiguration`), on the condition that nobody has
  changed any of them since all were read: every change of one writes the `changed` item.
* Windows become runs in one transaction. It writes the runs, how far the deployment's schedules have come, and when the
  deployment is due again, on the condition that nobody has written the deployment since it was read (`revision`). One item
  holds these due times for all deployments of a pool. Every transaction that changes such a deployment writes it, so a tick
  reads only this item.
* Runs that are deleted with their schedule may be more than a transaction holds: the change leaves a note in the deployment,
  the runs follow batch by batch, and whoever finds a leftover note finishes the work first (`withdrawing`).
* A queue is deleted only if no run waits in it and no run has passed its gate since that was checked.
* `used/<queue>` never changes by itself; `DynamoStore.check` reads the whole table and says where it contradicts itself.
* Every transaction has a token, which it leaves in the items that it writes. After a lost answer it is sent again: AWS
  recognises the token for ten minutes, and after that the items show that it was carried out.
* Every decision rests on strongly consistent reads. Therefore due runs have entries in the table, not in an index over the
  runs: an index lags, so that a claim could pass over the run whose turn it is (the order is a promise), and a throttled index
  throttles the writes to its table. The entries cost about 10 write units in a run's life (2 for each entry that is put or
  deleted; an index would cost 1).

What it costs, in write units (WRU: a transaction takes 2 for each kB of each item, an index 1) and read units (RRU: 1 for each
4 kB), for runs of up to 1 kB; each further kB adds 2 WRU wherever a run is written (`tests/stores/dynamodb/test_costs.py`).

    verb                          requests                  WRU                                  RRU
    add_runs, n                   1 + n / 49                5 a run (run 2, index 1, entry 2)    1
    claim, n                      3 + n / 100 + n / 33      7.1 a run (run 2, index 1,           5 + 1 a run
                                                            entries 2 + 2, slots 2 / 33)
    claim, nothing to do          3 + 1                     1                                    4 + 1 for each queue with room
    move: submitted               2                         7 (run 2, index 1, entries 2 + 2)    1
    move: seen to run             2                         5 (run 2, index 1, entry 2)          1
    move: ended, n at once        n / 100 + n / 49          5 a run (run 2, index 1, entry 2)    1 + 1 a run (1 is
                                                            and 2 / 49 for the slots             what automations look at)
    scheduled, n due              1, and 1 where one is due 0                                    1 for each 4 kB, and 1 each
    materialise, n runs           2                         5 a run (run 2, index 1, entry 2),   2 + 1 a run
                                                            deployment, windows, gate: 6
    live, n                       1 for each MB             0                                    n / 6
    pools, n                      1 + n / 50                0                                    3 a pool
    pools_with_work, n idle       2, 3 n and 1 a queue      0                                    2, 3 a pool and 1 a queue
    heartbeats, n                 1 + n / 100               2 a pool                             1
    counts, ahead                 2 a queue                 0                                    what waits / 30
    runs, search: a page          2                         0                                    1 a run
      of a pool, and of a time    2                         0                                    1 a run: a range of the index
      of states that hold a slot  3                         0                                    1 a run, and live / 6
      of a queue, a deployment,   1 more after 1, 5, 21     0                                    1 a run, and 1 for each 30 that
      other states                .. times the page                                              are passed over
        in a search               11 at most                                                     20,000 entries: 670
      of a tag or a name          1 for each 100 runs       0                                    1 for each that is passed over
        in a search               14 at most                                                     1,000 runs at most
    tally: a step of a count      4 at most                 0                                    20,000 entries: 670
      of a tag or a name          14 at most                0                                    1,000 runs at most
    cancel n that wait (`bulk`)   13 for each 200           5 a run (run 2, index 1, entry 2),   2 a run, and 1 for each 30
                                                            2 for each 49 (the log)              that are passed over
      the count before it         1 for each 5,000 and      0                                    n / 30
                                  state
      of a tag or a name          16 for each 200           the same                             3 a run, and 1 in the count
    save_pool, n queues changed   2 to 4                    6 + 2 n and the template             3
    save_deployment               2                         6 (it, gate, `changed`); 2 for the   1
                                                            windows, when it is due otherwise
    with n runs that go           5 + n / 24 and 4 a queue  5 a run, and 4 for each 24           3 + 1 a run, entries / 30 twice

To cancel 10,000 waiting runs by a tag takes 940 requests, 50,500 WRU and 37,000 RRU, 10,400 of these for the count before it:
4 cents (`tests/stores/dynamodb/test_bulk.py`).

Pages are read from the index along a pool's runs, newest first. Queue, deployment and state are conditions on its entries, so
that entries are read and passed over. So each request says how many entries it may look at: at first as many as the page shows,
then four times as many each time, 5,000 at most (the megabyte of a Query). A search, and thus a step of `bulk`, ends after
20,000 entries, and one by a tag or a name, which no entry has, after 1,000 runs that it has read; a cursor goes on from there.
Without a pool, it begins with such a request for each pool.

In a pool whose runs may wait in lanes, a claim makes two more requests for each queue and each lane in which runs are due, and
one that reads the entries of the pool's live runs (6 of them for one RRU). An entry of a run that expires takes 2 WRU. A slots
item has 0.6 kB with one queue, 0.4 kB of it the minutes of the last ticks. With more than 25 queues, or three holds, it has
more than 1 kB: each write of it takes 2 WRU more, and a heartbeat of one pool 1. After a pause, a claim reads one more run for
each schedule with `catch_up: last` whose runs were due in the pause (24 at most). An entry of the log is an item in the
transaction of its change, at 2 WRU for each kB. Work on many runs writes it again for every 49 runs. A page of the log takes 1
RRU for each 4 kB that it reads, entries that do not match included.

A notification takes an entry of 2 WRU, and another 2 WRU when it was delivered or a late run is claimed. A run that is added,
claimed, submitted, seen to run and seen to end costs some 30 WRU and 5 RRU: at $0.625 and $0.125 for a million, $20 for a
million runs. The cost does not depend on how many runs wait. Runs that are held back (`not_before`) and come first in their
queue are read and passed over, 30 of them for one RRU.

Runs of a schedule that is changed or deleted, and all runs of a deployment that is deleted, are looked for in the queues that
the deployment has had since it first had a schedule (`places`). If these are more than ten, a change looks into each of them,
and forgets those without such a run: `entries / 30` RRU and 2 to 4 requests for each, which ticks never pay. So a deployment
takes all these runs with it, and one that is created later under its name begins without any.

What breaks first:

* 1 thousand runs a day: nothing; $0.60 a month.
* A pool with many deployments that have schedules: whenever windows of one become runs, the item of windows takes 2 WRU for
  each 25 deployments. With 500, that is more than the run costs; 400 kB hold some thousands. Divide them among more pools,
  which share nothing.
* 100 thousand (1.2 a second; $60 a month): nothing in the table. Ends that come as single events meet at the slots item of
  their pool: from some tens a second in one pool on, transactions conflict and are repeated. A tick settles up to 49 in one.
* A thousand pools, most of them idle: each tick looks into each of them, with four requests or more, and into eight pools at a
  time: some 3 seconds. With one queue each and a tick a minute, that and their heartbeats cost $75 a month; a single idle pool
  costs $0.09 (7 RRU and 2 WRU a tick). One query could name the pools with work only if all writes noted it in one partition: 2
  WRU more for each of them, and 1,000 WRU a second for all pools together. Ticks that each name some of the pools share
  nothing.
* 1 million (12 a second; $600 a month): bursts. A partition key takes 1,000 WRU a second, so a queue lets 250 runs a second in
  and out (`DUE/`), a pool some 200 a second through its life (`listing`), and 100 thousand runs at once take minutes to add.
  Callers that add single runs conflict at the gate of their queue, as ends do at the slots: add them in batches. The remedy for
  all of these is the same: more pools, which share nothing. `history_days` (30) bounds what is stored.
"""

from __future__ import annotations

import re
from datetime import timedelta
from importlib.util import find_spec
from urllib.parse import parse_qsl, urlsplit

from dispatcher.errors import SettingsError
from dispatcher.stores.dynamodb.definition import TABLE_DEFINITION, TIME_TO_LIVE
from dispatcher.stores.dynamodb.store import HISTORY, DynamoStore

__all__ = ["TABLE_DEFINITION", "TIME_TO_LIVE", "DynamoStore", "open_url"]

_TABLE = re.compile(r"[A-Za-z0-9_.-]{1,255}")
_OPTIONS = frozenset({"region", "endpoint", "history_days"})


def open_url(url: str) -> DynamoStore:
    """The store behind `dynamodb://table-name?region=eu-central-1&endpoint=http://localhost:8000&history_days=30`.

    Every option may be left out. Raises `SettingsError` for another form of URL, ModuleNotFoundError without the SDK.
    """
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if not is_table(parts.netloc) or parts.path.strip("/") or options.keys() - _OPTIONS:
        example = "&".join(f"{name}=..." for name in sorted(_OPTIONS))
        raise SettingsError(
            f"DISPATCHER_STORE: the URL names no table; write dynamodb://table-name?{example}, each as needed, and no keys"
        )
    if "@" in options.get("endpoint", ""):
        raise SettingsError("DISPATCHER_STORE: `endpoint` is an address without a user or a password")
    if find_spec("botocore") is None:
        raise ModuleNotFoundError("No module named 'botocore'", name="botocore")
    history = timedelta(days=_days(options["history_days"])) if "history_days" in options else HISTORY
    return DynamoStore(parts.netloc, region=options.get("region"), endpoint=options.get("endpoint"), history=history)


def is_table(name: str) -> bool:
    """Whether a table may have this name. Another text in its place in a URL may be a key."""
    return _TABLE.fullmatch(name) is not None


def _days(text: str) -> float:
    try:
        days = float(text)
    except ValueError:
        days = 0.0
    if not 0 < days <= 36_500:
        raise SettingsError(f"DISPATCHER_STORE: history_days is a number of days greater than 0, not {text!r}")
    return days
