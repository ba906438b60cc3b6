"""An answer of AWS becomes an outcome. Errors are distinguished by message as well as by code.

A message about a rate, a quota or missing capacity decides first, whatever its code; then the code decides. The principle of
the tables:

* a fault of the *job* is `Rejected`;
* a rate, a quota or missing capacity is `Throttled`, and names the other jobs that it concerns: for a rate or an account's
  quota the jobs of the region, for missing capacity the jobs that need as much of it, for a refused placement none;
* a lack on the dispatcher's own host (a region, valid credentials) is `Misconfigured`: a bad key does not crash the backlog;
* a call that certainly did not reach AWS is `Unreachable`;
* any answer after which a task may be running, and any that is in no table, is `Unknown`.

https://docs.aws.amazon.com/AmazonECS/latest/APIReference/CommonErrors.html,
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/api_failures_messages.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from providers.base import CallFailed, Hold, Misconfigured, Needs, Rejected, Throttled, Unknown, Unreachable
from providers.ecs.needs import CREDENTIALS, REGION, SIDE
from providers.ecs.place import parse_task_arn

THROTTLED_CODES = frozenset(
    {"ThrottlingException", "Throttling", "ThrottledException", "RequestThrottled", "RequestThrottledException"}
    | {"TooManyRequestsException", "RequestLimitExceeded", "EC2ThrottledException", "SlowDown", "PriorRequestNotComplete"}
    | {"LimitExceededException"}
)
CREDENTIAL_CODES = frozenset(
    {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "InvalidClientTokenId", "InvalidAccessKeyId", "AuthFailure"}
    | {"UnrecognizedClientException", "SignatureDoesNotMatch", "InvalidSignatureException", "IncompleteSignature"}
    | {"MissingAuthenticationToken", "MissingAuthenticationTokenException", "NotAuthorized"}
)
REJECTED_CODES = frozenset(
    {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "OptInRequired", "BlockedException"}
    | {"InvalidParameterException", "ClientException", "ClusterNotFoundException", "UnsupportedFeatureException"}
    | {"PlatformUnknownException", "PlatformTaskDefinitionIncompatibilityException"}
    | {"ValidationException", "ValidationError", "InvalidParameterValue", "InvalidParameterCombination", "MissingParameter"}
    | {"SerializationException", "InvalidAction", "UnknownOperationException"}
    | {"InvalidVpcID.NotFound", "InvalidVpcId.Malformed", "InvalidSubnetID.NotFound"}
)
UNANSWERED_CODES = frozenset(
    {"ServerException", "InternalFailure", "InternalError", "InternalServerError", "ServiceUnavailable"}
    | {"ServiceUnavailableException", "RequestTimeout", "RequestTimeoutException", "ConflictException"}
)
HOST_ERRORS = frozenset(
    {"NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "UnknownCredentialError"}
    | {"NoAuthTokenError", "TokenRetrievalError", "UnknownTokenProviderError", "SSOError", "LoginError"}
    | {"RefreshWithMFAUnsupportedError", "MetadataRetrievalError", "InvalidIMDSEndpointError", "InvalidIMDSEndpointModeError"}
    | {"ProfileNotFound", "ConfigNotFound", "ConfigParseError", "InvalidConfigError", "MissingDependencyException"}
    | {"BaseEndpointResolverError", "EndpointProviderError", "InvalidEndpointConfigurationError", "InvalidProxiesConfigError"}
    | {"UnknownRegionError", "InvalidRegionError", "ServiceNotInRegionError", "InvalidRetryConfigurationError"}
    | {"InvalidSTSRegionalEndpointsConfigError", "InvalidDefaultsMode", "InvalidChecksumConfigError"}
    | {"DataNotFoundError", "ApiVersionNotFoundError", "UnsupportedServiceProtocolsError"}
    | {"UnknownSignatureVersionError", "UnsupportedSignatureVersionError", "CapacityNotAvailableError"}
)
"""The SDK's own errors before anything is sent that are faults of the host, not of the job."""
JOB_ERRORS = frozenset({"ParamValidationError", "MissingParametersError", "ValidationError", "InvalidHostLabelError"})
"""The SDK's own errors before anything is sent that the job's parameters cause."""

NOTHING_SENT = frozenset({"EndpointConnectionError", "ConnectTimeoutError", "ProxyConnectionError"})
"""The SDK's own errors for a connection that was never made: refused, no such name, no answer to the first packet."""

_HANDSHAKE = re.compile(r"certificate|handshake|wrong.version|unknown.protocol|hostname|tlsv1.alert", re.IGNORECASE)
"""The words of an SSLError for a failed handshake: no part of the request was sent."""
_RATE = re.compile(r"rate exceeded|throttl|request ?limit ?exceeded|too many requests", re.IGNORECASE)
_QUOTA = re.compile(r"reached the limit on the number of", re.IGNORECASE)
_PROVISIONING = re.compile(r"\bPROVISIONING\b")
_CAPACITY = re.compile(r"capacity is unavailable|insufficient capacity|no capacity", re.IGNORECASE)
_ALONE = re.compile(r"no container instances were found|too many concurrent attempts to create a new revision", re.IGNORECASE)
"""Refusals that concern no other job: they are about this cluster's machines or one task definition."""
_INACTIVE = re.compile(r"task ?definition\b.*\b(inactive|not found|does not exist)", re.IGNORECASE)
_PERMANENT_FAILURES = frozenset({"MISSING", "INACTIVE"})


REGION_ERRORS = frozenset({"NoRegionError", "UnknownRegionError", "InvalidRegionError", "ServiceNotInRegionError"})
"""Errors that concern only jobs of the same region, or of none."""

Refused = Rejected | Throttled | Misconfigured
NOTHING = Needs()


@dataclass(frozen=True, slots=True, kw_only=True)
class SdkFault:
    """An error of the SDK, read once."""

    code: str
    """The code from AWS, or the name of the SDK's own error."""
    message: str
    status: int | None
    """The HTTP status; None if no answer was read."""
    answered: bool
    """True if the message is from AWS."""
    operation: str
    kinds: frozenset[str]
    """The names of the error's class and its ancestors."""
    retry_after: float | None
    resources: tuple[str, ...] = ()
    """The resources that a conflict names."""

    @property
    def words(self) -> str:
        """AWS's own message."""
        return f"{self.code}: {self.message}"


class AwsFailure(CallFailed):
    """A call that AWS refused or did not answer; `fault` describes it."""

    def __init__(self, fault: SdkFault) -> None:
        super().__init__(fault.words)
        self.fault = fault


def fault_of(error: BaseException) -> SdkFault:
    """Read an error, which may be any exception."""
    if isinstance(error, AwsFailure):
        return error.fault
    response = getattr(error, "response", None)
    answer: Mapping[str, Any] = response if isinstance(response, Mapping) else {}
    details, metadata = answer.get("Error") or {}, answer.get("ResponseMetadata") or {}
    return SdkFault(
        code=str(details.get("Code") or type(error).__name__),
        message=str(details.get("Message") or details.get("message") or error),
        status=metadata.get("HTTPStatusCode"),
        answered=bool(details),
        operation=str(getattr(error, "operation_name", "")),
        kinds=frozenset(ancestor.__name__ for ancestor in type(error).__mro__),
        retry_after=retry_seconds((metadata.get("HTTPHeaders") or {}).get("retry-after")),
        resources=texts_of(answer.get("resourceIds")),
    )


def outcome_of_error(error: BaseException, needs: Needs = NOTHING) -> Refused | Unreachable | Unknown:
    """The outcome of a RunTask call that raised `error`, except for a conflict (see `conflicting_task`).

    `needs` are the job's: they decide which other jobs a refusal concerns.
    """
    fault = fault_of(error)
    if was_not_sent(fault):
        return Unreachable(cause=fault.words)
    return _by_message(fault, needs) or _by_code(fault, needs)


def outcome_before_launch(error: BaseException, needs: Needs = NOTHING) -> Refused | Unreachable:
    """The outcome if a call before RunTask raised `error`: nothing was started, whatever that call did."""
    outcome = outcome_of_error(error, needs)
    return Unreachable(cause=outcome.cause) if isinstance(outcome, Unknown) else outcome


def was_not_sent(fault: SdkFault) -> bool:
    """True if there was no connection, so nothing was sent."""
    return bool(fault.kinds & NOTHING_SENT) or ("SSLError" in fault.kinds and bool(_HANDSHAKE.search(fault.message)))


def outcome_of_failures(failures: Sequence[Mapping[str, Any]], needs: Needs = NOTHING) -> Rejected | Throttled | Unknown:
    """The outcome of an answer without a task: it has one reason per capacity or container instance that was tried."""
    reasons = [str(failure.get("reason", "")) for failure in failures]
    words = "; ".join(sorted({_described(failure) for failure in failures}))
    if not reasons:
        return Unknown(cause="ECS answered with neither a task nor a failure")
    for reason in reasons:
        if hold := _hold_of(reason, needs):
            return Throttled(reason=words, hold=hold)
    if all(reason.upper() in _PERMANENT_FAILURES for reason in reasons):
        return Rejected(reason=words)
    return Throttled(reason=words, hold=_hold_of_resources(reasons, needs))


def conflicting_task(error: BaseException) -> str | None:
    """The ARN of the task that already has the token, if `error` names one."""
    fault = fault_of(error)
    arn = fault.resources[0] if fault.code == "ConflictException" and fault.resources else ""
    return arn if parse_task_arn(arn) else None


def says_inactive(error: BaseException) -> bool:
    """True if the task definition is gone: it was deregistered since it was last read."""
    fault = fault_of(error)
    return fault.code in {"ClientException", "InvalidParameterException"} and bool(_INACTIVE.search(fault.message))


def _by_message(fault: SdkFault, needs: Needs) -> Throttled | None:
    if not fault.answered or (fault.status or 0) >= 500:
        return None
    if _ALONE.search(fault.message):
        return Throttled(reason=fault.words, hold=None)
    if hold := _hold_of(fault.message, needs):
        return Throttled(reason=fault.words, retry_after=fault.retry_after, hold=hold)
    return None


def _by_code(fault: SdkFault, needs: Needs) -> Refused | Unknown:
    if fault.code in THROTTLED_CODES or fault.status == 429:
        return Throttled(reason=fault.words, retry_after=fault.retry_after, hold=Hold(place=needs.place[:REGION]))
    if fault.code in UNANSWERED_CODES or (fault.status or 0) >= 500:
        return Unknown(cause=fault.words)
    reason = f"{fault.words}{hint_for(fault.code, fault.message, fault.operation)}"
    if fault.code in REGION_ERRORS:
        return Misconfigured(reason=reason, hold=Hold(place=needs.place[:REGION]))
    if fault.code in CREDENTIAL_CODES or fault.operation.startswith("AssumeRole") or fault.kinds & HOST_ERRORS:
        return Misconfigured(reason=reason, hold=Hold(place=needs.place[:CREDENTIALS]))
    if fault.code in REJECTED_CODES or fault.kinds & JOB_ERRORS:
        return Rejected(reason=reason)
    return Unknown(cause=fault.words)


def _hold_of(message: str, needs: Needs) -> Hold | None:
    """The hold for a message about a rate, a quota or missing capacity; None for other messages.

    The size of an existing task definition is unknown, so missing capacity for it holds the jobs that name it.
    """
    if _RATE.search(message):
        return Hold(place=needs.place[:REGION])
    if _QUOTA.search(message):
        return Hold(place=needs.place[:REGION], freed_by_end=True)
    if _PROVISIONING.search(message):
        return Hold(place=needs.place[:SIDE])
    if _CAPACITY.search(message):
        size = {name: needs.size[name] for name in ("cpu", "memory") if name in needs.size}
        return Hold(place=needs.place[:SIDE] if size else needs.place, size=size, freed_by_end=True)
    return None


def _hold_of_resources(reasons: Sequence[str], needs: Needs) -> Hold | None:
    """The hold for a resource that a cluster's machines lack (`RESOURCE:GPU`): jobs that need as much of it wait. None if this
    job's need is unknown, or if it was refused for another reason.
    """
    lacking = {reason.partition(":")[2].strip().lower() for reason in reasons if reason.upper().startswith("RESOURCE")}
    size = {name: needs.size[name] for name in sorted(lacking) if name in needs.size}
    if size:
        return Hold(place=needs.place[:SIDE], size=size, freed_by_end=True)
    names_definition = bool(needs.place[SIDE:] and needs.place[SIDE])
    return Hold(place=needs.place, freed_by_end=True) if lacking and names_definition else None


def _described(failure: Mapping[str, Any]) -> str:
    detail = failure.get("detail")
    return f"{failure.get('reason', '')}: {detail}" if detail else str(failure.get("reason", ""))


def texts_of(value: Any) -> tuple[str, ...]:
    """The texts in a list; other items are skipped."""
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def retry_seconds(value: Any) -> float | None:
    """A header `Retry-After` in seconds; None if it is not a number."""
    try:
        return max(0.0, float(value))
    except (TypeError, ValueError):
        return None


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
    """` (hint)`, or empty if AWS's message needs none."""
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
