"""What the pages change: templates, pools and runs, created, edited, repeated, cancelled and retried."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from dispatcher.web.pages.words import url
from tests.web.pages import Document, page, sent


def test_a_template_is_checked_shown_and_saved(site, pool):
    version = str(pool.version)
    for wrong, words in (
        ("{", "is not JSON"),
        ('{"job_configuration": {"command": "{{ x }}"}, "variables": {}}', "job_configuration.command"),
    ):
        answer = sent(site, "pools", "nightly", "template", half="json", template=wrong, version=version, confirmed="yes")
        assert words in Document(answer.text).words
        assert wrong in Document(answer.text).words
    right = '{"job_configuration": {"command": "true"}, "variables": {"properties": {}}}'
    assert (
        "would change"
        in Document(sent(site, "pools", "nightly", "template", half="json", template=right, version=version).text).words
    )
    assert site.client.work_pool("nightly").base_job_template == pool.base_job_template
    sent(site, "pools", "nightly", "template", half="json", template=right, version=version, confirmed="yes")
    assert site.client.work_pool("nightly").base_job_template["job_configuration"] == {"command": "true"}


def test_a_run_is_created_once_from_the_form(site, pool):
    form = page(site, "runs", "new", pool="nightly")
    key = next(attrs["value"] for tag, attrs in form.tags if attrs.get("name") == "key")
    fields = {"pool": "nightly", "key": key, "half": "json", "job_variables": '{"command": "echo hello"}'}
    first, second = sent(site, "runs", "new", **fields), sent(site, "runs", "new", **fields)
    assert first.status_code == 303
    assert first.headers["location"] == second.headers["location"]
    wrong = sent(site, "runs", "new", **{**fields, "key": "other", "job_variables": '{"command": 1.5}'})
    assert (wrong.status_code, "command" in wrong.text, "1.5" in wrong.text) == (422, True, True)
    assert len(site.client.runs()) == 1


def test_a_run_is_created_from_the_fields_and_its_job_is_shown_before(site, pool):
    fields = {
        "pool": "nightly",
        "half": "form",
        "v:command": "echo hello",
        "v:env": "A=1",
        "tags": "one\ntwo",
        "due": "2030-01-02T03:04",
    }
    shown = Document(sent(site, "runs", "preview", **fields).text)
    assert "The job that this makes" in shown.words
    assert '"command": "echo hello"' in shown.words
    assert site.client.runs() == []
    assert sent(site, "runs", "new", **fields).status_code == 303
    [run] = site.client.runs()
    assert (run.job_variables, run.tags) == ({"command": "echo hello", "env": {"A": "1"}}, ("one", "two"))
    assert run.scheduled_at.isoformat() == "2030-01-02T03:04:00+00:00"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"half": "form"}, "command"),
        ({"half": "form", "v:command": "true", "v:env": "A"}, "'A' is not NAME=value"),
        ({"half": "form", "v:command": "true", "due": "soon"}, "must be a time"),
        ({"half": "json", "job_variables": "["}, "is not JSON"),
        ({"half": "json", "job_variables": "[]"}, "must be a JSON object"),
    ],
)
def test_faults_of_a_new_run_are_shown_beside_the_typed_values(site, pool, fields, words):
    answer = sent(site, "runs", "new", pool="nightly", **fields)
    assert answer.status_code == 422
    assert words in Document(answer.text).words
    assert fields.get("v:env", "") in answer.text


def test_a_run_gets_a_priority_when_it_is_created_and_another_on_its_page(site, pool):
    site.client.create_work_queue("nightly", "critical", priority=2)
    fields = {"pool": "nightly", "half": "form", "v:command": "true"}
    wrong = sent(site, "runs", "new", **fields, priority="soon")
    assert (wrong.status_code, "must be a whole number" in wrong.text) == (422, True)
    assert "priority" in Document(sent(site, "runs", "new", **fields, priority="1000").text).words
    assert sent(site, "runs", "new", **fields, priority="-3").status_code == 303
    [run] = site.client.runs()
    assert run.priority == -3
    shown = page(site, "runs", str(run.id))
    assert "priority -3" in shown.words
    assert sent(site, "runs", str(run.id), "move", queue="critical", priority="5").status_code == 303
    [moved] = site.client.runs()
    assert (moved.queue, moved.priority) == ("critical", 5)
    assert "-3" in page(site, "log", run=str(run.id)).words
    assert sent(site, "runs", str(run.id), "move", queue="critical", priority="high").status_code == 422
    again = page(site, "runs", "new", **{"from": str(run.id)})
    assert [attrs["value"] for _, attrs in again.tags if attrs.get("name") == "priority"] == ["5"]


def test_a_run_of_tomorrow_is_started_now_from_its_page_and_from_the_list(site, pool):
    later = site.client.clock.now() + timedelta(days=1)
    runs = [site.client.create_run(pool="nightly", job_variables={"command": "true"}, scheduled_at=later) for _ in range(2)]
    assert sent(site, "runs", str(runs[0].id), "start-now").status_code == 303
    assert sent(site, "runs", action="start-now", run=[str(runs[1].id)]).status_code == 200
    assert all(site.client.run(run.id).due_at < later for run in runs)


def test_a_time_in_an_explanation_is_shown_in_the_readers_zone(site, pool):
    later = site.client.clock.now() + timedelta(days=1)
    run = site.client.create_run(pool="nightly", job_variables={"command": "true"}, scheduled_at=later)
    text = site.client.explain(run.id).text
    moment = later.isoformat(timespec="seconds")
    assert moment in text
    shown = page(site, "runs", str(run.id))
    assert moment not in shown.words
    assert moment in shown.every("time", "datetime")


def test_a_queue_is_deleted_when_what_holds_it_was_shown_and_has_gone(site, pool):
    client = site.client
    client.create_work_queue("nightly", "etl", priority=2)
    run = client.create_run(pool="nightly", queue="etl", job_variables={"command": "true"})
    client.create_deployment("daily", pool="nightly", queue="etl")
    address = ("pools", "nightly", "queues", "etl", "delete")

    held = page(site, *address)
    assert "1 ○ scheduled" in held.words
    assert "nothing is cancelled or moved by itself" in held.words
    assert url("deployments", "daily", "edit") in held.every("a", "href")
    version = str(client.work_pool("nightly").version)
    refused = sent(site, *address, version=version)
    assert (refused.status_code, "is the queue of deployment 'daily'" in Document(refused.text).words) == (409, True)
    client.update_deployment("daily", queue="default")
    refused = sent(site, *address, version=str(client.work_pool("nightly").version))
    assert (refused.status_code, client.run(run.id).queue) == (409, "etl")

    client.move_run(run.id, queue="default")
    free = page(site, *address)
    assert "No run waits in it" in free.words
    [stale, current] = [str(client.work_pool("nightly").version - 1), str(client.work_pool("nightly").version)]
    assert sent(site, *address, version=stale).status_code == 412
    assert sent(site, *address, version=current).status_code == 303
    assert client.work_pool("nightly").queue("etl") is None
    assert site.browser.get(url(*address)).status_code == 404
    assert "cannot be deleted" in page(site, "pools", "nightly", "queues", "default", "delete").words


def test_a_run_is_repeated_with_changes_and_its_secrets_stay(site, pool):
    secret = "hunter2-and-more"
    variables = {"command": "true", "env": {"DB_PASSWORD": secret, "LEVEL": "1"}}
    old = site.client.create_run(pool="nightly", job_variables=variables, tags=["a"])
    form = site.browser.get(url("runs", "new", **{"from": str(old.id)})).text
    assert (secret in form, "DB_PASSWORD=(hidden)" in form) == (False, True)
    fields = {
        "pool": "nightly",
        "from": str(old.id),
        "half": "form",
        "v:command": "true",
        "v:env": "DB_PASSWORD=(hidden)\nLEVEL=2",
    }
    sent(site, "runs", "new", **fields)
    new = next(run for run in site.client.runs() if run.id != old.id)
    assert new.job_variables["env"] == {"DB_PASSWORD": secret, "LEVEL": "2"}


def test_the_defaults_of_a_template_are_changed_by_its_form(site, pool):
    version = str(pool.version)
    fields = {
        "half": "form",
        "version": version,
        "v:command": "sleep 1",
        "v:stream_output": "false",
        "try": '{"name": "tried"}',
    }
    shown = Document(sent(site, "pools", "nightly", "template", **fields).text)
    assert "variables.properties.command" in shown.words
    assert '"name": "tried"' in shown.words, "the job that variables to try would make"
    template = next(attrs["value"] for tag, attrs in shown.tags if tag == "input" and attrs["name"] == "template")
    sent(site, "pools", "nightly", "template", half="json", version=version, template=template, confirmed="yes")
    declared = site.client.work_pool("nightly").base_job_template["variables"]["properties"]
    assert {name: schema["default"] for name, schema in declared.items() if "default" in schema} == {
        "command": "sleep 1",
        "stream_output": False,
    }


def test_a_pool_is_created_from_a_form(site):
    assert "Command" in page(site, "new-pool", type="process").words
    fields = {"name": "made", "type": "process", "limit": "3", "half": "form", "v:command": "true"}
    wrong = sent(site, "new-pool", **{**fields, "limit": "many"})
    assert (wrong.status_code, "must be a whole number" in wrong.text) == (422, True)
    assert sent(site, "new-pool", **fields).headers["location"] == "/pools/made"
    made = site.client.work_pool("made")
    assert (made.concurrency_limit, made.base_job_template["variables"]["properties"]["command"]["default"]) == (3, "true")
    assert sent(site, "new-pool", **fields).status_code == 422


def test_runs_are_filtered_by_the_address_and_paged(site, pool):
    for number in range(60):
        site.client.create_run(
            pool="nightly", name=f"number-{number}", job_variables={"command": "true"}, tags=["odd"] * (number % 2)
        )
    first = page(site, "runs", pool="nightly", state="SCHEDULED")
    older = [address for address in first.every("a", "href") if "cursor=" in address]
    second = Document(site.browser.get(older[0]).text)
    shown = re.findall(r"number-\d+", first.words + second.words)
    assert len(shown) == len(set(shown)) == 60
    assert set(re.findall(r"number-\d+", page(site, "runs", tag="odd").words)) == {
        f"number-{number}" for number in range(1, 60, 2)
    }
    assert site.browser.get("/runs?state=SLEEPING").status_code == 422


def test_selected_runs_are_cancelled_and_retried(site, pool):
    runs = [site.client.create_run(pool="nightly", job_variables={"command": "true"}) for _ in range(3)]
    ids = [str(run.id) for run in runs[:2]]
    assert "Cancelled : 2" in Document(sent(site, "runs", action="cancel", run=ids).text).words.replace(
        "Cancelled:", "Cancelled :"
    )
    assert [site.client.run(run.id).state for run in runs] == ["CANCELLED", "CANCELLED", "SCHEDULED"]
    again = Document(sent(site, "runs", action="retry", run=[ids[0], str(runs[2].id)]).text)
    assert "Not done: 1" in again.words
    assert sent(site, "runs", action="explode", run=ids).status_code == 422


def test_one_run_is_cancelled_and_run_again(site, pool):
    run = site.client.create_run(pool="nightly", job_variables={"command": "true"})
    assert "next" in page(site, "runs", str(run.id)).words
    sent(site, "runs", str(run.id), "cancel")
    assert "It had no job." in page(site, "runs", str(run.id), logs="1").words
    location = sent(site, "runs", str(run.id), "retry").headers["location"]
    assert location not in ("", f"/runs/{run.id}")


TAKES = {
    "type": "object",
    "properties": {
        "day": {"type": "string", "title": "Day"},
        "limit": {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": 10},
        "pin": {"type": "string", "format": "password"},
    },
    "required": ["day"],
}


@pytest.fixture
def etl(site, pool):
    variables = {"command": "true"}
    return site.client.create_deployment("etl", pool="nightly", job_variables=variables, parameter_openapi_schema=TAKES)


def test_the_parameters_of_a_new_run_are_fields_of_the_deployments_schema(site, etl):
    form = page(site, "runs", "new", deployment="etl")
    names = {*form.every("input", "name"), *form.every("textarea", "name")}
    assert names >= {"v:@parameters/day", "v:@parameters/limit", "n:@parameters/limit", "parameters"}
    fields = {"deployment": "etl", "half": "form", "v:@parameters/day": "today", "n:@parameters/limit": "1"}
    shown = Document(sent(site, "runs", "preview", **fields).text)
    assert "Its parameters" in shown.words
    assert '"limit": null' in shown.words
    assert sent(site, "runs", "new", **fields).status_code == 303
    [run] = site.client.runs()
    assert run.parameters == {"day": "today", "limit": None}
    as_json = {"half": "json", "parameters": '{"day": "now", "limit": 5}', "job_variables": "{}"}
    assert sent(site, "runs", "new", deployment="etl", **as_json).status_code == 303
    assert {"day": "now", "limit": 5} in [run.parameters for run in site.client.runs()]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"half": "form"}, "parameters.day : is required and missing"),
        (
            {"half": "form", "v:@parameters/day": "x", "v:@parameters/limit": "many"},
            "parameters.limit : must be a whole number",
        ),
        ({"half": "json", "parameters": '{"dya": 1}'}, "did you mean day?"),
        ({"half": "json", "parameters": "["}, "parameters : is not JSON"),
    ],
)
def test_a_wrong_parameter_is_reported_with_its_path(site, etl, fields, words):
    answer = sent(site, "runs", "new", deployment="etl", **fields)
    assert answer.status_code == 422
    assert words in Document(answer.text).words
    assert fields.get("v:@parameters/limit", "") in answer.text
    assert site.client.runs() == []


def test_a_run_without_a_schema_gets_parameters_as_json_and_a_repeat_keeps_secret_ones(site, pool, etl):
    fields = {"pool": "nightly", "half": "form", "v:command": "true", "m:@parameters/": '{"day": [1]}'}
    assert sent(site, "runs", "new", **fields).status_code == 303
    assert [run.parameters for run in site.client.runs()] == [{"day": [1]}]
    old = site.client.create_run(deployment="etl", parameters={"day": "today", "pin": "hunter2"})
    form = site.browser.get(url("runs", "new", **{"from": str(old.id)})).text
    assert ("hunter2" in form, "today" in form) == (False, True)
    fields = {"from": str(old.id), "deployment": "etl", "half": "form", "v:@parameters/day": "now"}
    sent(site, "runs", "new", **fields, **{"v:@parameters/pin": "(hidden)"})
    assert {"day": "now", "pin": "hunter2"} in [run.parameters for run in site.client.runs(deployment="etl")]


def test_the_pages_show_what_a_deployment_takes_and_what_a_run_has(site, etl):
    run = site.client.create_run(deployment="etl", parameters={"day": "today", "pin": "hunter2"})
    assert "day string, required limit integer or null, default 10" in page(site, "deployments", "etl").words
    shown = page(site, "runs", str(run.id)).words
    assert ('"day": "today"' in shown, "hunter2" in shown) == (True, False)
