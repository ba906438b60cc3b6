"""How what ended jobs leave at the emulated Azure is discarded and swept."""

from dataclasses import replace

import pytest

from providers.base import (
    CallFailed,
)
from providers.container_instance.provider import READS_PER_SWEEP
from providers.emulators.container_instance import Quotas
from providers.emulators.faults import FaultKind
from tests.providers.container_instance.builders import (
    NAME,
    a_job,
    provider_for,
    submitted,
)

DELETE = "ContainerGroups_Delete"


class TestDiscard:
    def test_ended_groups_are_deleted_and_repeats_change_nothing(self, aci, provider):
        submissions = [submitted(provider, a_job(f"r{number}-1")) for number in range(3)]
        assert provider.discard(submissions) == {"r0-1", "r1-1", "r2-1"}
        assert provider.discard(submissions) == {"r0-1", "r1-1", "r2-1"}
        assert aci.lingering == 0

    def test_no_more_are_deleted_than_azures_rate_lets_through(self, start):
        aci = start(quotas=Quotas(deletes=((2, 300.0),)))
        provider = provider_for(aci)
        submissions = [submitted(provider, a_job(f"r{number}-1")) for number in range(4)]
        assert provider.discard(submissions) == {"r0-1", "r1-1"}
        assert aci.calls[DELETE] == 3

    def test_one_call_deletes_a_bounded_number(self, aci):
        provider = provider_for(aci, deletes_per_call=2)
        submissions = [submitted(provider, a_job(f"r{number}-1")) for number in range(3)]
        assert provider.discard(submissions) == {"r0-1", "r1-1"}

    def test_a_refused_delete_is_left_for_later(self, aci, provider):
        submissions = [submitted(provider, a_job(f"r{number}-1")) for number in range(2)]
        aci.faults.add(DELETE, FaultKind.REFUSE, detail="409 ScopeLocked: a lock")
        assert provider.discard(submissions) == {"r1-1"}

    def test_a_group_that_cannot_be_reached_is_not_gone(self, aci, provider):
        submission = submitted(provider)
        lost = replace(submission, handle={**submission.handle, "credentials": "forgotten"})
        assert provider.discard([lost]) == frozenset()

    def test_a_group_that_its_template_keeps_is_never_deleted(self, aci, provider):
        submission = submitted(provider, a_job(keep_container_group=True))
        aci.finish(NAME)
        assert provider.discard([submission]) == {NAME}
        assert provider.sweep(a_job().configuration, frozenset()) == ()
        assert aci.lingering == 1


class TestSweep:
    def test_ended_groups_that_nobody_knows_are_deleted(self, aci):
        provider = provider_for(aci, sweep_after=600)
        for name in ("r1-1", "r2-1", "r3-1"):
            submitted(provider, a_job(name))
        aci.finish("r1-1")
        aci.finish("r2-1")
        aci.advance(600)
        assert provider.sweep(a_job().configuration, frozenset({"r2-1"})) == ("r1-1",)
        assert aci.lingering == 2

    def test_a_sweep_leaves_a_recently_ended_group_alone(self, aci):
        provider = provider_for(aci, sweep_after=600)
        submitted(provider)
        aci.finish(NAME)
        aci.advance(599)
        assert provider.sweep(a_job().configuration, frozenset()) == ()
        aci.advance(1)
        assert provider.sweep(a_job().configuration, frozenset()) == (NAME,)

    def test_other_peoples_groups_are_never_touched(self, aci):
        provider = provider_for(aci, sweep_after=0)
        submitted(provider)
        group = next(iter(aci.service.groups.values()))
        group.body["tags"]["push-dispatcher-job"] = "another"
        aci.finish(NAME)
        assert provider.sweep(a_job().configuration, frozenset()) == ()

    def test_many_running_jobs_do_not_hide_an_ended_one(self, start):
        aci = start(quotas=Quotas.unlimited())
        provider = provider_for(aci, sweep_after=0)
        for number in range(READS_PER_SWEEP + 10):
            submitted(provider, a_job(f"r{number}-1"))
        aci.finish(f"r{READS_PER_SWEEP + 9}-1")
        swept = []
        for _ in range(2):
            swept += provider.sweep(a_job().configuration, frozenset())
            aci.advance(60)
        assert swept == [f"r{READS_PER_SWEEP + 9}-1"]

    def test_a_sweep_that_cannot_list_fails(self, aci, provider):
        aci.faults.add("ContainerGroups_ListByResourceGroup", FaultKind.SERVER_ERROR)
        with pytest.raises(CallFailed):
            provider.sweep(a_job().configuration, frozenset())

    def test_every_page_of_the_list_is_read(self, start):
        aci = start(page_size=2)
        provider = provider_for(aci, sweep_after=0)
        for number in range(5):
            submitted(provider, a_job(f"r{number}-1"))
            aci.finish(f"r{number}-1")
        assert len(provider.sweep(a_job().configuration, frozenset())) == 5
