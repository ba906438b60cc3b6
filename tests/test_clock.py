"""Identities sort in the order in which they are made, differ at their beginning, and are valid UUIDs."""

from __future__ import annotations

from uuid import UUID

import pytest

from dispatcher.environment.clock import SystemClock, TimeOrderedIds

NOON = 1_796_040_000 * 10**9


def test_identities_of_one_process_keep_the_order_in_which_they_were_made():
    ids = [SystemClock().new_id() for _ in range(5000)]
    assert ids == sorted(ids)
    assert len({str(made_id)[:8] for made_id in ids}) == 5000


def test_new_ids_are_valid_uuids_of_version_8():
    made = SystemClock().new_id()
    assert (made.version, made.variant) == (8, "specified in RFC 4122")
    assert UUID(str(made)) == made


@pytest.mark.parametrize("later", [1000, 10**6, 4 * 10**6, 60 * 10**9, 24 * 3600 * 10**9])
def test_identities_of_two_processes_keep_the_order_of_their_times(later):
    assert TimeOrderedIds().after(NOON) < TimeOrderedIds().after(NOON + later)


def test_a_clock_that_is_put_back_changes_nothing():
    ids = TimeOrderedIds()
    assert ids.after(NOON) < ids.after(NOON - 3600 * 10**9) < ids.after(NOON)


def test_no_two_generators_make_the_same_identity_at_one_moment():
    assert len({TimeOrderedIds().after(NOON) for _ in range(1000)}) == 1000
