"""The reason of a run behind which, and before which, more runs wait than one page of a claim holds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core import lines
from dispatcher.core.lines import MAX_PASSED
from dispatcher.core.reasons import Reason, explain
from dispatcher.core.surroundings import Surroundings
from dispatcher.models import Share
from dispatcher.models.records import QueueCount
from tests.builders import NOW, a_hold, a_pool, a_queue, a_run
from tests.core.pools import fair_scenes, scenes
from tests.core.test_reasons import admitted, pick, why

MANY = 3 * MAX_PASSED + 1


def reason(pool, ahead, *, queue="default", **due):
    counts = {name: QueueCount(due=number, later=0, in_use=0) for name, number in due.items()}
    around = Surroundings(pool=pool, counts=counts, ahead=ahead, holders=())
    return explain(a_run(queue=queue), around, NOW).reason


@pytest.mark.parametrize("share", Share)
def test_the_last_of_many_runs_is_next_where_nothing_limits_them(share):
    pool = a_pool(queues=[a_queue(share=share)])
    assert reason(pool, MANY, default=MANY + 1) is Reason.NEXT


@pytest.mark.parametrize("share", Share)
def test_the_last_slot_of_a_pool_is_for_the_run_that_stands_at_that_number(share):
    pool = a_pool(limit=MANY, queues=[a_queue(share=share)])
    assert reason(pool, MANY - 1, default=MANY + 9) is Reason.NEXT
    assert reason(pool, MANY, default=MANY + 9) is Reason.EARLIER_RUNS


@pytest.mark.parametrize("share", Share)
def test_many_runs_of_a_higher_queue_take_as_many_slots_as_they_are_and_no_more(share):
    def pool(limit=None):
        return a_pool(limit=limit, queues=[a_queue("high", 1, share=share), a_queue("default", 2)])

    assert reason(pool(), 0, high=MANY, default=1) is Reason.NEXT
    assert reason(pool(MANY + 1), 0, high=MANY, default=1) is Reason.NEXT
    assert reason(pool(MANY), 0, high=MANY, default=1) is Reason.HIGHER_QUEUES


def test_the_position_up_to_which_runs_are_held_leaves_no_run_out():
    """A claim reads on behind it. Here the runs that are held are counted with the others."""
    hold = a_hold(place=("east",), passed={"default": (NOW, a_run().id)})
    assert reason(a_pool(holds=(hold,)), MANY, default=MANY + 1) is Reason.NEXT


@given(st.one_of(scenes(), fair_scenes()), st.data(), st.integers(1, 3))
def test_explain_says_next_exactly_for_admitted_runs_however_short_the_pages(scene, data, page):
    run = pick(data, scene)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "MAX_PASSED", page)
        assert (why(scene, run).reason is Reason.NEXT) == (run in admitted(scene))
