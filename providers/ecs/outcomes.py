"""What AWS answered, as an outcome. Errors are told apart by message as well as by code.

In order: a message that speaks of a rate or of missing capacity, whatever its code; then the code. The principle behind the
tables: what is wrong with the *job* is `Rejected`; what the dispatcher's own host lacks for now (a rate, capacity, valid
credentials) is `Throttled`, so that a bad key does not crash a backlog; everything after which a task may be running, and
everything that stands in no table, is `Unknown`.

https://docs.aws.amazon.com/AmazonECS/latest/APIReference/CommonErrors.html,
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/api_failures_messages.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from providers.base import Rejected, Throttled, Unknown
from providers.ecs.hints import hint_for

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
"""The SDK's own errors that come up before anything is sent, and that concern the host and not the job."""
JOB_ERRORS = frozenset({"ParamValidationError", "MissingParametersError", "ValidationError", "InvalidHostLabelError"})
"""The SDK's own errors that come up before anything is sent, and that the job's parameters cause."""

_RATE = re.compile(r"rate exceeded|throttl|request ?limit ?exceeded|too many (concurrent|requests)", re.IGNORECASE)
_CAPACITY = re.compile(
    r"capacity is unavailable|reached the limit on the number of|\bPROVISIONING\b|insufficient capacity|no capacity",
    re.IGNORECASE,
)
_NO_INSTANCES = re.compile(r"no container instances were found", re.IGNORECASE)
_INACTIVE = re.compile(r"task ?definition\b.*\b(inactive|not found|does not exist)", re.IGNORECASE)
_PERMANENT_FAILURES = frozenset({"MISSING", "INACTIVE"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """An error of the SDK, read once."""

    code: str
    """The code that AWS gave, or the name of the SDK's own error."""
    message: str
    status: int | None
    """The HTTP status; None when no answer was read."""
    answered: bool
    """True when the words are AWS's."""
    operation: str
    kinds: frozenset[str]
    """The names of the error's class and its ancestors."""
    retry_after: float | None

    @property
    def words(self) -> str:
        """AWS's own words."""
        return f"{self.code}: {self.message}"

    @property
    def is_sdk(self) -> bool:
        """True for errors that the SDK raises on purpose."""
        return bool(self.kinds & {"BotoCoreError", "ClientError"})


def fault_of(error: BaseException) -> Fault:
    """Read an error; any exception will do."""
    response = getattr(error, "response", None)
    answer: Mapping[str, Any] = response if isinstance(response, Mapping) else {}
    details, metadata = answer.get("Error") or {}, answer.get("ResponseMetadata") or {}
    return Fault(
        code=str(details.get("Code") or type(error).__name__),
        message=str(details.get("Message") or details.get("message") or error),
        status=metadata.get("HTTPStatusCode"),
        answered=bool(details),
        operation=str(getattr(error, "operation_name", "")),
        kinds=frozenset(ancestor.__name__ for ancestor in type(error).__mro__),
        retry_after=_seconds((metadata.get("HTTPHeaders") or {}).get("retry-after")),
    )


def outcome_of_error(error: BaseException) -> Rejected | Throttled | Unknown:
    """What a call of RunTask that raised `error` means, but for a conflict (see `conflicting_task`)."""
    fault = fault_of(error)
    return _by_message(fault) or _by_code(fault)


def outcome_before_launch(error: BaseException) -> Rejected | Throttled:
    """The same for a call that came before RunTask: then nothing was started, whatever became of it."""
    outcome = outcome_of_error(error)
    if isinstance(outcome, Unknown):
        return Throttled(reason=f"nothing was started: {outcome.cause}")
    return outcome


def outcome_of_failures(failures: Sequence[Mapping[str, Any]]) -> Rejected | Throttled | Unknown:
    """What an answer without a task means: one reason for each capacity or container instance that was tried.

    Missing capacity holds the pool; where only this task's placement was refused, other runs may go on.
    """
    reasons = [str(failure.get("reason", "")) for failure in failures]
    words = "; ".join(sorted({_described(failure) for failure in failures}))
    if not reasons:
        return Unknown(cause="ECS answered with neither a task nor a failure")
    if any(_is_capacity(reason) for reason in reasons):
        return Throttled(reason=words)
    if all(reason.upper() in _PERMANENT_FAILURES for reason in reasons):
        return Rejected(reason=words)
    return Throttled(reason=words, hold=None)


def conflicting_task(error: BaseException) -> str | None:
    """The ARN of the task that already holds the token, when `error` says that there is one."""
    response = getattr(error, "response", None)
    if not isinstance(response, Mapping) or fault_of(error).code != "ConflictException":
        return None
    return next(iter(response.get("resourceIds") or ()), None)


def says_inactive(error: BaseException) -> bool:
    """True when the task definition is gone: deregistered since it was last looked at."""
    fault = fault_of(error)
    return fault.code in {"ClientException", "InvalidParameterException"} and bool(_INACTIVE.search(fault.message))


def _by_message(fault: Fault) -> Throttled | None:
    if not fault.answered or (fault.status or 0) >= 500:
        return None
    if _RATE.search(fault.message) or _CAPACITY.search(fault.message):
        return Throttled(reason=fault.words, retry_after=fault.retry_after)
    if _NO_INSTANCES.search(fault.message):
        return Throttled(reason=fault.words, hold=None)
    return None


def _by_code(fault: Fault) -> Rejected | Throttled | Unknown:
    if fault.code in THROTTLED_CODES or fault.status == 429:
        return Throttled(reason=fault.words, retry_after=fault.retry_after)
    if fault.code in UNANSWERED_CODES or (fault.status or 0) >= 500:
        return Unknown(cause=fault.words)
    told = f"{fault.words}{hint_for(fault.code, fault.message, fault.operation)}"
    if fault.code in CREDENTIAL_CODES or fault.operation.startswith("AssumeRole") or fault.kinds & HOST_ERRORS:
        return Throttled(reason=told)
    if fault.code in REJECTED_CODES or fault.kinds & JOB_ERRORS:
        return Rejected(reason=told)
    return Unknown(cause=fault.words)


def _is_capacity(reason: str) -> bool:
    return reason.startswith("RESOURCE") or bool(_CAPACITY.search(reason) or _RATE.search(reason))


def _described(failure: Mapping[str, Any]) -> str:
    detail = failure.get("detail")
    return f"{failure.get('reason', '')}: {detail}" if detail else str(failure.get("reason", ""))


def _seconds(value: Any) -> float | None:
    try:
        return max(0.0, float(value))
    except (TypeError, ValueError):
        return None
