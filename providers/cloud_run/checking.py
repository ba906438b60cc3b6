"""Checks of a rendered configuration before any call: all remarks when it is saved, only the faults at a submission."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from importlib.util import find_spec
from typing import Any

from providers.base import Checked, ConfigurationError, Finding, Job
from providers.cloud_run.environment import PREFECT_SECRETS, SECRET_KEYS, plain_of, secrets_of
from providers.cloud_run.knative import is_knative, strangers, written_at
from providers.cloud_run.needs import needs_of
from providers.cloud_run.place import Place, place_names
from providers.cloud_run.rendering import NO_STAGE, OUTPUT, OWN, body_of, v2_body
from providers.cloud_run.rules import broken_rules
from providers.google.accounts import NO_REGION
from providers.google.labels import MAX_LABELS, clean_key
from providers.remarks import finding_of, start_timeout_faults, unknown_keys
from providers.values import mapping

READ = frozenset(
    {"name", "command", "image", "env", "labels", "credentials", "project", "region", "timeout", "job_body", "keep_job"}
    | {"task_start_timeout_seconds", "cloudsql_instances", *SECRET_KEYS, *PREFECT_SECRETS}
)
"""The keys of a job configuration that are read here."""

NO_EFFECT = {
    "name": "has no effect on Cloud Run: the job is called after its run",
    "task_start_timeout_seconds": "is read by the dispatcher, which cancels a job that has not started by then",
}
"""Variables of our templates that are not part of a request to Cloud Run, each with the reason."""

_ANYWHERE = Place(project="project", region="region")
_SOMEBODY = "r" + "0" * 32 + "-1"


def check(configuration: Mapping[str, Any]) -> Checked:
    """Everything that `submit` would reject or would accept without effect; without Google's SDK, fewer checks."""
    try:
        needs_of(configuration)
        body = body_of(Job(name=_SOMEBODY, configuration=configuration), _ANYWHERE, "nobody")
    except ConfigurationError as problem:
        return Checked(faults=_unique([*own_faults(configuration), finding_of(problem)]))
    faults, unchecked = [*own_faults(configuration), *broken_rules(body)], []
    if _has_sdk():
        from providers.cloud_run.shape import shaped  # noqa: PLC0415 - Google's SDK is imported on first use

        faults += shaped(body)[1]
    else:
        unchecked.append("job_body: its fields and their types, for which pip install 'push-dispatcher[gcp]' is needed")
    if is_knative(mapping(configuration.get("job_body"), "job_body")):
        faults = [Finding(path=written_at(item.path), message=item.message) for item in faults]
    return Checked(faults=_unique(faults), warnings=_unique(_warnings(configuration, body)), unchecked=tuple(unchecked))


def own_faults(configuration: Mapping[str, Any]) -> list[Finding]:
    """The faults in a configuration's own keys."""
    faults = [*unknown_keys(configuration, READ), *start_timeout_faults(configuration)]
    body = configuration.get("job_body")
    if isinstance(body, Mapping) and is_knative(body):
        faults += strangers(body)
    if configuration.get("keep_job") not in (None, "", True, False):
        faults.append(Finding(path="keep_job", message=f"give true or false, not {configuration['keep_job']!r:.80}"))
    try:
        if place_names(configuration).region is None:
            faults.append(finding_of(ConfigurationError(NO_REGION)))
    except ConfigurationError as problem:
        faults.append(finding_of(problem))
    return faults


def refused(configuration: Mapping[str, Any], body: Mapping[str, Any]) -> list[Finding]:
    """The faults for which a submission is rejected before Google is asked. A missing region is not a fault: the host's is
    used.
    """
    return [*(item for item in own_faults(configuration) if item.path != "region"), *broken_rules(body)]


def _warnings(configuration: Mapping[str, Any], body: Mapping[str, Any]) -> Iterator[Finding]:
    template = v2_body(configuration)
    if configuration.get("name"):
        yield Finding(path="name", message=NO_EFFECT["name"])
    for key in OWN.keys() & template.keys():
        yield Finding(path=f"job_body.{key}", message=f"has no effect: {OWN[key]}")
    for key in sorted(OUTPUT & template.keys()):
        yield Finding(path=f"job_body.{key}", message="has no effect: Cloud Run fills it")
    if template.get("launchStage") == NO_STAGE:
        yield Finding(path="job_body.launchStage", message=f"has no effect: Cloud Run has no stage {NO_STAGE}")
    yield from _of_the_task(template, body["template"]["template"])
    yield from _of_variables(template, configuration)
    yield from _of_labels(configuration)


def _of_the_task(template: Mapping[str, Any], task: Mapping[str, Any]) -> Iterator[Finding]:
    path = "job_body.template.template"
    if retries := task["maxRetries"]:
        message = (
            f"Cloud Run repeats a failed task {retries} times by itself, and the run sees one attempt; give the run retries"
        )
        yield Finding(path=f"{path}.maxRetries", message=message)
    task_template = mapping(mapping(template.get("template"), "").get("template"), "")
    if task_template.get("vpcAccess") and "vpcAccess" not in task:
        message = "has no effect without a connector or network interfaces"
        yield Finding(path=f"{path}.vpcAccess", message=message)
    limits = task["containers"][0].get("resources", {}).get("limits", {})
    if "nodeSelector" in task and "nvidia.com/gpu" not in limits:
        yield Finding(path=f"{path}.nodeSelector", message="has no effect without GPUs: give the limit nvidia.com/gpu too")


def _of_variables(template: Mapping[str, Any], configuration: Mapping[str, Any]) -> Iterator[Finding]:
    execution = mapping(template.get("template"), "")
    task = mapping(execution.get("template"), "")
    main = (task.get("containers") or [{}])[0]
    secrets = secrets_of(main.get("env"), configuration)
    for name, variable in plain_of(main.get("env"), configuration).items():
        if variable is not None and "value" in variable and secrets.get(name) is not None:
            yield Finding(path=f"env.{name}", message="has no effect: the secret of the same name is used")
    for key, own in (("image", main), ("command", main), ("timeout", task)):
        if configuration.get(key) and own.get(key) and configuration[key] != own[key]:
            yield Finding(path=key, message=f"has no effect: the job body has {own[key]!r:.80}")
    if execution.get("parallelism") and str(execution.get("taskCount", 1)) == "1":
        yield Finding(path="job_body.template.parallelism", message="has no effect: the job has one task")


def _of_labels(configuration: Mapping[str, Any]) -> Iterator[Finding]:
    labels = mapping(configuration.get("labels"), "labels")
    for label in labels:
        if not clean_key(label):
            yield Finding(path=f"labels.{label}", message="has no effect: a label of Google's has a letter in its key")
    if len(labels) > MAX_LABELS:
        yield Finding(path="labels", message=f"Cloud Run takes {MAX_LABELS} labels; those after are left out")


def _has_sdk() -> bool:
    try:
        return find_spec("google.cloud.run_v2") is not None
    except ModuleNotFoundError:  # `google` itself is missing
        return False


def _unique(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(dict.fromkeys(findings))
