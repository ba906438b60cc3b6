"""infra/examples/aws-to-google and aws-to-azure: AWS's side on the emulator, the other on the stub provider, and no key.

What the entries that come out of it do is in tests/providers/*/test_*federation.py, with the clouds' own libraries.
"""

from __future__ import annotations

import json

import pytest

from dispatcher.environment.settings import Settings
from providers.container_instance.entries import CredentialEntries
from providers.emulators.ecs import EcsEmulator
from providers.google.accounts import AccountEntry
from tests.infra.clouds import (
    PROJECT,
    SUBSCRIPTION,
    a_package,
    accepted_by_validation,
    of_type,
    on_the_stub,
    statements,
)
from tests.infra.terraform import mirror, needs

pytestmark = [needs("hashicorp/aws"), pytest.mark.long]

ACCOUNT = "432109876543"
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/push-dispatcher-function-us-east-1"
ISSUER = "https://00000000-0000-0000-0000-00000000000e.tokens.sts.global.api.aws"
AUDIENCE = "api://AzureADTokenExchange"
VARIABLES = {
    "aws-to-google": {"project": PROJECT},
    "aws-to-azure": {"subscription_id": SUBSCRIPTION, "issuer": ISSUER},
}


@pytest.fixture(scope="module")
def cloud():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
        with EcsEmulator(account=ACCOUNT) as emulator:
            yield emulator


@pytest.fixture(scope="module")
def applied(cloud, tmp_path_factory):
    """What each example made, and its outputs."""
    return {name: _applied(name, cloud, tmp_path_factory.mktemp(name)) for name in VARIABLES}


def _applied(name, cloud, directory):
    cloud.reset()
    variables = {
        **VARIABLES[name],
        "package": a_package(directory),
        "deletion_protection": False,
    }
    aws = {"plugins": mirror("hashicorp/aws"), "aws": cloud.environment()}
    with on_the_stub(directory, f"examples/{name}", **aws, **variables) as terraform:
        terraform.apply()
        return terraform.resources(), terraform.outputs()


def settings_of(resources):
    """The settings of the function on Lambda, out of its environment."""
    (function,) = of_type(resources, "aws_lambda_function")
    return Settings.from_environment(function["environment"][0]["variables"])


def test_google_believes_aws_that_this_one_role_calls(applied):
    resources, outputs = applied["aws-to-google"]
    (provider,) = of_type(resources, "google_iam_workload_identity_pool_provider")
    assert provider["aws"] == [{"account_id": ACCOUNT}]
    assert provider["attribute_condition"] == "google.subject == 'push-dispatcher-function-us-east-1'"
    assert provider["attribute_mapping"] == {"google.subject": "assertion.arn.extract('assumed-role/{role}/')"}
    (pool,) = of_type(resources, "google_iam_workload_identity_pool")
    rights = of_type(resources, "google_service_account_iam_member")
    (becomes,) = [right for right in rights if right["role"] == "roles/iam.workloadIdentityUser"]
    assert becomes["member"] == f"principal://iam.googleapis.com/{pool['name']}/subject/push-dispatcher-function-us-east-1"

    account = AccountEntry.of("google", settings_of(resources).credentials["google"])
    assert account.project == PROJECT
    assert account.external_account["audience"] == f"//iam.googleapis.com/{provider['name']}"
    (dispatcher,) = [
        account for account in of_type(resources, "google_service_account") if account["account_id"] == "push-dispatcher-aws"
    ]
    become = account.external_account["service_account_impersonation_url"]
    assert become.endswith(f"/serviceAccounts/{dispatcher['email']}:generateAccessToken")
    (custom,) = of_type(resources, "google_project_iam_custom_role")
    held = [*of_type(resources, "google_project_iam_member"), *rights]
    assert {right["role"] for right in held if right["member"] == f"serviceAccount:{dispatcher['email']}"} == {
        custom["id"],
        "roles/iam.serviceAccountUser",
    }
    assert outputs["job_variables"]["credentials"] == "google"
    accepted_by_validation("cloud-run-v2:push", outputs["job_variables"])


def test_azure_believes_aws_that_this_one_role_calls(applied):
    resources, outputs = applied["aws-to-azure"]
    (federated,) = of_type(resources, "azurerm_federated_identity_credential")
    assert (federated["issuer"], federated["subject"], federated["audience"]) == (ISSUER, ROLE_ARN, [AUDIENCE])
    (dispatcher,) = [
        identity
        for identity in of_type(resources, "azurerm_user_assigned_identity")
        if identity["name"] == "push-dispatcher-aws"
    ]
    assert federated["parent_id"] == dispatcher["id"]
    assignments = of_type(resources, "azurerm_role_assignment")
    own = {role["role_definition_resource_id"]: role["name"] for role in of_type(resources, "azurerm_role_definition")}
    assert {assignment["principal_id"] for assignment in assignments} == {dispatcher["principal_id"]}
    assert sorted(own[assignment["role_definition_id"]] for assignment in assignments) == [
        "push-dispatcher-batch-dispatcher",
        "push-dispatcher-batch-identity",
    ]

    identity = CredentialEntries(settings_of(resources).credentials).entry("azure", "aci_credentials")
    assert dict(identity) == {
        "tenant_id": dispatcher["tenant_id"],
        "client_id": dispatcher["client_id"],
        "aws_audience": AUDIENCE,
    }
    assert outputs["job_variables"]["aci_credentials"] == "azure"
    accepted_by_validation("azure-container-instance:push", outputs["job_variables"])


def test_the_right_to_a_token_of_aws_is_for_azure_alone(applied):
    resources, _ = applied["aws-to-azure"]
    (policy,) = [candidate for candidate in of_type(resources, "aws_iam_role_policy") if candidate["name"] == "azure"]
    assert policy["role"] == "push-dispatcher-function-us-east-1"
    (statement,) = statements(policy["policy"])
    assert statement["Action"] == "sts:GetWebIdentityToken"
    assert statement["Condition"] == {
        "ForAllValues:StringEquals": {"sts:IdentityTokenAudience": [AUDIENCE]},
        "Null": {"sts:IdentityTokenAudience": "false"},
        "NumericLessThanEquals": {"sts:DurationSeconds": "300"},
    }


@pytest.mark.parametrize("name", VARIABLES)
def test_no_key_is_anywhere_and_nothing_listens_for_tasks_of_ecs(name, applied):
    resources, _ = applied[name]
    assert not [address for address in resources if "_key" in address or "password" in address]
    assert of_type(resources, "aws_cloudwatch_event_rule") == []
    text = json.dumps(resources)
    assert "BEGIN" not in text
    assert '"client_secret"' not in text
