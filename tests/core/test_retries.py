"""A run that follows an ended one, because people asked for it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.retries import name_of_retry, retry_id
from tests.builders import a_run


@pytest.mark.parametrize(
    ("name", "next_name"),
    [
        ("etl", "etl-retry"),
        ("etl-retry", "etl-retry-2"),
        ("etl-retry-2", "etl-retry-3"),
        ("etl-retry-9", "etl-retry-10"),
        ("etl-retry-0", "etl-retry-0-retry"),
        ("x" * 200, "x" * 194 + "-retry"),
    ],
)
def test_the_name_of_a_run_that_follows_another_says_which(name, next_name):
    assert name_of_retry(a_run(name=name)) == next_name


@given(st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=200), st.integers(1, 30))
def test_the_name_of_a_run_stays_valid_however_often_it_is_followed(name, times):
    for _ in range(times):
        name = name_of_retry(a_run(name=name))
    assert len(name) <= 200
    assert name.endswith("-retry" if times == 1 else f"-retry-{times}")


def test_the_id_of_a_run_that_follows_another_is_always_the_same_and_never_its_own():
    run, other = a_run(), a_run()
    assert retry_id(run) == retry_id(run)
    assert len({run.id, other.id, retry_id(run), retry_id(other)}) == 4
