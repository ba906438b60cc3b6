"""State as the modules of 0.1 have left it: the same resources, under the addresses that they had then."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from tests.infra.terraform import Terraform

AWS = {
    "aws_cloudwatch_log_group.this": 'aws_cloudwatch_log_group.this["tick"]',
    "aws_cloudwatch_metric_alarm.no_ticks": 'aws_cloudwatch_metric_alarm.this["no-ticks"]',
    "aws_cloudwatch_metric_alarm.problems": 'aws_cloudwatch_metric_alarm.this["problems"]',
    "aws_cloudwatch_metric_alarm.throttled": 'aws_cloudwatch_metric_alarm.this["throttled"]',
    "aws_cloudwatch_metric_alarm.ticks_fail": 'aws_cloudwatch_metric_alarm.this["ticks-fail"]',
    "aws_dynamodb_table.this": "aws_dynamodb_table.this[0]",
    "aws_iam_role.function": 'aws_iam_role.this["tick"]',
    "aws_iam_role.schedule": 'aws_iam_role.this["schedule"]',
    "aws_iam_role_policy.function": 'aws_iam_role_policy.this["tick"]',
    "aws_iam_role_policy.schedule": 'aws_iam_role_policy.this["schedule"]',
    "aws_lambda_function.this": 'aws_lambda_function.this["tick"]',
}
"""Of aws-dispatcher: the address in 0.1, and what it is now."""

GOOGLE = {
    "google_cloud_run_service_iam_member.schedule": 'google_cloud_run_service_iam_member.invokers["schedule"]',
    "google_cloudfunctions2_function.this": 'google_cloudfunctions2_function.this["tick"]',
    "google_monitoring_alert_policy.no_ticks[0]": 'google_monitoring_alert_policy.this["no-ticks"]',
    "google_monitoring_alert_policy.problems[0]": 'google_monitoring_alert_policy.this["problems"]',
    "google_monitoring_alert_policy.ticks_fail[0]": 'google_monitoring_alert_policy.this["ticks-fail"]',
    "google_secret_manager_secret_iam_member.store": 'google_secret_manager_secret_iam_member.store["tick"]',
    "google_service_account.build": 'google_service_account.this["build"]',
    "google_service_account.function": 'google_service_account.this["tick"]',
    "google_service_account.schedule": 'google_service_account.this["schedule"]',
    "google_storage_bucket.source": "google_storage_bucket.source[0]",
    "google_storage_bucket_object.source": 'google_storage_bucket_object.source["tick"]',
}
"""Of gcp-dispatcher, likewise."""

AZURE = {
    "azurerm_function_app_flex_consumption.this": 'azurerm_function_app_flex_consumption.this["tick"]',
    "azurerm_role_assignment.storage": 'azurerm_role_assignment.storage["tick"]',
    "azurerm_role_assignment.store": 'azurerm_role_assignment.secrets["tick-store"]',
    "azurerm_service_plan.this": 'azurerm_service_plan.this["tick"]',
    "azurerm_storage_account.this": 'azurerm_storage_account.this["tick"]',
    "azurerm_storage_container.package": 'azurerm_storage_container.package["tick"]',
    "azurerm_user_assigned_identity.function": 'azurerm_user_assigned_identity.this["tick"]',
}
"""Of azure-dispatcher, likewise."""

ECS_POOL = {"aws_iam_role_policy.task[0]": 'aws_iam_role_policy.task["task"]'}
"""Of ecs-pool, likewise, where `task_policies` calls the policy of 0.1 by its name."""


def plan_from(terraform: Terraform, renamed: Mapping[str, Mapping[str, str]]) -> str:
    """What `terraform plan` prints for a state with the old addresses, by module; the state is as before afterwards."""
    present = terraform.state.read_text()
    try:
        state = json.loads(present)
        for module, addresses in renamed.items():
            for old, new in addresses.items():
                _rename(state, f"module.{module}", new, old)
        terraform.state.write_text(json.dumps(state))
        return terraform.run("plan", "-input=false")
    finally:
        terraform.state.write_text(present)


def moves(printed: str) -> set[tuple[str, str]]:
    """From where to where a plan moves resources."""
    return set(re.findall(r"# (\S+) has moved to (\S+)", printed)) | {
        (old, new) for new, old in re.findall(r"# (\S+) .*\n\s+# \(moved from (\S+)\)", printed)
    }


def _rename(state: dict[str, Any], module: str, address: str, to: str) -> None:
    kind, name, index = _parts(address)
    (resource,) = [
        each for each in state["resources"] if (each.get("module"), each["type"], each["name"]) == (module, kind, name)
    ]
    (instance,) = [each for each in resource["instances"] if each.get("index_key") == index]
    resource["instances"].remove(instance)
    _, old_name, old_index = _parts(to)
    fields = {key: value for key, value in instance.items() if key != "index_key"}
    own = {**fields, "index_key": old_index} if old_index is not None else fields
    state["resources"] = [each for each in state["resources"] if each["instances"]]
    state["resources"].append({**resource, "name": old_name, "instances": [own]})


def _parts(address: str) -> tuple[str, str, Any]:
    match = re.fullmatch(r"(\w+)\.(\w+)(?:\[(.+)\])?", address)
    assert match is not None, address
    kind, name, index = match.groups()
    return kind, name, json.loads(index) if index else None
