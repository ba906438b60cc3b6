"""Several dispatchers, one job, an engine that loses, delays and forgets: the real provider, one step at a time, by seeds.

The engine here remembers as Docker does: a name is taken while its container exists, a start of an ended container runs it
again, what a caller gave up on may act later, a restart ends what runs, drops what waits, and forgets a start under way.

One thing is assumed, as the provider's page says: from a look at a container that was left behind to its removal nobody runs it
from its begin to its end.
"""

from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from unittest.mock import patch

import pytest

from providers.base import Accepted, CallFailed, Job, Rejected
from providers.docker import DockerProvider
from providers.docker.engine import Answer, container_path
from providers.docker.request import NAME_LABEL
from providers.docker.starting import MAY_HAVE_RUN, Starting
from tests.simulation.baton import Invocation

JOB = Job(name="r" + "0" * 32 + "-1", configuration={"image": "job:1"})
BEGINNING = datetime(2030, 1, 1, tzinfo=UTC)
NEVER = "0001-01-01T00:00:00Z"
STEPS, AT_ONCE = 120, 3
REQUEST_LOST, ANSWER_LOST, LATE, KILLED, RESTARTED = 0.05, 0.08, 0.1, 0.03, 0.02
LATEST = 40.0
"""Seconds after which a call that was given up has acted, longer than the look-up lag."""
SEEDS = 300


class World:
    """The engine, and the time."""

    def __init__(self, seed):
        self.random, self.now, self.ids = Random(seed), 0.0, count(1)
        self.containers, self.marks, self.remembered = {}, {}, set()
        self.starts, self.pending, self.counts = 0, [], Counter()
        self.calm = False

    def strikes(self, chance, what):
        struck = not self.calm and self.random.random() < chance
        self.counts[what] += struck
        return struck

    def pass_time(self, seconds):
        self.now += seconds
        due, self.pending = (
            [entry for entry in self.pending if entry[0] <= self.now],
            [p for p in self.pending if p[0] > self.now],
        )
        for _, effect in due:
            effect()
        for container in self.containers.values():
            if container["status"] == "running" and container["ends"] <= self.now:
                container["status"] = "exited"

    def restart(self):
        self.pending, self.remembered = [], set()
        for container in self.containers.values():
            if container["status"] == "running":
                container["status"] = "exited"

    def moment(self, seconds):
        return (BEGINNING + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")

    # What calls do

    def create(self, name, body):
        if name in self.containers:
            return answer(409, {"message": "Conflict"})
        container = {"id": f"id-{next(self.ids)}", "status": "created", "at": self.now, "started": None, "body": body}
        self.containers[name] = container
        self.remembered.add(container["id"])
        return answer(201, {"Id": container["id"]})

    def named(self, identity):
        return next(((n, c) for n, c in self.containers.items() if identity in (n, c["id"])), (None, None))

    def inspect(self, identity):
        name, container = self.named(identity)
        if container is None:
            return answer(404, {"message": f"No such container: {identity}"})
        started = self.moment(container["started"]) if container["started"] is not None else NEVER
        state = {"Status": container["status"], "StartedAt": started, "FinishedAt": NEVER, "ExitCode": 0, "Error": ""}
        config = {"Labels": {NAME_LABEL: name}}
        document = {"Id": container["id"], "Name": f"/{name}", "Created": self.moment(container["at"]), "State": state}
        return answer(200, {**document, "Config": config})

    def start(self, identity):
        _, container = self.named(identity)
        if container is None:
            return answer(404, {"message": f"No such container: {identity}"})
        if container["status"] == "running":
            return answer(304, None)
        self.starts += 1
        if self.strikes(RESTARTED * 5, "restarted while it started"):
            self.restart()
            raise CallFailed("the engine was killed")
        container |= {"status": "running", "started": self.now, "ends": self.now + self.random.choice([0.5, 5, 60])}
        return answer(204, None)

    def remove(self, identity):
        name, container = self.named(identity)
        if container is None:
            return answer(404, {"message": f"No such container: {identity}"})
        if container["status"] == "running":
            return answer(409, {"message": "You cannot remove a running container"})
        del self.containers[name]
        self.counts["removed"] += 1
        return answer(204, None)


def answer(status, value, body=b""):
    return Answer(status=status, value=value, body=body)


class Engine:
    """The engine as one invocation reaches it."""

    def __init__(self, world, invocation):
        self.world, self.invocation, self.deadline = world, invocation, world.now + 10
        self.held = False

    @property
    def has_time(self):
        return self.world.now < self.deadline

    def identity(self):
        return "engine"

    def get(self, path, **query):
        if path.startswith("/containers/"):
            seen = self.call("inspect", lambda: self.world.inspect(path.split("/")[2]))
            self.held = seen.status == 200 and seen.value["State"]["Status"] == "created"
            return seen
        if path.startswith("/volumes/"):
            mark = path.removeprefix("/volumes/")
            return self.call("look for the mark", lambda: self.mark(mark))
        ids = query["filters"]["container"]
        return self.call("events", lambda: answer(200, None, " ".join(self.world.remembered & set(ids)).encode()))

    def mark(self, name):
        return answer(200, {"Name": name}) if name in self.world.marks else answer(404, {"message": f"get {name}: no such"})

    def post(self, path, body=None, **query):
        if path == "/containers/create":
            return self.call("create", lambda: self.world.create(query["name"], body))
        if path == "/volumes/create":
            at = self.world.marks.setdefault
            return self.call(
                "mark", lambda: answer(201, {"Name": body["Name"], "CreatedAt": at(body["Name"], self.world.moment(0))})
            )
        return self.call("start", lambda: self.world.start(path.split("/")[2]))

    def delete(self, path, **_query):
        try:
            return self.call("remove", lambda: self.world.remove(path.split("/")[2]))
        finally:
            self.held = False

    def call(self, what, effect):
        """An IO point before and after the effect, but between a look at what was left behind and its removal."""
        if not self.held:
            self.invocation.pause(f"before {what}")
        if self.world.strikes(REQUEST_LOST, "request lost"):
            self.held = False
            raise CallFailed("the request was lost")
        if what in ("create", "start") and self.world.strikes(LATE, "late"):
            self.world.pending.append((self.world.now + self.world.random.uniform(0, LATEST), lambda: quietly(effect)))
            raise CallFailed("no answer in time")
        answer = effect()
        if what in ("create", "start", "mark"):
            self.invocation.pause(f"after {what}")
        if self.world.strikes(ANSWER_LOST, "answer lost"):
            self.held = False
            raise CallFailed("the answer was lost")
        return answer


def quietly(effect):
    with suppress(CallFailed):
        effect()


def tick(world, outcomes):
    """What a tick does with a claim that was taken over: look, and submit what is not there."""

    def work(invocation):
        provider = DockerProvider(environment={}, now=lambda: BEGINNING + timedelta(seconds=world.now))
        provider._engine = lambda _docker_host: Engine(world, invocation)
        try:
            outcome = provider.find(JOB) or provider.submit(JOB)
        except CallFailed:
            return
        world.counts[type(outcome).__name__] += 1
        if isinstance(outcome, Rejected):
            assert outcome.reason == MAY_HAVE_RUN
            outcomes.append(outcome)
        elif not isinstance(outcome, Accepted) and not hasattr(outcome, "handle"):
            return
        else:
            outcomes.append(outcome)

    return Invocation(work)


def play(seed):
    """One world of bad weather, then a calm in which the job must come to something. The world, as it is then."""
    world, outcomes, active = World(seed), [], []
    for _ in range(STEPS):
        if len(active) < AT_ONCE and not outcomes and world.random.random() < 0.3:
            active.append(tick(world, outcomes))
        if world.strikes(RESTARTED, "restarted"):
            world.restart()
        world.pass_time(world.random.choice([0, 0.1, 1, 8, 35]))
        if active:
            invocation = world.random.choice(active)
            invocation.kill() if world.strikes(KILLED, "killed") else invocation.resume()
            active = [thread for thread in active if thread.alive]
            _no_problem(invocation)
        assert world.starts <= 1, f"seed {seed}: started {world.starts} times"
    world.calm = True
    for invocation in active:
        while invocation.alive:
            invocation.resume()
        _no_problem(invocation)
    for _ in range(5):
        if outcomes:
            break
        world.pass_time(100)
        last = tick(world, outcomes)
        while last.alive:
            last.resume()
        _no_problem(last)
    assert outcomes, f"seed {seed}: never stuck"
    assert world.starts <= 1, f"seed {seed}: started {world.starts} times"
    assert world.starts == 1 or isinstance(outcomes[-1], Rejected), f"seed {seed}: never lost"
    return world


def play_all():
    return sum((play(seed).counts for seed in range(SEEDS)), Counter())


def _no_problem(invocation):
    if invocation.problem is not None:
        raise invocation.problem


def test_a_job_starts_at_most_once_and_ends_whatever_the_engine_loses_delays_or_forgets():
    counts = play_all()
    for what in ("removed", "Accepted", "Rejected", "Submission", "Unknown", "killed", "restarted while it started", "late"):
        assert counts[what] > 5, f"{what} happened {counts[what]} times"


@pytest.mark.parametrize(
    ("rule", "broken"),
    [
        ("a submission that finds a container unstarted does not start it", "start what was found"),
        ("an engine that may have forgotten a start is not asked for another", "no mark"),
    ],
)
def test_a_rule_that_is_taken_out_is_missed(rule, broken):
    with pytest.raises(AssertionError, match=r"started \d times"), BROKEN[broken]():
        play_all()
    assert rule


def start_what_was_found(self, identity):
    self._engine.post(container_path(identity, "/start"))
    return Accepted(submission=self._submission(identity))


BROKEN = {
    "start what was found": lambda: patch.object(Starting, "_removed", start_what_was_found),
    "no mark": lambda: patch.object(Starting, "_may_have_run", lambda _self, _container: False),
}
