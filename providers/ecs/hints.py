"""What to do about an error of AWS: one sentence after AWS's own words."""

from __future__ import annotations

import re

_BY_MESSAGE = (
    (r"iam:PassRole", "allow the dispatcher iam:PassRole on the task's roles"),
    (r"ecs:TagResource", "allow the dispatcher ecs:TagResource on the cluster's tasks and on task definitions"),
    (r"unable to assume the service linked role",
     "create it once: aws iam create-service-linked-role --aws-service-name ecs.amazonaws.com"),
    (r"unable to assume the role|role.* is not valid",
     "check task_role_arn and execution_role_arn, and that ecs-tasks.amazonaws.com may assume them"),
    (r"task ?definition\b.*\binactive", "name an active revision, or only the family, in task_definition_arn"),
    (r"task ?definition\b.*(not found|unable to describe)|unable to describe task definition",
     "check task_definition_arn, its region and account"),
    (r"execution role arn to support",
     "give execution_role_arn a role that may pull the image, write the logs and read the secrets"),
    (r"cluster\b.*\binactive", "the cluster was deleted: name another in cluster, or create it again"),
    (r"configuration is above your limit", "ask for a higher Fargate vCPU quota, or for less cpu"),
    (r"no fargate configuration exists|invalid cpu or memory|invalid 'cpu' setting|invalid 'memory' setting",
     "see the table of task sizes: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-cpu-memory-error.html"),
    (r"assign public ip", "leave out assign_public_ip, or give launch_type FARGATE"),
    (r"network configuration", "check network_configuration, or subnets and security_groups"),
    (r"subnet|security group", "check subnets and security_groups, and that they are in one VPC"),
    (r"override", "check container_name, and that the container is in the task definition"),
)  # fmt: skip
_BY_CODE = {
    "ClusterNotFoundException": "check cluster and the region",
    "PlatformUnknownException": "check platform_version",
    "PlatformTaskDefinitionIncompatibilityException": "check platform_version, or leave it out",
    "BlockedException": "AWS has blocked the account; contact AWS Support",
    "NoCredentialsError": "give the dispatcher's host an AWS identity, or name one of its credentials in aws_credentials",
    "ProfileNotFound": "fix the profile of this entry of the dispatcher's credentials, or the host's AWS configuration",
    "NoRegionError": "set AWS_DEFAULT_REGION, give the credentials a region, or name the cluster by its ARN",
    **dict.fromkeys(("ExpiredToken", "ExpiredTokenException", "RequestExpired"),
                    "the dispatcher's AWS credentials have expired: renew them, and check the host's clock"),
    **dict.fromkeys(("InvalidClientTokenId", "InvalidAccessKeyId", "AuthFailure", "UnrecognizedClientException",
                     "SignatureDoesNotMatch", "InvalidSignatureException", "IncompleteSignature"),
                    "AWS does not accept the dispatcher's credentials: give its host valid ones"),
    "ParamValidationError": "the template's task_definition or task_run_request does not fit the ECS API",
}  # fmt: skip
_ROLE = (
    "let the role that aws_credentials names trust the dispatcher's own identity, and allow that identity sts:AssumeRole on it"
)
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})


def hint_for(code: str, message: str, operation: str) -> str:
    """` (hint)`, or nothing where AWS's words say it all."""
    for pattern, hint in _BY_MESSAGE:
        if re.search(pattern, message, re.IGNORECASE):
            return f" ({hint})"
    if operation.startswith("AssumeRole"):
        return f" ({_ROLE})"
    if code in _BY_CODE:
        return f" ({_BY_CODE[code]})"
    if code in _DENIED and operation:
        return f" (allow it to the dispatcher's own identity, or to the role that aws_credentials names: {_action(operation)})"
    return ""


def _action(operation: str) -> str:
    service = "ec2" if operation in {"DescribeSubnets", "DescribeVpcs"} else "sts" if "AssumeRole" in operation else "ecs"
    return f"{service}:{operation}"
