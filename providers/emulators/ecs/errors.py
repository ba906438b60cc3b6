"""ECS's refusals, as its JSON protocol writes them."""

from __future__ import annotations

import json
from typing import Any
from xml.sax.saxutils import escape

from providers.emulators.web import Response

CONTENT_TYPE = "application/x-amz-json-1.1"


class EcsError(Exception):
    """One refusal: its code, its words, and further members of its shape."""

    def __init__(self, code: str, message: str, *, status: int = 400, **members: Any) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.status, self.members = code, message, status, members

    def response(self, protocol: str = "json") -> Response:
        """The HTTP answer; EC2 (`ec2`), IAM and STS (`query`) write theirs in XML."""
        if protocol != "json":
            return self._xml(protocol)
        body = {"__type": self.code, "message": self.message, **self.members}
        return Response.json(body, status=self.status, headers={"Content-Type": CONTENT_TYPE, "x-amzn-ErrorType": self.code})

    def _xml(self, protocol: str) -> Response:
        error = f"<Error><Code>{escape(self.code)}</Code><Message>{escape(self.message)}</Message></Error>"
        identifier = "<RequestId>00000000-0000-0000-0000-000000000000</RequestId>"
        body = {
            "ec2": f"<Response><Errors>{error}</Errors>{identifier}</Response>",
            "query": f"<ErrorResponse>{error}{identifier}</ErrorResponse>",
        }[protocol]
        return Response(status=self.status, headers={"Content-Type": "text/xml"}, body=body.encode())


def invalid(message: str) -> EcsError:
    """An invalid parameter."""
    return EcsError("InvalidParameterException", message)


def client(message: str) -> EcsError:
    """A request that ECS cannot carry out as it stands."""
    return EcsError("ClientException", message)


def throttled() -> EcsError:
    """The API's own throttle."""
    return EcsError("ThrottlingException", "Rate exceeded")


def throttled_by_network(subnet: str) -> EcsError:
    """EC2's throttle of ECS, which arrives as a bad parameter."""
    return invalid(f"Error retrieving subnet information for [{subnet}]: Rate exceeded (ErrorCode: Throttling)")


def server_error() -> EcsError:
    """A failure on ECS's side."""
    return EcsError("ServerException", "Service Unavailable. Please try again later.", status=500)


def cluster_not_found() -> EcsError:
    """No such cluster, or a deleted one."""
    return EcsError("ClusterNotFoundException", "Cluster not found.")


def from_detail(detail: str, otherwise: EcsError) -> EcsError:
    """The error for a detail: `Code: message`, or a whole JSON body with `__type`; `otherwise` without a detail."""
    if not detail:
        return otherwise
    if detail.startswith("{"):
        body = json.loads(detail)
        return EcsError(body.pop("__type"), body.pop("message", ""), **body)
    code, _, message = detail.partition(":")
    return EcsError(code.strip(), message.strip())
