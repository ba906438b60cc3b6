"""Every answer and every error of the SDK means something, and each meaning is chosen on purpose."""

from __future__ import annotations

import inspect

import botocore.exceptions
import botocore.session
import pytest
from botocore.exceptions import BotoCoreError, ClientError

from providers.base import Hold, Misconfigured, Needs, Rejected, Throttled, Unknown, Unreachable
from providers.ecs.outcomes import (
    CREDENTIAL_CODES,
    HOST_ERRORS,
    JOB_ERRORS,
    NOTHING_SENT,
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


def test_a_retry_after_header_is_passed_on():
    assert outcome_of_error(an_error("ThrottlingException", headers={"retry-after": "7"})).retry_after == 7.0
    assert outcome_of_error(an_error("ThrottlingException", headers={"retry-after": "soon"})).retry_after is None


@pytest.mark.parametrize("code", sorted(CREDENTIAL_CODES))
def test_bad_credentials_give_the_run_back_instead_of_crashing_a_backlog(code):
    assert isinstance(outcome_of_error(an_error(code, status=403)), Misconfigured)


def test_a_role_that_cannot_be_assumed_is_a_matter_of_credentials():
    outcome = outcome_of_error(an_error("AccessDenied", status=403, operation="AssumeRole"), Needs(place=("team", "eu-west-1")))
    assert isinstance(outcome, Misconfigured)
    assert outcome.hold == Hold(place=("team",))


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
        (
            "ClientException",
            "Fargate requires task definition to have execution role ARN to support ECR images.",
            "give execution_role_arn a role that may pull the image",
        ),
        ("InvalidParameterException", "The referenced cluster was inactive.", "name another in cluster"),
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
def test_an_answer_that_is_not_understood_is_unknown(error):
    assert isinstance(outcome_of_error(error), Unknown)


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
        assert isinstance(outcome, Misconfigured)
    elif placed(kind) & NOTHING_SENT:
        assert isinstance(outcome, Unreachable)
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
    assert isinstance(outcome, Unreachable), "a network is no quota"
    assert outcome.cause.startswith("ReadTimeoutError")
    assert isinstance(outcome_before_launch(an_error("AccessDeniedException")), Rejected)


def a_connection_error(kind, words):
    return kind(endpoint_url="https://ecs", error=words, proxy_url="http://proxy")


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (botocore.exceptions.EndpointConnectionError, "[Errno 111] Connection refused"),
        (botocore.exceptions.ConnectTimeoutError, "connect timeout=2.0"),
        (botocore.exceptions.ProxyConnectionError, "Cannot connect to proxy"),
        (botocore.exceptions.SSLError, "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed"),
        (botocore.exceptions.SSLError, "[SSL: SSLV3_ALERT_HANDSHAKE_FAILURE] alert handshake failure"),
    ],
)
def test_a_launch_without_a_connection_was_never_sent(kind, words):
    assert isinstance(outcome_of_error(a_connection_error(kind, words)), Unreachable)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (botocore.exceptions.SSLError, "[SSL: DECRYPTION_FAILED_OR_BAD_RECORD_MAC] bad record mac"),
        (botocore.exceptions.ConnectionClosedError, "closed before a valid response"),
        (botocore.exceptions.ReadTimeoutError, "read timeout=6.0"),
    ],
)
def test_a_connection_that_broke_later_may_have_carried_the_launch(kind, words):
    assert isinstance(outcome_of_error(a_connection_error(kind, words)), Unknown)


BIG = Needs(place=("", "eu-west-1", "gpus", ""), size={"cpu": 4096, "memory": 8192, "gpu": 1, "eni": 1})
GIVEN = Needs(place=("", "eu-west-1", "gpus", "trainer:3"))
FARGATE = Needs(place=("", "", "FARGATE", ""), size={"cpu": 1024, "memory": 2048})


def held(*place, freed=False, **size):
    return Hold(place=place, size=size, freed_by_end=freed)


@pytest.mark.parametrize(
    ("reasons", "needs", "hold"),
    [
        (["RESOURCE:GPU"], BIG, held("", "eu-west-1", "gpus", freed=True, gpu=1)),
        (["RESOURCE:CPU"], BIG, held("", "eu-west-1", "gpus", freed=True, cpu=4096)),
        (["RESOURCE:MEMORY", "ATTRIBUTE"], BIG, held("", "eu-west-1", "gpus", freed=True, memory=8192)),
        (["RESOURCE:CPU", "RESOURCE:MEMORY"], BIG, held("", "eu-west-1", "gpus", freed=True, cpu=4096, memory=8192)),
        (["RESOURCE:ENI", "RESOURCE:ENI"], BIG, held("", "eu-west-1", "gpus", freed=True, eni=1)),
        (["RESOURCE:PORTS"], BIG, None),
        (["RESOURCE:GPU"], GIVEN, held("", "eu-west-1", "gpus", "trainer:3", freed=True)),
        ([CAPACITY], FARGATE, held("", "", "FARGATE", freed=True, cpu=1024, memory=2048)),
        ([CAPACITY], GIVEN, held("", "eu-west-1", "gpus", "trainer:3", freed=True)),
        (["You've reached the limit on the number of vCPUs you can run concurrently"], FARGATE, held("", "", freed=True)),
        (["Rate exceeded"], BIG, held("", "eu-west-1")),
        (["AGENT"], BIG, None),
        (["ATTRIBUTE", "LOCATION"], BIG, None),
        (["EMPTY CAPACITY PROVIDER"], BIG, None),
        (["something new"], BIG, None),
        (["MISSING", "AGENT"], BIG, None),
    ],
)
def test_a_failure_concerns_the_jobs_that_lack_the_same_and_no_others(reasons, needs, hold):
    answered = outcome_of_failures([{"reason": reason} for reason in reasons], needs)
    assert answered == Throttled(reason="; ".join(sorted(set(reasons))), hold=hold)


def test_a_job_without_a_gpu_goes_on_where_a_gpu_is_missing():
    hold = outcome_of_failures([{"reason": "RESOURCE:GPU"}], BIG).hold
    assert hold.concerns(BIG)
    assert not hold.concerns(Needs(place=BIG.place, size={"cpu": 256, "memory": 512}))
    assert not hold.concerns(Needs(place=("", "eu-west-1", "others", ""), size=BIG.size))


@pytest.mark.parametrize("reasons", [["MISSING"], ["INACTIVE"]])
def test_a_failure_that_no_repeat_fixes_is_a_rejection(reasons):
    assert outcome_of_failures([{"reason": reason} for reason in reasons]) == Rejected(reason=reasons[0])


def test_an_answer_with_neither_a_task_nor_a_failure_counts_as_no_answer():
    assert outcome_of_failures([]) == Unknown(cause="ECS answered with neither a task nor a failure")


def test_a_rate_holds_the_region_and_a_quota_until_an_end():
    rate = outcome_of_error(an_error("ThrottlingException"), BIG)
    quota = outcome_of_error(an_error("ClientException", "You've reached the limit on the number of tasks"), BIG)
    assert rate.hold == Hold(place=("", "eu-west-1"))
    assert quota.hold == Hold(place=("", "eu-west-1"), freed_by_end=True)


@pytest.mark.parametrize(
    "message",
    [
        "No Container Instances were found in your cluster.",
        "Too many concurrent attempts to create a new revision of the specified family.",
    ],
)
def test_an_error_about_one_cluster_or_definition_holds_no_other_job(message):
    assert outcome_of_error(an_error("ClientException", message), BIG).hold is None


def test_a_failures_detail_is_reported():
    assert outcome_of_failures([{"reason": "AGENT", "detail": "not connected"}]).reason == "AGENT: not connected"


def test_a_conflict_names_the_task_that_holds_the_token():
    arn = "arn:aws:ecs:eu-west-1:123456789012:task/jobs/0123"
    assert conflicting_task(an_error("ConflictException", resourceIds=[arn])) == arn
    assert conflicting_task(an_error("ConflictException", resourceIds=["nonsense"])) is None
    assert conflicting_task(an_error("ConflictException", resourceIds="nonsense")) is None
    assert conflicting_task(an_error("ConflictException", resourceIds=[])) is None
    assert conflicting_task(an_error("ClientException", resourceIds=[arn])) is None
    assert conflicting_task(RuntimeError()) is None


@pytest.mark.parametrize(
    "message", ["TaskDefinition is inactive", "TaskDefinition not found.", "The task definition arn:x is INACTIVE"]
)
def test_a_definition_that_is_gone_is_recognised(message):
    assert says_inactive(an_error("ClientException", message))
    assert not says_inactive(an_error("ClientException", "Cluster not found."))
