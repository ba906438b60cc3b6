"""The process of a worker: a line of JSON comes in for each message of the host, a line goes out for each answer.

It runs with what Azure brings and with the package, and with nothing else, so nothing of the tests can be imported here.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from types import SimpleNamespace

PACKAGES = ".python_packages/lib/site-packages"


class Message(SimpleNamespace):
    """A message of FunctionRpc: the fields that were given, and nothing for those that were not."""

    def __getattr__(self, name):
        if not name[0].islower():  # no field, but one of Python's own names, or a message's
            raise AttributeError(name)

    def WhichOneof(self, kind):  # noqa: N802 - protobuf's own name
        """The one that is set of those that exclude each other."""
        return next(iter(vars(self)), None) if kind == "data" else "data"


class Protos:
    """Every message of FunctionRpc by its name."""

    class StatusResult(Message):
        Failure, Success = 0, 1

    class BindingInfo(Message):
        # `in` is a word of Python's, so that name is set below
        out, inout, undefined = 1, 2, -1

    setattr(BindingInfo, "in", 0)

    def __getattr__(self, name):
        return type(name, (Message,), {})


def plain(value):
    """A message as JSON."""
    if isinstance(value, Message):
        return {name: plain(field) for name, field in vars(value).items()}
    if isinstance(value, dict):
        return {str(name): plain(field) for name, field in value.items()}
    if isinstance(value, list | tuple):
        return [plain(field) for field in value]
    if isinstance(value, bytes):
        return value.decode()
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def message(value):
    """JSON as a message."""
    if isinstance(value, dict):
        return Message(**{name: message(field) for name, field in value.items()})
    return value


class Worker:
    """The library, asked as Azure's worker asks it."""

    def __init__(self, library):
        self.library = library
        self.protos = Protos()

    async def start(self, app):
        """Find the app's functions."""
        self.library.start_threadpool_executor()
        asked = Message(function_app_directory=app, capabilities={})
        return await self._ask(self.library.worker_init_request, worker_init_request=asked)

    async def metadata(self):
        return await self._ask(self.library.functions_metadata_request)

    async def invoke(self, function_id, name, data):
        """Call a function with one argument."""
        typed = message(data)
        if typed.http:
            fields = ("headers", "params", "query")
            for field in fields:
                setattr(typed.http, field, data["http"].get(field, {}))
            typed.http.body = Message(bytes=data["http"]["body"].encode())
        asked = Message(
            invocation_id=os.urandom(8).hex(),
            function_id=function_id,
            input_data=[Message(name=name, data=typed)],
            trigger_metadata={},
            trace_context=Message(),
            retry_context=Message(),
        )
        return await self._ask(self.library.invocation_request, invocation_request=asked)

    async def _ask(self, verb, **request):
        properties = {"protos": self.protos, "host": "127.0.0.1"}
        return plain(await verb(Message(request=Message(**request), properties=properties)))


async def serve(worker, answers):
    """Answer one message after the other, until there are no more."""
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        asked = json.loads(line)
        answer = await getattr(worker, asked.pop("verb"))(**asked)
        print(json.dumps(answer), file=answers, flush=True)


def main():
    """Until standard input ends. What functions print goes to standard error, and so does the log."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    # What the app brings wins over what the worker brings.
    sys.path[:0] = [os.path.join(os.getcwd(), PACKAGES), os.getcwd()]

    import azure_functions_runtime  # noqa: PLC0415 - the path is set now

    asyncio.run(serve(Worker(azure_functions_runtime), answers))


main()
