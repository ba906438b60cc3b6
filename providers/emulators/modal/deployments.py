"""The procedures of `modal deploy`: an app, its files, its functions, and its publication.

Functions are stored as sent and never called: Modal's own runtime is not part of the emulator.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from google.protobuf.empty_pb2 import Empty
from grpclib import GRPCError, Status
from modal_proto import api_pb2

from providers.emulators.modal.objects import Objects
from providers.emulators.modal.wire import Metadata, Operation


@dataclass
class DeployedApps:
    """The functions of apps; an app is deployed once it has been published."""

    objects: Objects

    def __post_init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.functions: dict[tuple[str, str], api_pb2.Function] = {}
        """(app id, name) -> the function as last sent."""
        self.published: dict[str, str] = {}
        """App id -> its deployment name."""
        self.mounts: dict[str, tuple[str, ...]] = {}
        """Mount id -> the path of its files in a container."""
        self._files: set[str] = set()

    def operations(self) -> dict[str, Operation]:
        """The procedures by name."""
        return {
            "AppGetByDeploymentName": self._find,
            "AppGetLayout": self._layout,
            "AppCreate": self._create_app,
            "AppPublish": self._publish,
            "AppHeartbeat": lambda _request, _metadata: Empty(),
            "AppClientDisconnect": lambda _request, _metadata: Empty(),
            "FunctionPrecreate": self._announce,
            "FunctionCreate": self._create_function,
            "MountBatchedCheckExistence": self._missing,
            "MountPutFile": self._put,
            "MountGetOrCreate": self._mount,
        }

    def deployed(self, app: str) -> dict[str, api_pb2.Function]:
        """The functions of a deployed app by name. Raises KeyError if no app is deployed under that name."""
        identifier = {name: identifier for identifier, name in self.published.items()}[app]
        return {name: function for (owner, name), function in self.functions.items() if owner == identifier}

    def _find(self, request: Any, _metadata: Metadata) -> api_pb2.AppGetByDeploymentNameResponse:
        environment = self.objects.environment_of(request.environment_name)
        apps = [app for app, name in self.published.items() if self.objects.apps.get(app) == (environment, name)]
        app = next((app for app in apps if self.published[app] == request.name), "")
        return api_pb2.AppGetByDeploymentNameResponse(app_id=app, environment_name=environment)

    def _layout(self, request: Any, _metadata: Metadata) -> api_pb2.AppGetLayoutResponse:
        functions = {name: _function(app, name) for app, name in self.functions if app == request.app_id}
        return api_pb2.AppGetLayoutResponse(app_layout=api_pb2.AppLayout(function_ids=functions))

    def _create_app(self, request: Any, _metadata: Metadata) -> api_pb2.AppCreateResponse:
        app = self.objects.create_app(request.description, request.environment_name)
        return api_pb2.AppCreateResponse(app_id=app, app_page_url=f"https://modal.com/id/{app}")

    def _publish(self, request: Any, _metadata: Metadata) -> api_pb2.AppPublishResponse:
        missing = [name for name in request.function_ids if (request.app_id, name) not in self.functions]
        if missing:
            raise GRPCError(Status.INVALID_ARGUMENT, f"App {request.app_id} has no function {missing[0]}.")
        self.published[request.app_id] = request.name
        return api_pb2.AppPublishResponse(url=f"https://modal.com/id/{request.app_id}", deployed_at=self.objects.now())

    def _announce(self, request: Any, _metadata: Metadata) -> api_pb2.FunctionPrecreateResponse:
        name = request.function_name
        return api_pb2.FunctionPrecreateResponse(
            function_id=_function(request.app_id, name), handle_metadata=_described(request.app_id, name)
        )

    def _create_function(self, request: Any, _metadata: Metadata) -> api_pb2.FunctionCreateResponse:
        function, app = _sent(request), request.app_id
        for secret in function.secret_ids:
            self.objects.values_of(secret)
        self.objects.check_image(function.image_id)
        self.functions[app, function.function_name] = function
        ranked = api_pb2.FunctionData.RankedFunction(rank=0, function=function)
        return api_pb2.FunctionCreateResponse(
            function_id=_function(app, function.function_name),
            function=function,
            function_data=api_pb2.FunctionData(ranked_functions=[ranked], schedule=function.schedule),
            handle_metadata=_described(app, function.function_name),
        )

    def _missing(self, request: Any, _metadata: Metadata) -> api_pb2.MountBatchedCheckExistenceResponse:
        missing = [digest for digest in request.sha256_hex_hashes if digest not in self._files]
        return api_pb2.MountBatchedCheckExistenceResponse(missing_sha256_hex_hashes=missing)

    def _put(self, request: Any, _metadata: Metadata) -> api_pb2.MountPutFileResponse:
        self._files.add(request.sha256_hex)
        return api_pb2.MountPutFileResponse(exists=True)

    def _mount(self, request: Any, _metadata: Metadata) -> api_pb2.MountGetOrCreateResponse:
        mount = f"mo-{len(self.mounts)}"
        self.mounts[mount] = tuple(sorted(file.filename for file in request.files))
        return api_pb2.MountGetOrCreateResponse(mount_id=mount)


def _sent(request: Any) -> Any:
    """The function of a request; a function for several kinds of GPU is sent once per kind."""
    return request.function if request.HasField("function") else request.function_data.ranked_functions[0].function


def _function(app: str, name: str) -> str:
    return f"fu-{app.removeprefix('ap-')}{name}"


def _described(app: str, name: str) -> api_pb2.FunctionHandleMetadata:
    return api_pb2.FunctionHandleMetadata(function_name=name, app_id=app)
