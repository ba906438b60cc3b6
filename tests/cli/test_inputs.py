"""What people type, and how it is shown to them again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dispatcher.cli.inputs import as_given, job_variable

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(), values, max_size=3),
    max_leaves=6,
)


@given(VALUES)
def test_a_variable_is_shown_as_it_would_be_given(value):
    assert job_variable(f"x={as_given(value)}") == ("x", value)


def test_a_text_is_quoted_only_where_it_reads_as_something_else():
    assert [as_given(value) for value in ("echo hello", "", "5", "true")] == ["echo hello", "", '"5"', '"true"']


def test_run_inspect_shows_objects_and_lists_as_json(cli):
    cli.ok("work-pool", "create", "nightly", "--type", "process")
    [created] = cli.ok("run", "create", "--pool", "nightly", "-jv", "command=echo hello", "-jv", 'env={"A": "b", "C": null}')
    shown = cli("run", "inspect", created["id"]).out
    assert 'variable env      {"A": "b", "C": null}' in shown
