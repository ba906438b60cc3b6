"""infra/ for Azure: the real Terraform, with azurerm's real schemas and no cloud behind them, and what no schema can say.

Names, roles, actions and formats are held against what Microsoft's pages list; the links stand beside them.
"""

from __future__ import annotations

import inspect
import re
from datetime import datetime, timedelta

import pytest
from cronsim import CronSim

from dispatcher.environment.settings import Settings
from providers.container_instance.arm import Arm
from tests.infra.clouds import STORE, SUBSCRIPTION, TENANT, a_package, accepted_by_validation, leaves, of_type, on_the_stub
from tests.infra.moved import AZURE, moves, plan_from
from tests.infra.terraform import installed

pytestmark = installed

NEW_YEAR = datetime(2026, 1, 1)  # noqa: DTZ001 - a timer without WEBSITE_TIME_ZONE is in UTC
EXAMPLE = "examples/azure-minimal"

GROUPS = "Microsoft.ContainerInstance/containerGroups"
ACTIONS = {
    "get": f"{GROUPS}/read",
    "put": f"{GROUPS}/write",
    "tag": f"{GROUPS}/write",
    "stop": f"{GROUPS}/stop/action",
    "delete": f"{GROUPS}/delete",
    "list": f"{GROUPS}/read",
    "logs": f"{GROUPS}/containers/logs/read",
    "region": "Microsoft.Resources/subscriptions/resourceGroups/read",
}
"""What each call of the provider needs: https://learn.microsoft.com/azure/role-based-access-control/permissions/containers"""
ASSIGN = "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action"
JOIN = "Microsoft.Network/virtualNetworks/subnets/join/action"

ROLES = {
    "Storage Blob Data Owner": "azurerm_storage_account",
    "Key Vault Secrets User": "azurerm_key_vault_secret",
    "Key Vault Secrets Officer": "azurerm_key_vault",
}
"""The built-in roles, and on what they are given: https://learn.microsoft.com/azure/role-based-access-control/built-in-roles"""


@pytest.fixture(scope="module")
def deployed(tmp_path_factory):
    """The example, applied."""
    directory = tmp_path_factory.mktemp("azure")
    with on_the_stub(
        directory, EXAMPLE, subscription_id=SUBSCRIPTION, store_url=STORE, package=a_package(directory)
    ) as terraform:
        terraform.apply()
        yield terraform


@pytest.fixture(scope="module")
def resources(deployed):
    return deployed.resources()


@pytest.fixture(scope="module")
def function(resources):
    (app,) = of_type(resources, "azurerm_function_app_flex_consumption")
    return app


def test_a_second_plan_after_an_apply_is_empty(deployed):
    assert deployed.settled()


def test_a_state_of_0_1_is_taken_over_as_it_is(deployed):
    printed = plan_from(deployed, {"dispatcher": AZURE})
    assert "Plan: 0 to add, 0 to change, 0 to destroy." in printed
    assert moves(printed) == {(f"module.dispatcher.{old}", f"module.dispatcher.{new}") for old, new in AZURE.items()}


def test_the_function_runs_the_zip_on_flex_consumption(resources, function):
    (plan,) = of_type(resources, "azurerm_service_plan")
    assert (plan["sku_name"], plan["os_type"], function["service_plan_id"]) == ("FC1", "Linux", plan["id"])
    assert (function["runtime_name"], function["runtime_version"]) == ("python", "3.13")
    assert function["zip_deploy_file"].endswith("function.zip")
    assert function["instance_memory_in_mb"] in (512, 2048, 4096)


def test_the_function_has_room_for_a_tick_and_a_lease_that_outlives_it(function):
    app_settings = function["app_settings"]
    settings = Settings.from_environment({**app_settings, "DISPATCHER_STORE": "memory://"})
    seconds = int(app_settings["DISPATCHER_TIMEOUT_SECONDS"])
    assert seconds >= settings.tick_seconds + settings.margin_seconds
    assert settings.lease_seconds > seconds
    hours, minutes, rest = app_settings["AzureFunctionsJobHost__functionTimeout"].split(":")
    assert timedelta(hours=int(hours), minutes=int(minutes), seconds=int(rest)).total_seconds() == seconds


def test_the_timer_ticks_each_minute(function):
    schedule = function["app_settings"]["DISPATCHER_SCHEDULE"]
    assert len(schedule.split()) == 6  # NCRONTAB: seconds first
    cron = CronSim(schedule, NEW_YEAR)
    first, second = next(cron), next(cron)
    assert (first - NEW_YEAR, second - first) == (timedelta(minutes=1), timedelta(minutes=1))


def test_the_address_of_the_store_is_in_the_vault_and_nowhere_else(resources, function):
    (secret,) = of_type(resources, "azurerm_key_vault_secret")
    assert secret["value"] == STORE
    rest = {address: values for address, values in resources.items() if "key_vault_secret" not in address}
    assert not [text for text in leaves(rest) if "hush" in text]
    assert function["app_settings"]["DISPATCHER_STORE"] == f"@Microsoft.KeyVault(SecretUri={secret['versionless_id']})"
    (vault,) = of_type(resources, "azurerm_key_vault")
    assert vault["rbac_authorization_enabled"] is True


def test_the_storage_is_reached_without_a_key(resources, function):
    (account,), (identity,) = of_type(resources, "azurerm_storage_account"), own_identity(resources)
    assert account["shared_access_key_enabled"] is False
    assert account["allow_nested_items_to_be_public"] is False
    assert function["storage_access_key"] is None
    assert (function["storage_authentication_type"], function["storage_user_assigned_identity_id"]) == (
        "UserAssignedIdentity",
        identity["id"],
    )
    host = {name.partition("__")[2]: value for name, value in function["app_settings"].items() if "WebJobsStorage" in name}
    assert host == {
        "": "",
        "accountName": account["name"],
        "credential": "managedidentity",
        "clientId": identity["client_id"],
    }


def own_identity(resources):
    return [
        identity for identity in of_type(resources, "azurerm_user_assigned_identity") if identity["name"] == "push-dispatcher"
    ]


def test_a_dispatcher_may_do_what_the_provider_does_and_nothing_else(resources):
    calls = {name for name, _ in inspect.getmembers(Arm, inspect.isfunction) if not name.startswith("_")}
    assert set(ACTIONS) == calls
    roles = {role["name"]: role["permissions"][0] for role in of_type(resources, "azurerm_role_definition")}
    assert set(roles) == {"push-dispatcher-batch-dispatcher", "push-dispatcher-batch-identity"}
    assert set(roles["push-dispatcher-batch-dispatcher"]["actions"]) == set(ACTIONS.values())
    assert roles["push-dispatcher-batch-identity"]["actions"] == [ASSIGN]
    assert not any(permissions["data_actions"] or permissions["not_actions"] for permissions in roles.values())


def test_no_right_is_wider_than_azure_allows_it_to_be(resources):
    groups = {group["name"]: group["id"] for group in of_type(resources, "azurerm_resource_group")}
    (jobs,) = [
        identity for identity in of_type(resources, "azurerm_user_assigned_identity") if identity["name"].endswith("-job")
    ]
    own = {role["role_definition_resource_id"]: role["name"] for role in of_type(resources, "azurerm_role_definition")}
    assignments = of_type(resources, "azurerm_role_assignment")
    places = {
        "push-dispatcher-batch-dispatcher": groups["push-dispatcher-batch"],
        "push-dispatcher-batch-identity": jobs["id"],
        **{role: place for role, kind in ROLES.items() for place in [place_of(of_type(resources, kind)[0])]},
    }
    roles = {
        own.get(assignment["role_definition_id"]) or assignment["role_definition_name"]: assignment["scope"]
        for assignment in assignments
    }
    assert roles == places
    for role in of_type(resources, "azurerm_role_definition"):
        assert [role["scope"]] == role["assignable_scopes"] == [groups["push-dispatcher-batch"]]
        assert not [action for action in role["permissions"][0]["actions"] if "*" in action]


def place_of(resource):
    """The id by which rights on it are given: a secret's own is that of its newest version."""
    return resource.get("resource_versionless_id") or resource["id"]


def test_the_jobs_identity_has_no_rights_unless_they_are_given(resources):
    (jobs,) = [
        identity for identity in of_type(resources, "azurerm_user_assigned_identity") if identity["name"].endswith("-job")
    ]
    assert jobs["principal_id"] not in [
        assignment["principal_id"] for assignment in of_type(resources, "azurerm_role_assignment")
    ]


def test_names_are_of_the_forms_that_azure_takes(resources, function):
    (account,), (vault,) = of_type(resources, "azurerm_storage_account"), of_type(resources, "azurerm_key_vault")
    assert re.fullmatch(r"[a-z0-9]{3,24}", account["name"])
    assert re.fullmatch(r"[a-zA-Z][a-zA-Z0-9-]{1,22}[a-zA-Z0-9]", vault["name"])
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]{0,58}[a-z0-9]", function["name"])
    assert (account["account_tier"], account["account_replication_type"], account["min_tls_version"]) == (
        "Standard",
        "LRS",
        "TLS1_2",
    )
    assert function["storage_container_type"] == "blobContainer"
    assert function["identity"][0]["type"] == "SystemAssigned, UserAssigned"


def test_the_longest_name_makes_names_that_azure_takes_still(tmp_path):
    longest = {"resource_group_name": "dispatch", "location": "westeurope", "name": "a-dispatcher-with-the-longest-of"}
    package = a_package(tmp_path)
    with on_the_stub(tmp_path, "modules/azure-dispatcher", store_url=STORE, package=package, **longest) as terraform:
        terraform.apply()
        made = terraform.resources()
    (account,), (vault,) = of_type(made, "azurerm_storage_account"), of_type(made, "azurerm_key_vault")
    assert re.fullmatch(r"[a-z0-9]{3,24}", account["name"])
    assert re.fullmatch(r"[a-zA-Z][a-zA-Z0-9-]{1,22}[a-zA-Z0-9]", vault["name"])


def test_alerts_report_failed_ticks_missing_ticks_and_pools_with_problems(resources):
    alerts = {
        alert["name"].removeprefix("push-dispatcher-"): alert
        for alert in of_type(resources, "azurerm_monitor_scheduled_query_rules_alert_v2")
    }
    assert set(alerts) == {"ticks-fail", "no-ticks", "problems"}
    for alert in alerts.values():
        (criteria,) = alert["criteria"]
        assert criteria["operator"] in ("Equals", "GreaterThan", "GreaterThanOrEqual", "LessThan", "LessThanOrEqual")
        assert criteria["query"].split()[0] in ("AppRequests", "AppTraces")  # the tables of a workspace
        assert (alert["evaluation_frequency"], alert["window_duration"], alert["severity"]) == ("PT15M", "PT15M", 2)
    assert alerts["no-ticks"]["criteria"][0]["operator"] == "LessThan"


def test_the_job_variables_are_those_of_the_template(deployed):
    defaults = deployed.outputs()["job_variables"]
    assert set(defaults) == {"subscription_id", "resource_group_name", "location", "identities"}
    assert (defaults["subscription_id"], defaults["resource_group_name"]) == (SUBSCRIPTION, "push-dispatcher-batch")
    accepted_by_validation("azure-container-instance:push", defaults)


def test_subnets_are_joined_by_a_right_on_them_alone(tmp_path):
    network = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/network"
    subnet = f"{network}/providers/Microsoft.Network/virtualNetworks/jobs/subnets/a"
    values = {
        "name": "batch",
        "location": "westeurope",
        "create_resource_group": False,
        "resource_group_name": "ours",
        "subnet_ids": [subnet],
    }
    with on_the_stub(tmp_path, "modules/container-instance-pool", **values) as terraform:
        terraform.apply()
        made, rights = terraform.resources(), terraform.outputs()["dispatcher"]
    (role,) = [
        role_definition
        for role_definition in of_type(made, "azurerm_role_definition")
        if role_definition["name"] == "batch-subnet-0"
    ]
    assert (role["permissions"][0]["actions"], role["assignable_scopes"]) == ([JOIN], [network])
    assert rights["subnet-0"] == {"scope": subnet, "role": role["role_definition_resource_id"]}
    assert of_type(made, "azurerm_resource_group") == []


CLIENT = "00000000-0000-0000-0000-0000000000aa"


@pytest.fixture(scope="module")
def with_api(tmp_path_factory):
    """What the example has made with the HTTP API."""
    directory = tmp_path_factory.mktemp("azure-api")
    package = a_package(directory)
    values = {"subscription_id": SUBSCRIPTION, "store_url": STORE, "package": package}
    api = {"package": package, "client_id": CLIENT, "editors": ["ada@example.com"]}
    with on_the_stub(directory, EXAMPLE, **values, api=api) as terraform:
        terraform.apply()
        assert terraform.settled()
        yield terraform.resources()


def test_the_api_is_an_app_of_its_own_that_nobody_reaches_without_signing_in(with_api):
    app = with_api['module.dispatcher.azurerm_function_app_flex_consumption.this["api"]']
    (auth,) = app["auth_settings_v2"]
    assert (auth["auth_enabled"], auth["require_authentication"], auth["unauthenticated_action"]) == (True, True, "Return401")
    (directory,) = auth["active_directory_v2"]
    assert directory["client_id"] == CLIENT
    assert directory["tenant_auth_endpoint"] == f"https://login.microsoftonline.com/{TENANT}/v2.0"
    settings = Settings.from_environment({**app["app_settings"], "DISPATCHER_STORE": "memory://"})
    assert settings.ui_editors == frozenset({"ada@example.com"})
    assert "DISPATCHER_SCHEDULE" not in app["app_settings"], "it has no timer"
    plans = {plan["id"]: plan for plan in of_type(with_api, "azurerm_service_plan")}
    assert len(plans) == 2, "Flex Consumption has one app for a plan"
    assert plans[app["service_plan_id"]]["sku_name"] == "FC1"


def test_the_api_may_use_its_own_storage_and_the_address_of_the_store_and_nothing_else(with_api):
    app = with_api['module.dispatcher.azurerm_function_app_flex_consumption.this["api"]']
    identity = with_api['module.dispatcher.azurerm_user_assigned_identity.this["api"]']
    storage = with_api['module.dispatcher.azurerm_storage_account.this["api"]']
    own = {identity["principal_id"], app["identity"][0]["principal_id"]}
    held = {
        (assignment["role_definition_name"], assignment["scope"])
        for assignment in of_type(with_api, "azurerm_role_assignment")
        if assignment["principal_id"] in own
    }
    secret = place_of(of_type(with_api, "azurerm_key_vault_secret")[0])
    assert held == {("Storage Blob Data Owner", storage["id"]), ("Key Vault Secrets User", secret)}
    assert re.fullmatch(r"[a-z0-9]{3,24}", storage["name"])
    assert (storage["shared_access_key_enabled"], app["https_only"]) == (False, True)
