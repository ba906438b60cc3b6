"""Whose identity a call has: the host's, or a named one; never a key."""

from __future__ import annotations

import re

import pytest

from providers.base import Accepted, ConfigurationError, Hold, Misconfigured, Rejected
from providers.ecs import EcsProvider
from providers.ecs.clients import Clients
from providers.ecs.place import Place, place_of
from providers.places import credentials_name
from tests.providers.ecs.builders import a_job, names

ROLE = "arn:aws:iam::123456789012:role/dispatch"


def test_a_named_role_is_assumed_once_for_many_runs(aws):
    provider = EcsProvider(credentials={"team": {"role_arn": ROLE, "external_id": "x1", "session_name": "nightly"}})
    for name in names(3):
        outcome = provider.submit(a_job(name, aws_credentials="team"))
        assert isinstance(outcome, Accepted)
    assert outcome.submission.handle["credentials"] == "team"
    assert provider.observe([outcome.submission])
    assert aws.calls["sts.AssumeRole"] == 1


def test_an_assumed_role_is_assumed_again_before_it_expires(aws, monkeypatch):
    provider = EcsProvider(credentials={"team": {"role_arn": ROLE}})
    provider.submit(a_job(names(2)[0], aws_credentials="team"))
    credentials = provider._clients._session("team").get_credentials()
    monkeypatch.setattr(credentials, "_expiry_time", credentials._time_fetcher())
    provider.submit(a_job(names(2)[1], aws_credentials="team"))
    assert aws.calls["sts.AssumeRole"] == 2


def test_a_role_that_may_not_be_assumed_is_a_matter_of_the_dispatchers_own_configuration(aws, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", aws.url)
    aws.faults.add("sts.AssumeRole", "refuse", detail="AccessDenied: not yours")
    outcome = EcsProvider(credentials={"team": {"role_arn": ROLE}}).submit(a_job(aws_credentials="team"))
    assert isinstance(outcome, Misconfigured)
    assert "trust the dispatcher's own identity" in outcome.reason
    assert outcome.hold == Hold(place=("team",)), "jobs with other credentials go on"
    assert not aws.calls["RunTask"]


def test_an_unknown_name_is_refused_with_the_known_ones(aws):
    outcome = EcsProvider(credentials={"a": {}, "b": {}}).submit(a_job(aws_credentials="c"))
    assert outcome == Rejected(
        reason="aws_credentials: 'c' is not an entry of DISPATCHER_CREDENTIALS (its entries: a, b); add it there"
    )
    assert "(its entries: none)" in EcsProvider().submit(a_job(aws_credentials="c")).reason


def test_an_entry_of_another_provider_is_refused_only_when_it_is_named(aws):
    provider = EcsProvider(credentials={"gcp": {"impersonate": "x"}, "bad": {"aws_secret_access_key": "s3cret"}})
    assert isinstance(provider.submit(a_job()), Accepted)
    outcome = provider.submit(a_job(aws_credentials="bad"))
    assert isinstance(outcome, Rejected)
    assert re.search(r"credentials\.bad: has unknown keys: aws_secret_access_key; .* Secrets never stand here", outcome.reason)
    assert "s3cret" not in outcome.reason


def test_keys_in_a_template_are_refused_without_repeating_them(aws, provider):
    outcome = provider.submit(a_job(aws_credentials={"aws_access_key_id": "AKIA", "aws_secret_access_key": "s3cret"}))
    assert isinstance(outcome, Rejected)
    assert "aws_credentials: has unknown keys: aws_access_key_id, aws_secret_access_key" in outcome.reason
    assert "s3cret" not in outcome.reason


def test_without_any_identity_runs_are_given_back(aws, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    outcome = EcsProvider().submit(a_job())
    assert isinstance(outcome, Misconfigured)
    assert outcome.hold == Hold(place=("",))
    assert "NoCredentialsError" in outcome.reason
    assert "aws_credentials" in outcome.reason


def test_an_unknown_profile_gives_the_run_back(aws):
    outcome = EcsProvider(credentials={"team": {"profile": "nobody"}}).submit(a_job(aws_credentials="team"))
    assert isinstance(outcome, Misconfigured)
    assert "ProfileNotFound" in outcome.reason
    assert "fix the profile" in outcome.reason


def test_without_any_region_runs_are_given_back(aws, monkeypatch):
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.delenv("AWS_REGION")
    outcome = EcsProvider().submit(a_job())
    assert isinstance(outcome, Misconfigured)
    assert "set AWS_DEFAULT_REGION" in outcome.reason
    assert outcome.hold == Hold(place=("", "")), "jobs that name a region go on"


def clients(region=None, **credentials):
    return Clients(credentials=credentials, endpoint_url=None, region=region, call_timeout=10, connections=10)


def test_the_region_is_the_places_else_the_entrys_else_the_providers_else_the_hosts(monkeypatch):
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.setenv("AWS_REGION", "of-the-host")
    ours = clients("of-the-provider", team={"region": "of-the-entry"})
    assert ours.located(Place(credentials="team", region="of-the-place")).region == "of-the-place"
    assert ours.located(Place(credentials="team")).region == "of-the-entry"
    assert ours.located(Place()).region == "of-the-provider"
    assert clients().located(Place()).region == "of-the-host"


def test_a_client_is_built_once_for_an_identity_and_region(aws):
    ours = clients(team={"region": "eu-west-1"})
    here, there = ours.located(Place(cluster="a")), ours.located(Place(credentials="team"))
    assert ours.client("ecs", here) is ours.client("ecs", Place(region=here.region, cluster="b"))
    assert ours.client("ecs", here) is not ours.client("ecs", there)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (None, None),
        ("", None),
        ({}, None),
        ("team", "team"),
        ({"name": "team"}, "team"),
        ({"region_name": "eu-west-1"}, None),
        ({"$ref": {"block_document_id": "4f1c"}}, "4f1c"),
    ],
)
def test_credentials_are_given_by_name(value, name):
    assert credentials_name(value, "aws_credentials", "region_name") == name


def test_a_region_may_stand_beside_the_name():
    assert place_of({"aws_credentials": {"region_name": "eu-west-1"}}).region == "eu-west-1"


def test_a_rate_of_launches_must_be_positive():
    with pytest.raises(ConfigurationError, match="launches_per_second: give a number above 0"):
        EcsProvider(launches_per_second=0)
