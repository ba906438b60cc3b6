"""The list of faults above a form leads to the field of each."""

from __future__ import annotations

from tests.web.pages import Document, sent

SCHEMA = {
    "type": "object",
    "properties": {
        "n": {"type": "integer", "maximum": 9},
        "point": {"type": "object", "properties": {"x y": {"type": "number"}}, "required": ["x y"]},
    },
}


def leads(answer):
    """The links into the page, all of which have to be there."""
    shown = Document(answer.text)
    links = [link for link in shown.every("a", "href") if link.startswith("#f:")]
    ids = {attrs["id"] for _, attrs in shown.tags if "id" in attrs}
    assert {link[1:] for link in links} <= ids
    return links


def test_every_fault_of_a_new_run_leads_to_its_field(site, pool):
    site.client.create_deployment("etl", pool="nightly", parameter_openapi_schema=SCHEMA, job_variables={"command": "true"})
    fields = {"deployment": "etl", "half": "form", "v:@parameters/n": "12", "v:@parameters/point/x%20y": "far"}
    refused = sent(site, "runs", "new", **fields)
    assert refused.status_code == 422
    assert leads(refused) == ["#f:@parameters/n", "#f:@parameters/point/x%20y"]


def test_a_fault_without_a_field_is_plain_text(site, pool):
    refused = sent(site, "runs", "new", pool="nightly", half="form", due="soon", **{"v:command": "true"})
    assert (leads(refused), "due" in Document(refused.text).words) == ([], True)


def test_the_faults_of_a_new_pool_and_of_a_template_lead_to_their_fields(site, pool):
    fields = {"half": "form", "v:stream_output": '"maybe"'}
    refused = sent(site, "new-pool", name="new", type="process", **fields)
    assert (refused.status_code, leads(refused)) == (422, ["#f:stream_output"])
    refused = sent(site, "pools", "nightly", "template", **fields)
    assert (refused.status_code, leads(refused)) == (422, ["#f:stream_output"])


def test_a_fault_of_a_deployment_leads_to_its_field(site, pool):
    site.client.create_deployment("etl", pool="nightly")
    refused = sent(site, "deployments", "etl", "edit", **{"v:@entry/pool": "nightly", "v:@entry/weight": "0"})
    assert (refused.status_code, leads(refused)) == (422, ["#f:@entry/weight"])
