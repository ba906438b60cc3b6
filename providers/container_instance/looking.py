"""Looking at jobs: one GET each, since Azure's lists show no states, and what has to be done before a group is given up."""

from __future__ import annotations

from collections.abc import Sequence

from providers.base import ConfigurationError, JobState, Observation, Submission, unreadable
from providers.container_instance.answers import ArmFailure
from providers.container_instance.connections import Connections
from providers.container_instance.place import place_of_submission
from providers.container_instance.states import MAX_REASON, never_ran, observation_of, with_log
from providers.container_instance.timing import Watch

READS_KEPT = 20
"""Reads of the subscription's bucket that a batch leaves to others."""
LOG_LINES = 50


class Look:
    """One batch of observations. What does not fit into its time, or into Azure's rate, is left out."""

    def __init__(self, connections: Connections, watch: Watch) -> None:
        self._connections, self._watch = connections, watch
        self._is_unwelcome = False

    def at(self, submissions: Sequence[Submission]) -> dict[str, Observation]:
        """What could be seen, by name."""
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
        place = place_of_submission(submission)
        arm = self._connections.arm(place)
        try:
            group = arm.get(place.resource_group, submission.name)
        except ArmFailure as failure:
            if not failure.is_gone:
                raise
            return Observation(state=JobState.MISSING, reason=str(failure))
        self._is_unwelcome = arm.reads_left is not None and arm.reads_left < READS_KEPT
        seen = observation_of(group, submission.handle.get("container", ""))
        if seen.state is JobState.CRASHED and never_ran(group):
            return self._given_up(submission, seen)
        return self._with_log(submission, seen) if seen.state in (JobState.FAILED, JobState.CRASHED) else seen

    def _given_up(self, submission: Submission, seen: Observation) -> Observation:
        """A failed provisioning as the end it is to us, once Azure is told to try no longer: it might start the job yet."""
        place = place_of_submission(submission)
        try:
            self._connections.arm(place).stop(place.resource_group, submission.name)
        except ArmFailure as failure:
            reason = f"{seen.reason}; it could not be stopped: {failure}"
            return Observation(state=JobState.STARTING, reason=reason[:MAX_REASON])
        return seen

    def _with_log(self, submission: Submission, seen: Observation) -> Observation:
        """The tail of a failed job's log, saved with its end since the log goes with the group."""
        if self._watch.is_over:
            return seen
        try:
            return with_log(seen, log_of(self._connections, submission, LOG_LINES))
        except ArmFailure:
            return seen


def log_of(connections: Connections, submission: Submission, tail: int) -> str:
    """The last lines that the job's main container wrote. Raises `ArmFailure`."""
    place = place_of_submission(submission)
    container = submission.handle.get("container") or submission.name
    return connections.arm(place).logs(place.resource_group, submission.name, container, tail)
