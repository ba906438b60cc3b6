"""infra/ for Google Cloud: the real Terraform, with Google's real schemas and no cloud behind them, and what no schema can say.

Names, roles, permissions and formats are held against what Google's pages list; the links stand beside them.
"""

from __future__ import annotations

import inspect
import re
from datetime import datetime, timedelta

import pytest
from cronsim import CronSim

from dispatcher.environment.settings import Settings
from providers.cloud_run.connection import Connection
from providers.emulators.cloud_run import CloudRunEmulator
from tests.infra.clouds import PROJECT, STORE, a_package, accepted_by_validation, leaves, of_type, on_the_stub
from tests.infra.moved import GOOGLE, moves, plan_from
from tests.infra.terraform import installed
from tests.providers.cloud_run.builders import a_job, a_provider, named

pytestmark = installed

NEW_YEAR = datetime(2026, 1, 1)  # noqa: DTZ001 - the schedule's own zone is looked at beside it
EXAMPLE = "examples/gcp-minimal"

PERMISSIONS = {
    "sign_in": set(),  # the token is the host's own, or that of a service account that the host may act as
    "create_job": {"run.jobs.create", "run.jobs.run"},  # it is created with the token that starts it
    "get_job": {"run.jobs.get"},
    "pages": {"run.jobs.list"},
    "delete_job": {"run.jobs.delete"},
    "get_execution": {"run.executions.get"},
    "cancel_execution": {"run.executions.cancel"},
    "first_tasks": {"run.tasks.list"},
}
"""What each call of the provider needs: https://cloud.google.com/run/docs/reference/iam/permissions"""

ROLES = {
    "roles/run.invoker": "google_cloud_run_service_iam_member",
    "roles/secretmanager.secretAccessor": "google_secret_manager_secret_iam_member",
    "roles/iam.serviceAccountUser": "google_service_account_iam_member",
    "roles/artifactregistry.writer": "google_project_iam_member",
    "roles/logging.logWriter": "google_project_iam_member",
    "roles/storage.objectViewer": "google_project_iam_member",
}
"""The predefined roles, and on what they are given: https://cloud.google.com/iam/docs/roles-permissions"""


@pytest.fixture(scope="module")
def deployed(tmp_path_factory):
    """The example, applied."""
    directory = tmp_path_factory.mktemp("google")
    with on_the_stub(directory, EXAMPLE, project=PROJECT, store_url=STORE, package=a_package(directory)) as terraform:
        terraform.apply()
        yield terraform


@pytest.fixture(scope="module")
def resources(deployed):
    return deployed.resources()


@pytest.fixture(scope="module")
def service(resources):
    (function,) = of_type(resources, "google_cloudfunctions2_function")
    return function["service_config"][0]


def test_a_second_plan_after_an_apply_is_empty(deployed):
    assert deployed.settled()


def test_a_state_of_0_1_is_taken_over_as_it_is(deployed):
    printed = plan_from(deployed, {"dispatcher": GOOGLE})
    assert "Plan: 0 to add, 0 to change, 0 to destroy." in printed
    assert moves(printed) == {(f"module.dispatcher.{old}", f"module.dispatcher.{new}") for old, new in GOOGLE.items()}


def test_the_function_is_built_from_the_zip_with_its_entry_point(resources):
    (function,), (source,) = (
        of_type(resources, "google_cloudfunctions2_function"),
        of_type(resources, "google_storage_bucket_object"),
    )
    (build,) = function["build_config"]
    assert (build["entry_point"], build["runtime"]) == ("tick", "python313")
    assert build["source"][0]["storage_source"][0]["object"] == source["name"]
    assert re.fullmatch(r"[0-9a-f]{64}\.zip", source["name"])


def test_the_function_has_room_for_a_tick_and_a_lease_that_outlives_it(service):
    settings = Settings.from_environment({**service["environment_variables"], "DISPATCHER_STORE": "memory://"})
    assert service["timeout_seconds"] >= settings.tick_seconds + settings.margin_seconds
    assert settings.lease_seconds > service["timeout_seconds"]
    assert service["environment_variables"]["DISPATCHER_TIMEOUT_SECONDS"] == str(service["timeout_seconds"])


def test_the_address_of_the_store_is_in_the_secret_and_nowhere_else(resources, service):
    (version,) = of_type(resources, "google_secret_manager_secret_version")
    assert version["secret_data"] == STORE
    rest = {address: values for address, values in resources.items() if "secret_version" not in address}
    assert not [text for text in leaves(rest) if "hush" in text]
    (variable,) = service["secret_environment_variables"]
    assert (variable["key"], variable["secret"], variable["project_id"]) == (
        "DISPATCHER_STORE",
        "push-dispatcher-store",
        PROJECT,
    )


def test_the_schedule_calls_the_function_each_minute_with_an_authorised_identity_and_never_retries(resources, service):
    (job,) = of_type(resources, "google_cloud_scheduler_job")
    first = next(CronSim(job["schedule"], NEW_YEAR))
    assert first - NEW_YEAR == timedelta(minutes=1)
    assert (job["schedule"], job["time_zone"]) == ("* * * * *", "Etc/UTC")
    assert job["retry_config"][0]["retry_count"] == 0
    assert job["attempt_deadline"] == f"{service['timeout_seconds']}s"
    (target,) = job["http_target"]
    (token,) = target["oidc_token"]
    environment = service["environment_variables"]
    assert (target["http_method"], token["audience"]) == ("POST", environment["DISPATCHER_AUDIENCE"])
    assert token["service_account_email"] == environment["DISPATCHER_CALLERS"]
    assert token["audience"] == f"https://europe-west1-{PROJECT}.cloudfunctions.net/push-dispatcher"
    (invoker,) = of_type(resources, "google_cloud_run_service_iam_member")
    assert (invoker["member"], invoker["service"]) == (f"serviceAccount:{token['service_account_email']}", "push-dispatcher")
    assert environment["DISPATCHER_TOKEN_SIGNATURE"] == "iam"  # so that nobody else may be an invoker:
    assert "allUsers" not in set(leaves(resources))


def test_the_end_of_a_job_is_pushed_to_the_function_with_the_schedules_token(resources, service):
    (topic,), (sink,) = of_type(resources, "google_pubsub_topic"), of_type(resources, "google_logging_project_sink")
    assert sink["destination"] == f"pubsub.googleapis.com/{topic['id']}"
    assert (sink["project"], sink["unique_writer_identity"], sink["disabled"]) == (PROJECT, True, False)
    (writers,) = of_type(resources, "google_pubsub_topic_iam_binding")
    assert (writers["role"], writers["members"]) == ("roles/pubsub.publisher", [sink["writer_identity"]])
    (subscription,) = of_type(resources, "google_pubsub_subscription")
    assert subscription["topic"] == topic["id"]
    assert service["timeout_seconds"] <= subscription["ack_deadline_seconds"] <= 600
    (pushed,) = subscription["push_config"]
    (token,) = pushed["oidc_token"]
    (job,) = of_type(resources, "google_cloud_scheduler_job")
    assert pushed["push_endpoint"] == job["http_target"][0]["uri"]
    assert [token] == job["http_target"][0]["oidc_token"]


def test_the_sink_takes_the_ends_of_our_jobs_and_nothing_else(resources):
    (sink,) = of_type(resources, "google_logging_project_sink")
    with CloudRunEmulator() as cloud:
        job = a_job(named(7, attempt=12), project=PROJECT, region="europe-west1")
        a_provider(cloud).submit(job)
        cloud.finish(job.name)
        (entry,) = cloud.events()
    assert takes(sink["filter"], entry)
    assert not takes(sink["filter"], {**entry, "logName": entry["logName"].replace("system_event", "activity")})
    labels = {**entry["resource"]["labels"], "job_name": "nightly-report"}
    assert not takes(sink["filter"], {**entry, "resource": {**entry["resource"], "labels": labels}})


def takes(query, entry):
    """Whether an entry passes a query of equalities and patterns, as Cloud Logging reads them."""
    for condition in query.split(" AND "):
        path, operator, text = re.fullmatch(r'([\w.]+)(=~?)"(.*)"', condition).groups()
        value = entry
        for key in path.split("."):
            value = value[key]
        if not (re.search(text, value) if operator == "=~" else text == value):
            return False
    return True


def test_a_dispatcher_may_do_what_the_provider_does_and_nothing_else(resources):
    calls = {name for name, _ in inspect.getmembers(Connection, inspect.isfunction) if not name.startswith("_")}
    assert set(PERMISSIONS) == calls
    (role,) = of_type(resources, "google_project_iam_custom_role")
    assert set(role["permissions"]) == set().union(*PERMISSIONS.values())
    assert re.fullmatch(r"[a-zA-Z0-9_.]{3,64}", role["role_id"])
    (job,) = [account for account in of_type(resources, "google_service_account") if account["account_id"].endswith("-job")]
    (acts_as,) = of_type(resources, "google_service_account_iam_member")
    assert acts_as["service_account_id"] == job["name"]


def test_no_right_is_wider_than_google_allows_it_to_be(resources):
    grants = [(kind, values) for kind in set(ROLES.values()) for values in of_type(resources, kind)]
    (custom,) = of_type(resources, "google_project_iam_custom_role")
    for kind, values in grants:
        assert values["role"] == custom["id"] or ROLES[values["role"]] == kind, values
        assert values["member"].startswith("serviceAccount:"), values
    assert {values["role"] for _, values in grants} == {*ROLES, custom["id"]}
    texts = set(leaves([values for _, values in grants])) | set(custom["permissions"])
    assert not [text for text in texts if "*" in text or re.search(r"roles/(owner|editor|viewer)|[aA]dmin", text)]
    (function,) = [
        account for account in of_type(resources, "google_service_account") if account["account_id"] == "push-dispatcher"
    ]
    held = {(kind, values["role"]) for kind, values in grants if values["member"] == f"serviceAccount:{function['email']}"}
    assert held == {
        ("google_project_iam_member", custom["id"]),
        ("google_service_account_iam_member", "roles/iam.serviceAccountUser"),
        ("google_secret_manager_secret_iam_member", "roles/secretmanager.secretAccessor"),
    }


def test_names_are_of_the_forms_that_google_takes(resources, service):
    for account in of_type(resources, "google_service_account"):
        assert re.fullmatch(r"[a-z][a-z0-9-]{4,28}[a-z0-9]", account["account_id"])
    (bucket,) = of_type(resources, "google_storage_bucket")
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", bucket["name"])
    assert (bucket["public_access_prevention"], bucket["uniform_bucket_level_access"]) == ("enforced", True)
    assert service["ingress_settings"] in ("ALLOW_ALL", "ALLOW_INTERNAL_ONLY", "ALLOW_INTERNAL_AND_GCLB")
    for enabled in of_type(resources, "google_project_service"):
        assert re.fullmatch(r"[a-z]+\.googleapis\.com", enabled["service"])


def test_alerts_report_failed_ticks_missing_ticks_and_pools_with_problems(resources):
    policies = {
        policy["display_name"]: policy["conditions"][0] for policy in of_type(resources, "google_monitoring_alert_policy")
    }
    assert {name.partition(": ")[2] for name in policies} == {"ticks fail", "no ticks", "problems"}
    for name, condition in policies.items():
        (condition_part,) = condition["condition_absent" if "no ticks" in name else "condition_threshold"]
        assert re.match(r'resource\.type = "cloud_run_revision" AND .*metric\.type = "', condition_part["filter"])
        (aligned,) = condition_part["aggregations"]
        assert (aligned["per_series_aligner"], aligned["cross_series_reducer"]) == ("ALIGN_DELTA", "REDUCE_SUM")
        assert int(condition_part["duration"].rstrip("s")) % 60 == 0
    metrics = {metric["name"].rpartition("-")[2]: metric for metric in of_type(resources, "google_logging_metric")}
    assert set(metrics) == {"problems", "ticks"}
    assert f"user/{metrics['problems']['name']}" in policies["push-dispatcher: problems"]["condition_threshold"][0]["filter"]
    assert f"user/{metrics['ticks']['name']}" in policies["push-dispatcher: no ticks"]["condition_absent"][0]["filter"]


def test_the_ends_of_jobs_do_not_hide_that_the_schedule_is_gone(resources):
    (metric,) = [metric for metric in of_type(resources, "google_logging_metric") if metric["name"].endswith("-ticks")]
    service, _, agent = metric["filter"].rpartition(" AND ")
    assert service == 'resource.type = "cloud_run_revision" AND resource.labels.service_name = "push-dispatcher"'
    assert agent == 'httpRequest.userAgent:"Google-Cloud-Scheduler"'


def test_the_job_variables_are_those_of_the_template(deployed):
    defaults = deployed.outputs()["job_variables"]
    assert set(defaults) == {"project", "region", "service_account_name"}
    accepted_by_validation("cloud-run-v2:push", defaults)


DEPLOY, READER = (f"{name}@{PROJECT}.iam.gserviceaccount.com" for name in ("deploy", "reader"))


@pytest.fixture(scope="module")
def with_api(tmp_path_factory):
    """What the example has made with the HTTP API."""
    directory = tmp_path_factory.mktemp("google-api")
    package = a_package(directory)
    api = {"callers": [DEPLOY, READER], "editors": [DEPLOY], "package": package}
    with on_the_stub(directory, EXAMPLE, project=PROJECT, store_url=STORE, package=package, api=api) as terraform:
        terraform.apply()
        assert terraform.settled()
        yield terraform.resources()


def test_the_api_is_a_function_that_its_callers_alone_may_start(with_api):
    function = with_api['module.dispatcher.google_cloudfunctions2_function.this["api"]']
    (source,) = function["build_config"][0]["source"][0]["storage_source"]
    assert function["build_config"][0]["entry_point"] == "api"
    assert re.fullmatch(r"api-[0-9a-f]{64}\.zip", source["object"])
    invokers = {
        member["member"]
        for member in of_type(with_api, "google_cloud_run_service_iam_member")
        if member["service"] == function["name"]
    }
    assert invokers == {f"serviceAccount:{DEPLOY}", f"serviceAccount:{READER}"}
    (service,) = function["service_config"]
    settings = Settings.from_environment({**service["environment_variables"], "DISPATCHER_STORE": "memory://"})
    assert (settings.callers, settings.ui_editors) == ({DEPLOY, READER}, frozenset({DEPLOY}))
    assert settings.audience == {f"https://europe-west1-{PROJECT}.cloudfunctions.net/push-dispatcher-api"}
    assert settings.token_signature == "iam"


def test_the_api_may_read_the_address_of_the_store_and_nothing_else(with_api):
    (account,) = [account for account in of_type(with_api, "google_service_account") if account["account_id"].endswith("-api")]
    member = f"serviceAccount:{account['email']}"
    held = {values["role"] for kind in ROLES.values() for values in of_type(with_api, kind) if values["member"] == member}
    assert held == {"roles/secretmanager.secretAccessor"}
    (service,) = with_api['module.dispatcher.google_cloudfunctions2_function.this["api"]']["service_config"]
    assert service["service_account_email"] == account["email"]
