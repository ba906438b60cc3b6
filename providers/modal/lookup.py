"""Looks sandboxes up by name, by id, by our tag, and in the ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from providers.base import CallFailed, JobState, Observation, Submission
from providers.modal import results, sdk
from providers.modal.account import Account
from providers.modal.names import UNPLACED
from providers.modal.request import NAME_TAG, OURS, Place, SandboxSpec
from providers.modal.sdk import MissingObject, mapped

CONSOLE = "https://modal.com/id/"


def submission_of(name: str, sandbox_id: str, place: Place) -> Submission:
    """The submission of a sandbox; `UNPLACED` if only its request is known."""
    handle = {"sandbox_id": sandbox_id, **place.handle()}
    return Submission(name=name, handle=handle, url=CONSOLE + sandbox_id if sandbox_id != UNPLACED else None)


class NoAnswer(CallFailed):
    """An answer without the requested name."""


def is_sandbox(answer: Any) -> bool:
    """True if a sandbox has an id; an empty answer makes a sandbox without one."""
    return isinstance(answer.object_id, str) and answer.object_id.startswith("sb-")


def forgets_ended(spec: SandboxSpec) -> bool:
    """True on Modal's older backend, which does not look up ended sandboxes by name."""
    from modal.config import config  # noqa: PLC0415 - part of the SDK

    return spec.gpu is not None or not config.get("sandbox_v2")


async def by_name(account: Account, name: str, place: Place, *, ended: bool) -> Any:
    """The running sandbox of a name on either backend, or with `ended` the last one that ended; None if there is none."""
    from_name = mapped(sdk.load().Sandbox.from_name.aio)
    where = {"environment_name": place.environment, "client": account.client}
    # With `include_terminated` the SDK asks only the newer backend; without it, both.
    for include_terminated in (True, False) if ended else (False,):
        try:
            sandbox = await from_name(place.app, name, include_terminated=include_terminated, **where)
        except MissingObject:
            continue
        if not is_sandbox(sandbox):
            raise NoAnswer(f"an answer that names no sandbox, to a question for {name}")
        return sandbox
    return None


async def find(account: Account, name: str, spec: SandboxSpec) -> Submission | None:
    """The submission of a name; an unplaced one if the name was claimed but no sandbox exists."""
    sandbox = await by_name(account, name, spec.place, ended=True)
    if sandbox is not None:
        return submission_of(name, sandbox.object_id, spec.place)
    return await _find_claimed(account, name, spec.place) if forgets_ended(spec) else None


async def _find_claimed(account: Account, name: str, place: Place) -> Submission | None:
    try:
        sandbox_id = await (await account.names(place)).look_up(name)
    except MissingObject:
        return None
    return None if sandbox_id is None else submission_of(name, sandbox_id, place)


async def running_in(account: Account, place: Place) -> frozenset[str]:
    """The ids of our running sandboxes in a place."""
    return frozenset(sandbox.object_id for sandbox in await _running(account, place))


async def names_running_in(account: Account, place: Place) -> frozenset[str]:
    """The names of our jobs with running sandboxes in a place; takes one call for the list and one for each sandbox's tags."""
    try:
        tags = await _tags(await _running(account, place))
    except MissingObject:
        return frozenset()
    return frozenset(of_one[NAME_TAG] for of_one in tags if NAME_TAG in of_one)


async def _running(account: Account, place: Place) -> list[Any]:
    try:
        return await _listed(account, place)
    except MissingObject:
        return []


@mapped
async def _listed(account: Account, place: Place) -> list[Any]:
    app = await account.app(place)
    sandboxes = sdk.load().Sandbox.list.aio(app_id=app.app_id, tags=OURS, client=account.client)
    return [sandbox async for sandbox in sandboxes if sandbox.returncode is None]


@mapped
async def _tags(sandboxes: Sequence[Any]) -> list[Mapping[str, str]]:
    tags: list[Mapping[str, str]] = await asyncio.gather(*(sandbox.get_tags.aio() for sandbox in sandboxes))
    return tags


@mapped
async def look(account: Account, submission: Submission) -> Observation:
    """The state of one sandbox, by its id, or by its name if the id is unknown."""
    sandbox_id = submission.handle["sandbox_id"]
    if sandbox_id != UNPLACED:
        return await look_at(account, sandbox_id)
    place = Place.from_handle(submission.handle)
    sandbox = await by_name(account, submission.name, place, ended=True)
    if sandbox is None:
        return Observation(state=JobState.MISSING, reason="its name was claimed, and no sandbox of that name is to be found")
    seen = await look_at(account, sandbox.object_id)
    return Observation(
        state=seen.state,
        exit_code=seen.exit_code,
        reason=seen.reason,
        handle=submission_of(submission.name, sandbox.object_id, place).handle,
    )


async def look_at(account: Account, sandbox_id: str) -> Observation:
    """The state of a sandbox."""
    try:
        return await _observed(account, sandbox_id)
    except MissingObject as problem:
        return Observation(state=JobState.MISSING, reason=str(problem))


@mapped
async def _observed(account: Account, sandbox_id: str) -> Observation:
    return results.observe(await sdk.load().Sandbox.from_id.aio(sandbox_id, client=account.client))


@mapped
async def terminate(account: Account, submission: Submission) -> None:
    """Request the end of a sandbox. A missing sandbox is not an error."""
    sandbox_id = submission.handle["sandbox_id"]
    if sandbox_id == UNPLACED:
        sandbox = await by_name(account, submission.name, Place.from_handle(submission.handle), ended=False)
    else:
        sandbox = await sdk.load().Sandbox.from_id.aio(sandbox_id, client=account.client)
    if sandbox is not None:
        await sandbox.terminate.aio()
