"""Every answer and every error of the SDK means something, and each meaning is chosen on purpose."""

from __future__ import annotations

import inspect

import botocore.exceptions
import botocore.session
import pytest
from botocore.exceptions import BotoCoreError, ClientError

from providers.base import Rejected, Throttled, Unknown
from providers.ecs.outcomes import (
    CREDENTIAL_CODES,
    HOST_ERRORS,
    JOB_ERRORS,
    REJECTED_CODES,
    THROTTLED_CODES,
    UNANSWERED_CODES,
    conflicting_task,
    outcome_before_launch,
    outcome_of_error,
    outcome_of_failures,
    says_inactive,
)

MODEL = botocore.session.get_session().get_service_model("ecs")
CAPACITY = "Capacity is unavailable at this time. Please try again later or in a different availability zone"


def an_error(code, message="words", *, status=400, operation="RunTask", headers=None, **members):
    answer = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": headers or {}},
    }
    return ClientError({**answer, **members}, operation)


DECLARED = {
    "ConflictException": Unknown,
    "AccessDeniedException": Rejected,
    "PlatformUnknownException": Rejected,
    "ServerException": Unknown,
    "InvalidParameterException": Rejected,
    "BlockedException": Rejected,
    "ClientException": Rejected,
    "ClusterNotFoundException": Rejected,
    "PlatformTaskDefinitionIncompatibilityException": Rejected,
    "UnsupportedFeatureException": Rejected,
    "LimitExceededException": Throttled,
}
"""What each error that ECS declares for the calls of a submission means. (A conflict is only unknown when it names no task.)"""


def declared_errors():
    operations = ("RunTask", "RegisterTaskDefinition", "DescribeTaskDefinition")
    return {shape.name for operation in operations for shape in MODEL.operation_model(operation).error_shapes}


def test_the_table_holds_exactly_the_errors_that_ecs_declares():
    assert set(DECLARED) == declared_errors()


@pytest.mark.parametrize(("code", "outcome"), DECLARED.items())
def test_every_declared_error_has_its_outcome_in_awss_own_words(code, outcome):
    answered = outcome_of_error(an_error(code, "AWS's own words", status=500 if code == "ServerException" else 400))
    assert isinstance(answered, outcome)
    assert "AWS's own words" in getattr(answered, "reason", getattr(answered, "cause", ""))


def test_every_declared_error_stands_in_one_table_of_the_code():
    tables = [THROTTLED_CODES, CREDENTIAL_CODES, REJECTED_CODES, UNANSWERED_CODES]
    for code in declared_errors() | set().union(*tables):
        assert sum(code in table for table in tables) == 1, code


@pytest.mark.parametrize(
    ("code", "message", "status"),
    [
        ("ThrottlingException", "Rate exceeded", 400),
        ("RequestLimitExceeded", "Request limit exceeded.", 503),
        ("TooManyRequestsException", "", 429),
        ("SomethingNew", "", 429),
        (
            "InvalidParameterException",
            "Error retrieving subnet information for [s]: Rate exceeded (ErrorCode: Throttling)",
            400,
        ),
        (
            "InvalidParameterException",
            "Error retrieving security group information for [sg]: Request limit exceeded. (ErrorCode: RequestLimitExceeded)",
            400,
        ),
        ("ClientException", "Too many concurrent attempts to create a new revision of the specified family.", 400),
        ("ClientException", "The number of tasks in the PROVISIONING state has reached its quota.", 400),
        ("ClientException", "You've reached the limit on the number of vCPUs you can run concurrently", 400),
        ("InvalidParameterException", "You've reached the limit on the number of tasks you can run concurrently", 400),
        ("ClientException", CAPACITY, 400),
    ],
)
def test_rates_quotas_and_capacity_hold_the_pool_whatever_their_code(code, message, status):
    outcome = outcome_of_error(an_error(code, message, status=status))
    assert isinstance(outcome, Throttled)
    assert outcome.hold is not None
    assert message in outcome.reason


def test_a_retry_after_is_handed_on():
    assert outcome_of_error(an_error("ThrottlingException", headers={"retry-after": "7"})).retry_after == 7.0
    assert outcome_of_error(an_error("ThrottlingException", headers={"retry-after": "soon"})).retry_after is None


@pytest.mark.parametrize("code", sorted(CREDENTIAL_CODES))
def test_bad_credentials_give_the_run_back_instead_of_crashing_a_backlog(code):
    assert isinstance(outcome_of_error(an_error(code, status=403)), Throttled)


def test_a_role_that_cannot_be_assumed_is_a_matter_of_credentials():
    assert isinstance(outcome_of_error(an_error("AccessDenied", status=403, operation="AssumeRole")), Throttled)


@pytest.mark.parametrize(
    ("code", "message", "hint"),
    [
        ("AccessDeniedException", "User x is not authorized to perform: ecs:RunTask", "ecs:RunTask"),
        ("AccessDeniedException", "User x is not authorized to perform: iam:PassRole on resource y", "iam:PassRole"),
        ("AccessDeniedException", "User x is not authorized to perform: ecs:TagResource", "ecs:TagResource"),
        ("ClusterNotFoundException", "Cluster not found.", "check cluster"),
        ("ClientException", "TaskDefinition is inactive", "active revision"),
        ("ClientException", "Unable to describe task definition.", "task_definition_arn"),
        ("ClientException", "No Fargate configuration exists for given values: 300 CPU, 512 memory.", "task-cpu-memory"),
        (
            "ClientException",
            "ECS was unable to assume the role 'arn' that was provided for this task.",
            "ecs-tasks.amazonaws.com",
        ),
        ("InvalidParameterException", "Unable to assume the service linked role.", "create-service-linked-role"),
        ("InvalidParameterException", "Assign public IP is not supported for this launch type.", "assign_public_ip"),
        (
            "InvalidParameterException",
            "Override for container named x is not a container in the TaskDefinition.",
            "container_name",
        ),
        ("InvalidParameterException", "The subnet ID 'subnet-1' does not exist", "subnets and security_groups"),
    ],
)
def test_a_refusal_comes_with_awss_words_and_what_to_do(code, message, hint):
    outcome = outcome_of_error(an_error(code, message))
    assert isinstance(outcome, Rejected)
    assert message in outcome.reason
    assert hint in outcome.reason.replace(message, "")


@pytest.mark.parametrize(
    "error", [an_error("SomethingNew"), an_error("ClientException", status=500), RuntimeError("x"), OSError()]
)
def test_what_is_not_understood_is_unknown(error):
    assert isinstance(outcome_of_error(error), Unknown)


def test_an_ec2_cluster_without_instances_does_not_hold_the_pool():
    outcome = outcome_of_error(an_error("InvalidParameterException", "No Container Instances were found in your cluster."))
    assert outcome == Throttled(
        reason="InvalidParameterException: No Container Instances were found in your cluster.", hold=None
    )


NO_ANSWER = {"ConnectionError", "HTTPClientError", "IncompleteReadError", "ChecksumError", "FlexibleChecksumError"}
"""Whatever is one of these came after the connection was tried: a task may be running."""

NOT_OURS = {
    "BotoCoreError", "PaginationError", "OperationNotPageableError", "WaiterError", "WaiterConfigError",
    "UnknownClientMethodError", "UnknownServiceStyle", "InvalidExpressionError", "UnseekableStreamError",
    "AwsChunkedWrapperError", "MD5UnavailableError", "StubResponseError", "InvalidDNSNameError",
    "InvalidS3AddressingStyleError", "InvalidS3UsEast1RegionalEndpointConfigError", "UnsupportedS3ArnError",
    "UnsupportedS3ControlArnError", "UnsupportedOutpostResourceError", "UnsupportedS3ConfigurationError",
    "UnsupportedS3AccesspointConfigurationError", "UnsupportedS3ControlConfigurationError",
    "InvalidEndpointDiscoveryConfigurationError",
}  # fmt: skip
"""Errors of other services and of features that are not used here; should one come all the same, nothing is known."""


def sdk_errors():
    classes = (item for _, item in inspect.getmembers(botocore.exceptions, inspect.isclass))
    return [item for item in classes if issubclass(item, BotoCoreError)]


def placed(error):
    return {ancestor.__name__ for ancestor in error.__mro__[: error.__mro__.index(BotoCoreError)]}


@pytest.mark.parametrize("kind", sdk_errors(), ids=lambda kind: kind.__name__)
def test_every_error_of_the_sdk_is_placed_on_purpose(kind):
    error = kind.__new__(kind)
    outcome = outcome_of_error(error)
    if placed(kind) & HOST_ERRORS:
        assert isinstance(outcome, Throttled)
    elif placed(kind) & JOB_ERRORS:
        assert isinstance(outcome, Rejected)
    else:
        assert placed(kind) & NO_ANSWER or kind.__name__ in NOT_OURS or placed(kind) & NOT_OURS, "a new error: place it"
        assert isinstance(outcome, Unknown)


def test_the_tables_name_only_errors_that_the_sdk_has():
    existing = {error.__name__ for error in sdk_errors()}
    older_sdks_lack = {"LoginError", "CapacityNotAvailableError", "UnsupportedServiceProtocolsError"}
    assert (HOST_ERRORS | JOB_ERRORS | NO_ANSWER | NOT_OURS) - older_sdks_lack <= existing


def test_before_the_launch_no_answer_means_that_nothing_was_started():
    error = botocore.exceptions.ReadTimeoutError(endpoint_url="https://ecs")
    assert isinstance(outcome_of_error(error), Unknown)
    outcome = outcome_before_launch(error)
    assert isinstance(outcome, Throttled)
    assert outcome.reason.startswith("nothing was started: ReadTimeoutError")
    assert isinstance(outcome_before_launch(an_error("AccessDeniedException")), Rejected)


@pytest.mark.parametrize(
    ("reasons", "outcome"),
    [
        ([CAPACITY], Throttled(reason=CAPACITY)),
        (["RESOURCE:CPU"], Throttled(reason="RESOURCE:CPU")),
        (["RESOURCE:MEMORY", "ATTRIBUTE"], Throttled(reason="ATTRIBUTE; RESOURCE:MEMORY")),
        (["RESOURCE:ENI", "RESOURCE:ENI"], Throttled(reason="RESOURCE:ENI")),
        (["You've reached the limit on the number of tasks you can run concurrently"], None),
        (["AGENT"], Throttled(reason="AGENT", hold=None)),
        (["ATTRIBUTE", "LOCATION"], Throttled(reason="ATTRIBUTE; LOCATION", hold=None)),
        (["EMPTY CAPACITY PROVIDER"], Throttled(reason="EMPTY CAPACITY PROVIDER", hold=None)),
        (["something new"], Throttled(reason="something new", hold=None)),
        (["MISSING"], Rejected(reason="MISSING")),
        (["INACTIVE"], Rejected(reason="INACTIVE")),
        (["MISSING", "AGENT"], Throttled(reason="AGENT; MISSING", hold=None)),
        ([], Unknown(cause="ECS answered with neither a task nor a failure")),
    ],
)
def test_every_failure_is_read(reasons, outcome):
    answered = outcome_of_failures([{"reason": reason} for reason in reasons])
    assert answered == (outcome or Throttled(reason=reasons[0]))


def test_a_failures_detail_is_told():
    assert outcome_of_failures([{"reason": "AGENT", "detail": "not connected"}]).reason == "AGENT: not connected"


def test_a_conflict_names_the_task_that_holds_the_token():
    assert conflicting_task(an_error("ConflictException", resourceIds=["arn:task"])) == "arn:task"
    assert conflicting_task(an_error("ConflictException", resourceIds=[])) is None
    assert conflicting_task(an_error("ClientException", resourceIds=["arn:task"])) is None
    assert conflicting_task(RuntimeError()) is None


@pytest.mark.parametrize(
    "message", ["TaskDefinition is inactive", "TaskDefinition not found.", "The task definition arn:x is INACTIVE"]
)
def test_a_definition_that_is_gone_is_recognised(message):
    assert says_inactive(an_error("ClientException", message))
    assert not says_inactive(an_error("ClientException", "Cluster not found."))
