"""How notifications are delivered to hooks: webhooks and SNS topics, by their entries in the settings.

    DISPATCHER_HOOKS={"ops": {"url": "https://hooks.example/…", "secret_variable": "OPS_HOOK_SECRET"},
                      "alarms": {"topic_arn": "arn:aws:sns:eu-central-1:123456789012:alarms"}}

A pool or a deployment names an entry and what its hook is notified of; neither an address nor a key stands in a store.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol
from uuid import UUID


class NotDelivered(Exception):
    """The hook has not confirmed the notification; the text says why, and holds no secret."""


class Deliver(Protocol):
    """Delivers a notification to a hook and waits until it is confirmed, at most 5 s. Safe to use from several threads."""

    def __call__(self, hook: str, identity: UUID, message: Mapping[str, Any], /) -> None:
        """`identity` is the same for every try at one notification. Raises `NotDelivered`."""
        ...


Channel = Callable[[UUID, Mapping[str, Any]], None]
"""The client of one entry. Raises `NotDelivered`."""


class Deliveries:
    """Delivers to the entries of the settings. The client of an entry is created on first use."""

    def __init__(self, entries: Mapping[str, Mapping[str, Any]], environment: Mapping[str, str]) -> None:
        self._entries, self._environment = entries, environment
        self._made: dict[str, Channel] = {}

    def __call__(self, hook: str, identity: UUID, message: Mapping[str, Any], /) -> None:
        """See `Deliver`."""
        if hook not in self._entries:
            names = ", ".join(sorted(self._entries)) or "none"
            raise NotDelivered(f"DISPATCHER_HOOKS has no entry {hook!r} (it has {names})")
        if hook not in self._made:
            self._made[hook] = self._make(self._entries[hook])
        self._made[hook](identity, message)

    def _make(self, entry: Mapping[str, Any]) -> Channel:
        if "topic_arn" in entry:
            try:
                from dispatcher.delivery.sns import Topic  # noqa: PLC0415 - only a topic needs the SDK
            except ModuleNotFoundError as problem:
                words = f"topics need {problem.name}, which is not installed: pip install 'push-dispatcher[aws]'"
                raise NotDelivered(words) from None
            return Topic(entry["topic_arn"])
        from dispatcher.delivery.webhook import Webhook  # noqa: PLC0415 - only a webhook needs the HTTP client

        secret = self._secret(entry.get("secret_variable"))
        return Webhook(entry["url"], secret, link_local=entry.get("allow_link_local", False))

    def _secret(self, variable: str | None) -> str | None:
        if variable is None:
            return None
        if not self._environment.get(variable):
            raise NotDelivered(f"the environment variable {variable}, which should hold the hook's secret, is not set")
        return self._environment[variable]
