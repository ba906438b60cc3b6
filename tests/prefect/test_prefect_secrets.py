"""A job signs in at the server by a secret that its provider resolves, as the page's table says."""

import json
import re
from pathlib import Path

import pytest

from dispatcher.core.templates import render
from dispatcher.prefect.mirroring import ForJobs, adapted
from dispatcher.validation import check_job_variables
from providers import registry

ROLE = {"execution_role_arn": "arn:aws:iam::123456789012:role/x"}
ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:key"
PLACE = {"subscription_id": "00000000-0000-0000-0000-000000000000", "resource_group_name": "jobs"}
REFERENCES = {
    "ecs:push": ({"prefect_api_key_secret_arn": ARN, **ROLE}, ARN),
    "cloud-run-v2:push": ({"prefect_api_key_secret": {"secret": "prefect-key", "version": "latest"}}, "prefect-key"),
    "cloud-run:push": ({"prefect_api_auth_string_secret": {"secret": "prefect-auth"}}, "prefect-auth"),
    "azure-container-instance:push": ({"secrets": {"PREFECT_API_KEY": "prefect-entry"}, **PLACE}, "prefect-entry"),
    "modal:push": ({"secrets": ["prefect-secret"]}, "prefect-secret"),
}
PAGE = Path(__file__).parents[2] / "dispatcher" / "prefect" / "README.md"


@pytest.mark.parametrize("kind", REFERENCES)
def test_a_mirrored_pool_takes_the_key_by_a_reference(kind):
    variables, reference = REFERENCES[kind]
    template = adapted(registry.default_template(kind), ForJobs(api_url="http://prefect/api"), kind)
    check_job_variables(template, variables)
    configuration = render(template, variables)
    checked = registry.check(kind, configuration)
    assert (checked.faults, checked.warnings) == ((), ())
    assert reference in json.dumps(configuration)


def test_a_template_of_prefects_gets_a_place_for_the_reference_where_it_has_none():
    theirs = registry.default_template("azure-container-instance")
    del theirs["variables"]["properties"]["secrets"], theirs["job_configuration"]["secrets"]
    template = adapted(theirs, ForJobs(api_url="http://prefect/api"), "azure-container-instance:push")
    variables = {"secrets": {"PREFECT_API_KEY": "prefect-entry"}, **PLACE}
    check_job_variables(template, variables)
    configuration = render(template, variables)
    assert registry.check("azure-container-instance:push", configuration).faults == ()
    assert configuration["secrets"] == {"PREFECT_API_KEY": "prefect-entry"}
    assert "secrets" not in render(template, PLACE)


def test_the_page_names_the_variables():
    page = PAGE.read_text(encoding="utf-8")
    for variables, _ in REFERENCES.values():
        name = next(iter(variables))
        assert re.search(rf"`{name}[:`]", page), name
