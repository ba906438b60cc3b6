"""The harness of the fake provider."""

from datetime import UTC, datetime, timedelta

from providers.base import Rejected, Throttled
from providers.testing import LOST_ANSWER, LOST_REQUEST, FakeProvider, Remembers
from tests.providers.harness import ProviderHarness

RUNS_AGAIN = "the cloud whose way this is starts such a name again; the provider of that cloud looks before it submits"


class FakeHarness(ProviderHarness):
    def __init__(self, remembers):
        self.now = datetime(2030, 1, 1, tzinfo=UTC)
        self.fake = FakeProvider(remembers=remembers, clock=lambda: self.now)
        forgets_by_itself = self.fake.limits.memory is not None
        self.lacks = (
            {"unreachable": "it is in this process; lost calls stand for it"}
            | ({"repeat_after_end": RUNS_AGAIN} if remembers in (Remembers.LIVE, Remembers.RUNNING) else {})
            | ({"leftovers": "ended jobs go by themselves"} if forgets_by_itself else {})
        )

    @property
    def provider(self):
        return self.fake

    def another(self):
        return self.fake

    def configuration(self):
        return {"command": "true", "env": {"A": "1"}}

    def settle(self):
        pass  # everything happens at once

    def finish(self, name, exit_code):
        self.fake.finish(name, exit_code)

    def starts(self, name):
        return self.fake.starts[name]

    def environment(self, name):
        return self._job(name).environment

    def labels(self, name):
        return self._job(name).labels

    def _job(self, name):
        return next(started.job for started in self.fake.jobs if started.job.name == name)

    def refuse_next(self):
        self.fake.script("submit", Rejected(reason="access denied"))
        return self.configuration(), "access denied"

    def wait(self, seconds):
        self.now += timedelta(seconds=seconds)

    def lose_next_answer(self):
        self.fake.script("submit", LOST_ANSWER)

    def lose_next_request(self):
        self.fake.script("submit", LOST_REQUEST)

    def throttle_next(self):
        self.fake.script("submit", Throttled(reason="slow down"))

    def forget(self, name):
        self.wait(100_000)
        self.fake.sweep({}, frozenset())

    def leftover(self, name):
        return self.fake.find(self._job(name)) is not None
