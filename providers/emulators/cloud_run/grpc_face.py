"""The same service over gRPC: each call becomes the equivalent REST request, and its answer becomes a gRPC message.

The methods and their paths are those of run_v2's transports (`transports/grpc.py` and `rest_base.py`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import grpc
from google.cloud import run_v2
from google.longrunning import operations_pb2
from google.protobuf import json_format
from google.rpc import status_pb2
from grpc_status import rpc_status

from providers.emulators.cloud_run.refusals import Refusal
from providers.emulators.web import AnswerLost, HttpRequest

THREADS = 16
"""The number of concurrent calls; further calls wait."""

_STATUSES: Mapping[str, Any] = {code.name: code for code in grpc.StatusCode}
_OPERATION = operations_pb2.Operation


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One method of the API and its equivalent REST request."""

    request_type: Any
    """The class of its request."""
    response_type: Any
    """The class of its answer."""
    verb: str
    suffix: str = ""
    """The part of the path after the resource's name."""
    resource: str = ""
    """The field that becomes the body; empty: everything that is not part of the path."""

    def request(self, message: Any) -> HttpRequest:
        """The REST request of a call."""
        fields: dict[str, Any] = json_format.MessageToDict(message)
        resource = fields.pop(self.resource, None) if self.resource else None
        name = fields.pop("parent", None) or fields.pop("name", None) or (resource or {}).get("name", "")
        scalars = {key: json.dumps(value) if isinstance(value, bool) else value for key, value in fields.items()}
        return HttpRequest(
            method=self.verb,
            path=f"/v2/{name}{self.suffix}",
            raw_query=urlencode({key: value for key, value in scalars.items() if not isinstance(value, dict | list)}),
            body=json.dumps(fields if resource is None else resource).encode(),
        )


def _run(request: Any, response: Any, verb: str, suffix: str = "", resource: str = "") -> Method:
    """A method whose answer is a message of run_v2, or a long-running operation (None)."""
    answer = _OPERATION if response is None else response.pb()
    return Method(request_type=request.pb(), response_type=answer, verb=verb, suffix=suffix, resource=resource)


METHODS: Mapping[str, Method] = {
    "google.cloud.run.v2.Jobs/CreateJob": _run(run_v2.CreateJobRequest, None, "POST", "/jobs", "job"),
    "google.cloud.run.v2.Jobs/GetJob": _run(run_v2.GetJobRequest, run_v2.Job, "GET"),
    "google.cloud.run.v2.Jobs/ListJobs": _run(run_v2.ListJobsRequest, run_v2.ListJobsResponse, "GET", "/jobs"),
    "google.cloud.run.v2.Jobs/UpdateJob": _run(run_v2.UpdateJobRequest, None, "PATCH", resource="job"),
    "google.cloud.run.v2.Jobs/DeleteJob": _run(run_v2.DeleteJobRequest, None, "DELETE"),
    "google.cloud.run.v2.Jobs/RunJob": _run(run_v2.RunJobRequest, None, "POST", ":run"),
    "google.cloud.run.v2.Executions/GetExecution": _run(run_v2.GetExecutionRequest, run_v2.Execution, "GET"),
    "google.cloud.run.v2.Executions/ListExecutions": _run(
        run_v2.ListExecutionsRequest, run_v2.ListExecutionsResponse, "GET", "/executions"
    ),
    "google.cloud.run.v2.Executions/DeleteExecution": _run(run_v2.DeleteExecutionRequest, None, "DELETE"),
    "google.cloud.run.v2.Executions/CancelExecution": _run(run_v2.CancelExecutionRequest, None, "POST", ":cancel"),
    "google.cloud.run.v2.Tasks/GetTask": _run(run_v2.GetTaskRequest, run_v2.Task, "GET"),
    "google.cloud.run.v2.Tasks/ListTasks": _run(run_v2.ListTasksRequest, run_v2.ListTasksResponse, "GET", "/tasks"),
    "google.longrunning.Operations/GetOperation": Method(
        request_type=operations_pb2.GetOperationRequest, response_type=_OPERATION, verb="GET"
    ),
    "google.longrunning.Operations/WaitOperation": Method(
        request_type=operations_pb2.WaitOperationRequest, response_type=_OPERATION, verb="POST", suffix=":wait"
    ),
}
"""Every method that is offered, by its full name."""


class GrpcFace:
    """A gRPC server in front of `perform`, which answers a REST request with JSON or raises `Refusal` or `AnswerLost`."""

    def __init__(self, perform: Callable[[HttpRequest], dict[str, Any]], *, host: str) -> None:
        self._perform, self._host = perform, host
        self._server: Any = None
        self.address = ""
        """`host:port` while it listens."""

    def start(self) -> None:
        """Listen on a free port, without TLS."""
        self._server = grpc.server(ThreadPoolExecutor(THREADS, thread_name_prefix="cloud-run-grpc"))
        for service in {name.partition("/")[0] for name in METHODS}:
            handlers = {
                name.partition("/")[2]: self._handler(method)
                for name, method in METHODS.items()
                if name.partition("/")[0] == service
            }
            self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
        self.address = f"{self._host}:{self._server.add_insecure_port(f'{self._host}:0')}"
        self._server.start()

    def stop(self) -> None:
        """Close every connection; a second time does nothing."""
        if self._server is not None:
            self._server.stop(grace=None).wait()
            self._server = None

    def _handler(self, method: Method) -> Any:
        def answer(message: Any, context: Any) -> Any:
            try:
                return json_format.ParseDict(self._perform(method.request(message)), method.response_type())
            except Refusal as refusal:
                _refuse(context, refusal)
            except AnswerLost:
                context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")

        return grpc.unary_unary_rpc_method_handler(
            answer,
            request_deserializer=method.request_type.FromString,
            response_serializer=method.response_type.SerializeToString,
        )


def _refuse(context: Any, refusal: Refusal) -> None:
    """The refusal with its details, as Google's services send them beside the status."""
    code = _STATUSES[refusal.status]
    status = {"code": code.value[0], "message": refusal.message, "details": list(refusal.details)}
    context.abort_with_status(rpc_status.to_status(json_format.ParseDict(status, status_pb2.Status())))
