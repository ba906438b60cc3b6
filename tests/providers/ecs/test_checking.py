"""What the check says of a configuration is what a submission would say, word for word, and needs no call."""

from __future__ import annotations

import json
import subprocess
import sys
from copy import deepcopy

import pytest

from dispatcher.core.templates import render
from providers import registry
from providers.base import Finding, Job, Rejected
from providers.ecs.checking import check
from tests.prefect import installed
from tests.prefect.installed import INSTALLED
from tests.providers.ecs.builders import NAME, OURS, PREFECT, a_configuration
from tests.providers.garbage import garbage

ROLE = "arn:aws:iam::123456789012:role/x"
MAIN = "task_definition.containerDefinitions[0]"
OVERRIDES = "task_run_request.overrides"


def with_main(**fields):
    """Our template with more fields in its container."""
    return changed("task_definition.containerDefinitions.0", **fields)


def changed(path, **fields):
    template = deepcopy(OURS)
    place = template["job_configuration"]
    for step in path.split(".") if path else ():
        place = place[int(step) if step.isdigit() else step]
    place.update(fields)
    return template


def sidecar(**fields):
    containers = [
        *OURS["job_configuration"]["task_definition"]["containerDefinitions"],
        {"name": "proxy", "image": "p", **fields},
    ]
    return changed("task_definition", containerDefinitions=containers)


def network(**fields):
    return {"network_configuration": fields}


EXISTING = {"task_definition_arn": "mine:1", "image": None}
TWINS = changed("task_definition", containerDefinitions=[{"name": "a", "image": "i"}, {"name": "a", "image": "i"}])
BRIDGE = changed("task_definition", networkMode="bridge")
GREEDY = changed("task_run_request.overrides", containerOverrides=[{"cpu": 1024}])
FAULTY = [
    ({"image": None}, OURS, "image", "missing; give the image to run, or task_definition_arn"),
    ({"cpu": 300}, OURS, "cpu", "Fargate has no tasks of 300 CPU units; it offers 256, 512, 1024"),
    ({"cpu": 256, "memory": 4096}, OURS, "memory", "Fargate offers 512, 1024, 2048 MiB with 256 CPU units, not 4096"),
    ({"cpu": 8192, "memory": 17408}, OURS, "memory", "Fargate offers 16384 to 61440 in steps of 4096 MiB"),
    ({"secrets": {"A": "arn:a"}}, OURS, "secrets", "ECS reads them with the execution role; give execution_role_arn"),
    ({"secrets": {"DISPATCHER_RUN_ID": "arn:a"}, "execution_role_arn": ROLE}, OURS, "secrets", "DISPATCHER_RUN_ID: names that"),
    ({"configure_cloudwatch_logs": True}, OURS, "configure_cloudwatch_logs", "ECS writes the logs with the execution role"),
    ({"cloudwatch_logs_options": {"awslogs-group": "g"}}, OURS, "cloudwatch_logs_options", "set configure_cloudwatch_logs"),
    ({"image": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/a:1"}, OURS, "execution_role_arn", "missing; Fargate pulls"),
    ({}, with_main(logConfiguration={"logDriver": "awslogs"}), "execution_role_arn", "missing; Fargate writes the logs of"),
    ({}, with_main(essential=False), "task_definition.containerDefinitions", "none is essential; leave out essential in"),
    ({}, with_main(restartPolicy={"enabled": True}), f"{MAIN}.restartPolicy", "would run the job again within one attempt"),
    ({}, with_main(imag="x"), f"{MAIN}.imag", "ECS does not know imag; did you mean image?"),
    ({}, with_main(port_mappings=[1]), f"{MAIN}.port_mappings", "ECS does not know port_mappings; did you mean portMappings?"),
    ({}, with_main(privileged="perhaps"), f"{MAIN}.privileged", "give true or false, not 'perhaps'"),
    ({}, with_main(portMappings=[{"containerPort": "a"}]), f"{MAIN}.portMappings[0].containerPort", "a whole number, not 'a'"),
    ({}, with_main(memory=4096), "task_definition.containerDefinitions.memory", "4096 is more than the task has, 2048"),
    ({}, with_main(cpu=2048), "task_definition.containerDefinitions.cpu", "2048 is more than the task has, 1024"),
    ({}, with_main(memory=512, memoryReservation=1024), f"{MAIN}.memoryReservation", "1024 MiB are more than the container's"),
    ({}, with_main(entryPoint={"a": 1}), f"{MAIN}.entryPoint", "give a list, not an object"),
    ({}, sidecar(name="prefect"), f"{MAIN}.name", "missing; only one container may be without a name"),
    ({}, TWINS, "task_definition.containerDefinitions[1].name", "'a' is another container's name too"),
    ({}, sidecar(image=None), "task_definition.containerDefinitions[1].image", "missing; every container needs one"),
    ({"launch_type": "EC2"}, sidecar(), "task_definition.containerDefinitions[1].memory", "missing; without a size"),
    ({"command": "echo 'open"}, OURS, "command", "cannot be split like a shell command: No closing quotation"),
    ({"command": [{"a": 1}]}, OURS, "command[0]", "give text, not an object"),
    ({"command": 5}, OURS, "command", "give a list, not a number"),
    ({"container_name": "main"}, sidecar(), None, None),
    (network(Subnets=["s"]), OURS, "network_configuration.Subnets", "is not a field of ECS's awsvpcConfiguration; did you"),
    (network(AwsvpcConfiguration={"Subnets": ["s"]}), OURS, "network_configuration.AwsvpcConfiguration", "is not a field of"),
    (network(security_groups=["g"]), OURS, "network_configuration.security_groups", "did you mean securityGroups?"),
    ({"launch_type": "EC2", "security_groups": ["g"]}, BRIDGE, "network_configuration", "needs a task definition in network"),
    ({"assign_public_ip": "perhaps"}, OURS, "assign_public_ip", "give true or false, not text"),
    ({"launch_type": "LAMBDA"}, OURS, "launch_type", "'LAMBDA' is not one of CLUSTER_DEFAULT, EC2"),
    ({"task_definition_arn": "mine:1"}, OURS, "image", "cannot take effect: an existing task definition is run as it is"),
    ({"task_definition_arn": "mine:1", "image": None, "secrets": {"A": "arn"}}, OURS, "secrets", "cannot take effect"),
    ({**EXISTING, "configure_cloudwatch_logs": True}, OURS, "configure_cloudwatch_logs", "cannot take effect: an existing"),
    ({}, changed("", clustr="jobs"), "clustr", "the ECS provider does not read it; did you mean cluster?"),
    ({}, changed("", taskDefinition={}), "taskDefinition", "the ECS provider does not read it; did you mean task_definition?"),
    ({}, changed("task_definition", NetworkMode="awsvpc"), "task_definition.NetworkMode", "did you mean networkMode?"),
    ({}, changed("task_run_request", launch_type="EC2"), "task_run_request.launch_type", "did you mean launchType?"),
    ({}, changed("task_run_request", count=2), "task_run_request.count", "a run is one task; leave it out, or give 1"),
    ({"cluster": 5}, OURS, "cluster", "give text, not a number"),
    ({"aws_credentials": {"aws_access_key_id": "A"}}, OURS, "aws_credentials", "has unknown keys: aws_access_key_id; give"),
    ({"env": {"BIG": "x" * 9000}}, OURS, "overrides", "characters of JSON, and ECS takes 8192"),
    ({"cpu": 512, "memory": 1024}, GREEDY, f"{OVERRIDES}.containerOverrides[0].cpu", "1024 is more than the task has, 512"),
]  # fmt: skip


@pytest.mark.parametrize("case", FAULTY, ids=lambda case: f"{case[2]}: {case[3]}"[:60])
def test_validation_reports_a_fault_in_the_words_of_the_submission(case, aws, provider):
    variables, template, path, message = case
    configuration = a_configuration(template, **variables)
    checked = check(configuration)
    assert not checked.unchecked
    if path is None:
        assert checked.faults == ()
        return
    [fault] = checked.faults
    assert fault.path == path
    assert message in fault.message
    outcome = provider.submit(Job(name=NAME, configuration=configuration))
    assert outcome == Rejected(reason=f"{fault.path}: {fault.message}")
    assert not aws.calls["RunTask"]


def test_several_faults_are_reported_at_once():
    checked = check(a_configuration(with_main(imag="x", privileged="perhaps"), clustr="c", command="'", cpu=300))
    assert {fault.path for fault in checked.faults} >= {f"{MAIN}.imag", f"{MAIN}.privileged", "command"}


WARNED = [
    ({"name": "nightly"}, OURS, "name", "a task of ECS has no name of its own"),
    ({"task_watch_poll_interval": 10}, PREFECT, "task_watch_poll_interval", "nobody polls for one task"),
    ({"auto_deregister_task_definition": True}, PREFECT, "auto_deregister_task_definition", "found again by its content"),
    ({"match_latest_revision_in_family": True}, PREFECT, "match_latest_revision_in_family", "found by its content"),
    ({**network(subnets=["a"]), "subnets": ["b"]}, OURS, "subnets", "network_configuration.subnets takes its"),
    ({**network(securityGroups=["a"]), "security_groups": ["b"]}, OURS, "security_groups", "takes its place"),
    ({"subnets": ["a"], "vpc_id": "vpc-1"}, OURS, "vpc_id", "subnets are given"),
    ({"task_definition_arn": "mine", "image": None, "family": "f"}, OURS, "task_definition.family", "existing task definition"),
    ({}, sidecar(), None, None),
    ({}, changed("task_run_request", propagateTags="EVERYTHING"), "task_run_request.propagateTags", "not one of the values"),
]  # fmt: skip


@pytest.mark.parametrize(("variables", "template", "path", "message"), WARNED, ids=lambda value: str(value)[:40])
def test_a_setting_without_effect_is_reported_and_accepted(variables, template, path, message):
    checked = check(a_configuration(template, **variables))
    assert checked.faults == ()
    if path is None:
        assert checked.warnings == ()
    else:
        [warning] = checked.warnings
        assert warning.path == path
        assert message in warning.message


def test_a_main_container_that_is_not_essential_is_reported():
    containers = [{"image": "{{ image }}", "name": "prefect", "essential": False}, {"name": "proxy", "image": "p"}]
    [warning] = check(a_configuration(changed("task_definition", containerDefinitions=containers))).warnings
    assert warning == Finding(
        path=f"{MAIN}.essential", message="the task goes on when 'prefect' has ended, until an essential container ends"
    )


@pytest.mark.parametrize("name", ["prefect", INSTALLED])
def test_prefects_templates_are_checked_clean_as_they_are(name):
    template = PREFECT if name == "prefect" else installed.template("ecs")
    for kind in ("ecs", "ecs:push"):
        checked = registry.check(kind, render(template, {"image": "busybox"}))
        assert (checked.faults, checked.warnings) == ((), ())


def test_the_default_templates_are_checked_clean():
    checked = check(a_configuration())
    assert (checked.faults, checked.warnings, checked.unchecked) == ((), (), ())


def test_validation_and_submission_agree_on_every_configuration(aws, provider):
    whole = a_configuration(
        command="python -m job", env={"A": "1"}, labels={"team": "data"}, subnets=["subnet-1"], security_groups=["sg-1"],
        execution_role_arn=ROLE, secrets={"S": "arn:s"}, configure_cloudwatch_logs=True, cpu=256, memory=512,
    )  # fmt: skip
    for number, configuration in enumerate(garbage(whole)):
        checked = check(configuration)
        outcome = provider.submit(Job(name=f"r{number:032x}-1", configuration=configuration))
        if checked.faults:
            assert isinstance(outcome, Rejected), (configuration, checked, outcome)
        elif isinstance(outcome, Rejected):
            assert outcome.reason.partition(":")[0].endswith("Exception"), (configuration, outcome)


def test_without_the_sdk_the_rest_is_checked_and_the_gaps_are_named():
    code = f"""
import json, sys
sys.modules["botocore"] = sys.modules["boto3"] = None
from providers import registry
right = registry.check("ecs:push", json.loads({json.dumps(json.dumps(a_configuration()))}))
assert right.faults == () and "pip install" in right.unchecked[0], right
wrong = registry.check("ecs:push", json.loads({json.dumps(json.dumps(a_configuration(image=None)))}))
assert wrong.faults[0].path == "image" and wrong.unchecked, wrong
"""
    subprocess.run([sys.executable, "-c", code], check=True)
