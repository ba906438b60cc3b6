from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.backoff import delay


@given(st.integers(1, 10_000), st.text(max_size=40))
def test_a_delay_lies_in_the_upper_half_of_the_doubled_and_capped_step(refusals, name):
    full = min(900.0, 5.0 * 2 ** min(refusals - 1, 30))
    assert full / 2 <= delay(refusals, name) <= full


@given(st.integers(1, 50), st.text(max_size=40))
def test_the_same_refusal_of_the_same_run_always_waits_as_long(refusals, name):
    assert delay(refusals, name) == delay(refusals, name)


def test_runs_refused_together_do_not_come_back_together():
    assert len({delay(3, f"r{number}-1") for number in range(100)}) > 95


def test_delays_are_spread_over_the_whole_upper_half():
    delays = [delay(2, f"r{number}-1") for number in range(200)]
    assert 5.0 <= min(delays) < 5.1
    assert 9.9 < max(delays) <= 10.0


def test_a_delay_is_the_same_on_every_machine_and_in_every_release():
    """Two invocations of different releases must not disagree on when a refused run may be tried again."""
    assert [round(delay(refusals, "r0-1"), 6) for refusals in (1, 3, 40)] == [4.410282, 11.148718, 840.343304]
