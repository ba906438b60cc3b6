"""What Terraform made on AWS, and what the emulator is asked by whoever applied it."""

from __future__ import annotations

import json

import boto3


def of_type(resources, kind):
    """The resources of a type, without data."""
    return [values for address, values in resources.items() if f"{kind}." in address and "data." not in address]


def policies(resources):
    """The statements of every role's policies, inline and managed, by role and policy."""
    inline = {(values["role"], values["name"]): values["policy"] for values in of_type(resources, "aws_iam_role_policy")}
    managed = {values["name"].rpartition("-pool-"): values["policy"] for values in of_type(resources, "aws_iam_policy")}
    both = {**inline, **{(role, f"pool-{pool}"): policy for (role, _, pool), policy in managed.items()}}
    return {name: json.loads(policy)["Statement"] for name, policy in both.items()}


def listed(value):
    """A value that may stand alone, as a list."""
    return value if isinstance(value, list) else [value]


class Root:
    """Whoever applied the example: makes clients, and sessions of its roles."""

    def __init__(self, cloud, account):
        self.cloud, self.account = cloud, account
        self.session = boto3.Session("root", "root", region_name="us-east-1")

    def client(self, service):
        return self.session.client(service, endpoint_url=self.cloud.url)

    def environment(self, role):
        """What the function finds in its environment on Lambda: the credentials of its role."""
        arn = f"arn:aws:iam::{self.account}:role/{role}"
        key = self.client("sts").assume_role(RoleArn=arn, RoleSessionName="tick")["Credentials"]
        return {
            **self.cloud.environment(),
            "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
            "AWS_SESSION_TOKEN": key["SessionToken"],
        }
