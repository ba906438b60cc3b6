"""What is accepted without pydantic, pydantic accepts."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any, get_type_hints
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from dispatcher.models import Deployment, Hook, RetryPolicy, Run, RunState, Schedule, WorkPool, WorkQueue
from dispatcher.validation.plain_types import checks
from tests.builders import a_deployment, a_pool, a_run

NOUNS = (WorkPool, WorkQueue, Deployment, Schedule, RetryPolicy, Hook, Run)
FIELDS = [(noun, field.name) for noun in NOUNS for field in fields(noun)]
NOW = datetime(2026, 1, 31, tzinfo=UTC)
SINGLE = (
    st.none()
    | st.booleans()
    | st.integers(-5, 2000)
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["", " a", "a/b", "a" * 201, "\ud800", UUID(int=1), NOW, timedelta(1), *RunState, RetryPolicy(), b"a"])
)
KEYS = st.text(max_size=2) | st.integers() | st.just("\ud800")
VALUES: st.SearchStrategy[Any] = (
    SINGLE
    | st.lists(SINGLE, max_size=2)
    | st.lists(SINGLE, max_size=2).map(tuple)
    | st.frozensets(st.text(max_size=3) | st.sampled_from([*RunState]), max_size=2)
    | st.dictionaries(KEYS, SINGLE, max_size=2)
)


@settings(max_examples=800, deadline=None)
@given(st.sampled_from(FIELDS), VALUES)
def test_pydantic_accepts_every_value_that_the_plain_check_accepts(field, value):
    noun, name = field
    if checks(noun)[name](value):
        try:
            TypeAdapter(get_type_hints(noun, include_extras=True)[name]).validate_python(value, strict=True)
        except ValidationError as problem:
            pytest.fail(f"{noun.__name__}.{name}: {problem}")


@pytest.mark.parametrize("noun", [a_pool(), a_deployment(), a_run()], ids=lambda noun: type(noun).__name__)
def test_every_field_of_a_usual_noun_is_accepted_without_pydantic(noun):
    assert [name for name, fits in checks(type(noun)).items() if not fits(getattr(noun, name))] == []
