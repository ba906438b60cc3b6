"""Where a job goes and how much it takes there."""

from __future__ import annotations

import pytest

from providers import registry
from providers.base import ConfigurationError, Needs
from providers.modal.needs import needs


def test_a_job_that_asks_for_nothing_takes_what_modal_gives_it():
    assert needs({}) == Needs(place=("", ""), size={"cpu": 0.125, "memory": 128})


def test_the_place_consists_of_account_and_environment():
    assert needs({"modal_credentials": "team", "modal_environment": "staging"}).place == ("team", "staging")


def test_each_kind_of_gpu_is_a_separate_size():
    assert needs({"gpu": "h100:2", "cpu": 4, "memory": "1024"}).size == {"cpu": 4, "memory": 1024, "gpu H100": 2}


def test_the_registry_and_the_provider_state_the_same_needs(provider):
    for name in ("modal:push", "modal"):
        assert registry.needs(name, {"cpu": 2}) == provider.needs({"cpu": 2}) == needs({"cpu": 2})


@pytest.mark.parametrize("configuration", [{"cpu": "many"}, {"gpu": ":"}, {"modal_credentials": {"token": "x"}}])
def test_a_configuration_that_cannot_be_used_has_no_needs(configuration):
    with pytest.raises(ConfigurationError):
        needs(configuration)
