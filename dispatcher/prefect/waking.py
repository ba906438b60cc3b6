"""Automations at the server that wake the dispatcher when a flow run of a pool is scheduled or cancelled.

They only spare waiting: the tick stays what decides, and everything works without them. Each call may be repeated.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from dispatcher.errors import SourceError
from dispatcher.prefect.server import PAGE, PrefectServer

BLOCK = "push-dispatcher-wake"
"""The name of the block that holds the address; Prefect keeps it, and the headers, encrypted."""
NAME = "push-dispatcher: wake for "
EVENTS = ("Scheduled", "AwaitingRetry", "Cancelling")
"""The states of a flow run that leave something to do at once."""
SIGNED = re.compile(
    r"(\.lambda-url\.[a-z0-9-]+\.on\.aws|^lambda\.[a-z0-9-]+\.amazonaws\.com(\.cn)?|\.run\.app|\.cloudfunctions\.net)$"
)
"""Hosts of functions that take signed calls only, unless somebody opens them to everybody: Prefect signs none."""
WEBHOOK = "block_types/slug/webhook"
DOCUMENT = f"{WEBHOOK}/block_documents/name/{BLOCK}"


def unsigned_fault(url: str, headers: Mapping[str, str]) -> str:
    """Why this address would refuse the server's calls; empty where it may accept them.

    With a header of its own there is something before the function that looks at it.
    """
    if headers or not SIGNED.search((urlsplit(url).hostname or "").rstrip(".")):
        return ""
    return (
        "is that of a function on AWS or Google, which takes signed calls only, and Prefect signs none: put something before "
        "it that checks a header (--wake-header) and signs, or leave the option out; ticks come anyway"
    )


def wake_on_events(server: PrefectServer, pools: Sequence[str], url: str, headers: Mapping[str, str]) -> None:
    """Make the automations of these pools call the address; others of ours are removed. Raises `SourceError`."""
    block = _block(server, {"method": "POST", "url": url, "headers": {"Content-Type": "application/json", **headers}})
    existing = {str(automation["name"]): str(automation["id"]) for automation in _automations(server)}
    automations = {f"{NAME}{pool}": _automation(pool, block) for pool in pools}
    for name, body in automations.items():
        if name in existing:
            server.send("PUT", f"automations/{existing[name]}", body)
        else:
            server.send("POST", "automations/", body)
    for name in existing.keys() - automations.keys():
        server.send("DELETE", f"automations/{existing[name]}")


def wake_no_more(server: PrefectServer) -> Sequence[str]:
    """Remove the automations and the block; returns the pools that they were for. Raises `SourceError`."""
    automations = _automations(server)
    for automation in automations:
        server.send("DELETE", f"automations/{automation['id']}")
    if document := server.read(DOCUMENT):
        server.send("DELETE", f"block_documents/{document['id']}")
    return sorted(str(automation["name"]).removeprefix(NAME) for automation in automations)


def _automations(server: PrefectServer) -> list[Mapping[str, Any]]:
    """Our automations, by name. Several dispatchers at one server would share them."""
    automations: list[Mapping[str, Any]] = []
    while page := server.send("POST", "automations/filter", {"limit": PAGE, "offset": len(automations)}):
        automations += page
        if len(page) < PAGE:
            break
    return [automation for automation in automations if str(automation.get("name")).startswith(NAME)]


def _block(server: PrefectServer, data: Mapping[str, Any]) -> str:
    if document := server.read(DOCUMENT):
        server.send("PATCH", f"block_documents/{document['id']}", {"data": data, "merge_existing_data": False})
        return str(document["id"])
    kind = server.read(WEBHOOK)
    where = {"block_type_id": {"any_": [kind["id"]]}} if kind else {}
    schemas = server.send("POST", "block_schemas/filter", {"block_schemas": where, "limit": 1}) if kind else []
    if not kind or not schemas:
        raise SourceError("Prefect: the server has no block type `webhook`; update it")
    body = {"name": BLOCK, "data": data, "block_schema_id": schemas[0]["id"], "block_type_id": kind["id"]}
    return str(server.send("POST", "block_documents/", body)["id"])


def _automation(pool: str, block: str) -> Mapping[str, Any]:
    return {
        "name": f"{NAME}{pool}",
        "description": "Made by `dispatcher prefect connect`; `dispatcher prefect disconnect` removes it.",
        "enabled": True,
        "trigger": {
            "type": "event",
            "posture": "Reactive",
            "expect": [f"prefect.flow-run.{state}" for state in EVENTS],
            "match_related": {"prefect.resource.role": "work-pool", "prefect.resource.name": pool},
            "for_each": ["prefect.resource.id"],
            "threshold": 1,
            "within": 0,
        },
        "actions": [{"type": "call-webhook", "block_document_id": block, "payload": json.dumps({"pool": pool})}],
    }
