"""The open accounts of a provider: one client each, by the names of their credentials.

An account is opened anew if it is a few minutes old, was idle for a while (a frozen function resumes with dead connections),
did not answer in time, or belongs to the parent of a forked process.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Mapping
from typing import Any

from providers.modal import sdk
from providers.modal.account import Account
from providers.places import HostLacks

OLDEST = 600.0
"""Seconds for which an account is kept; its looked-up objects may be replaced meanwhile."""
IDLE = 120.0
"""Seconds without a call after which its connection is not trusted."""
CLOSED_AFTER = 60.0
"""Seconds until a replaced client is closed; by then nobody waits for its calls."""

Token = tuple[str, str]
Key = tuple[str | None, int]


class Accounts:
    """The accounts. Used in the provider's one event loop; `distrust` may be called from any thread."""

    def __init__(
        self, credentials: Mapping[str, Mapping[str, Any]], server_url: str | None, clock: Callable[[], float]
    ) -> None:
        self._credentials, self._server_url, self._clock = credentials, server_url, clock
        self._open: dict[Key, Account] = {}
        self._opening: dict[Key, asyncio.Lock] = {}

    @sdk.mapped
    async def get(self, name: str | None) -> Account:
        """The account of an entry of the credentials, or the host's own. Raises `HostLacks` and `ModalFailure`."""
        key = (name, os.getpid())
        async with self._opening.setdefault(key, asyncio.Lock()):
            now = self._clock()
            account = self._open.get(key)
            if account is not None and _is_fresh(account, now):
                account.is_used, account.used_at = True, now
                return account
            client, is_own = await self._connect(name)
            self._open[key] = Account(client, is_own, opened_at=now, used_at=now)
            if account is not None and account.is_own:
                asyncio.get_running_loop().call_later(CLOSED_AFTER, lambda: asyncio.ensure_future(_close(account)))
            return self._open[key]

    def distrust(self, name: str | None) -> None:
        """Let the next call open the account anew, because it did not answer."""
        if account := self._open.get((name, os.getpid())):
            account.opened_at = float("-inf")

    async def _connect(self, name: str | None) -> tuple[Any, bool]:
        modal = sdk.load()
        token = self._host_token() if name is None else self._named_token(name)
        if token is None:
            return await modal.Client.from_env.aio(), False
        if self._server_url is None:
            return await modal.Client.from_credentials.aio(*token), True
        # Modal's own constructors read the address from the process's environment alone.
        from modal_proto import api_pb2  # noqa: PLC0415 - part of the SDK

        client = modal.Client(self._server_url, api_pb2.CLIENT_TYPE_CLIENT, token)
        return await client.__aenter__(), True

    def _host_token(self) -> Token | None:
        """The host's token; None inside Modal, where the container has an identity, and on hosts that sign in differently."""
        from modal.config import config  # noqa: PLC0415 - part of the SDK

        token, secret = config.get("token_id"), config.get("token_secret")
        inside = os.environ.get("MODAL_IS_REMOTE") == "1"
        return None if inside or not (token and secret) else (token, secret)

    def _named_token(self, name: str) -> Token:
        entry = self._credentials.get(name)
        if entry is None:
            names = ", ".join(sorted(self._credentials)) or "none"
            raise HostLacks(
                f"modal_credentials: {name!r} is not an entry of DISPATCHER_CREDENTIALS (its entries: {names}); add it there"
            )
        return _variable(name, entry, "token_id_env"), _variable(name, entry, "token_secret_env")


async def _close(account: Account) -> None:
    with contextlib.suppress(sdk.ModalFailure):
        await sdk.mapped(account.client.close.aio)()


def _is_fresh(account: Account, now: float) -> bool:
    return now - account.opened_at < OLDEST and 0 <= now - account.used_at < IDLE


def _variable(name: str, entry: Mapping[str, Any], key: str) -> str:
    variable = entry.get(key)
    value = os.environ.get(str(variable)) if variable else None
    if not value:
        raise HostLacks(
            f"DISPATCHER_CREDENTIALS: {name}.{key} must name an environment variable that is set"
            + (f"; {variable} is not" if variable else "")
        )
    return value
