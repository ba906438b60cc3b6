"""A Prefect server, a store, a provider and a tick, for a test to look into."""

from dispatcher.models.records import RunFilter
from dispatcher.prefect.mirroring import ForJobs
from dispatcher.prefect.server import PrefectServer
from dispatcher.prefect.source import PrefectSource, Served
from tests.builders import MINUTE
from tests.prefect.emulated import EmulatedPrefect
from tests.tick.stage import Stage

API = "http://prefect/api"
JOBS_API = "http://prefect.internal/api"


class Bridge(Stage):
    def __init__(self, prefect=None, *, names=(), pools=True, **arguments):
        super().__init__(**arguments)
        for pool in self.store.pools():
            self.store.delete_pool(pool.name, expected_version=pool.version)
        self.prefect = prefect or EmulatedPrefect(self.clock.now)
        if pools:
            self.prefect.add_pool()
        self.source = self.new_source(names=names)

    def new_source(self, **served):
        server = PrefectServer(API, self.clock, transport=self.prefect.transport)
        return PrefectSource(self.store, server, self.clock, ForJobs(api_url=JOBS_API), Served(**served))

    def settle(self, ticks=3, *, every=MINUTE):
        """Ticks, a minute apart."""
        reports = []
        for _ in range(ticks):
            reports.append(self.tick())
            self.wait(every)
        return reports

    def run_of(self, flow_run):
        """The last run that was made of a flow run."""
        runs = [run for run in self.store.runs(RunFilter(), limit=1000) if run.source_id == flow_run]
        return max(runs, key=lambda run: run.created_at, default=None)

    def runs_of(self, flow_run):
        return [run for run in self.store.runs(RunFilter(), limit=1000) if run.source_id == flow_run]

    def finish(self, flow_run, exit_code=0):
        """The job ends by itself."""
        run = self.run_of(flow_run)
        self.provider.finish(run.submission.name, exit_code=exit_code)
