"""Serve providers from this process. Terraform gets their addresses as it does when someone debugs a provider.

https://developer.hashicorp.com/terraform/plugin/debugging#terraform-cli-configuration-for-debugging: the variable
`TF_REATTACH_PROVIDERS` names them. Terraform then starts no plug-in, asks for no TLS, and leaves them out of its lock file.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

import grpc

from tests.infra.stub_provider.messages import CALLS, MESSAGES, SERVICE
from tests.infra.stub_provider.provider import StubProvider

ADDRESS = "registry.terraform.io/hashicorp/{name}"


@contextmanager
def serving(*names: str, data: Mapping[str, Mapping[str, Any]] | None = None) -> Iterator[dict[str, str]]:
    """The variables that make Terraform use these providers, until the block ends."""
    with ExitStack() as stack:
        served = {ADDRESS.format(name=name): stack.enter_context(_served(StubProvider(name, data))) for name in names}
        yield {"TF_REATTACH_PROVIDERS": json.dumps(served)}


@contextmanager
def _served(provider: StubProvider) -> Iterator[dict[str, Any]]:
    with ThreadPoolExecutor(max_workers=8, thread_name_prefix="stub-provider") as threads:
        server = grpc.server(threads, options=[("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)])
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, _handlers(provider))])
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            where = {"Network": "tcp", "String": f"127.0.0.1:{port}"}
            yield {"Protocol": "grpc", "ProtocolVersion": 6, "Pid": os.getpid(), "Test": True, "Addr": where}
        finally:
            server.stop(grace=None).wait()


def _handlers(provider: StubProvider) -> dict[str, Any]:
    return {call: _handler(getattr(provider, _snake(call), None), *CALLS[call]) for call in CALLS}


def _handler(answer: Callable[[Any], Any] | None, request: str, response: str) -> Any:
    """A call without a method of its own has nothing to object to."""

    def called(message: Any, _context: Any) -> Any:
        return answer(message) if answer else MESSAGES[response]()

    return grpc.unary_unary_rpc_method_handler(
        called,
        request_deserializer=MESSAGES[request].FromString,
        response_serializer=MESSAGES[response].SerializeToString,
    )


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
