"""`dispatcher serve`: tick without a cloud's schedule, on a machine, in a container, in a cluster."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

import click

from dispatcher.cli.command import Command, Output
from dispatcher.cli.context import Context, pass_context
from dispatcher.cli.input.lengths import Length
from dispatcher.cli.input.values import pools_option
from dispatcher.cli.page_server import in_background, libraries
from dispatcher.cli.page_server import listening as listening_at
from dispatcher.environment.events import LOGGER, log_event
from dispatcher.serving.endpoint import Answers, Server, listening
from dispatcher.serving.health import Health
from dispatcher.serving.service import TickLoop
from dispatcher.serving.signals import end_at_once, stopped_by_signals
from dispatcher.serving.systemd import READY, Systemd
from dispatcher.serving.turns import Turns, stoppable

if TYPE_CHECKING:
    from dispatcher.telemetry import MakeConsumer
    from dispatcher.telemetry.prometheus import Prometheus

PORT, PAGE_PORT = 8765, 4210
TICKS = 3
"""One of this many ticks must succeed, unless `--healthy-within` says otherwise."""


@click.command(cls=Command, example="dispatcher serve --every 5\ndispatcher serve --ui --host 0.0.0.0 --port 9000")
@click.option(
    "--every",
    type=Length(0.1, 3600),
    default="10s",
    show_default=True,
    metavar="LENGTH",
    help="The time from one tick to the next.",
)
@pools_option
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="The address at which /healthz, /metrics and /wake answer."
)
@click.option("--port", type=click.IntRange(0, 65535), default=PORT, show_default=True, help="Its port; 0: any free one.")
@click.option(
    "--healthy-within",
    type=Length(1, 86400),
    metavar="LENGTH",
    help="/healthz answers 200 for this long after a tick that succeeded.  [default: three ticks and the longest one]",
)
@click.option("--ui", "has_page", is_flag=True, help="Serve the page and the HTTP API too, behind a proxy that says who asks.")
@click.option(
    "--ui-port", type=click.IntRange(0, 65535), default=PAGE_PORT, show_default=True, help="The page's port; 0: any free one."
)
@pass_context
def serve(
    context: Context,
    /,
    *,
    every: float,
    pools: Sequence[str],
    host: str,
    port: int,
    healthy_within: float | None,
    has_page: bool,
    ui_port: int,
) -> Output:
    """Tick every few seconds until SIGTERM or Ctrl-C, and answer /healthz, /metrics and /wake over HTTP.

    Start as many as you like, on as many machines as you like. The first signal stops the current tick: no further submission
    begins, those under way are recorded, and the exit code is 0. A second one ends the process at once. That loses nothing
    either, because the next tick continues the work.

    With --ui the page listens at the same address, on another port. DISPATCHER_UI_AUTH and its siblings say who may use it.
    """
    LOGGER.setLevel(context.settings.log_level or logging.INFO)
    tick_seconds = context.settings.tick_seconds
    turns, notify = Turns(every), Systemd(os.environ)
    health = Health(healthy_within or TICKS * every + tick_seconds, is_stopped=turns.is_stopped)
    prometheus = _prometheus(health.within)
    wiring = context.wire(consumers=_consumers(prometheus))
    answers = Answers(health=health, wake=turns.wake, metrics=prometheus.page if prometheus else None)
    service = TickLoop(
        dispatch=stoppable(wiring.dispatch, turns),
        turns=turns,
        health=health,
        tick_seconds=tick_seconds,
        pools=pools or None,
        notify=notify,
        after_tick=wiring.send_telemetry,
    )
    with ExitStack() as stack:
        stack.enter_context(stopped_by_signals(turns.stop, then=end_at_once))
        server = _listen(stack, host, port, answers)
        page = _serve_page(stack, context, host, ui_port) if has_page else None
        log_event("serve.began", url=server.url, every=every, metrics=prometheus is not None, page=page)
        notify(READY)
        ticks = service.run()
    log_event("serve.ended", ticks=ticks)
    return Output(data={"ticks": ticks}, text=f"Stopped after {ticks} tick{'s' * (ticks != 1)}.")


def _serve_page(stack: ExitStack, context: Context, host: str, port: int) -> str:
    """Serve the page until the stack is closed; returns its address. Raises `SettingsError` if the settings do not say who may
    use it.
    """
    create_app, access = libraries()
    rules = access.behind_proxy(context.settings)
    listener = stack.enter_context(listening_at(host, port, "--ui-port"))
    stack.enter_context(in_background(create_app(context.settings, access=rules, wiring=context.wiring), listener))
    return f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"


def _prometheus(fresh: float) -> Prometheus | None:
    """The metrics for /metrics; None if the library is not installed."""
    try:
        from dispatcher.telemetry.prometheus import Prometheus  # noqa: PLC0415 - an extra; ticks go on without it
    except ModuleNotFoundError:
        return None
    return Prometheus(fresh=fresh)


def _consumers(prometheus: Prometheus | None) -> Mapping[str, MakeConsumer]:
    return {} if prometheus is None else {"prometheus": lambda _report: prometheus}


def _listen(stack: ExitStack, host: str, port: int, answers: Answers) -> Server:
    try:
        return stack.enter_context(listening(host, port, answers))
    except OSError as problem:
        raise click.ClickException(f"--host, --port: cannot listen at {host}:{port}: {problem.strerror or problem}") from None
