"""The pages of automations: what each waits for and does, what it did and why, and the changes that people make of them."""

from __future__ import annotations

import pytest

from dispatcher.models import RunEnded, RunOf, RunState, Target, Then, When
from dispatcher.models.records import Automated
from tests.builders import a_firing, an_id
from tests.web.conftest import OWN
from tests.web.pages import Document, page, sent

ENDED = When(ended=RunEnded(states=frozenset({RunState.FAILED}), deployment="etl", count=3))


@pytest.fixture
def breaker(site, pool):
    site.client.create_deployment("etl", pool="nightly", job_variables={"command": "true"})
    chain = RunOf(deployment="etl", job_variables={"env": {"DB_PASSWORD": "hunter2-and-more"}})
    then = [Then(pause=Target(deployment="etl")), Then(run=chain)]
    return site.client.create_automation("breaker", when=ENDED, then=then, description="Stops etl")


@pytest.fixture
def fired(site, breaker):
    run = an_id()
    firing = a_firing(
        "breaker",
        "nightly",
        because="3 of the last 3 runs ended FAILED",
        run=run,
        did=("paused deployment 'etl'",),
        problems=("made no run of deployment 'etl': parameters.day is required and missing",),
    )
    assert site.client.store.automate(Automated(firings=(firing,), now=firing.fired_at))
    return run


def test_the_list_says_what_each_waits_for_and_does_and_when_it_acted(site, fired):
    document = page(site, "automations")
    assert "3 runs of deployment 'etl' in a row ended FAILED" in document.words
    assert "pause deployment 'etl' ; run deployment 'etl' with env" in document.words.replace("etl';", "etl' ;")
    assert "2030-01-01 12:00:00 UTC" in document.words
    assert "not all was done" in document.words
    assert "/automations/breaker" in document.every("a", "href")
    assert "/automations" in document.every("a", "href")


def test_an_empty_list_of_automations_says_how_to_create_one(site):
    assert "No automation yet: dispatcher automation create --help" in page(site, "automations").words


def test_an_automation_page_shows_its_rule_its_deeds_and_its_problems(site, fired):
    document = page(site, "automations", "breaker")
    for words in (
        "Stops etl",
        "When 3 runs of deployment 'etl' in a row ended FAILED (so far: 0) , then",
        "3 of the last 3 runs ended FAILED ( the run )",
        "paused deployment 'etl'",
        "made no run of deployment 'etl': parameters.day is required and missing",
    ):
        assert words in document.words
    assert f"/runs/{fired}" in document.every("a", "href")
    assert {"/log?automation=breaker", "/log?actor=breaker"} <= set(document.every("a", "href"))
    assert "hunter2" not in document.words


def test_an_automation_is_paused_resumed_and_deleted_and_the_log_says_by_whom(site, breaker):
    answer = sent(site, "automations", "breaker", "pause", paused="yes", version="1")
    assert (answer.status_code, answer.headers["location"]) == (303, "/automations/breaker")
    assert site.client.automation("breaker").paused
    assert "Resume it" in page(site, "automations", "breaker").words
    sent(site, "automations", "breaker", "pause", paused="no", version="2")
    assert not site.client.automation("breaker").paused
    answer = sent(site, "automations", "breaker", "delete", version="3")
    assert (answer.status_code, answer.headers["location"]) == (303, "/automations")
    assert site.client.automations() == []
    entries = site.client.log(automation="breaker").items
    assert [(entry.actor, entry.via, entry.verb) for entry in entries[:3]] == [
        ("ada", "page", "delete"),
        ("ada", "page", "change"),
        ("ada", "page", "change"),
    ]
    assert site.browser.get("/automations/breaker").status_code == 404


def test_objects_that_somebody_else_changed_meanwhile_are_left_alone(site, breaker):
    site.client.update_automation("breaker", description="new")
    for action in ("pause", "delete"):
        answer = sent(site, "automations", "breaker", action, paused="yes", version="1")
        assert answer.status_code == 412
        assert "has the version 2 by now" in Document(answer.text).words
    assert not site.client.automation("breaker").paused


def test_a_change_that_another_site_asks_for_is_refused(site, breaker):
    headers = {**OWN, "Origin": "https://evil.example"}
    for action in ("pause", "delete"):
        answer = site.browser.post(f"/automations/breaker/{action}", data={"paused": "yes"}, headers=headers)
        assert answer.status_code == 403
    assert site.client.automation("breaker") == breaker


def test_the_log_and_the_changes_lead_to_its_page(site, breaker):
    assert "/automations/breaker" in page(site, "log").every("a", "href")


def test_every_control_can_be_reached_by_keyboard_and_has_a_name(site, breaker):
    document = page(site, "automations", "breaker")
    assert {"Pause it", "Delete it", "Delete automation breaker"} <= {text.strip() for text in document.text}
    forms = [attributes["action"] for tag, attributes in document.tags if tag == "form" and attributes.get("method") == "post"]
    assert forms == ["/automations/breaker/pause", "/automations/breaker/delete"]
    assert not [
        attributes for tag, attributes in document.tags if "onclick" in attributes or attributes.get("tabindex") == "-1"
    ]
