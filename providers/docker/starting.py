"""Create and start a container, once.

    create  201  it is ours alone: start it by its id
            409  its name is taken: it was started, cannot be started, is being started, or was left by a dead process
            404  the image is missing
    mark         left before a start is sent, so a container without the mark was certainly started by nobody
    start   204  it runs
            404  another process took it for an abandoned one and removed it; that process starts the next

Starting an ended container would run it again, so only the answer 201 gives the right to start one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from providers.base import Accepted, CallFailed, Hold, Outcome, Rejected, Submission, Throttled, Unknown
from providers.docker import marks
from providers.docker.engine import Answer, Engine, container_path
from providers.docker.lookup import inspected, submission_of
from providers.docker.marks import Mark
from providers.docker.states import Container

SCARCE = ("no space left", "cannot allocate memory", "resource temporarily unavailable", "too many open files")
BUSY = ("port is already allocated", "address already in use", "device or resource busy")
"""Words of temporary refusals: those of the engine's host, and those of this job alone. All others are permanent."""


EVENT_SECONDS = 5
"""How long after a container's creation a busy engine may report its events. The read of the events ends when that time has
passed.
"""

MAY_HAVE_RUN = (
    "the engine was restarted while it started the container: whether the command has run is not known, "
    "and it is not started a second time"
)


class ImageMissing(Exception):
    """The engine lacks the image; nothing was created."""


class Starting:
    """The submission of one job to one engine. A container that stays unstarted for `lag` was left behind."""

    def __init__(self, engine: Engine, name: str, *, docker_host: str, lag: timedelta, now: Callable[[], datetime]) -> None:
        self._engine, self._name, self._docker_host, self._lag, self._now = engine, name, docker_host, lag, now

    def submit(self, body: Mapping[str, Any], networks: Sequence[str]) -> Outcome:
        """Create and start. Raises `ImageMissing` and `CallFailed`; the latter means that nothing is known."""
        answer = self._create(body)
        if answer.status == 409:
            outcome = self._adopted()
            if outcome is not None:
                return outcome
            answer = self._create(body)
        if answer.status != 201:
            return self._refusal(answer)
        identity = answer.value.get("Id") if isinstance(answer.value, Mapping) else None
        if not isinstance(identity, str) or not identity:
            raise CallFailed(f"{self._name}: the engine's answer to a create call names no container")
        return self._connect(identity, networks) or self._start(identity)

    def existing(self) -> Outcome | None:
        """The outcome that an existing container under the name implies; None if there is none (any more)."""
        return self._adopted()

    def _submission(self, identity: str) -> Submission:
        return submission_of(self._engine, self._docker_host, self._name, identity)

    def _create(self, body: Mapping[str, Any]) -> Answer:
        return self._engine.post("/containers/create", body, name=self._name)

    def _adopted(self) -> Outcome | None:
        container = inspected(self._engine, self._name)
        if container is None:
            return None
        if not container.is_ours:
            return Rejected(reason=f"{self._name}: the engine has a container of this name that no dispatcher has made")
        if container.was_started:
            return Accepted(submission=self._submission(container.id))
        if container.start_failed:
            return self._never_started(container)
        if not self.is_left_behind(container):
            return Unknown(cause="somebody else has created the container and is about to start it")
        if self._may_have_run(container):
            return Rejected(reason=MAY_HAVE_RUN)
        return self._removed(container.id)

    def _may_have_run(self, container: Container) -> bool:
        """True if a start was sent and the engine was restarted since: it may have run the command and forgotten it.

        Events are lost in a restart, and also after a long time. Without a mark nobody has sent a start.
        """
        if not marks.is_left(self._engine, self._name, Mark.START) or container.created_at is None:
            return False
        since = int(container.created_at.timestamp())
        until = since + EVENT_SECONDS
        filters = {"container": [container.id], "event": ["create"]}
        answer = self._engine.get("/events", since=since, until=until, filters=filters)
        if answer.status != 200:
            raise answer.unexpected("the engine's events cannot be read")
        return container.id.encode() not in answer.body

    def is_left_behind(self, container: Container) -> bool:
        """True when its creator can no longer be about to start it."""
        return container.created_at is not None and self._now() - container.created_at > self._lag

    def _removed(self, identity: str) -> Outcome | None:
        """Remove an abandoned container by its id. A running one is not removed: the engine refuses."""
        answer = self._engine.delete(container_path(identity), v=True)
        if answer.status in (204, 404):
            return None
        return Unknown(cause=f"a container that was left behind could not be removed: {answer.message}")

    def _connect(self, identity: str, networks: Sequence[str]) -> Outcome | None:
        """Connect to the networks after the first. A refusal here rejects the job; nothing has run."""
        for network in networks:
            answer = self._engine.post(f"/networks/{quote(network, safe='')}/connect", {"Container": identity})
            if answer.status != 200:
                self._removed(identity)
                return self._verdict(f"network {network}: {answer.message or answer.status}")
        return None

    def _start(self, identity: str) -> Outcome:
        if not self._engine.has_time:
            self._removed(identity)
            return Unknown(cause="the engine took so long to create the container that it was not started any more")
        marks.leave(self._engine, self._name, Mark.START)
        answer = self._engine.post(container_path(identity, "/start"))
        if answer.status in (204, 304):
            return Accepted(submission=self._submission(identity))
        container = inspected(self._engine, self._name, identity)
        if container is None:
            return Unknown(cause="the container was removed before it was started")
        if container.was_started:
            return Accepted(submission=self._submission(identity))
        return (
            self._never_started(container)
            if container.start_failed
            else Unknown(cause=answer.message or "no answer to a start")
        )

    def _never_started(self, container: Container) -> Outcome:
        """The outcome of a start that the engine reports as failed. The status of its answer (400, 404, 500) alone proves
        nothing.
        """
        self._removed(container.id)
        marks.remove(self._engine, self._name)
        return self._verdict(container.error)

    def _verdict(self, words: str) -> Outcome:
        """What a failed start implies for later ones."""
        lowered = words.lower()
        if any(word in lowered for word in SCARCE):
            return Throttled(reason=words, hold=Hold(place=(self._docker_host,), freed_by_end=True))
        if any(word in lowered for word in BUSY):
            return Throttled(reason=words, hold=None)
        return Rejected(reason=f"the container could not be started: {words}")

    def _refusal(self, answer: Answer) -> Outcome:
        words = answer.message
        if answer.status == 404 and "no such image" in words.lower():
            raise ImageMissing(words)
        if answer.status == 409:
            return Unknown(cause=f"somebody else has created the container: {words}")
        if answer.status == 400 or (answer.status in (403, 404) and words) or "cannot unmarshal" in words:
            return Rejected(reason=words or "the engine refuses the request")
        raise answer.unexpected(self._name)
