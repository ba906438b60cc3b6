"""A stage for automations."""

from __future__ import annotations

from dataclasses import replace

from dispatcher.delivery import NotDelivered
from dispatcher.models import (
    RunState,
    Target,
    Then,
    submission_name,
)
from dispatcher.models.records import RunFilter
from tests.builders import NOW, SECOND, a_deployment, a_pool
from tests.tick.stage import Stage

COMPLETED, CRASHED, FAILED = frozenset({RunState.COMPLETED}), frozenset({RunState.CRASHED}), frozenset({RunState.FAILED})


PAUSE_POOL = Then(pause=Target(pool="pool"))


class House(Stage):
    """A stage with two deployments and hooks that can be closed."""

    def __init__(self, *automations, pools=(), **limits):
        super().__init__(a_pool(), *pools, **limits)
        self.taken, self.is_open = [], True
        for name in ("a", "b"):
            self.store.save_deployment(a_deployment(name), expected_version=None, now=NOW)
        for automation in automations:
            self.store.save_automation(automation, expected_version=None)

    def dispatch(self, **limits):
        return replace(super().dispatch(**limits), deliver=self.deliver)

    def deliver(self, hook, identity, body):
        if not self.is_open:
            raise NotDelivered("it answered 503")
        self.taken.append((hook, identity, body))

    def end(self, exit_code=0, **fields):
        """A run that starts and ends, and the tick that sees it."""
        [run] = self.add(**({"due_at": self.clock.time} | fields))
        self.tick()
        self.wait(SECOND)
        self.provider.finish(submission_name(run.id, 1), exit_code)
        return self.get(run), self.tick()

    def firings(self, name=None):
        return list(reversed(self.store.firings(name, limit=100)))

    def runs_of(self, deployment):
        return self.store.runs(RunFilter(deployment=deployment), limit=100)
