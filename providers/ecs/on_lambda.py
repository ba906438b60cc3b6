"""Calls to ECS, and the few to EC2, from within AWS Lambda without the SDK (see `providers.on_lambda`)."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from http.client import responses
from typing import Any, Self
from urllib.parse import urlencode
from xml.etree import ElementTree

import urllib3.exceptions as wire

from providers.ecs.answers import Garbled
from providers.ecs.outcomes import AwsFailure, SdkFault, retry_seconds, texts_of
from providers.ecs.wire import name_of_failure
from providers.exchange import Answered
from providers.on_lambda import LambdaCaller, LambdaHost

ECS_TARGET = "AmazonEC2ContainerServiceV20141113"
EC2_VERSION = "2016-11-15"
EC2_LISTS: Mapping[str, tuple[str, str, str]] = {
    "DescribeVpcs": ("Vpcs", "vpcSet", "vpcId"),
    "DescribeSubnets": ("Subnets", "subnetSet", "subnetId"),
}
"""By operation: the list's name in the SDK and in XML, and the name of an id in it."""
_ODD = (AttributeError, LookupError, RecursionError, TypeError, ValueError, ElementTree.ParseError)


def lambda_service(host: LambdaHost, seconds: float, connect_seconds: float, connections: int) -> LambdaService:
    """The service on this host."""
    kind = {"ecs": LambdaEcs, "ec2": LambdaEc2}[host.service]
    return kind(LambdaCaller(host, connect_seconds, connections), seconds)


class LambdaService(ABC):
    """A service that is called as the function's own role (see `AwsService`)."""

    def __init__(self, caller: LambdaCaller, seconds: float) -> None:
        self._caller, self._seconds = caller, seconds

    @property
    def region(self) -> str:
        """The region of its calls."""
        return self._caller.host.region

    def hurried(self, seconds: float) -> Self:
        """The same with no more time than this for a call."""
        return type(self)(self._caller, min(seconds, self._seconds))

    def ask(self, operation: str, **parameters: Any) -> Mapping[str, Any]:
        """See `Service.ask`."""
        name = operation.title().replace("_", "")
        headers, body = self.request(name, parameters)
        try:
            response = self._caller.post(headers, body, self._seconds)
        except wire.HTTPError as error:
            raise AwsFailure(_unanswered(error, name)) from error
        if response.status >= 300:
            raise AwsFailure(_fault(name, response, self.refusal(response)))
        try:
            return self.content(name, response.body)
        except _ODD as error:
            raise Garbled(f"{name}: the answer cannot be read: {type(error).__name__}: {error}") from error

    @abstractmethod
    def request(self, name: str, parameters: Mapping[str, Any]) -> tuple[Mapping[str, str], bytes]:
        """The headers to sign and the body."""

    @abstractmethod
    def content(self, name: str, body: bytes) -> Mapping[str, Any]:
        """An answer in the SDK's form. Raises the exceptions in `_ODD`."""

    @abstractmethod
    def refusal(self, response: Answered) -> Mapping[str, Any]:
        """The `code`, `message` and other members of an error answer."""


class LambdaEcs(LambdaService):
    """ECS speaks JSON."""

    def request(self, name: str, parameters: Mapping[str, Any]) -> tuple[Mapping[str, str], bytes]:
        """See `LambdaService.request`."""
        headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"{ECS_TARGET}.{name}"}
        return headers, json.dumps(parameters).encode()

    def content(self, name: str, body: bytes) -> Mapping[str, Any]:
        """See `LambdaService.content`."""
        content = json.loads(body)
        if not isinstance(content, Mapping):
            raise Garbled(f"{name}: the answer is not an object")
        return content

    def refusal(self, response: Answered) -> Mapping[str, Any]:
        """See `LambdaService.refusal`."""
        status, body = response.status, response.body
        if status >= 500 and (not body or body.strip().startswith(b"<html>")):
            return {"message": responses.get(status, "")}
        try:
            content = json.loads(body) if body else {}
        except ValueError:
            return {"message": body.decode(errors="replace")}
        if not isinstance(content, Mapping):
            return {}
        code = str(content.get("__type") or status).partition(":")[0].rpartition("#")[2]
        return {**content, "code": code, "message": content.get("message") or content.get("Message")}


class LambdaEc2(LambdaService):
    """EC2 takes a form and answers XML. Only ids are read from it; loading its model costs the SDK 24 MB and 160 ms."""

    def request(self, name: str, parameters: Mapping[str, Any]) -> tuple[Mapping[str, str], bytes]:
        """See `LambdaService.request`."""
        form = {"Action": name, "Version": EC2_VERSION, **_filters(parameters.get("Filters", ()))}
        return {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}, urlencode(form).encode()

    def content(self, name: str, body: bytes) -> Mapping[str, Any]:
        """See `LambdaService.content`."""
        listed, tag, id_tag = EC2_LISTS[name]
        root = ElementTree.fromstring(body)  # noqa: S314 - EC2's own answer, over TLS
        if root.tag.rpartition("}")[2] != f"{name}Response":
            raise Garbled(f"{name}: the answer is {root.tag[:80]}")
        elements = root.findall(f"{{*}}{tag}/{{*}}item/{{*}}{id_tag}")
        return {listed: [{id_tag[0].upper() + id_tag[1:]: element.text or ""} for element in elements]}

    def refusal(self, response: Answered) -> Mapping[str, Any]:
        """See `LambdaService.refusal`."""
        try:
            error = ElementTree.fromstring(response.body).find(".//{*}Error")  # noqa: S314 - as above
        except ElementTree.ParseError:
            error = None
        if error is None:
            return {"message": responses.get(response.status, "")}
        return {"code": error.findtext("{*}Code"), "message": error.findtext("{*}Message")}


def _filters(filters: Sequence[Mapping[str, Any]]) -> Mapping[str, str]:
    form: dict[str, str] = {}
    for number, condition in enumerate(filters, 1):
        form[f"Filter.{number}.Name"] = condition["Name"]
        form |= {f"Filter.{number}.Value.{place}": value for place, value in enumerate(condition["Values"], 1)}
    return form


def _fault(name: str, response: Answered, refusal: Mapping[str, Any]) -> SdkFault:
    """An error answer, read as the SDK reads it."""
    code = str(refusal.get("code") or response.status)
    return SdkFault(
        code=code,
        message=str(refusal.get("message") or f"An error occurred ({code}) when calling the {name} operation: "),
        status=response.status,
        answered=True,
        operation=name,
        kinds=frozenset({"ClientError", code}),
        retry_after=retry_seconds(response.headers.get("retry-after")),
        resources=texts_of(refusal.get("resourceIds")),
    )


def _unanswered(error: Exception, name: str) -> SdkFault:
    code = name_of_failure(error)
    kinds = frozenset({code, "HTTPClientError", "BotoCoreError"})
    return SdkFault(code=code, message=str(error), status=None, answered=False, operation=name, kinds=kinds, retry_after=None)
