"""The one place that turns settings into objects: a store from its URL, providers by their types, a dispatch of both."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dispatcher.clock import Clock, SystemClock
from dispatcher.core.scheduling import WindowLimits
from dispatcher.delivery import Deliveries
from dispatcher.errors import SettingsError
from dispatcher.events import Events, log_event
from dispatcher.settings import Settings
from dispatcher.store import Store
from dispatcher.tick import Dispatch, TickLimits
from providers import registry
from providers.base import Provider, ProviderUnavailable

if TYPE_CHECKING:
    from dispatcher.client import Dispatcher

STORES: Mapping[str, str] = {
    "memory": "dispatcher.stores.memory:open_url",
    "sqlite": "dispatcher.stores.sqlite:open_url",
    "postgresql": "dispatcher.stores.postgres:open_url",
    "postgres": "dispatcher.stores.postgres:open_url",
    "dynamodb": "dispatcher.stores.dynamodb:open_url",
}
"""URL scheme -> the function that opens a store from such a URL; imported on first use."""

SESSIONS = frozenset({"postgresql", "postgres"})
"""Stores whose server keeps a session for every connection that is open."""

EXTRAS: Mapping[str, str] = {"postgresql": "postgres", "postgres": "postgres", "dynamodb": "aws"}


def open_store(url: str) -> Store:
    """Open the store that a URL names. Raises `SettingsError` for a URL that names none, `StoreError` when it fails."""
    scheme = _scheme(url)
    if scheme not in STORES:
        known = ", ".join(f"{name}://" for name in STORES)
        raise SettingsError(f"DISPATCHER_STORE: {without_password(url)!r} names no store; it begins with one of {known}")
    module, function = STORES[scheme].split(":")
    try:
        opener: Callable[[str], Store] = getattr(import_module(module), function)
    except ImportError as problem:  # psycopg without libpq names no module
        mend = f"pip install 'push-dispatcher[{EXTRAS[scheme]}]' adds it" if scheme in EXTRAS else "use a Python that has it"
        raise SettingsError(
            f"DISPATCHER_STORE: {scheme}:// needs {problem.name or problem}, which is not installed; {mend}"
        ) from None
    return opener(url)


@dataclass
class Providers:
    """The providers of an invocation, made on first use and kept, so that a warm function reuses its clients."""

    settings: Settings
    _made: dict[str, Provider] = field(default_factory=dict)

    def __call__(self, pool_type: str) -> Provider:
        """The provider of a pool type. Raises `ProviderError` when it cannot be used."""
        if pool_type not in self._made:
            self._made[pool_type] = self._make(pool_type)
        return self._made[pool_type]

    def _make(self, pool_type: str) -> Provider:
        provider = registry.create(pool_type, credentials=self.settings.credentials, options=self._options(pool_type))
        try:
            self.settings.check_lease(provider.limits.call_timeout)
        except SettingsError as problem:
            raise ProviderUnavailable(f"{pool_type}: {problem}") from None
        return provider

    def _options(self, pool_type: str) -> dict[str, Any]:
        own = {"directory": Path(self.settings.process_directory)} if pool_type == "process" else {}
        return {**own, **self.settings.provider_options.get(pool_type, {})}


@dataclass
class Wiring:
    """Everything that an entry point needs, made from settings."""

    settings: Settings
    store: Store
    dispatch: Dispatch

    @property
    def client(self) -> Dispatcher:
        """The public API over the same store; imported on use, because a tick does without the door."""
        from dispatcher.client import Dispatcher  # noqa: PLC0415 - a tick must not load the door

        return Dispatcher(self.store, clock=self.dispatch.clock, heartbeat=self.settings.heartbeat)

    def rest(self) -> None:
        """Before a freeze: a hundred instances that do nothing are not to hold a hundred sessions of a server."""
        if _scheme(self.settings.store) in SESSIONS:
            self.store.close()


def wire(
    settings: Settings,
    *,
    clock: Clock | None = None,
    events: Events = log_event,
    environment: Mapping[str, str] | None = None,
) -> Wiring:
    """Make everything from settings. Raises `SettingsError` or `StoreError`.

    `environment` is where secrets of hooks are looked up, by default the process's own.
    """
    _check_types(settings.provider_options)
    store = open_store(settings.store)
    dispatch = Dispatch(
        store=store,
        providers=Providers(settings),
        clock=clock or SystemClock(),
        events=events,
        deliver=Deliveries(settings.hooks, os.environ if environment is None else environment),
        limits=TickLimits(
            lease=timedelta(seconds=settings.lease_seconds),
            clock_skew=timedelta(seconds=settings.clock_skew_seconds),
            claims=settings.max_claims,
            windows=WindowLimits(ahead=timedelta(seconds=settings.schedule_ahead_seconds), grace=settings.heartbeat),
            history=settings.history,
        ),
    )
    return Wiring(settings=settings, store=store, dispatch=dispatch)


def _check_types(options: Mapping[str, object]) -> None:
    """Options of a type that nobody serves would be passed over in silence."""
    for name in options:
        try:
            registry.provider_type(name)
        except ProviderUnavailable as problem:
            raise SettingsError(f"DISPATCHER_PROVIDER_OPTIONS: {problem}") from None


def without_password(url: str) -> str:
    """The URL as it may be shown: nothing before its last @, since a password may hold any other character, no parameters."""
    _, at, place = url.rpartition("@")
    shown = f"{_scheme(url)}://***@{place}" if at else url
    return shown.partition("?")[0]


def _scheme(url: str) -> str:
    return url.partition(":")[0].lower()
