"""What one command works with: the settings, and the objects that are made from them on first use."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from dispatcher.client import Dispatcher
    from dispatcher.environment.settings import Settings
    from dispatcher.errors import SettingsError
    from dispatcher.wiring import Wiring


@dataclass
class Context:
    """The global options, and everything behind them."""

    store_url: str | None = None
    """`--store`; it wins over `DISPATCHER_STORE`."""
    verbose: bool = False
    as_json: bool = False
    show_secrets: bool = False
    wide: bool = False

    @cached_property
    def settings(self) -> Settings:
        """The settings of the environment. Raises `SettingsError`."""
        from dispatcher.environment.settings import Settings, unknown_settings  # noqa: PLC0415 - help needs none

        for line in unknown_settings(os.environ):
            click.echo(f"warning: {line}", err=True)
        overridden = {} if self.store_url is None else {"DISPATCHER_STORE": self.store_url}
        return Settings.from_environment({**os.environ, **overridden})

    @cached_property
    def wiring(self) -> Wiring:
        """The store and the providers. Raises `SettingsError` or `StoreError`."""
        return self._wired()

    def wire(self, **ports: Any) -> Wiring:
        """Make `wiring` with other ports, before anything has used it. Raises the same errors as `wiring`."""
        self.wiring = self._wired(**ports)
        return self.wiring

    def _wired(self, **ports: Any) -> Wiring:
        from dispatcher.errors import SettingsError  # noqa: PLC0415 - neither help nor `version` needs them
        from dispatcher.wiring import wire  # noqa: PLC0415 - likewise

        try:
            return wire(self.settings, **ports)
        except SettingsError as problem:
            raise self._by_option(problem) from None

    @cached_property
    def client(self) -> Dispatcher:
        """The public API over the store. The log of changes names the user of this process for its changes."""
        from dispatcher.client.actors import of_process  # noqa: PLC0415 - help needs none

        actor = replace(of_process(), via="cli")
        return self.wiring.client_with(warn=lambda text: click.echo(f"Warning: {text}", err=True), actor=actor)

    @property
    def store_name(self) -> str:
        """The store's URL without its password. Raises `SettingsError`."""
        from dispatcher.wiring import without_password  # noqa: PLC0415 - neither help nor `version` needs it

        return without_password(self.settings.store)

    def start_logging(self) -> Callable[[], None]:
        """Log events of the chosen level to standard error; returns a function that undoes it."""
        import logging  # noqa: PLC0415 - help writes no log

        from dispatcher.environment.events import LOGGER  # noqa: PLC0415 - likewise

        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(message)s"))
        before = LOGGER.level
        LOGGER.setLevel(self._level())
        LOGGER.addHandler(handler)

        def undo() -> None:
            LOGGER.removeHandler(handler)
            LOGGER.setLevel(before)

        return undo

    def close(self) -> None:
        """Send telemetry and close the store, if it was opened."""
        if "wiring" in self.__dict__:
            self.wiring.close()

    def _level(self) -> str:
        from dispatcher.environment.settings import log_level  # noqa: PLC0415 - likewise

        return "INFO" if self.verbose else log_level(os.environ) or "WARNING"

    def _by_option(self, problem: SettingsError) -> SettingsError:
        """Name the option instead of the variable if the value came from the option."""
        text = str(problem)
        is_option = self.store_url is not None and text.startswith("DISPATCHER_STORE:")
        return type(problem)(text.replace("DISPATCHER_STORE:", "--store:", 1)) if is_option else problem


pass_context = click.make_pass_decorator(Context)
