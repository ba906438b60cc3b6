"""Observes jobs with one GET each, because Azure's lists show no states, and prepares the end of a group.

**How an end is made certain.** A job has ended when its main container has ended, even if the group keeps running (with a
sidecar, or by a fault of Azure). Such a group is tagged (`ENDED_TAG`) and then stopped, and the end is reported once Azure has
accepted the stop. So an observed end frees the slot, and no part of the job keeps running. If the record of the end is lost,
the next look sees a stopped group, and the tag distinguishes it from a group that a person stopped. If Azure refuses the stop,
every look requests it again for `STOP_PATIENCE` after the container's end. After that the end is reported anyway, and the group
is deleted with its contents.

**How a repair is bounded.** Azure may move a group to another node (`Unhealthy`, `Repairing`), and does not report since when.
The first look that sees a repair writes the time into a tag (`REPAIR_TAG`). The group is given up `repair_after` seconds later:
it is stopped, and its run has crashed. The tag is removed when the group is healthy again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from providers.base import ConfigurationError, JobState, Observation, Submission, unreadable
from providers.container_instance.answers import ArmFailure
from providers.container_instance.connections import Connections
from providers.container_instance.place import Place
from providers.container_instance.states import (
    MAX_REASON,
    is_over,
    is_repairing,
    never_ran,
    nothing_runs,
    observation_of,
    repairing_since,
    with_log,
)
from providers.container_instance.tags import ENDED_TAG, REPAIR_TAG
from providers.container_instance.timing import Stopwatch

READS_KEPT = 20
"""The number of reads in the subscription's allowance that a batch leaves for others."""
LOG_LINES = 50
STOP_PATIENCE = timedelta(minutes=5)


class Observer:
    """One batch of observations. Jobs that do not fit into its time or into Azure's rate are left out."""

    def __init__(
        self, connections: Connections, watch: Stopwatch, *, clock: Callable[[], datetime], repair_after: timedelta
    ) -> None:
        self._connections, self._watch = connections, watch
        self._clock, self._repair_after = clock, repair_after
        self._is_unwelcome = False

    def observe(self, submissions: Sequence[Submission]) -> dict[str, Observation]:
        """The observations, by name."""
        seen: dict[str, Observation] = {}
        for submission in submissions:
            if self._watch.is_over or self._is_unwelcome:
                break
            try:
                seen[submission.name] = self._one(submission)
            except ConfigurationError as problem:
                seen |= unreadable([submission], problem)
            except ArmFailure as failure:
                if not failure.is_throttled:
                    seen |= unreadable([submission], failure)
                self._is_unwelcome = failure.is_throttled or failure.status is None
        return seen

    def _one(self, submission: Submission) -> Observation:
        place = Place.from_handle(submission.handle)
        arm = self._connections.arm(place)
        try:
            group = arm.get(place.resource_group, submission.name)
        except ArmFailure as failure:
            if not failure.is_gone:
                raise
            return Observation(state=JobState.MISSING, reason=str(failure))
        self._is_unwelcome = arm.reads_left is not None and arm.reads_left < READS_KEPT
        seen = self._judged(submission, group)
        return self._with_log(submission, seen) if seen.state in (JobState.FAILED, JobState.CRASHED) else seen

    def _judged(self, submission: Submission, group: Mapping[str, Any]) -> Observation:
        container = submission.handle.get("container", "")
        seen = observation_of(group, container)
        if not is_repairing(group):
            if repairing_since(group) is not None:
                self._note(submission, {key: value for key, value in _tags(group).items() if key != REPAIR_TAG})
            return self._stopped(submission, group, seen) if seen.state.is_end and not is_over(group) else seen
        since, now = repairing_since(group), self._clock()
        if since is None:
            self._note(submission, {**_tags(group), REPAIR_TAG: now.isoformat()})
            return seen
        if now - since <= self._repair_after:
            return seen
        given_up = observation_of(group, container, is_given_up=True)
        if given_up.state is JobState.CRASHED:
            given_up = replace(given_up, reason=f"{given_up.reason} since {since:%Y-%m-%d %H:%M} UTC; it was given up")
        return self._stopped(submission, group, given_up)

    def _stopped(self, submission: Submission, group: Mapping[str, Any], seen: Observation) -> Observation:
        """The end of a job whose group still runs, after the stop of the rest was requested."""
        by_itself = seen.state in (JobState.SUCCEEDED, JobState.FAILED)
        tags = {**_tags(group), ENDED_TAG: self._clock().isoformat()} if by_itself else None
        problem = self._note(submission, tags) if tags and ENDED_TAG not in _tags(group) else ""
        problem = problem or self._stop(submission)
        if not problem or (by_itself and (nothing_runs(group) or self._is_long_ago(seen.ended_at))):
            return seen
        words = f"exit code {seen.exit_code}" if by_itself else seen.reason
        reason = f"{words}; its group could not be stopped: {problem}"[:MAX_REASON]
        return Observation(
            state=JobState.STARTING if never_ran(group) else JobState.RUNNING, reason=reason, started_at=seen.started_at
        )

    def _is_long_ago(self, ended_at: datetime | None) -> bool:
        return ended_at is None or self._clock() - ended_at > STOP_PATIENCE

    def _stop(self, submission: Submission) -> str:
        """Request the group's end. Returns the problem, if any."""
        place = Place.from_handle(submission.handle)
        return self._tried(lambda: self._connections.arm(place).stop(place.resource_group, submission.name))

    def _note(self, submission: Submission, tags: Mapping[str, str]) -> str:
        place = Place.from_handle(submission.handle)
        return self._tried(lambda: self._connections.arm(place).tag(place.resource_group, submission.name, tags))

    def _tried(self, call: Callable[[], None]) -> str:
        if self._watch.is_over:
            return "there was no time left in this look"
        try:
            call()
        except ArmFailure as failure:
            return "" if failure.is_gone else str(failure)
        return ""

    def _with_log(self, submission: Submission, seen: Observation) -> Observation:
        """An end with the tail of a failed job's log, because the log is deleted with the group."""
        if self._watch.is_over:
            return seen
        try:
            return with_log(seen, log_of(self._connections, submission, LOG_LINES))
        except ArmFailure:
            return seen


def _tags(group: Mapping[str, Any]) -> dict[str, str]:
    tags = group.get("tags") or {}
    if not isinstance(tags, Mapping):
        raise ArmFailure("a container group whose tags cannot be read")
    return dict(tags)


def log_of(connections: Connections, submission: Submission, tail: int) -> str:
    """The last lines that the job's main container wrote. Raises `ArmFailure`."""
    place = Place.from_handle(submission.handle)
    container = submission.handle.get("container") or submission.name
    return connections.arm(place).logs(place.resource_group, submission.name, container, tail)
