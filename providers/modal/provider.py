"""The provider: implements `providers.base.Provider` for any thread, with a time limit on each call."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from providers.base import (
    CallFailed,
    ConfigurationError,
    Hold,
    Job,
    JobState,
    Misconfigured,
    Needs,
    Observation,
    Outcome,
    ProviderError,
    ProviderLimits,
    ProviderUnavailable,
    Rate,
    Rejected,
    Submission,
    Unknown,
    Unreachable,
    unreadable,
)
from providers.modal.accounts import Accounts
from providers.modal.checking import faults
from providers.modal.creation import Creation, CreationProgress
from providers.modal.lookup import find, look, names_running_in, running_in, terminate
from providers.modal.loop import Loop, Overdue
from providers.modal.needs import needs
from providers.modal.outcomes import outcome_of
from providers.modal.request import Place, SandboxSpec, place_of, read
from providers.modal.sdk import MissingObject, ModalFailure
from providers.places import HostLacks, by_place
from providers.remarks import reason_of

T = TypeVar("T")

DAY = 24 * 3600.0
LOOKUP_LAG = 10.0
"""How long a look-up may lag behind a creation; Modal states no limit."""
LOOK_UPS = 16
"""Sandboxes that are looked up at once."""


class ModalProvider:
    """Sandboxes on Modal (`modal:push`).

    `credentials` are the settings' entries; a pool names one as `modal_credentials`, of the form `{"token_id_env": "NAME",
    "token_secret_env": "NAME"}` with the names of two environment variables. Without one the host's own identity is used: a
    token in the environment or in `~/.modal.toml`, or the container's when this runs inside Modal.

    `creations_per_second` and `creation_burst` pace submissions; five a second is an account's default at Modal. `call_timeout`
    bounds every call but the creation of a GPU sandbox, which waits for capacity within `gpu_timeout`: raise that if GPUs are
    scarce, as far as a tick has time. `lookup_lag` is how long a new sandbox may stay hidden, in seconds: lower it only against
    an emulator. `server_url` is the address of an emulator.
    """

    def __init__(
        self,
        *,
        credentials: Mapping[str, Mapping[str, Any]] | None = None,
        server_url: str | None = None,
        creations_per_second: float = 5.0,
        creation_burst: int = 5,
        concurrency: int = 16,
        call_timeout: float = 10.0,
        gpu_timeout: float = 10.0,
        lookup_lag: float = LOOKUP_LAG,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._loop = Loop()
        # Wall-clock time: a monotonic clock may stand still while a function is frozen.
        self._accounts = Accounts(credentials or {}, server_url, clock)
        self._call_timeout, self._gpu_timeout = call_timeout, max(gpu_timeout, call_timeout)
        self._limits = ProviderLimits(
            submit_rates=(Rate(burst=creation_burst, per_second=creations_per_second),),
            concurrency=concurrency,
            call_timeout=self._gpu_timeout,
            lookup_lag=lookup_lag,
            memory=DAY,
            start_deadline=None,
            observe_batch=1000,
        )

    @property
    def limits(self) -> ProviderLimits:
        """Modal's published limits, and the `memory` that the package's docstring explains."""
        return self._limits

    def needs(self, configuration: Mapping[str, Any]) -> Needs:
        """See `providers.modal.needs`."""
        return needs(configuration)

    def submit(self, job: Job) -> Outcome:
        """Create the sandbox, unless its name was used before."""
        if broken := faults(job.configuration):
            return Rejected(reason=reason_of(broken))
        spec, wants = read(job), needs(job.configuration)
        progress = CreationProgress()
        try:
            seconds = self._gpu_timeout if spec.gpu else self._call_timeout
            return self._loop.run(self._submit(job.name, spec, wants, progress, seconds), seconds)
        except (HostLacks, ProviderUnavailable) as problem:
            return Misconfigured(reason=str(problem), hold=Hold(place=wants.place[:1]))
        except CallFailed as error:
            return self._failed(error, spec.place, wants, progress)

    def _failed(self, error: CallFailed, place: Place, wants: Needs, progress: CreationProgress) -> Outcome:
        may_have_started = progress.give_up()
        if isinstance(error, Overdue):
            self._accounts.distrust(place.credentials)
        outcome = outcome_of(error.error, wants) if isinstance(error, ModalFailure) else Unknown(cause=f"Modal: {error}")
        if isinstance(outcome, Unknown) and not may_have_started:
            return Unreachable(cause=outcome.cause)
        return outcome

    async def _submit(self, name: str, spec: SandboxSpec, wants: Needs, progress: CreationProgress, seconds: float) -> Outcome:
        deadline = asyncio.get_running_loop().time() + seconds
        account = await self._accounts.get(spec.place.credentials)
        creation = Creation(account=account, name=name, spec=spec, needs=wants, deadline=deadline, progress=progress)
        try:
            return await creation.outcome(build_seconds=self._call_timeout / 2)
        except MissingObject:
            if not account.is_used:
                raise
            # An object that was looked up for an earlier job is gone or was replaced. Nothing was started; look it up anew.
            account.forget()
            return await creation.outcome(build_seconds=self._call_timeout / 2)

    def find(self, job: Job) -> Submission | None:
        """The sandbox of the name: running, ended, or claimed but missing (see the package)."""
        try:
            spec = read(job)
        except ConfigurationError as problem:
            raise CallFailed(f"could not look it up: {problem}") from problem
        return self._ask("look it up", spec.place, self._find(job.name, spec), self._call_timeout)

    async def _find(self, name: str, spec: SandboxSpec) -> Submission | None:
        return await find(await self._accounts.get(spec.place.credentials), name, spec)

    def observe(self, submissions: Sequence[Submission]) -> Mapping[str, Observation]:
        """One list of running sandboxes per place; the others are looked up one by one."""
        seen: dict[str, Observation] = {}
        ends = time.monotonic() + self._call_timeout
        for place, group in by_place(Place, submissions).items():
            if (left := ends - time.monotonic()) <= 0:
                break
            try:
                self._ask("observe", place, self._observe(place, group, seen), left)
            except CallFailed as problem:
                seen = unreadable(group, problem) | seen  # observations made before the time was over count
        return dict(seen)

    async def _observe(self, place: Place, submissions: Sequence[Submission], seen: dict[str, Observation]) -> None:
        account = await self._accounts.get(place.credentials)
        running = await running_in(account, place)
        gate = asyncio.Semaphore(LOOK_UPS)

        async def look_up(submission: Submission) -> None:
            async with gate:
                try:
                    seen[submission.name] = await look(account, submission)
                except CallFailed as problem:  # an unreadable sandbox does not affect the others
                    seen.update(unreadable([submission], f"modal observe: {problem}"))

        listed = {submission.name for submission in submissions if submission.handle["sandbox_id"] in running}
        seen.update(dict.fromkeys(listed, Observation(state=JobState.RUNNING)))
        await asyncio.gather(*(look_up(submission) for submission in submissions if submission.name not in listed))

    def cancel(self, submission: Submission) -> None:
        """Terminate the sandbox."""
        place = Place.from_handle(submission.handle)
        self._ask("cancel", place, self._cancel(submission, place), self._call_timeout)

    async def _cancel(self, submission: Submission, place: Place) -> None:
        with suppress(MissingObject):
            await terminate(await self._accounts.get(place.credentials), submission)

    def discard(self, submissions: Sequence[Submission]) -> frozenset[str]:
        """Nothing to remove: ended sandboxes occupy nothing."""
        return frozenset(submission.name for submission in submissions)

    def sweep(self, configuration: Mapping[str, Any], keep: frozenset[str]) -> tuple[str, ...]:  # noqa: ARG002 - the protocol's
        """Nothing to remove: ended sandboxes occupy nothing."""
        return ()

    def strays(self, configuration: Mapping[str, Any], known_names: frozenset[str]) -> tuple[str, ...]:
        """Reads a list of the running sandboxes in the app, and each sandbox's tags."""
        place = place_of(configuration)
        names: frozenset[str] = self._ask("list sandboxes", place, self._names(place), self._call_timeout)
        return tuple(sorted(names - known_names))

    async def _names(self, place: Place) -> frozenset[str]:
        return await names_running_in(await self._accounts.get(place.credentials), place)

    def _ask(self, action: str, place: Place, work: Coroutine[Any, Any, T], seconds: float) -> T:
        """The answer to a read or a cancel; any failure becomes `CallFailed`."""
        try:
            return self._loop.run(work, seconds)
        except Overdue as problem:
            self._accounts.distrust(place.credentials)
            raise CallFailed(f"could not {action}: Modal: {problem}") from None
        except ProviderError as problem:
            raise CallFailed(f"could not {action}: {problem}") from problem
