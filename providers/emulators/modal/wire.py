"""The gRPC server: it records, authenticates, and carries out or refuses every procedure of Modal's service.

A fault stays with its call: the client repeats a failed call up to three times under one `x-idempotency-key`, and a lost answer
is lost for all these repeats. A fault with the `detail` `once` applies once, and the repeat gets the next fault, if any.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import grpclib.const
import grpclib.server
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from grpclib import GRPCError, Status
from grpclib.encoding.base import StatusDetailsCodecBase
from modal_proto import api_grpc, api_pb2

from providers.emulators.calls import CallLog
from providers.emulators.faults import FaultKind, Faults, InjectedFault

Metadata = Mapping[str, Any]
Operation = Callable[[Any, Metadata], Any]
"""A procedure: it takes the request and its metadata, and returns one message, or a list for a stream. Raises GRPCError."""

SERVICE = "/modal.client.ModalClient/"
THROTTLE_SECONDS = 1.0
REMEMBERED_KEYS = 10_000
ONCE = "once"


def throttled(message: str, retry_after: float = THROTTLE_SECONDS) -> GRPCError:
    """A refusal for the caller's rate, as Modal words it to its client."""
    return GRPCError(Status.RESOURCE_EXHAUSTED, message, [api_pb2.RPCRetryPolicy(retry_after_secs=retry_after)])


class _Details(StatusDetailsCodecBase):
    """Error details in the form that Modal's client reads."""

    def encode(self, status: Status, message: str | None, details: Any) -> bytes:
        packed = api_pb2.RPCStatus(code=status.value, message=message or "")
        for detail in details or ():
            packed.details.add().Pack(detail, type_url_prefix="type.modal.com/")
        return bytes(packed.SerializeToString())

    def decode(self, status: Status, message: str | None, data: bytes) -> Any:
        raise NotImplementedError("a server sends details and never reads them")


class Service:
    """The service for grpclib: `operations` by name, after faults and authentication."""

    def __init__(
        self,
        operations: Mapping[str, Operation],
        *,
        calls: CallLog,
        faults: Faults,
        authenticate: Callable[[str, Metadata], None],
    ) -> None:
        self._operations, self._calls, self._faults, self._authenticate = operations, calls, faults, authenticate
        self.honours_keys = True
        """False: the client's own repeat of a call is carried out again."""
        self.reset()

    def reset(self) -> None:
        """Forget the calls under way and the answers."""
        self._struck: dict[str, InjectedFault | None] = {}
        self._answered: dict[str, Any] = {}

    def __mapping__(self) -> dict[str, grpclib.const.Handler]:
        # The generated base class has the types of every procedure; its methods are abstract, so each gets an empty body here.
        empty = dict.fromkeys(api_grpc.ModalClientBase.__abstractmethods__, _nothing)
        described = type("Described", (api_grpc.ModalClientBase,), empty)().__mapping__()
        return {path: self._bind(path.removeprefix(SERVICE), handler) for path, handler in described.items()}

    def _bind(self, name: str, handler: grpclib.const.Handler) -> grpclib.const.Handler:
        async def serve(stream: Any) -> None:
            await self._serve(name, stream)

        return handler._replace(func=serve)

    async def _serve(self, name: str, stream: Any) -> None:
        request = await stream.recv_message()
        self._calls.record(name, MessageToDict(request, preserving_proto_field_name=True))
        metadata = dict(stream.metadata or {})
        fault = self._fault(name, metadata)
        if fault is not None and not fault.kind.acts:
            await _strike(fault, stream)
        else:
            answer = await self._once(name, request, metadata)
            if fault is not None:
                await _strike(fault, stream)
            else:
                for message in answer if isinstance(answer, list) else [answer]:
                    await stream.send_message(message)

    def _fault(self, name: str, metadata: Metadata) -> InjectedFault | None:
        key = f"{name} {metadata.get('x-idempotency-key', '')}"
        if key in self._struck:
            return self._struck[key]
        fault = self._faults.take(name)
        # A throttle does not stay with its call: the client waits as long as the answer says and repeats.
        stays = fault is None or not (fault.kind is FaultKind.THROTTLE or fault.detail == ONCE)
        if metadata.get("x-idempotency-key") and stays:
            _trim(self._struck)
            self._struck[key] = fault
        return fault

    async def _once(self, name: str, request: Message, metadata: Metadata) -> Any:
        """The repeat of a completed call gets the same answer, by the client's idempotency key."""
        key = f"{name} {metadata.get('x-idempotency-key', '')}"
        if self.honours_keys and metadata.get("x-retry-attempt", "0") != "0" and key in self._answered:
            return self._answered[key]
        operation = self._operations.get(name)
        if operation is None:
            raise GRPCError(Status.UNIMPLEMENTED, f"{name} is not part of this emulator")
        self._authenticate(name, metadata)
        result = operation(request, metadata)
        answer = await result if isinstance(result, Awaitable) else result
        _trim(self._answered)
        self._answered[key] = answer
        return answer


async def _nothing(*_: Any) -> None:
    """The body of an abstract procedure, which is never called."""


def _trim(remembered: dict[str, Any]) -> None:
    while len(remembered) >= REMEMBERED_KEYS:
        del remembered[next(iter(remembered))]


async def _strike(fault: InjectedFault, stream: Any) -> None:
    if fault.kind in (FaultKind.LOSE_ANSWER, FaultKind.LOSE_REQUEST):
        await stream.cancel()
        return
    raise _error(fault)


def _error(fault: InjectedFault) -> GRPCError:
    """`detail` may name a gRPC status and the words: `PERMISSION_DENIED: not yours`, or for a throttle the seconds."""
    if fault.kind is FaultKind.THROTTLE:
        return throttled("Sandbox creation rate limit (5/s) exceeded.", float(fault.detail or THROTTLE_SECONDS))
    status, words = {
        FaultKind.NO_CAPACITY: (Status.RESOURCE_EXHAUSTED, "No capacity for this sandbox at the moment."),
        FaultKind.REFUSE: (Status.INVALID_ARGUMENT, "The request is not valid."),
    }.get(fault.kind, (Status.INTERNAL, "Internal error."))
    named, _, message = fault.detail.partition(": ")
    if named in Status.__members__:
        return GRPCError(Status[named], message or words)
    return GRPCError(status, fault.detail or words)


class _GrpcServer(grpclib.server.Server):
    """A server that closes its clients' connections at its end; grpclib's own does not."""

    def __init__(self, service: Service) -> None:
        super().__init__([service], status_details_codec=_Details())
        self._protocols: list[Any] = []

    def _protocol_factory(self) -> Any:
        self._protocols.append(super()._protocol_factory())
        return self._protocols[-1]

    async def drop_connections(self) -> None:
        for protocol in self._protocols:
            connection = getattr(protocol, "connection", None)
            if connection is not None:
                connection.close()
        await asyncio.sleep(0)  # a transport closes its socket in the loop's next iteration


class GrpcServer:
    """Serves a `Service` from a thread with its own event loop."""

    def __init__(self, service: Service, *, host: str, port: int) -> None:
        self._service, self._host, self._port = service, host, port
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start listening. Raises OSError if the port is taken."""
        # Declared as TCP, so that asyncio sends small packets at once; otherwise every answer takes 40 ms more.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((self._host, self._port))
        self._port = listener.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name="modal-emulator")
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(listener), self._loop).result()

    async def _listen(self, listener: socket.socket) -> None:
        self._server = _GrpcServer(self._service)
        await self._server.start(sock=listener)

    @property
    def address(self) -> str:
        """`host:port`."""
        if self._loop is None:
            raise RuntimeError("the emulator is not started: use it in a `with`, or call start() first")
        return f"{self._host}:{self._port}"

    def stop(self) -> None:
        """Drop all connections; a second call does nothing."""
        if self._loop is None or self._thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._loop = None

    async def _close(self) -> None:
        self._server.close()
        await self._server.wait_closed()
        await self._server.drop_connections()
