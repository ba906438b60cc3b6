"""IAM's quotas: each is taken to its last character and one further, white space not counted."""

from __future__ import annotations

import json

import boto3
import pytest
from botocore.exceptions import ClientError

EMPTY = '{"Version": "2012-10-17", "Statement": []}'


@pytest.fixture
def iam(emulator):
    root = boto3.Session(region_name="us-east-1", aws_access_key_id="root", aws_secret_access_key="root")
    client = root.client("iam", endpoint_url=emulator.url)
    client.create_role(RoleName="dispatcher", AssumeRolePolicyDocument=EMPTY)
    return client


def a_policy(size):
    """A policy of so many characters as IAM counts them, in many more lines and blanks."""

    def written(filling, **layout):
        statement = {"Effect": "Allow", "Action": ["ecs:RunTask"], "Resource": [f"arn:aws:ecs:::{'x' * filling}"]}
        return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, **layout)

    return written(size - len(written(0, separators=(",", ":"))), indent=8)


def refused(words, call, **arguments):
    with pytest.raises(ClientError) as raised:
        call(**arguments)
    assert raised.value.response["Error"] == {"Code": "LimitExceeded", "Message": words}


def test_the_inline_policies_of_a_role_come_to_10_240_characters_in_all(iam):
    iam.put_role_policy(RoleName="dispatcher", PolicyName="one", PolicyDocument=a_policy(10_000))
    iam.put_role_policy(RoleName="dispatcher", PolicyName="two", PolicyDocument=a_policy(240))
    three = {"RoleName": "dispatcher", "PolicyName": "two", "PolicyDocument": a_policy(241)}
    refused("Maximum policy size of 10240 bytes exceeded for role dispatcher", iam.put_role_policy, **three)
    iam.put_role_policy(RoleName="dispatcher", PolicyName="one", PolicyDocument=a_policy(9_999))
    iam.put_role_policy(**three)


def test_a_managed_policy_has_6_144_characters(iam):
    iam.create_policy(PolicyName="whole", PolicyDocument=a_policy(6_144))
    refused("Cannot exceed quota for PolicySize: 6144", iam.create_policy, PolicyName="more", PolicyDocument=a_policy(6_145))


def test_a_role_has_ten_managed_policies(iam):
    arns = [iam.create_policy(PolicyName=f"p{n}", PolicyDocument=a_policy(200))["Policy"]["Arn"] for n in range(11)]
    for arn in arns[:10]:
        iam.attach_role_policy(RoleName="dispatcher", PolicyArn=arn)
    eleventh = {"RoleName": "dispatcher", "PolicyArn": arns[10]}
    refused("Cannot exceed quota for PoliciesPerRole: 10", iam.attach_role_policy, **eleventh)


def test_a_trust_policy_has_2_048_characters(iam):
    role = {"RoleName": "other", "AssumeRolePolicyDocument": a_policy(2_049)}
    refused("Cannot exceed quota for ACLSizePerRole: 2048", iam.create_role, **role)
