"""The rest of AWS: moto's server application, one request at a time, and the parts of its state that tasks need."""

from __future__ import annotations

import io
import os
import sys
import threading
import urllib.parse
from collections.abc import Iterable
from typing import Any

from moto.core.base_backend import BackendDict
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import ec2_backends
from moto.ecs.models import ecs_backends
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.test import run_wsgi_app

from providers.emulators.ecs import items, queries, quicker
from providers.emulators.ecs.errors import client, cluster_not_found, invalid
from providers.emulators.ecs.transactions import TARGET, Transactions
from providers.emulators.web import HttpRequest, Response

os.environ.setdefault("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
"""No EC2 images: tasks need none, and moto takes longer to load its 1,300 images than all other content of a new account."""

quicker.hurry()
queries.hurry()
items.hurry()

_taken: set[str] = set()
"""The accounts in use in this process: moto keeps one state per account."""


class Aws:
    """moto's backends of one account. Every change must hold `lock`, because moto does no locking itself."""

    def __init__(self, account: str) -> None:
        self.account = account
        self.lock = threading.RLock()
        self._open = False
        self._transactions = Transactions()
        self._application = DomainDispatcherApplication(create_backend_app)

    def answer(self, request: HttpRequest) -> Response:
        """The answer of moto; no other request is carried out meanwhile."""
        with self.lock:
            if request.headers.get("x-amz-target") == TARGET:
                return self._transactions.answer(request, self._carry_out)
            return self._carry_out(request)

    def _carry_out(self, request: HttpRequest) -> Response:
        body, status, headers = run_wsgi_app(self._application, self._environ(request), buffered=True)
        kept = {name: value for name, value in headers.items() if name.lower() != "content-length"}
        return Response(status=int(status.split()[0]), headers=kept, body=b"".join(body))

    def _environ(self, request: HttpRequest) -> dict[str, Any]:
        headers = {"x-moto-account-id": self.account, **request.headers}
        path = request.path.encode().decode("latin-1")  # WSGI's way of carrying bytes
        raw = urllib.parse.quote(request.path) + (f"?{request.raw_query}" if request.raw_query else "")
        return {
            "REQUEST_METHOD": request.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": path,
            "QUERY_STRING": request.raw_query,
            "RAW_URI": raw,
            "REQUEST_URI": raw,
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "CONTENT_TYPE": headers.get("content-type", ""),
            "CONTENT_LENGTH": str(len(request.body)),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(request.body),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            **{"HTTP_" + name.upper().replace("-", "_"): value for name, value in headers.items()},
        }

    def open(self) -> None:
        """Take the account, which is empty then. Raises RuntimeError while another emulator in this process has it."""
        if self.account in _taken:
            raise RuntimeError(f"an emulator of account {self.account} runs in this process: give this one another `account`")
        _taken.add(self.account)
        self._open = True
        self.reset()

    def close(self) -> None:
        """Release the account; a second call does nothing."""
        if self._open:
            self.reset()
            self._open = False
            _taken.discard(self.account)

    def reset(self) -> None:
        """Forget the account's content in every service."""
        with self.lock:
            self._transactions.reset()
            for service in list(BackendDict._instances):  # noqa: SLF001 - moto resets all accounts or none
                if self.account in service:
                    service[self.account].reset()

    def ecs(self, region: str) -> Any:
        """The ECS backend of moto for a region."""
        return ecs_backends[self.account][region]

    def cluster(self, region: str, name: str) -> Any:
        """The active cluster of that name or ARN. Raises ClusterNotFoundException."""
        with self.lock:
            cluster = self.ecs(region).clusters.get(name.rpartition("/")[2])
        if cluster is None or cluster.status != "ACTIVE":
            raise cluster_not_found()
        return cluster

    def set_counts(self, cluster: Any, running: int, pending: int) -> None:
        """Set the numbers of tasks that a cluster reports."""
        with self.lock:
            cluster.running_tasks_count, cluster.pending_tasks_count = running, pending

    def clusters(self, region: str) -> list[Any]:
        """Every cluster of a region."""
        with self.lock:
            return list(self.ecs(region).clusters.values())

    def definition(self, region: str, reference: str) -> Any:
        """The active task definition that `family`, `family:revision` or an ARN names. Raises ClientException."""
        family, _, revision = reference.rpartition("/")[2].partition(":")
        with self.lock:
            revisions = dict(self.ecs(region).task_definitions.get(family, {}))
        if revision:
            definition = revisions.get(int(revision)) if revision.isdecimal() else None
        else:
            definition = next(
                (revisions[number] for number in sorted(revisions, reverse=True) if revisions[number].status == "ACTIVE"), None
            )
        if definition is None:
            raise client("Unable to describe task definition." if revision else "TaskDefinition not found.")
        if definition.status != "ACTIVE":
            raise client("TaskDefinition is inactive")
        return definition

    def subnets(self, region: str, identifiers: Iterable[str]) -> list[Any]:
        """The subnets. Raises InvalidParameterException, in ECS's own words, for a missing one."""
        try:
            with self.lock:
                return list(ec2_backends[self.account][region].describe_subnets(subnet_ids=list(identifiers)))
        except EC2ClientError as error:
            raise invalid(f"Error retrieving subnet information for [{', '.join(identifiers)}]: {_words(error)}") from error

    def security_groups(self, region: str, identifiers: Iterable[str]) -> list[Any]:
        """The security groups. Raises InvalidParameterException for a missing one."""
        try:
            with self.lock:
                return list(ec2_backends[self.account][region].describe_security_groups(group_ids=list(identifiers)))
        except EC2ClientError as error:
            raise invalid(
                f"Error retrieving security group information for [{', '.join(identifiers)}]: {_words(error)}"
            ) from error

    def prepare(self, region: str, cluster: str) -> dict[str, list[str]]:
        """Create the cluster, enable DNS in the default VPC, and return its subnets and its default security group."""
        with self.lock:
            self.ecs(region).create_cluster(cluster, capacity_providers=["FARGATE", "FARGATE_SPOT"])
            ec2 = ec2_backends[self.account][region]
            vpc = next(vpc for vpc in ec2.vpcs.values() if vpc.is_default in (True, "true"))
            ec2.modify_vpc_attribute(vpc.id, "enable_dns_hostnames", "true")
            subnets = [subnet.id for subnet in ec2.describe_subnets() if subnet.vpc_id == vpc.id]
            groups = [
                group.id for group in ec2.describe_security_groups() if group.vpc_id == vpc.id and group.name == "default"
            ]
            return {"subnets": sorted(subnets), "securityGroups": groups}


def _words(error: Any) -> str:
    code = getattr(error, "code", None) or getattr(error, "error_type", "")
    return f"{error.message} (ErrorCode: {code})"
