"""A Prefect server as a source, made from the settings."""

from __future__ import annotations

from collections.abc import Mapping

from dispatcher.environment.clock import Clock
from dispatcher.environment.settings import Settings
from dispatcher.prefect.mirroring import ForJobs
from dispatcher.prefect.server import PrefectServer, headers_of
from dispatcher.prefect.source import PrefectSource, Served
from dispatcher.protocols import Store


def opened(settings: Settings, store: Store, clock: Clock, environment: Mapping[str, str]) -> PrefectSource:
    """The source. No call is made yet."""
    url = settings.prefect_api_url or ""
    server = PrefectServer(url, clock, headers=headers_of(environment))
    jobs = ForJobs(api_url=settings.prefect_jobs_api_url or url, image=settings.prefect_image)
    return PrefectSource(
        store, server, clock, jobs, Served(tuple(sorted(settings.prefect_pools)), settings.tick_interval_seconds)
    )
