"""What the provider answers: a plan leaves to be known what only a cloud knows, an apply makes something up for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgpack

from tests.infra.stub_provider import schemas
from tests.infra.stub_provider.messages import MESSAGES

UNKNOWN = msgpack.ExtType(0, b"\x00")
"""How Terraform writes a value that is not known yet."""
ERROR = 1
"""The severity of a diagnostic."""
NAMES = ("name", "account_id", "secret_id", "role_id")
"""The attributes that identify a resource, in the values that are made up for it."""


class StubProvider:
    """The calls of plug-in protocol 6, by their names; each takes and gives a message of `MESSAGES`."""

    def __init__(self, name: str, data: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        self._schemas = schemas.stored(name)
        self._data = data or {}
        """What data sources find, by type."""

    def get_provider_schema(self, _: Any) -> Any:
        return MESSAGES["Schemas"](
            provider=schemas.message(self._schemas["provider"]),
            resource_schemas=_entries(self._schemas["resources"]),
            data_source_schemas=_entries(self._schemas["data"]),
        )

    def validate_resource_config(self, request: Any) -> Any:
        """What Terraform leaves to providers: nothing may be given that is theirs to give."""
        configuration = _unpack(request.config)
        theirs = schemas.computed(self._schemas["resources"][request.type_name])
        faults = [
            MESSAGES["Diagnostic"](severity=ERROR, summary=f"{request.type_name}: {name} is the provider's to give")
            for name in theirs
            if configuration.get(name) is not None
        ]
        return MESSAGES["Diagnosed"](diagnostics=faults)

    def upgrade_resource_state(self, request: Any) -> Any:
        return MESSAGES["UpgradeResponse"](upgraded_state=MESSAGES["DynamicValue"](json=request.raw_state.json))

    def read_resource(self, request: Any) -> Any:
        return MESSAGES["ReadResponse"](new_state=request.current_state)

    def read_data_source(self, request: Any) -> Any:
        configuration = _unpack(request.config)
        types = computed_or_optional(self._schemas["data"][request.type_name])
        computed = {
            name: _made_up(name, kind, request.type_name) for name, kind in types.items() if configuration.get(name) is None
        }
        return MESSAGES["DataResponse"](state=_pack({**configuration, **computed, **self._data.get(request.type_name, {})}))

    def plan_resource_change(self, request: Any) -> Any:
        proposed, prior = _unpack(request.proposed_new_state), _unpack(request.prior_state) or {}
        if proposed is None:
            return MESSAGES["PlanResponse"](planned_state=request.proposed_new_state)
        planned = _planned(proposed, prior, self._schemas["resources"][request.type_name])
        return MESSAGES["PlanResponse"](planned_state=_pack(planned))

    def apply_resource_change(self, request: Any) -> Any:
        planned = _unpack(request.planned_state)
        if planned is None:
            return MESSAGES["ApplyResponse"](new_state=request.planned_state)
        seed = next((planned[key] for key in NAMES if isinstance(planned.get(key), str)), request.type_name)
        return MESSAGES["ApplyResponse"](
            new_state=_pack(_settled(planned, self._schemas["resources"][request.type_name], seed))
        )


def _planned(proposed: Mapping[str, Any], prior: Mapping[str, Any], block: schemas.Block) -> dict[str, Any]:
    """What is wanted, and what only the provider gives: as it was, or not known yet. Blocks in lists likewise."""
    planned = dict(proposed)
    for name in schemas.computed(block):
        if planned.get(name) is None:
            planned[name] = prior.get(name, UNKNOWN)
    for name, nested in block.get("blocks", {}).items():
        if nested["nesting"].startswith("list") and isinstance(planned.get(name), list):
            before = [*(prior.get(name) or []), *({} for _ in planned[name])]
            planned[name] = [_planned(item, old, nested) for item, old in zip(planned[name], before, strict=False)]
    return planned


def computed_or_optional(block: schemas.Block) -> dict[str, Any]:
    """The attributes that a data source may find, with their types."""
    return {name: schemas.type_of(word) for name, word in block["attributes"].items() if not word.endswith("!")}


def _entries(blocks: Mapping[str, schemas.Block]) -> list[Any]:
    return [MESSAGES["SchemaEntry"](key=name, value=schemas.message(block)) for name, block in blocks.items()]


def _unpack(value: Any) -> Any:
    return msgpack.unpackb(value.msgpack, raw=False, strict_map_key=False) if value.msgpack else None


def _pack(value: Any) -> Any:
    return MESSAGES["DynamicValue"](msgpack=msgpack.packb(value))


def _settled(planned: Mapping[str, Any], block: schemas.Block, seed: str) -> dict[str, Any]:
    """The plan with everything known that it left open."""
    state = dict(planned)
    for name, kind in schemas.computed(block).items():
        if isinstance(state[name], msgpack.ExtType):
            state[name] = _made_up(name, kind, seed)
    for name, nested in block.get("blocks", {}).items():
        if nested["nesting"].startswith("list") and state.get(name):
            state[name] = [_settled(item, nested, seed) for item in state[name]]
    return state


def _made_up(name: str, kind: Any, seed: str) -> Any:
    if isinstance(kind, list):
        return {} if kind[0] == "map" else []
    return {"number": 1, "bool": False, "dynamic": None}.get(kind, f"stub-{name}-{seed}")
