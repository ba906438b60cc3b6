from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.queues import holder, insert, last_priority, next_free, without
from tests.builders import a_queue

QUEUES = st.lists(st.integers(1, 12), min_size=1, max_size=8, unique=True).map(
    lambda priorities: tuple(a_queue(f"q{priority}", priority) for priority in sorted(priorities))
)


def priorities(queues):
    return {queue.name: queue.priority for queue in queues}


def test_a_new_queue_takes_its_number_and_others_shift_only_as_far_as_needed():
    queues = (a_queue("a", 1), a_queue("b", 2), a_queue("far", 10))
    assert priorities(insert(queues, a_queue("new", 1))) == {"new": 1, "a": 2, "b": 3, "far": 10}
    assert priorities(insert(queues, a_queue("new", 10))) == {"a": 1, "b": 2, "new": 10, "far": 11}


def test_a_queue_moves_up_and_leaves_its_gap():
    queues = (a_queue("hi", 1), a_queue("default", 2), a_queue("a", 3), a_queue("b", 4), a_queue("auto", 5))
    assert priorities(insert(queues, a_queue("b", 1))) == {"b": 1, "hi": 2, "default": 3, "a": 4, "auto": 5}


def test_deleting_leaves_the_numbers_of_the_others():
    assert priorities(without((a_queue("a", 1), a_queue("b", 2), a_queue("c", 4)), "b")) == {"a": 1, "c": 4}


def test_a_queue_without_a_number_goes_last():
    assert last_priority((a_queue("a", 3), a_queue("b", 7))) == 8


@given(QUEUES, st.integers(1, 14), st.booleans())
def test_placing_keeps_priorities_unique_and_the_order_of_the_others(queues, priority, name_exists):
    newcomer = a_queue(queues[0].name if name_exists else "new", priority)
    placed = insert(queues, newcomer)
    numbers = [queue.priority for queue in placed]
    assert numbers == sorted(set(numbers))
    assert priorities(placed)[newcomer.name] == priority
    others = [queue.name for queue in placed if queue.name != newcomer.name]
    assert others == [queue.name for queue in queues if queue.name != newcomer.name]


def test_the_first_queue_has_the_first_number():
    assert last_priority(()) == 1


@given(QUEUES, st.integers(1, 14), st.booleans())
def test_the_next_free_number_is_the_first_that_nobody_has(queues, priority, name_exists):
    taken = {queue.priority for queue in queues}
    free = next_free(queues, priority)
    assert priority < free
    assert free not in taken
    assert set(range(priority + 1, free)) <= taken


def test_a_number_is_held_by_another_queue_and_never_by_the_newcomer_itself():
    queues = (a_queue("a", 1), a_queue("b", 2))
    assert holder(queues, a_queue("new", 2)) == queues[1]
    assert holder(queues, a_queue("b", 2)) is None
    assert holder(queues, a_queue("new", 3)) is None
