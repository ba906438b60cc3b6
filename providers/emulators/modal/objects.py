"""The objects that a sandbox needs: apps, environments, images, secrets, and dicts, which remember names.

Images are built once per definition: a new one takes `build_seconds`, and a build whose recipe contains a key of `image_errors`
fails with its message. A named secret must exist before its use; secrets that a client makes from an `env` are kept by id.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from grpclib import GRPCError, Status
from modal_proto import api_pb2

from providers.emulators.modal.wire import Metadata, Operation

BUILDER_VERSION = "2025.06"
AUTH_TOKEN = "e30.eyJleHAiOjQxMDI0NDQ4MDB9.e30"  # noqa: S105 - an unsigned token that is worth nothing, good until 2100
LOOK_AGAIN = 0.02


@dataclass
class Image:
    """An image and when it is ready."""

    ready_at: float
    error: str = ""


@dataclass
class Objects:
    """The named things of one workspace."""

    now: Callable[[], float]
    environments: set[str] = field(default_factory=lambda: {"main"})
    secrets: dict[str, Mapping[str, str]] = field(default_factory=dict)
    build_seconds: float = 0.0
    image_errors: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget what clients made; the workspace's own secrets stay."""
        self.apps: dict[str, tuple[str, str]] = {}
        self.images: dict[str, Image] = {}
        self.inline_secrets: dict[str, Mapping[str, str]] = {}
        self.dicts: dict[str, dict[bytes, bytes]] = {}

    def operations(self) -> dict[str, Operation]:
        """The procedures by name."""
        return {
            "ClientHello": lambda _request, _metadata: api_pb2.ClientHelloResponse(),
            "AuthTokenGet": lambda _request, _metadata: api_pb2.AuthTokenGetResponse(token=AUTH_TOKEN),
            "AppGetOrCreate": self._app,
            "EnvironmentGetOrCreate": self._environment,
            "ImageGetOrCreate": self._image,
            "ImageFromId": self._image_from_id,
            "ImageJoinStreaming": self._join,
            "SecretGetOrCreate": self._secret,
            "DictGetOrCreate": self._dict,
            "DictUpdate": self._dict_update,
            "DictGet": self._dict_get,
            "DictPop": self._dict_pop,
        }

    def environment_of(self, name: str) -> str:
        """The environment a request means; raises NOT_FOUND."""
        name = name or "main"
        if name not in self.environments:
            raise GRPCError(Status.NOT_FOUND, f"Environment '{name}' not found.")
        return name

    def app_named(self, name: str, environment: str) -> str:
        """An app's id; raises NOT_FOUND."""
        key = (self.environment_of(environment), name)
        app_id = next((app for app, place in self.apps.items() if place == key), None)
        if app_id is None:
            raise GRPCError(Status.NOT_FOUND, f"App '{name}' not app_id in environment '{key[0]}'.")
        return app_id

    def create_app(self, name: str, environment: str) -> str:
        """The id of an app, which is created if it is missing; raises NOT_FOUND for a missing environment."""
        app = _identifier("ap", f"{self.environment_of(environment)}/{name}")
        self.apps.setdefault(app, (self.environment_of(environment), name))
        return app

    def values_of(self, secret: str) -> Mapping[str, str]:
        """The variables of a secret; raises NOT_FOUND."""
        if secret in self.inline_secrets:
            return self.inline_secrets[secret]
        named = {_identifier("st", name): values for name, values in self.secrets.items()}
        if secret not in named:
            raise GRPCError(Status.NOT_FOUND, f"Secret {secret} not found.")
        return named[secret]

    def check_image(self, image: str) -> None:
        """Raises for an image that is missing or not built."""
        if image not in self.images:
            raise GRPCError(Status.NOT_FOUND, f"Image {image} not found.")
        if self.images[image].ready_at > self.now() or self.images[image].error:
            raise GRPCError(Status.FAILED_PRECONDITION, f"Image {image} is not built.")

    def _app(self, request: Any, _metadata: Metadata) -> api_pb2.AppGetOrCreateResponse:
        environment = self.environment_of(request.environment_name)
        if request.object_creation_type == api_pb2.OBJECT_CREATION_TYPE_CREATE_IF_MISSING:
            self.create_app(request.app_name, environment)
        app = self.app_named(request.app_name, environment)
        described = api_pb2.AppHandleMetadata(app_id=app, description=request.app_name, environment_name=environment)
        return api_pb2.AppGetOrCreateResponse(app_id=app, handle_metadata=described)

    def _environment(self, request: Any, _metadata: Metadata) -> api_pb2.EnvironmentGetOrCreateResponse:
        name = self.environment_of(request.deployment_name)
        settings = api_pb2.EnvironmentSettings(image_builder_version=BUILDER_VERSION)
        described = api_pb2.EnvironmentMetadata(name=name, settings=settings)
        return api_pb2.EnvironmentGetOrCreateResponse(environment_id=_identifier("en", name), metadata=described)

    def _image(self, request: Any, _metadata: Metadata) -> api_pb2.ImageGetOrCreateResponse:
        recipe = request.image.SerializeToString(deterministic=True)
        for secret in [*request.image.secret_ids, request.image.image_registry_config.secret_id]:
            if secret:
                self.values_of(secret)
        image = "im-" + hashlib.sha256(recipe).hexdigest()[:22]
        if image not in self.images:
            error = next((words for part, words in self.image_errors.items() if part.encode() in recipe), "")
            self.images[image] = Image(ready_at=self.now() + self.build_seconds, error=error)
        return api_pb2.ImageGetOrCreateResponse(image_id=image, result=self._built(image), metadata=_image_metadata())

    def _image_from_id(self, request: Any, _metadata: Metadata) -> api_pb2.ImageFromIdResponse:
        self.check_image(request.image_id)
        return api_pb2.ImageFromIdResponse(image_id=request.image_id, metadata=_image_metadata())

    def _built(self, image: str) -> api_pb2.GenericResult | None:
        built = self.images[image]
        if built.ready_at > self.now():
            return None
        if built.error:
            return api_pb2.GenericResult(status=api_pb2.GenericResult.GENERIC_STATUS_FAILURE, exception=built.error)
        return api_pb2.GenericResult(status=api_pb2.GenericResult.GENERIC_STATUS_SUCCESS)

    async def _join(self, request: Any, _metadata: Metadata) -> list[api_pb2.ImageJoinStreamingResponse]:
        waited = 0.0
        while (result := self._built(request.image_id)) is None and waited < request.timeout:
            await asyncio.sleep(LOOK_AGAIN)
            waited += LOOK_AGAIN
        return [api_pb2.ImageJoinStreamingResponse(result=result, eof=result is not None, metadata=_image_metadata())]

    def _secret(self, request: Any, _metadata: Metadata) -> api_pb2.SecretGetOrCreateResponse:
        self.environment_of(request.environment_name)
        if not request.deployment_name:
            secret = f"st-inline{len(self.inline_secrets)}"
            self.inline_secrets[secret] = dict(request.env_dict)
            return api_pb2.SecretGetOrCreateResponse(secret_id=secret)
        values = self.secrets.get(request.deployment_name)
        if values is None:
            raise GRPCError(Status.NOT_FOUND, f"Secret '{request.deployment_name}' not found.")
        described = api_pb2.SecretMetadata(name=request.deployment_name, keys=sorted(values))
        return api_pb2.SecretGetOrCreateResponse(secret_id=_identifier("st", request.deployment_name), metadata=described)

    def _dict(self, request: Any, _metadata: Metadata) -> api_pb2.DictGetOrCreateResponse:
        name = f"{self.environment_of(request.environment_name)}/{request.deployment_name}"
        identifier = _identifier("di", name)
        if request.object_creation_type == api_pb2.OBJECT_CREATION_TYPE_CREATE_IF_MISSING:
            self.dicts.setdefault(identifier, {})
        self._entries(identifier)
        return api_pb2.DictGetOrCreateResponse(dict_id=identifier, metadata=api_pb2.DictMetadata(name=request.deployment_name))

    def _entries(self, identifier: str) -> dict[bytes, bytes]:
        if identifier not in self.dicts:
            raise GRPCError(Status.NOT_FOUND, f"Dict {identifier} not found.")
        return self.dicts[identifier]

    def _dict_update(self, request: Any, _metadata: Metadata) -> api_pb2.DictUpdateResponse:
        entries = self._entries(request.dict_id)
        new = {entry.key: entry.value for entry in request.updates if not (request.if_not_exists and entry.key in entries)}
        entries.update(new)
        return api_pb2.DictUpdateResponse(created=len(new) == len(request.updates))

    def _dict_get(self, request: Any, _metadata: Metadata) -> api_pb2.DictGetResponse:
        value = self._entries(request.dict_id).get(request.key)
        return api_pb2.DictGetResponse(found=value is not None, value=value)

    def _dict_pop(self, request: Any, _metadata: Metadata) -> api_pb2.DictPopResponse:
        value = self._entries(request.dict_id).pop(request.key, None)
        return api_pb2.DictPopResponse(found=value is not None, value=value)


def _image_metadata() -> api_pb2.ImageMetadata:
    return api_pb2.ImageMetadata(image_builder_version=BUILDER_VERSION, python_version_info="Python 3.12.0")


def _identifier(kind: str, name: str) -> str:
    return f"{kind}-{hashlib.sha256(name.encode()).hexdigest()[:22]}"
