"""infra/examples of two accounts and two regions: applied to emulators of an account each, put to work, and destroyed.

The zip runs as Lambda runs it, under the credentials of the role that Terraform made, while the emulators hold every request
against policies of roles, trust policies included.
"""

from __future__ import annotations

import json
from collections import Counter
from contextlib import ExitStack

import pytest

from dispatcher.environment.settings import Settings
from dispatcher.models import RunState
from providers.emulators.ecs import EcsEmulator
from tests.infra.at_work import a_function, people, the_package, tick_until_all_have_ended
from tests.infra.aws import Root, of_type, policies
from tests.infra.clouds import a_package, accepted_by_validation
from tests.infra.moved import ECS_POOL, plan_from
from tests.infra.terraform import Terraform, mirror, needs

pytestmark = [needs("hashicorp/aws"), pytest.mark.long]

OURS, JOBS = "567890123456", "678901234567"
FUNCTION = f"arn:aws:iam::{OURS}:role/push-dispatcher-function-us-east-1"
BUS = f"arn:aws:events:us-east-1:{OURS}:event-bus/default"
REGIONS = ("us-east-1", "eu-central-1")
LIMIT = 25
DELIVERED = 3


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    return the_package(tmp_path_factory)


@pytest.fixture
def account(monkeypatch):
    """An emulator of an account, for as long as the test takes; the last one is whom people sign in to."""
    monkeypatch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
    emulators = []

    def start(number):
        emulators.append(EcsEmulator(account=number, job_seconds=0.3))
        emulators[-1].start()
        for name, value in emulators[-1].environment().items():
            monkeypatch.setenv(name, value)
        return emulators[-1]

    yield start
    for emulator in emulators:
        emulator.stop()


def an_example(name, directory, emulated, **variables):
    """A root module of `infra/examples`, for tables that may be destroyed.

    `emulated`: the environment that leads to an emulator.
    """
    values = {"package": a_package(directory), "deletion_protection": False, **variables}
    plugins = mirror("hashicorp/aws")
    return Terraform(directory, f"examples/{name}", plugins=plugins, variables=values, environment=emulated)


def profiles(directory, **clouds):
    """The environment of whoever signs in to several emulators by profiles of AWS's configuration."""
    file = directory / "aws-config"
    keys = "aws_access_key_id = test\naws_secret_access_key = test"
    file.write_text("".join(f"[profile {name}]\n{keys}\nendpoint_url = {cloud.url}\n" for name, cloud in clouds.items()))
    return {"AWS_CONFIG_FILE": str(file), "AWS_PROFILE": next(iter(clouds)), "AWS_EC2_METADATA_DISABLED": "true"}


def enforce_permissions(*emulators):
    for emulator in emulators:
        emulator.change_settings({"enforce_permissions": True})


def completed(client):
    """How many runs have completed; there is no other end."""
    (state,) = {run.state for run in client.runs(limit=1000)}
    assert state == RunState.COMPLETED
    return len(client.runs(limit=1000))


def test_a_dispatcher_serves_a_pool_of_another_account_without_a_key(account, package, tmp_path):
    jobs, ours = account(JOBS), account(OURS)
    accounts = profiles(tmp_path, ours=ours, jobs=jobs)
    terraform = an_example("aws-two-accounts", tmp_path, accounts, jobs_account=JOBS, jobs_profile="jobs")
    terraform.apply()
    resources, outputs = terraform.resources(), terraform.outputs()
    check_what_two_accounts_have(resources, outputs)

    enforce_permissions(ours, jobs)
    root, client = Root(ours, OURS), people(outputs["store"])
    client.create_work_pool(
        "batch", type="ecs:push", concurrency_limit=LIMIT, job_variables={**outputs["job_variables"], "image": "busybox"}
    )
    runs = client.create_runs({"pool": "batch"} for _ in range(50))
    there = {"AWS_ENDPOINT_URL_ECS": jobs.url, "AWS_ENDPOINT_URL_EC2": jobs.url}
    of_ours = {address: values for address, values in resources.items() if address.startswith("module.dispatcher")}
    (forwarding,) = [
        json.loads(rule["event_pattern"])
        for address, rule in resources.items()
        if address.startswith("module.pool.aws_cloudwatch_event_rule")
    ]
    with a_function(of_ours, package, lambda role: {**root.environment(role), **there}, tmp_path) as function:
        forwarded = Forwarding(jobs, forwarding, function)
        function.invoke(function.payload)
        jobs.advance(1)
        forwarded.deliver()
        assert len(jobs.jobs()) > LIMIT, "an end has made room for another run before the next tick of the schedule"

        def tick():
            function.invoke(function.payload)
            jobs.advance(1)

        tick_until_all_have_ended([client], tick, function.log.read_text)

    assert completed(client) == len(runs)
    assert (len(jobs.jobs()), len(ours.jobs())) == (50, 0)
    assert jobs.peak_live <= LIMIT
    assert ours.calls.counts["sts.AssumeRole"] >= 2, "the function's own role, and from it the role of the other account"
    client.delete_work_pool("batch")
    terraform.destroy()
    assert terraform.resources() == {}


class Forwarding:
    """The rule of the jobs' account, which sends state changes to the bus of ours, whose rule hands them to the function."""

    def __init__(self, jobs, pattern, function):
        self._jobs, self._function = jobs, function
        assert pattern in function.patterns, "both rules are about the same tasks"

    def deliver(self):
        """Hand over the ends of a few tasks; the others get lost, as events may."""
        admitted = [event for event in self._jobs.events() if self._function.admits(event)]
        assert {event["account"] for event in admitted} == {JOBS}
        ends = [event for event in admitted if event["detail"]["lastStatus"] == "STOPPED"]
        for event in ends[:DELIVERED]:
            self._function.invoke(event)


def check_what_two_accounts_have(resources, outputs):
    (role,) = [
        role for role in of_type(resources, "aws_iam_role") if role["name"] == "push-dispatcher-batch-dispatcher-us-east-1"
    ]
    (trust,) = json.loads(role["assume_role_policy"])["Statement"]
    assert (role["arn"].split(":")[4], trust["Principal"]) == (JOBS, {"AWS": FUNCTION})
    rights = policies(resources)
    (become,) = rights["push-dispatcher-function-us-east-1", "pool-batch"]
    assert (become["Action"], become["Resource"]) == ("sts:AssumeRole", role["arn"])
    (lambda_,) = of_type(resources, "aws_lambda_function")
    settings = Settings.from_environment(lambda_["environment"][0]["variables"])
    assert settings.credentials["jobs"] == {"role_arn": role["arn"], "region": "us-east-1"}
    assert outputs["job_variables"]["aws_credentials"] == "jobs"
    accepted_by_validation("ecs:push", outputs["job_variables"])
    forwards = [target for target in of_type(resources, "aws_cloudwatch_event_target") if target["arn"] == BUS]
    assert [target["rule"] for target in forwards] == ["push-dispatcher-batch-tasks"]
    (forward,) = rights["push-dispatcher-batch-forward-us-east-1", "forward"]
    assert (forward["Action"], forward["Resource"]) == ("events:PutEvents", BUS)
    (permission,) = of_type(resources, "aws_cloudwatch_event_permission")
    assert permission["principal"] == JOBS


def test_two_regions_of_one_account_work_side_by_side_under_the_same_names(account, package, tmp_path):
    cloud = account(OURS)
    fan_out = {"DISPATCHER_FAN_OUT": "lambda"}
    terraform = an_example("aws-two-regions", tmp_path, cloud.environment(), environment=fan_out)
    terraform.apply()
    resources, outputs = terraform.resources(), terraform.outputs()
    roles = [role["name"] for role in of_type(resources, "aws_iam_role")]
    assert len(set(roles)) == len(roles) == 8
    managed = [policy["name"] for policy in of_type(resources, "aws_iam_policy")]
    assert len(set(managed)) == len(managed) == 2
    assert outputs["stores"] == {region: f"dynamodb://push-dispatcher?region={region}" for region in REGIONS}

    enforce_permissions(cloud)
    clients = {region: people(store) for region, store in outputs["stores"].items()}
    for region, client in clients.items():
        for pool in ("batch", "nightly"):  # two busy pools: fan-out gives each an invocation of its own
            variables = {**outputs["job_variables"][region], "image": "busybox"}
            client.create_work_pool(pool, type="ecs:push", concurrency_limit=LIMIT, job_variables=variables)
        client.create_runs({"pool": pool} for pool in ["batch"] * 13 + ["nightly"] * 12)

    with ExitStack() as stack:
        root, functions = Root(cloud, OURS), {}
        for region, name in zip(REGIONS, ("first", "second"), strict=True):
            own = {address: values for address, values in resources.items() if address.startswith(f"module.dispatcher_{name}.")}
            (tmp_path / region).mkdir()
            here = {"AWS_REGION": region, "AWS_DEFAULT_REGION": region}
            function = a_function(own, package, lambda role, here=here: {**root.environment(role), **here}, tmp_path / region)
            functions[region] = stack.enter_context(function)
        regions = Regions(cloud, functions)
        tick_until_all_have_ended(clients.values(), regions.tick, regions.logs)

    assert [completed(client) for client in clients.values()] == [25, 25]
    assert Counter(job.identifier.split(":")[3] for job in cloud.jobs()) == dict.fromkeys(REGIONS, 25)
    assert {region for region, _ in regions.fanned_out} == set(REGIONS)
    assert {pool for _, pool in regions.fanned_out} == {"batch", "nightly"}
    for client in clients.values():
        for pool in ("batch", "nightly"):
            client.delete_work_pool(pool)
    terraform.destroy()
    assert terraform.resources() == {}


class Regions:
    """The function of each region, each ticked by its own schedule, and started by its own fan-out."""

    def __init__(self, cloud, functions):
        self._cloud, self._functions, self.fanned_out = cloud, functions, Counter()

    def tick(self):
        for function in self._functions.values():
            function.invoke(function.payload)
        while self._cloud.functions.invocations:
            invocation = self._cloud.functions.invocations.popleft()
            self.fanned_out[invocation.region, invocation.event["pool"]] += 1
            self._functions[invocation.region].invoke(invocation.event)
        self._cloud.advance(1)

    def logs(self):
        return "\n".join(function.log.read_text() for function in self._functions.values())


def test_a_pool_in_a_cluster_that_is_there_already(account, tmp_path):
    cloud = account(OURS)
    cluster = Root(cloud, OURS).client("ecs").create_cluster(clusterName="shared")["cluster"]["clusterArn"]
    terraform = an_example("aws-existing-cluster", tmp_path, cloud.environment(), cluster="shared", bucket="results")
    terraform.apply()
    resources, variables = terraform.resources(), terraform.outputs()["job_variables"]
    assert of_type(resources, "aws_ecs_cluster") == []
    assert variables["cluster"] == cluster
    accepted_by_validation("ecs:push", variables)
    (rule,) = of_type(resources, "aws_cloudwatch_event_rule")
    assert json.loads(rule["event_pattern"])["detail"]["clusterArn"] == [cluster]
    rights = {
        statement["Sid"]: statement for statement in policies(resources)["push-dispatcher-function-us-east-1", "pool-batch"]
    }
    assert rights["RunTasks"]["Condition"]["ArnEquals"] == {"ecs:cluster": cluster}
    assert rights["StopTasks"]["Condition"] == {"Null": {"aws:ResourceTag/push-dispatcher/run_id": "false"}}
    printed = plan_from(terraform, {"pool": ECS_POOL})
    assert "Plan: 0 to add, 0 to change, 0 to destroy." in printed
    terraform.destroy()
    remaining = [arn.rpartition("/")[2] for arn in Root(cloud, OURS).client("ecs").list_clusters()["clusterArns"]]
    assert sorted(remaining) == ["default", "shared"]


def test_function_and_tasks_in_a_network_without_a_way_to_the_internet(account, tmp_path):
    cloud = account(OURS)
    ec2 = Root(cloud, OURS).client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=zone)["Subnet"]["SubnetId"]
        for number, zone in enumerate(("us-east-1a", "us-east-1b"))
    ]
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    network = {"vpc_id": vpc, "subnets": subnets, "route_tables": [table]}
    terraform = an_example("aws-private-network", tmp_path, cloud.environment(), **network)
    terraform.apply()
    resources, variables = terraform.resources(), terraform.outputs()["job_variables"]
    (inside,) = [group["id"] for group in of_type(resources, "aws_security_group") if group["name"].endswith("-inside")]
    assert (variables["subnets"], variables["security_groups"], variables["assign_public_ip"]) == (subnets, [inside], False)
    accepted_by_validation("ecs:push", variables)
    (function,) = of_type(resources, "aws_lambda_function")
    (place,) = function["vpc_config"]
    assert (sorted(place["subnet_ids"]), place["security_group_ids"]) == (sorted(subnets), [inside])
    reached = {endpoint["service_name"].partition("us-east-1.")[2] for endpoint in of_type(resources, "aws_vpc_endpoint")}
    assert reached == {"dynamodb", "ecr.api", "ecr.dkr", "ecs", "lambda", "logs", "s3"}
    rights = policies(resources)["push-dispatcher-function-us-east-1", "dispatcher"]
    assert "Network" in {statement["Sid"] for statement in rights}
    terraform.destroy()
    assert terraform.resources() == {}
