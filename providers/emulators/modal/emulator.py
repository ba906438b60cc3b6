"""The emulator's public class."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from grpclib import GRPCError, Status
from modal_proto import api_pb2

from providers.emulators.base import EmulatedJob, Emulator
from providers.emulators.jobs import EndCause, Life, Phase, StartedJob
from providers.emulators.modal.deployments import DeployedApps
from providers.emulators.modal.objects import Objects
from providers.emulators.modal.rates import CreationRate
from providers.emulators.modal.sandboxes import Sandboxes
from providers.emulators.modal.wire import GrpcServer, Metadata, Service
from providers.emulators.web import WebServer

TOKEN = ("ak-emulator", "as-emulator")

EXIT_CODES: Mapping[EndCause, int | None] = {EndCause.TIMED_OUT: 124, EndCause.STOPPED: 137}

SANDBOX_SETTINGS = ("gpu_capacity", "gpu_wait", "lag_seconds", "memory_seconds", "page_size")


class ModalEmulator(Emulator):
    """Modal on this machine, with settings beside the shared ones.

    `tokens` are the accepted (id, secret) pairs; `secrets` are the workspace's named secrets, and `environments` its
    environments; `creation_rate` and `creation_burst` limit `create` (rate None: no limit); `gpu_capacity` is how many GPU
    sandboxes run at once, and `gpu_wait` how long one waits at least; `build_seconds` is the build time of a new image;
    `image_errors` maps a part of an image's recipe to the message of its failed build; `lag_seconds` is how long a new sandbox
    is hidden, and `memory_seconds` how long an ended one is known; `page_size` is the size of a list's page.
    """

    name = "modal"

    def __init__(
        self,
        *,
        tokens: Iterable[tuple[str, str]] = (TOKEN,),
        secrets: Mapping[str, Mapping[str, str]] | None = None,
        environments: Iterable[str] = ("main",),
        creation_rate: float | None = 5.0,
        creation_burst: float = 150.0,
        build_seconds: float = 0.0,
        image_errors: Mapping[str, str] | None = None,
        control_port: int = 0,
        **options: Any,
    ) -> None:
        special = {name: options.pop(name) for name in SANDBOX_SETTINGS if name in options}
        super().__init__(life=Life(before=(Phase("STARTING"),), running="RUNNING", ended="ENDED"), **options)
        self.tokens = dict(tokens)
        self.objects = Objects(
            self.now, set(environments), dict(secrets or {}), build_seconds, image_errors=dict(image_errors or {})
        )
        bucket = CreationRate(self.now, creation_rate, creation_burst)
        self.sandboxes = Sandboxes(self.book, self.objects, bucket, capacity=lambda: self.capacity, **special)
        self.deployments = DeployedApps(self.objects)
        operations = {**self.objects.operations(), **self.sandboxes.operations(), **self.deployments.operations()}
        self._service = Service(operations, calls=self.calls, faults=self.faults, authenticate=self._authenticate)
        self._server = GrpcServer(self._service, host=self.host, port=self.port)
        self._control = WebServer(self, None, host=self.host, port=control_port)

    def start(self) -> None:
        """Start listening for gRPC, and on another port for the control API."""
        self._server.start()
        self._control.start()

    def stop(self) -> None:
        """End both servers and every local process."""
        self._control.stop()
        self._server.stop()
        self.book.reset()

    @property
    def url(self) -> str:
        """The value for `MODAL_SERVER_URL`."""
        return f"http://{self._server.address}"

    @property
    def control_url(self) -> str:
        """Where `/_emulator` is served."""
        return self._control.url

    def environment(self) -> dict[str, str]:
        """The client's settings; a `~/.modal.toml` is ignored."""
        token, secret = next(iter(self.tokens.items()))
        return {
            "MODAL_SERVER_URL": self.url,
            "MODAL_TOKEN_ID": token,
            "MODAL_TOKEN_SECRET": secret,
            "MODAL_CONFIG_PATH": "/nonexistent/modal.toml",
        }

    def describe(self, job: StartedJob) -> EmulatedJob:
        """A job in the form of all emulators, with Modal's exit codes: 124 for a time-out, 137 for a termination."""
        return replace(super().describe(job), exit_code=EXIT_CODES.get(job.cause or EndCause.EXITED, job.exit_code))

    def end_as(self, name: str, status: int, exit_code: int = 0) -> None:
        """End the live sandbox of that name with one of `GenericResult`'s statuses, such as KERNEL_OOM_KILL or INIT_FAILURE."""
        self.sandboxes.mark(name, status)
        self.finish(name, exit_code)

    def forget(self, name: str) -> None:
        """Forget the ended sandboxes of that name, as Modal does after some time."""
        self.sandboxes.forget(name)

    def change_settings(self, settings: Mapping[str, Any]) -> None:
        """Change the shared settings and this emulator's own."""
        places: dict[str, Any] = dict.fromkeys(SANDBOX_SETTINGS, self.sandboxes)
        places |= {"creation_rate": self.sandboxes.bucket, "creation_burst": self.sandboxes.bucket}
        places |= {"honours_keys": self._service, "build_seconds": self.objects}
        super().change_settings({name: value for name, value in settings.items() if name not in places})
        for name, value in settings.items():
            if name in places:
                setattr(places[name], name, value)

    def reset(self) -> None:
        """Forget sandboxes, apps, deployments, images, dicts, calls and faults; the server keeps running."""
        super().reset()
        with self.book.lock:
            self.objects.reset()
            self.deployments.reset()
            self.sandboxes.reset()
            self._service.reset()

    def _authenticate(self, operation: str, metadata: Metadata) -> None:
        if metadata.get("x-modal-client-type") == str(api_pb2.CLIENT_TYPE_CONTAINER):
            return  # inside Modal the container needs no token
        token = str(metadata.get("x-modal-token-id", ""))
        if self.tokens.get(token) != metadata.get("x-modal-token-secret"):
            raise GRPCError(Status.UNAUTHENTICATED, f"{operation}: the token is missing or not valid.")
