"""The names of GPU jobs, in a `modal.Dict`: claimed by one atomic put before the sandbox is created (see the package)."""

from __future__ import annotations

import uuid
from typing import Any

from providers.modal.sdk import mapped

LEDGER = "push-dispatcher-names"
CLAIM = "claimed by "
"""The value of a claimed name until its sandbox is known; a random part identifies the claim."""
UNPLACED = ""
"""A stand-in for the unknown sandbox of a claimed name."""


class Names:
    """The ledger of one environment of one account."""

    def __init__(self, dictionary: Any) -> None:
        self._dictionary = dictionary

    @mapped
    async def claim(self, name: str) -> bool:
        """True for the one caller that may create a sandbox of this name."""
        claim = CLAIM + uuid.uuid4().hex
        created = await self._dictionary.put.aio(name, claim, skip_if_exists=True)
        # The SDK repeats a put that got no answer, and the repeat finds what the first one wrote.
        return bool(created) or await self._dictionary.get.aio(name) == claim

    @mapped
    async def record(self, name: str, sandbox_id: str) -> None:
        """Record the sandbox of a claimed name."""
        await self._dictionary.put.aio(name, sandbox_id)

    @mapped
    async def release(self, name: str) -> None:
        """Release a name, because certainly nothing was started under it."""
        await self._dictionary.pop.aio(name, None)

    @mapped
    async def look_up(self, name: str) -> str | None:
        """The sandbox of a claimed name; `UNPLACED` if it is unknown; None for an unclaimed name."""
        entry = await self._dictionary.get.aio(name)
        return None if entry is None else UNPLACED if str(entry).startswith(CLAIM) else str(entry)
