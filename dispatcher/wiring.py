"""The one place that turns settings into objects: a store from its URL, providers by their types, a dispatch of both."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dispatcher.delivery import Deliveries
from dispatcher.environment.clock import Clock, SystemClock
from dispatcher.environment.events import Events, log_event
from dispatcher.environment.settings import Settings
from dispatcher.errors import SettingsError
from dispatcher.stores.opening import open_store, scheme_of, without_password
from dispatcher.ticking import Dispatch, TickLimits
from dispatcher.waking import from_setting, nobody
from providers import registry
from providers.base import Provider, ProviderUnavailable

if TYPE_CHECKING:
    from dispatcher.client import Dispatcher
    from dispatcher.prefect.source import PrefectSource
    from dispatcher.protocols import Store
    from dispatcher.telemetry import Consumer, MakeConsumer, Report, Telemetry

__all__ = ["Providers", "Wiring", "deliveries", "open_store", "wire", "without_password"]

SESSIONS = frozenset({"postgresql", "postgres"})
"""Stores whose server keeps a session for every open connection."""

HEADS = 100
"""Queues whose first waiting run a tick reads, if telemetry reports it."""

SIDE_BY_SIDE = 16
"""Providers whose pools a tick serves at the same time: more than there are."""

LAST_SECOND = 1.0
"""The seconds that telemetry leaves at the end of an invocation, for its answer."""


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
        own: dict[str, dict[str, Any]] = {
            "process": {"directory": Path(self.settings.process_directory)},
            "docker": {"docker_hosts": self.settings.docker_hosts},
            "kubernetes": {"clusters": self.settings.kubernetes_clusters},
            "managed": {"managed": self.settings.managed, "behind": self},
            "prefect:managed": {"managed": self.settings.managed, "behind": self},
        }
        return {**own.get(pool_type, {}), **self.settings.provider_options.get(pool_type, {})}


@dataclass
class Wiring:
    """Everything that an entry point needs, made from settings."""

    settings: Settings
    store: Store
    dispatch: Dispatch
    telemetry: Telemetry | None = None

    @property
    def client(self) -> Dispatcher:
        """The public API over the same store, with its warnings in the log. It has no wake: its caller ticks."""
        return self.client_with(wake=nobody)

    def client_with(self, store: Store | None = None, **ports: Any) -> Dispatcher:
        """The same with ports of its own, as `warn`, or a store; imported on use, because a tick needs no validation."""
        from dispatcher.client import Dispatcher  # noqa: PLC0415 - a tick must not load validation

        settings = self.settings
        own = {"heartbeat": settings.heartbeat, "wake": from_setting(settings.wake), "history": settings.history}
        return Dispatcher(store or self.store, clock=self.dispatch.clock, **{**own, **ports})

    @property
    def has_sessions(self) -> bool:
        """True if the store holds a session of a database server until it is closed."""
        return scheme_of(self.settings.store) in SESSIONS

    def store_for_thread(self) -> Store:
        """The store once more, for one other thread. A store in memory is the same for all."""
        return self.store if scheme_of(self.settings.store) == "memory" else open_store(self.settings.store)

    def send_telemetry(self, seconds_left: float = math.inf) -> None:
        """Send measurements. Waits at most as long as the settings and the platform's `seconds_left` allow."""
        if self.telemetry:
            self.telemetry.flush(max(0.0, min(self.settings.telemetry_seconds, seconds_left - LAST_SECOND)))

    def rest(self, seconds_left: float = math.inf) -> None:
        """Before a freeze: telemetry that waits would come too late, or never; and a hundred idle instances should not hold a
        hundred sessions of a database server.
        """
        self.send_telemetry(seconds_left)
        if self.has_sessions:
            self.store.close()

    def close(self) -> None:
        """Send telemetry and release connections."""
        self.send_telemetry()
        if self.telemetry:
            self.telemetry.close()
        if self.dispatch.source:
            self.dispatch.source.close()
        self.store.close()


def wire(
    settings: Settings,
    *,
    clock: Clock | None = None,
    events: Events = log_event,
    function: str = "",
    environment: Mapping[str, str] | None = None,
    consumers: Mapping[str, MakeConsumer] | None = None,
) -> Wiring:
    """Make everything from settings. Raises `SettingsError` or `StoreError`.

    `function` is the name of the Lambda function that this is; `environment` is where secrets of hooks are looked up, by
    default the process's own. `consumers` of telemetry are added to those of the settings.
    """
    _check_types(settings.provider_options)
    store, clock = open_store(settings.store), clock or SystemClock()
    telemetry = _telemetry(settings, clock, events, function, consumers or {})
    dispatch = Dispatch(
        store=store,
        providers=Providers(settings),
        clock=clock,
        events=telemetry or events,
        deliver=deliveries(settings, environment),
        limits=replace(TickLimits.of(settings), side_by_side=SIDE_BY_SIDE, heads=HEADS if telemetry else 0),
        source=prefect_source(settings, store, clock, environment) if settings.prefect_api_url else None,
    )
    return Wiring(settings=settings, store=store, dispatch=dispatch, telemetry=telemetry)


def prefect_source(
    settings: Settings, store: Store, clock: Clock, environment: Mapping[str, str] | None = None
) -> PrefectSource:
    """The Prefect server of the settings; imported on use, because most ticks have none. Raises `SettingsError`."""
    if settings.prefect_api_url is None:
        raise SettingsError("DISPATCHER_PREFECT_API_URL: is not set; give the API of your server, as http://prefect:4200/api")
    try:
        from dispatcher.prefect.opening import opened  # noqa: PLC0415 - only where it is asked for
    except ModuleNotFoundError as problem:
        raise SettingsError(
            f"DISPATCHER_PREFECT_API_URL: needs {problem.name}, which is not installed: "
            "pip install 'push-dispatcher[prefect]', or --extras of `dispatcher package`"
        ) from None
    return opened(settings, store, clock, os.environ if environment is None else environment)


def deliveries(settings: Settings, environment: Mapping[str, str] | None = None) -> Deliveries:
    """The hooks of the settings; their secrets are in the environment."""
    return Deliveries(settings.hooks, os.environ if environment is None else environment)


def _telemetry(
    settings: Settings, clock: Clock, events: Events, function: str, consumers: Mapping[str, MakeConsumer]
) -> Telemetry | None:
    """The telemetry of the settings and of these consumers; imported on use, because most ticks have none."""
    chosen = [name for name in settings.telemetry or () if name != "cloudwatch" or function]
    if not chosen and not consumers:
        return None
    from dispatcher.telemetry import Telemetry  # noqa: PLC0415 - only where it is asked for

    makers = {"cloudwatch": partial(_cloudwatch, function, clock), "opentelemetry": partial(_open_telemetry, clock)}
    return Telemetry(events, {**{name: makers[name] for name in chosen}, **consumers})


def _cloudwatch(function: str, clock: Clock, _: Report) -> Consumer:
    from dispatcher.telemetry.cloudwatch import CloudWatch  # noqa: PLC0415 - only where it is asked for

    return CloudWatch(function, clock)


def _open_telemetry(clock: Clock, report: Report) -> Consumer:
    try:
        from dispatcher.telemetry.open_telemetry import from_environment  # noqa: PLC0415 - only where it is asked for
    except ModuleNotFoundError as problem:
        raise SettingsError(
            f"DISPATCHER_TELEMETRY: opentelemetry needs {problem.name}, which is not installed: "
            "pip install 'push-dispatcher[telemetry]'"
        ) from None
    return from_environment(report, instance=str(clock.new_id()))


def _check_types(options: Mapping[str, object]) -> None:
    """Raise `SettingsError` for options of an unknown type, which would have no effect."""
    for name in options:
        try:
            registry.provider_type(name)
        except ProviderUnavailable as problem:
            raise SettingsError(f"DISPATCHER_PROVIDER_OPTIONS: {problem}") from None
