from __future__ import annotations

import inspect
from types import SimpleNamespace

import pytest
from grpclib import Status
from grpclib.exceptions import StreamTerminatedError
from modal import exception
from modal_proto import api_pb2

from providers.base import Hold, Misconfigured, Needs, Rejected, Throttled, Unknown
from providers.modal import outcomes
from providers.modal.outcomes import is_missing, is_taken

NEEDS = Needs(place=("team", "main"), size={"cpu": 1, "memory": 512})
GPU = Needs(place=("team", "main"), size={"cpu": 1, "memory": 512, "gpu H100": 2})
MISCONFIGURED = {"AuthError", "VersionError", "UnimplementedError"}
REJECTED = {
    "PermissionDeniedError",
    "NotFoundError",
    "InvalidError",
    "RequestSizeError",
    "SerializationError",
    "ImageBuildError",
}
THROTTLED = {"ResourceExhaustedError"}


def outcome_of(error, needs=NEEDS):
    return outcomes.outcome_of(error, needs)


def every_class():
    """The SDK's public exceptions, whatever the installed version has."""
    classes = inspect.getmembers(exception, inspect.isclass)
    return [kind for _, kind in classes if issubclass(kind, Exception) and kind.__module__ == exception.__name__]


def an_error(kind):
    return kind("words", "im-1") if kind is exception.ImageBuildError else kind("words")


@pytest.mark.parametrize("kind", every_class(), ids=lambda kind: kind.__name__)
def test_every_error_of_the_sdk_has_its_outcome(kind):
    expected = {
        **dict.fromkeys(REJECTED, Rejected),
        **dict.fromkeys(THROTTLED, Throttled),
        **dict.fromkeys(MISCONFIGURED, Misconfigured),
    }
    assert isinstance(outcome_of(an_error(kind)), expected.get(kind.__name__, Unknown))


def test_all_mapped_error_classes_exist_in_the_sdk():
    assert REJECTED | THROTTLED | MISCONFIGURED | {"AlreadyExistsError", "ConflictError"} <= {
        kind.__name__ for kind in every_class()
    }


def test_a_name_in_use_and_a_missing_thing_are_known_by_their_class():
    assert is_taken(exception.AlreadyExistsError("words"))
    assert is_missing(exception.NotFoundError("words"))
    assert not is_missing(exception.SandboxFilesystemNotFoundError("words"))


@pytest.mark.parametrize("error", [StreamTerminatedError("reset"), OSError("broken"), TimeoutError(), ValueError("?")])
def test_every_answer_that_is_not_understood_is_unknown(error):
    assert isinstance(outcome_of(error), Unknown)


def test_a_throttle_carries_the_servers_wait():
    error = exception.ResourceExhaustedError("rate")
    error._grpc_details = [api_pb2.RPCRetryPolicy(retry_after_secs=2.5)]
    assert outcome_of(error) == Throttled(reason="ResourceExhaustedError: rate", retry_after=2.5, hold=Hold(place=("team",)))


@pytest.mark.parametrize(
    ("wait", "kept"), [(float("inf"), 86400), (1e12, 86400), (-1, None), (float("nan"), None), ("soon", None)]
)
def test_an_invalid_or_endless_wait_is_not_passed_on(wait, kept):
    error = exception.ResourceExhaustedError("rate")
    error._grpc_details = [SimpleNamespace(retry_after_secs=wait)]
    assert outcome_of(error).retry_after == kept


@pytest.mark.parametrize(
    ("words", "needs", "hold"),
    [
        ("Sandbox creation rate limit (5/s) exceeded.", NEEDS, Hold(place=("team",))),
        ("The workspace's container limit is reached.", NEEDS, Hold(place=("team",), freed_by_end=True)),
        ("Workspace GPU limit of 10 GPUs reached.", GPU, Hold(place=("team",), freed_by_end=True)),
        (
            "Insufficient capacity to create sandbox.",
            NEEDS,
            Hold(place=("team", "main"), size={"cpu": 1, "memory": 512}, freed_by_end=True),
        ),
        ("No capacity for H100.", GPU, Hold(place=("team", "main"), size={"gpu H100": 2}, freed_by_end=True)),
    ],
)
def test_a_refusal_holds_the_jobs_that_would_be_refused_as_well(words, needs, hold):
    assert outcome_of(exception.ResourceExhaustedError(words), needs).hold == hold


def test_a_refused_login_holds_all_runs_with_the_same_credentials():
    outcome = outcome_of(exception.AuthError("Token missing"))
    assert outcome.hold == Hold(place=("team",))
    assert "check MODAL_TOKEN_ID" in outcome.reason


def test_a_conflict_is_a_refusal_only_as_a_failed_precondition():
    error = exception.ConflictError("the app is stopped")
    assert isinstance(outcome_of(error), Unknown)
    error._grpc_status = Status.FAILED_PRECONDITION
    assert isinstance(outcome_of(error), Rejected)


def test_a_build_that_was_shut_down_may_be_tried_again():
    error = exception.ImageBuildError("terminated due to external shut-down. Please try again.", "im-1")
    assert isinstance(outcome_of(error), Throttled)
