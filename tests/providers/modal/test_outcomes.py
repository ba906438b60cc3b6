from __future__ import annotations

import inspect

import pytest
from grpclib import Status
from grpclib.exceptions import StreamTerminatedError
from modal import exception
from modal_proto import api_pb2

from providers.base import Rejected, Throttled, Unknown
from providers.modal.outcomes import is_missing, is_taken, outcome_of

REJECTED = {
    "AuthError",
    "PermissionDeniedError",
    "NotFoundError",
    "InvalidError",
    "RequestSizeError",
    "SerializationError",
    "VersionError",
    "UnimplementedError",
    "ImageBuildError",
}
THROTTLED = {"ResourceExhaustedError"}


def every_class():
    """The SDK's public exceptions, whatever the installed version has."""
    classes = inspect.getmembers(exception, inspect.isclass)
    return [kind for _, kind in classes if issubclass(kind, Exception) and kind.__module__ == exception.__name__]


def an_error(kind):
    return kind("words", "im-1") if kind is exception.ImageBuildError else kind("words")


@pytest.mark.parametrize("kind", every_class(), ids=lambda kind: kind.__name__)
def test_every_error_of_the_sdk_has_its_outcome(kind):
    expected = Rejected if kind.__name__ in REJECTED else Throttled if kind.__name__ in THROTTLED else Unknown
    assert isinstance(outcome_of(an_error(kind)), expected)


def test_the_walk_sees_the_classes_that_are_mapped():
    assert REJECTED | THROTTLED | {"AlreadyExistsError", "ConflictError"} <= {kind.__name__ for kind in every_class()}


def test_a_name_in_use_and_a_missing_thing_are_known_by_their_class():
    assert is_taken(exception.AlreadyExistsError("words"))
    assert is_missing(exception.NotFoundError("words"))
    assert not is_missing(exception.SandboxFilesystemNotFoundError("words"))


@pytest.mark.parametrize("error", [StreamTerminatedError("reset"), OSError("broken"), TimeoutError(), ValueError("?")])
def test_whatever_is_not_understood_is_unknown(error):
    assert isinstance(outcome_of(error), Unknown)


def test_a_throttle_carries_the_servers_wait():
    error = exception.ResourceExhaustedError("rate")
    error._grpc_details = [api_pb2.RPCRetryPolicy(retry_after_secs=2.5)]
    assert outcome_of(error) == Throttled(reason="ResourceExhaustedError: rate", retry_after=2.5)


def test_missing_capacity_concerns_one_job_alone():
    assert outcome_of(exception.ResourceExhaustedError("Insufficient capacity to create sandbox.")).hold is None


def test_a_conflict_is_a_refusal_only_as_a_failed_precondition():
    error = exception.ConflictError("the app is stopped")
    assert isinstance(outcome_of(error), Unknown)
    error._grpc_status = Status.FAILED_PRECONDITION
    assert isinstance(outcome_of(error), Rejected)


def test_a_build_that_was_shut_down_may_be_tried_again():
    error = exception.ImageBuildError("terminated due to external shut-down. Please try again.", "im-1")
    assert isinstance(outcome_of(error), Throttled)
