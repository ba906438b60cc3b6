"""Creates a sandbox once. Its parts are looked up first: a failure there has certainly started nothing."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any

from providers.base import Accepted, CallFailed, JobState, Needs, Outcome, Rejected, Throttled, Unknown
from providers.modal import sdk
from providers.modal.account import Account, StillBuilding
from providers.modal.lookup import by_name, find, forgets_ended, is_sandbox, look_at, submission_of
from providers.modal.names import UNPLACED
from providers.modal.outcomes import hold_of, names_nothing, outcome_of
from providers.modal.request import SandboxSpec
from providers.modal.sdk import MissingObject, ModalFailure, NameTaken, mapped

BUILD_AGAIN = 15.0
"""Seconds until a submission whose image was being built is tried again."""
CLEANING = 3.0
"""Seconds that are reserved, if there is time, for the SDK to withdraw a waiting sandbox and for us to check that it did."""


class GivenUp(CallFailed):
    """Nobody waits for this submission any more, so it must start nothing."""


class CreationProgress:
    """The progress of a submission, shared by the thread that waits for it and the one that makes it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked = self._given_up = False

    def ask(self) -> None:
        """Note that the next request may start a sandbox. Raises `GivenUp`."""
        with self._lock:
            if self._given_up:
                raise GivenUp("the submission was given up")
            self._asked = True

    def give_up(self) -> bool:
        """Prevent any start from now on; True if a sandbox may have been started already."""
        with self._lock:
            self._given_up = True
            return self._asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Creation:
    """One submission. Its outcome must be ready by `deadline` on the event loop's clock."""

    account: Account
    name: str
    spec: SandboxSpec
    needs: Needs
    deadline: float
    progress: CreationProgress

    async def outcome(self, build_seconds: float) -> Outcome:
        """Create the sandbox unless the name was used before. If this raises, nothing was started."""
        try:
            arguments = await self._arguments(build_seconds)
        except StillBuilding as building:
            return Throttled(reason=str(building), retry_after=BUILD_AGAIN, hold=None)
        if forgets_ended(self.spec):
            return await self._claimed(arguments)
        if submission := await find(self.account, self.name, self.spec):
            return Accepted(submission=submission)
        return await self._create(arguments)

    async def _arguments(self, build_seconds: float) -> dict[str, Any]:
        account, spec = self.account, self.spec
        named = [await account.secret(secret, spec.place) for secret in spec.secrets]
        # Modal applies secrets in their order and `env` last, and a secret wins over a plain value of the same name.
        plain = [sdk.load().Secret.from_dict(dict(spec.variables))] if named and spec.variables else []
        return {
            **spec.options,
            "app": await account.app(spec.place, create=True),
            "image": await account.image(spec.image, spec.place, build_seconds),
            "secrets": [*plain, *named],
            "env": {**({} if plain else spec.variables), **spec.own_variables},
            "name": self.name,
            "gpu": spec.gpu,
            "client": account.client,
        }

    async def _create(self, arguments: dict[str, Any]) -> Outcome:
        self.progress.ask()
        try:
            sandbox = await mapped(sdk.load().Sandbox.create.aio)(*self.spec.command, **arguments)
        except ModalFailure as failure:
            odd = names_nothing(failure.error)
            if isinstance(failure, MissingObject) and not odd:
                raise
            refusal = None if isinstance(failure, NameTaken) else outcome_of(failure.error, self.needs)
            if isinstance(refusal, Unknown) and not odd:
                return refusal
            # The SDK itself repeats a request without an answer, so even a refusal may follow a success; and an answer that
            # names no sandbox may be a success.
            sandbox = await by_name(self.account, self.name, self.spec.place, ended=True)
            if sandbox is None:
                return refusal or Unknown(cause=f"{failure}, but no sandbox of that name is to be found")
        if not is_sandbox(sandbox):
            return Unknown(cause="an answer that names no sandbox")
        return Accepted(submission=submission_of(self.name, sandbox.object_id, self.spec.place))

    async def _claimed(self, arguments: dict[str, Any]) -> Outcome:
        """Claim the name, then create the sandbox: after its end it could not be looked up by name."""
        names = await self.account.names(self.spec.place)
        self.progress.ask()
        if not await names.claim(self.name):
            submission = await find(self.account, self.name, self.spec)
            if submission is None or submission.handle["sandbox_id"] == UNPLACED:
                return Unknown(cause="its name was claimed before, and no sandbox of that name is to be found")
            return Accepted(submission=submission)
        try:
            outcome = await self._in_time(arguments)
        except Exception:
            await self._note(names.release(self.name))
            raise
        if isinstance(outcome, Accepted):
            await self._note(names.record(self.name, outcome.submission.handle["sandbox_id"]))
        elif isinstance(outcome, Rejected | Throttled):
            await self._note(names.release(self.name))
        return outcome

    async def _note(self, writing: Awaitable[None]) -> None:
        # The ledger is only a second record: the outcome is known without it.
        with contextlib.suppress(ModalFailure):
            await writing

    async def _in_time(self, arguments: dict[str, Any]) -> Outcome:
        """Wait for capacity while there is time; then let the SDK withdraw the sandbox, and check that it did."""
        creating = asyncio.ensure_future(self._create(arguments))
        remaining = self.deadline - asyncio.get_running_loop().time()
        patience = max(remaining - CLEANING, remaining / 2)
        await asyncio.wait({creating}, timeout=patience)
        waiting = None if creating.done() else await by_name(self.account, self.name, self.spec.place, ended=False)
        creating.cancel()
        await asyncio.wait({creating}, timeout=(remaining - patience) / 2)
        if creating.done() and not creating.cancelled():
            return creating.result()
        # Only a sandbox that was observed to wait and then to be withdrawn has certainly not run.
        if waiting is not None and (await look_at(self.account, waiting.object_id)).state is JobState.STOPPED:
            words = f"Modal had no capacity for {self.spec.gpu} within {patience:.0f} s"
            return Throttled(reason=words, hold=hold_of(words, self.needs))
        return Unknown(cause=f"Modal did not say within {patience:.0f} s whether the sandbox was scheduled")
