"""What Resource Manager answered, as an outcome; and every error class of the SDK with it."""

import inspect
import json

import pytest
from azure.core import exceptions

from providers.base import Hold, Misconfigured, Needs, Rejected, Throttled, Unknown, Unreachable
from providers.container_instance import answers
from providers.container_instance.answers import HINTS, ArmFailure, NoToken
from providers.container_instance.arm import failure_of

QUOTA = "Resource type 'Microsoft.ContainerInstance/containerGroups' container group quota 'ContainerGroups' exceeded in region"
NEEDS = Needs(place=("team", "sub", "westus"), size={"cpu": 4, "memory": 16})
FULL = "There is no capacity for container groups of this size in 'westus' at this time."
NO_ROOM = (
    "The requested resource is not available in the location 'westus' at this moment. Please retry with a different request"
)


def outcome_of(failure, needs=NEEDS, **how):
    return answers.outcome_of(failure, needs, **how)


@pytest.mark.parametrize(
    ("status", "code", "message", "kind"),
    [
        (429, "TooManyRequests", "", Throttled),
        (429, "", "", Throttled),
        (409, "ContainerGroupQuotaReached", QUOTA, Throttled),
        (400, "ContainerGroupQuotaReached", QUOTA, Throttled),
        (409, "ServiceUnavailable", NO_ROOM, Throttled),
        (503, "ServiceUnavailable", QUOTA + " 'westus'. Limit: '0', Usage: '0' Requested: '1'.", Throttled),
        (503, "ServiceUnavailable", "Service Unavailable", Unknown),
        (503, "", "", Unknown),
        (500, "InternalServerError", "", Unknown),
        (504, "GatewayTimeout", "", Unknown),
        (408, "RequestTimeout", "", Unknown),
        (307, "", "", Unknown),
        (None, "", "ServiceResponseError: reset", Unknown),
        (409, "RegistryErrorResponse", "An error response is received from the docker registry", Throttled),
        (409, "SomethingNew", "", Unknown),
        (409, "MissingSubscriptionRegistration", "", Misconfigured),
        (409, "ReadOnlyDisabledSubscription", "", Misconfigured),
        (409, "ResourceGroupBeingDeleted", "", Rejected),
        (400, "InaccessibleImage", "", Rejected),
        (400, "InvalidRequestContent", "", Rejected),
        (401, "InvalidAuthenticationToken", "", Misconfigured),
        (403, "AuthorizationFailed", "", Rejected),
        (404, "ResourceGroupNotFound", "", Rejected),
        (404, "SubscriptionNotFound", "", Misconfigured),
    ],
)
def test_status_code_and_words_decide_together(status, code, message, kind):
    assert isinstance(outcome_of(ArmFailure(message, status=status, code=code)), kind)


def test_azure_says_when_to_try_again_in_a_header_or_in_words():
    words = "exceeded the limit. Please try again after '42' seconds."
    assert outcome_of(ArmFailure(words, status=429, retry_after=7)).retry_after == 7
    assert outcome_of(ArmFailure(words, status=429)).retry_after == 42
    assert outcome_of(ArmFailure("", status=429)).retry_after is None


def test_no_wait_is_longer_than_a_day():
    assert outcome_of(ArmFailure("", status=429, retry_after=float("9" * 400))).retry_after == 86400


PLACE, SUBSCRIPTION, EVERYWHERE = ("team", "sub", "westus"), ("team", "sub"), ("team",)
SPOT = Needs(place=PLACE, size={"cpu": 4, "memory": 16, "spot": 4})
GPU = Needs(place=PLACE, size={"cpu": 4, "memory": 16, "gpu": 2})


def quota(name: str) -> ArmFailure:
    words = f"container group quota '{name}' exceeded in region 'westus'. Limit: '10', Usage: '9' Requested: '4'."
    return ArmFailure(words, status=409, code="ContainerGroupQuotaReached")


@pytest.mark.parametrize(
    ("failure", "needs", "hold"),
    [
        (ArmFailure("", status=429), NEEDS, Hold(place=SUBSCRIPTION)),
        (ArmFailure("", status=409, code="RegistryErrorResponse"), NEEDS, None),
        (ArmFailure(NO_ROOM, status=409, code="ServiceUnavailable"), NEEDS, None),
        (ArmFailure(NO_ROOM, status=503, code="ServiceUnavailable"), NEEDS, None),
        (quota("ContainerGroups"), NEEDS, Hold(place=PLACE, freed_by_end=True)),
        (quota("StandardCores"), NEEDS, Hold(place=PLACE, size={"cpu": 4}, freed_by_end=True)),
        (quota("StandardSpotCores"), SPOT, Hold(place=PLACE, size={"spot": 4}, freed_by_end=True)),
        (quota("V100Cores"), GPU, Hold(place=PLACE, size={"gpu": 2}, freed_by_end=True)),
        (
            ArmFailure(FULL, status=409, code="ServiceUnavailable"),
            NEEDS,
            Hold(place=PLACE, size={"cpu": 4, "memory": 16}, freed_by_end=True),
        ),
        (ArmFailure(FULL, status=409, code="ServiceUnavailable"), GPU, Hold(place=PLACE, size={"gpu": 2}, freed_by_end=True)),
        (ArmFailure("", status=401), NEEDS, Hold(place=SUBSCRIPTION)),
        (ArmFailure("", status=404, code="SubscriptionNotFound"), NEEDS, Hold(place=SUBSCRIPTION)),
        (NoToken("none"), NEEDS, Hold(place=EVERYWHERE)),
    ],
)
def test_a_refusal_holds_the_jobs_that_would_be_refused_as_well(failure, needs, hold):
    assert outcome_of(failure, needs).hold == hold


def test_a_failure_before_the_put_is_never_unknown():
    for failure in (
        ArmFailure("reset"),
        ArmFailure("", status=500),
        ArmFailure("", status=409, code="New"),
        ArmFailure("", status=200),
    ):
        assert isinstance(outcome_of(failure), Unknown)
        assert isinstance(outcome_of(failure, sent_put=False), Unreachable)


def test_a_request_never_sent_is_unreachable_wherever_it_failed():
    assert outcome_of(ArmFailure("refused", sent=False)) == Unreachable(cause="refused")


def test_a_refusal_is_reported_in_azures_words_and_with_what_to_do():
    outcome = outcome_of(ArmFailure("no permission", status=403, code="AuthorizationFailed"))
    assert outcome.reason == f"AuthorizationFailed: no permission ({HINTS['AuthorizationFailed']})"


class Answer:
    """A response of the SDK, as far as its errors look at it."""

    def __init__(self, status: int, code: str = "", retry_after: str = "") -> None:
        self.status_code, self.reason, self.request = status, "a reason", "a request"
        self.headers = {"Retry-After": retry_after} if retry_after else {}
        self._text = json.dumps({"error": {"code": code, "message": "words"}}) if code else "<html>"

    def text(self) -> str:
        return self._text


def made(kind: type[Exception], response: Answer) -> Exception:
    """An error of that class, whatever its constructor wants."""
    answers = {"response": response, "message": "words", "history": []}
    parameters = inspect.signature(kind.__init__).parameters
    if "response" not in parameters and issubclass(kind, exceptions.HttpResponseError):
        return kind(answers["history"], response=response)
    return (
        kind(**{name: value for name, value in answers.items() if name in parameters})
        if "self" in parameters
        else kind("words")
    )


ERRORS = [kind for _, kind in inspect.getmembers(exceptions, inspect.isclass) if issubclass(kind, Exception)]


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_every_error_class_of_the_sdk_is_an_outcome(kind):
    is_answer = issubclass(kind, exceptions.HttpResponseError) and not issubclass(kind, exceptions.DecodeError)
    refused = outcome_of(failure_of(made(kind, Answer(403, "AuthorizationFailed"))))
    assert isinstance(refused, Rejected if is_answer else Unknown)
    assert isinstance(outcome_of(failure_of(made(kind, Answer(500)))), Unknown)


def test_at_least_the_known_error_classes_were_walked():
    assert len(ERRORS) >= 18


def test_an_answer_without_azures_envelope_has_its_status_alone():
    failure = failure_of(exceptions.HttpResponseError(response=Answer(404)))
    assert (failure.status, failure.code, failure.is_gone) == (404, "", False)
    assert failure_of(exceptions.HttpResponseError(response=Answer(429, "X", "12"))).retry_after == 12
    assert failure_of(exceptions.HttpResponseError(response=Answer(429, "X", "Mon, 01 Jan"))).retry_after is None
