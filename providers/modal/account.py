"""The apps, images, secrets and ledgers that one client has looked up, each once.

All of this runs in the provider's one event loop, so nothing here needs a lock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

from providers.modal import sdk
from providers.modal.names import LEDGER, Names
from providers.modal.request import ImageSpec, Place


class StillBuilding(Exception):
    """Modal is still building the image; nothing was started."""


@dataclass
class Account:
    """One client, and the objects that it has looked up."""

    client: Any
    is_own: bool
    """False for the client that the SDK shares within the process: it is not ours to close."""
    opened_at: float
    used_at: float
    is_used: bool = False
    """True when an earlier call looked something up with it."""
    _kept: dict[Hashable, asyncio.Task[Any]] = field(default_factory=dict)

    def forget(self) -> None:
        """Forget all look-ups, because an object was deleted or replaced."""
        self._kept.clear()
        self.is_used = False

    @sdk.mapped
    async def app(self, place: Place, *, create: bool = False) -> Any:
        """The app of a place; with `create` a missing app is created."""
        modal = sdk.load()
        look_up = modal.App.lookup.aio
        return await self._once(
            ("app", place.app, place.environment),
            lambda: look_up(place.app, client=self.client, environment_name=place.environment, create_if_missing=create),
        )

    @sdk.mapped
    async def image(self, spec: ImageSpec, place: Place, seconds: float) -> Any:
        """The built image. Raises `StillBuilding` when the build takes longer than `seconds`; Modal continues it."""
        app = await self.app(place, create=True)
        try:
            return await asyncio.wait_for(self._once(("image", spec, place), lambda: self._build(spec, place, app)), seconds)
        except TimeoutError:
            raise StillBuilding(f"Modal is still building the image {spec.tag}") from None

    @sdk.mapped
    async def secret(self, name: str, place: Place) -> Any:
        """A named secret."""
        return await self._once(("secret", name, place.environment), lambda: self._hydrated(self._secret(name, place)))

    @sdk.mapped
    async def names(self, place: Place) -> Names:
        """The ledger of a place's environment."""
        ledger = sdk.load().Dict.from_name(
            LEDGER, client=self.client, environment_name=place.environment, create_if_missing=True
        )
        return Names(await self._once(("names", place.environment), lambda: self._hydrated(ledger)))

    def _secret(self, name: str, place: Place) -> Any:
        return sdk.load().Secret.from_name(name, client=self.client, environment_name=place.environment)

    async def _hydrated(self, thing: Any) -> Any:
        await thing.hydrate.aio(self.client)
        return thing

    async def _build(self, spec: ImageSpec, place: Place, app: Any) -> Any:
        image = sdk.load().Image.from_registry(
            spec.tag, secret=self._secret(spec.secret, place) if spec.secret else None, add_python=spec.add_python
        )
        if spec.pip_packages:
            image = image.pip_install(*spec.pip_packages)
        await image.build.aio(app)
        return image

    async def _once(self, key: Hashable, look_up: Callable[[], Awaitable[Any]]) -> Any:
        """The object of `key`. Simultaneous callers share one look-up; a failed one is not kept."""
        if key not in self._kept:
            task = asyncio.ensure_future(_await(look_up))
            task.add_done_callback(lambda done: self._forget_failure(key, done))
            self._kept[key] = task
        return await asyncio.shield(self._kept[key])  # a caller that gives up cancels nothing for the others

    def _forget_failure(self, key: Hashable, done: asyncio.Task[Any]) -> None:
        if (done.cancelled() or done.exception() is not None) and self._kept.get(key) is done:
            del self._kept[key]


async def _await(look_up: Callable[[], Awaitable[Any]]) -> Any:
    return await look_up()
