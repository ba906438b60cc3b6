"""The emulator: it answers requests about tasks, applies faults, and passes all other requests to moto."""

from __future__ import annotations

import json
import re
import urllib.parse
import uuid
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from providers.emulators.base import Emulator
from providers.emulators.ecs import errors, functions, identities, model, shape, tags
from providers.emulators.ecs.aws import Aws
from providers.emulators.ecs.definitions import check_definition
from providers.emulators.ecs.delivery import Delivery, Event
from providers.emulators.ecs.errors import EcsError
from providers.emulators.ecs.faults import NO_CAPACITY, ending, refusal
from providers.emulators.ecs.functions import LambdaFunctions
from providers.emulators.ecs.permissions import Permissions, Where, needs
from providers.emulators.ecs.rates import Rates
from providers.emulators.ecs.tasks import Tasks
from providers.emulators.faults import FaultKind, InjectedFault
from providers.emulators.jobs import EndCause, Life, Phase, StartedJob
from providers.emulators.web import AnswerLost, HttpRequest, Response, WebServer

TARGET = "AmazonEC2ContainerServiceV20141113."
KEPT_EVENTS = 10_000

LIFE = Life(
    before=(Phase("PROVISIONING"), Phase("PENDING"), Phase("ACTIVATING")),
    running="RUNNING",
    after=(Phase("DEACTIVATING"), Phase("STOPPING"), Phase("DEPROVISIONING")),
    ended="STOPPED",
)
"""ECS's phases, each as short as possible; pass an EcsEmulator its own `life` for longer ones."""

_SCOPE = re.compile(r"Credential=[^/]+/\d+/([a-z0-9-]+)/([a-z0-9-]+)/")
_ACTION = re.compile(rb"(?:^|&)Action=(\w+)")
_QUERY_SERVICES = {"ec2": "ec2", "iam": "query", "sts": "query"}


class EcsEmulator(Emulator):
    """ECS, with moto's AWS behind it, on one port. Its `environment()` names `region` and `account`.

    Two emulators in one process need two accounts, because moto's state belongs to the account; it is forgotten at the end.

    Faults are set by operation (`RunTask`, `DescribeTasks`, `RegisterTaskDefinition`; for other services `dynamodb.PutItem`,
    `ec2.DescribeSubnets`). Their `detail` is `Code: message` or a whole JSON error body for a specific refusal, or `network`
    for a throttle of RunTask that comes from EC2. The operation `Task` with `REFUSE` and `StopCode: reason` gives that end to
    the next started tasks.

    Settings beside the shared ones; all may change while it runs (`change_settings`):

    * `visibility_lag`: seconds for which DescribeTasks and ListTasks do not show a new task;
    * `enforce_rates`: True throttles at ECS's default rates (`ecs.rates.RATES`);
    * `started_by_alone`: True refuses `desiredStatus` beside `startedBy` in ListTasks, as its documentation may be read;
    * `enforce_permissions`: True limits requests that are signed as a role to what its policies allow (`ecs.permissions`);
    * `instances`: False leaves the cluster without container instances, so that only Fargate tasks can be launched.
    """

    name = "ecs"

    def __init__(
        self,
        *,
        region: str = "us-east-1",
        account: str = "123456789012",
        cluster: str = "default",
        life: Life = LIFE,
        visibility_lag: float = 0.0,
        enforce_rates: bool = False,
        enforce_permissions: bool = False,
        on_event: Callable[[Event], None] | None = None,
        **shared: Any,
    ) -> None:
        super().__init__(life=life, **shared)
        self.region, self.account, self.cluster = region, account, cluster
        self.enforce_rates, self.enforce_permissions = enforce_rates, enforce_permissions
        self.aws = Aws(account)
        self.permissions = Permissions(account)
        self.functions = LambdaFunctions(account)
        self.rates = Rates(self.now)
        self.tasks = Tasks(self.book, self.aws)
        self.tasks.visibility_lag = visibility_lag
        self.network: dict[str, Any] = {}
        """A valid `networkConfiguration`; set when the emulator is started."""
        self._events: deque[Event] = deque(maxlen=KEPT_EVENTS)
        self._delivery = Delivery(on_event, self.book.settle) if on_event else None
        self._web = WebServer(self, self._answer, host=self.host, port=self.port)

    def start(self) -> None:
        """Start listening, with an account that contains only a cluster and the default VPC."""
        self.aws.open()
        self._prepare()
        self._web.start()
        if self._delivery is not None:
            self._delivery.start()

    def stop(self) -> None:
        """Close the port, kill local processes, and forget moto's state of the account."""
        self._web.stop()
        if self._delivery is not None:
            self._delivery.stop()
        self.book.reset()
        self.aws.close()

    @property
    def url(self) -> str:
        """The endpoint for every AWS service."""
        return self._web.url

    def environment(self) -> dict[str, str]:
        """The variables for boto3; the keys are fake."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "emulator",
            "AWS_SECRET_ACCESS_KEY": "emulator",
            "AWS_DEFAULT_REGION": self.region,
            "AWS_REGION": self.region,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def events(self) -> Sequence[Event]:
        """The state changes so far, in the form that EventBridge sends to a rule's target, oldest first; the last 10,000."""
        with self.book.lock:
            self.book.settle()
            return list(self._events)

    def on_change(self, job: StartedJob, when: float) -> None:
        """Record the event and the end."""
        event = shape.event(job, when)
        self._events.append(event)
        if self._delivery is not None:
            self._delivery.put(event)
        if not job.live:
            self.tasks.ended(job)

    def interrupt(
        self, name: str, stop_code: str = "SpotInterruption", reason: str = "Your Spot Task was interrupted."
    ) -> None:
        """Remove the host of the live tasks of that name."""
        for job in self.book.named(name):
            self.book.take(job, reason, cause=EndCause.TAKEN, code=stop_code)

    def change_settings(self, settings: Mapping[str, Any]) -> None:
        """Change the shared settings and those in the class's docstring."""
        own: dict[str, object] = dict.fromkeys(("visibility_lag", "started_by_alone", "instances"), self.tasks)
        own |= dict.fromkeys(("enforce_rates", "enforce_permissions"), self)
        super().change_settings({name: value for name, value in settings.items() if name not in own})
        for name in own.keys() & settings.keys():
            setattr(own[name], name, settings[name])

    def reset(self) -> None:
        """Return to the state after the start, including tables and definitions."""
        super().reset()
        self.tasks.reset()
        self.rates.reset()
        self._events.clear()
        self.functions.invocations.clear()
        self.aws.reset()
        self._prepare()

    def _prepare(self) -> None:
        network = self.aws.prepare(self.region, self.cluster)
        self.network = {"awsvpcConfiguration": {**network, "assignPublicIp": "ENABLED"}}

    def _answer(self, request: HttpRequest) -> Response:
        target = request.headers.get("x-amz-target", "")
        if target.startswith(TARGET):
            return self._ecs(target.removeprefix(TARGET), request)
        service, operation = _other_operation(request, target)
        name = "Invoke" if functions.invoked(operation) else operation.partition("?")[0]
        self.calls.record(f"{service}.{name}")
        try:
            self._check_permissions(service, operation, request)
            return self._with_fault(f"{service}.{name}", lambda _fault: self._forward(operation, request))
        except EcsError as error:
            return error.response(_QUERY_SERVICES.get(service, "json"))

    def _ecs(self, operation: str, request: HttpRequest) -> Response:
        try:
            body = model.parse(request)
            self.calls.record(operation, body)
            model.check_request(operation, body)
            self._check_permissions("ecs", operation, request)
            return self._with_fault(operation, lambda fault: self._carry_out(operation, request, body, fault))
        except EcsError as error:
            return error.response()

    def _forward(self, operation: str, request: HttpRequest) -> Response:
        function = functions.invoked(operation)
        if function:
            return self.functions.take(function, request, _scope(request)[0] or self.region)
        with self.aws.lock:
            identities.check_sizes(request, self.account)
            return self.aws.answer(request)

    def _check_permissions(self, service: str, operation: str, request: HttpRequest) -> None:
        if not self.enforce_permissions:
            return
        where = Where(self.account, _scope(request)[0] or self.region, self.tasks.tags)
        code = "UnauthorizedOperation" if service == "ec2" else "AccessDeniedException"
        with self.aws.lock:
            self.permissions.check(request, needs(service, operation, _parameters(request), where), code=code)

    def _with_fault(self, operation: str, act: Callable[[InjectedFault | None], Response]) -> Response:
        fault = self.faults.take(operation)
        if fault is None or fault.kind is FaultKind.NO_CAPACITY:
            return act(fault)
        if fault.kind.acts:
            act(fault)
        if fault.kind in (FaultKind.LOSE_ANSWER, FaultKind.LOSE_REQUEST):
            raise AnswerLost
        raise refusal(fault)

    def _carry_out(self, operation: str, request: HttpRequest, body: dict[str, Any], fault: InjectedFault | None) -> Response:
        if self.enforce_rates and not self.rates.allow(operation, body.get("count", 1)):
            raise errors.throttled()
        region = _scope(request)[0] or self.region
        if operation == "RunTask":
            return _json(self._run_task(region, body, fault))
        reads = {"DescribeTasks": self.tasks.describe, "ListTasks": self.tasks.list, "StopTask": self.tasks.stop}
        if operation in reads:
            return _json(reads[operation](region, body, now=self.now()))
        if tags.is_for_task(operation, body):
            return _json(tags.answer(self.tasks, operation, body))
        if operation == "RegisterTaskDefinition":
            check_definition(body)
        self._count_tasks(region, operation, body)
        return self.aws.answer(request)

    def _run_task(self, region: str, body: dict[str, Any], fault: InjectedFault | None) -> dict[str, Any]:
        full = fault is not None and fault.kind is FaultKind.NO_CAPACITY
        room = 0.0 if full else float("inf") if self.capacity is None else float(self.capacity)
        reason = fault.detail if fault is not None and fault.detail else NO_CAPACITY
        return self.tasks.run(
            region, body, now=self.now(), room=room, no_room=reason, ending=lambda: ending(self.faults.take("Task"))
        )

    def _count_tasks(self, region: str, operation: str, body: dict[str, Any]) -> None:
        """Set the clusters' numbers of tasks in moto, which does not know the tasks."""
        if operation == "DescribeClusters":
            for cluster in self.aws.clusters(region):
                self.aws.set_counts(cluster, *self.tasks.counts(cluster.arn))
        if operation == "DeleteCluster" and any(self.tasks.counts(self.aws.cluster(region, body["cluster"]).arn)):
            raise EcsError("ClusterContainsTasksException", "The Cluster cannot be deleted while Tasks are active.")


def _json(body: Mapping[str, Any]) -> Response:
    text = json.dumps(body).encode()
    return Response(headers={"Content-Type": errors.CONTENT_TYPE, "x-amzn-RequestId": str(uuid.uuid4())}, body=text)


def _parameters(request: HttpRequest) -> Mapping[str, Any]:
    """The parameters of a request in JSON or in the query protocol's form; empty for any other."""
    kind = request.headers.get("content-type", "")
    if "urlencoded" in kind:
        return dict(urllib.parse.parse_qsl(request.body.decode()))
    body: Mapping[str, Any] = request.json() if "json" in kind else {}
    return body


def _scope(request: HttpRequest) -> tuple[str, str]:
    """The region and service for which a request was signed; empty for an unsigned one."""
    signed = _SCOPE.search(request.headers.get("authorization", ""))
    return (signed.group(1), signed.group(2)) if signed else ("", "")


def _other_operation(request: HttpRequest, target: str) -> tuple[str, str]:
    """The service and operation: `dynamodb` and `PutItem`, `s3` and `GET /path`."""
    action = _ACTION.search(request.body[:2000])
    query = f"?{request.raw_query}" if request.raw_query else ""
    name = target.rpartition(".")[2] or (action.group(1).decode() if action else f"{request.method} {request.path}{query}")
    return _scope(request)[1] or "aws", name
