from __future__ import annotations

import boto3
import pytest

from providers.base import Accepted, ConfigurationError, Rejected
from providers.ecs import EcsProvider
from providers.ecs.launch import Launch, Network, network_of, network_parameters
from tests.providers.ecs.builders import PREFECT, a_job, names

FARGATE, EC2 = Launch(launch_type="FARGATE"), Launch(launch_type="EC2")


def of(mode="awsvpc", launch=FARGATE, **configuration):
    return network_of(configuration, mode, launch)


@pytest.mark.parametrize(
    "configuration",
    [
        {"network_configuration": {"subnets": ["s"], "securityGroups": ["g"], "assignPublicIp": "ENABLED"}},
        {"network_configuration": {"awsvpcConfiguration": {"subnets": ["s"], "securityGroups": ["g"], "assignPublicIp": True}}},
        {"subnets": ["s"], "security_groups": "g", "assign_public_ip": True},
        {"network_configuration": {"subnets": ["s"]}, "security_groups": ["g"], "assign_public_ip": "ENABLED"},
        {
            "task_run_request": {"networkConfiguration": {"awsvpcConfiguration": {"subnets": ["s"]}}},
            "security_groups": ["g"],
            "assign_public_ip": True,
        },
    ],
)
def test_every_spelling_of_one_network_means_the_same(configuration):
    network = of(**configuration)
    assert network == Network(subnets=("s",), security_groups=("g",), assign_public_ip="ENABLED")
    assert network_parameters(network, network.subnets) == {
        "awsvpcConfiguration": {"subnets": ["s"], "securityGroups": ["g"], "assignPublicIp": "ENABLED"}
    }


def test_the_network_configuration_goes_before_single_variables():
    network = {"subnets": ["a"], "assignPublicIp": False}
    assert of(network_configuration=network, subnets=["b"]) == Network(subnets=("a",), assign_public_ip="DISABLED")


def test_a_public_address_is_left_open_but_for_fargate_in_subnets_that_are_looked_up():
    assert of(subnets=["s"]).assign_public_ip is None
    assert of().assign_public_ip == "ENABLED"
    assert of(assign_public_ip=False).assign_public_ip == "DISABLED"
    assert of(launch=EC2).assign_public_ip is None


def test_other_network_modes_take_no_network():
    assert of(mode="bridge", launch=EC2, vpc_id="vpc-1") is None
    with pytest.raises(ConfigurationError, match=r"network_configuration: needs .* awsvpc, this one has bridge"):
        of(mode="bridge", launch=EC2, subnets=["s"])


def test_a_wrong_shape_names_the_variable():
    with pytest.raises(ConfigurationError, match="assign_public_ip: give true or false"):
        of(assign_public_ip="perhaps")
    with pytest.raises(ConfigurationError, match="network_configuration: give an object, not a list"):
        of(network_configuration=["s"])


def a_vpc(subnets):
    ec2 = boto3.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    made = [ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{number}.0/24")["Subnet"]["SubnetId"] for number in range(subnets)]
    return vpc, made


def test_the_subnets_of_a_vpc_are_used_in_a_stable_order(aws, run_task):
    vpc, subnets = a_vpc(3)
    network = run_task(a_job(vpc_id=vpc))["networkConfiguration"]["awsvpcConfiguration"]
    assert network == {"subnets": sorted(subnets), "assignPublicIp": "ENABLED"}


def test_only_as_many_subnets_are_used_as_ecs_accepts(aws, run_task):
    vpc, subnets = a_vpc(18)
    network = run_task(a_job(vpc_id=vpc))["networkConfiguration"]["awsvpcConfiguration"]
    assert network["subnets"] == sorted(subnets)[:16]


def test_the_network_is_looked_up_once(aws, provider):
    for name in names(5):
        assert isinstance(provider.submit(a_job(name, template=PREFECT)), Accepted)
    assert (aws.calls["ec2.DescribeVpcs"], aws.calls["ec2.DescribeSubnets"]) == (1, 1)


def test_given_subnets_are_not_looked_up(aws, provider):
    assert isinstance(provider.submit(a_job(subnets=aws.network["awsvpcConfiguration"]["subnets"])), Accepted)
    assert not any(operation.startswith("ec2.") for operation in aws.calls.counts)


def test_a_vpc_without_subnets_is_refused_by_name(aws, provider):
    vpc, _ = a_vpc(0)
    outcome = provider.submit(a_job(vpc_id=vpc))
    assert isinstance(outcome, Rejected)
    assert f"vpc_id: found no subnets of {vpc} in us-east-1" in outcome.reason


def test_without_a_default_vpc_one_is_asked_for(aws):
    ec2 = boto3.client("ec2", region_name="eu-west-3")
    for subnet in ec2.describe_subnets()["Subnets"]:
        ec2.delete_subnet(SubnetId=subnet["SubnetId"])
    ec2.delete_vpc(VpcId=ec2.describe_vpcs()["Vpcs"][0]["VpcId"])
    boto3.client("ecs", region_name="eu-west-3").create_cluster()
    outcome = EcsProvider(region="eu-west-3").submit(a_job())
    assert isinstance(outcome, Rejected)
    assert "the account has no default VPC in eu-west-3; give vpc_id, or subnets" in outcome.reason


def test_ec2_tasks_outside_awsvpc_have_no_network(aws, provider):
    provider.submit(a_job(launch_type="EC2"))
    [request] = aws.calls.requests("RunTask")
    assert "networkConfiguration" not in request
    assert request["launchType"] == "EC2"
