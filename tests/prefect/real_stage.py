"""Dispatchers beside a real Prefect server. Tests play the containers: they report states to the server and end the jobs."""

from datetime import timedelta

from dispatcher.clock import SystemClock
from dispatcher.records import RunFilter
from dispatcher.settings import Settings
from dispatcher.ticking import tick
from dispatcher.wiring import wire

INVOCATION = timedelta(seconds=50)


class ClockAhead(SystemClock):
    """The server's time, moved ahead where a test would have to wait."""

    def __init__(self):
        self.ahead = timedelta()

    def now(self):
        return super().now() + self.ahead

    def sleep(self, seconds):
        self.ahead += timedelta(seconds=max(0.0, seconds))


class Ticker:
    """One dispatcher with a store, as a function has them."""

    def __init__(self, url, path, **settings):
        named = {"DISPATCHER_STORE": f"sqlite:///{path}", "DISPATCHER_PREFECT_API_URL": url, "HOME": str(path.parent)}
        self.clock = ClockAhead()
        self.wiring = wire(Settings.from_environment({**named, **settings}), clock=self.clock, events=lambda *_, **__: None)

    def tick(self):
        return tick(self.wiring.dispatch, self.clock.now() + INVOCATION)

    def wait(self, **duration):
        self.clock.ahead += timedelta(**duration)

    def runs(self):
        return self.wiring.store.runs(RunFilter(), limit=1000)

    def run_of(self, flow_run):
        """The last run that was made of a flow run."""
        return max((run for run in self.runs() if run.source_id == flow_run), key=lambda run: run.created_at)

    def close(self):
        self.wiring.close()
