"""The race on PostgreSQL, with a hostile network between the processes that tick and the server."""

import pytest

from tests.network.faults import Chance, Fault
from tests.network.wire import TcpProxy
from tests.stores.postgres_server import server
from tests.stores.races import Race, run
from tests.stores.test_races import the_limits_were_used

pytestmark = pytest.mark.long

ODDS = {Fault.CUT_BEFORE: 0.004, Fault.CUT_AFTER: 0.004, Fault.HALF: 0.003, Fault.SILENT: 0.0002, Fault.DRIP: 0.0002}


def test_no_promise_is_broken_by_kills_and_by_a_network_that_cuts_drips_and_refuses(capsys):
    started, chance = server(), Chance(7, ODDS)
    race = Race(runs=60, processes=4, kill_after=12, disturb_after=8, lost_answers=0.02, job_seconds=0.3)
    with TcpProxy(started.port, chance) as wire:

        def refuse(_number: int) -> None:
            with wire.refusing():
                started.administer("SELECT 1")  # for as long as that takes

        figures, problems = run(race, started.url(started.fresh_database(), port=wire.port), refuse)
    with capsys.disabled():
        print(f"\npostgresql: {chance.counts}; refused {wire.refusals} times; {figures}")
    assert not figures.broken, (figures, problems)
    assert sum(chance.counts.values()) > 10, "the network was hostile"
    assert figures.kills >= 3, figures
    the_limits_were_used(figures)
