"""The messages of Terraform's plug-in protocol 6 that a provider without a cloud needs.

They are built from the table below instead of generated code, so that any version of protobuf will do. Numbers are those of
https://github.com/hashicorp/terraform/blob/main/docs/plugin-protocol/tfplugin6.proto; fields that are not here are skipped by
whoever reads, as protobuf has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PACKAGE = "tfplugin6"
SERVICE = "tfplugin6.Provider"

FIELDS: Mapping[str, str] = {
    "DynamicValue": "msgpack:bytes=1 json:bytes=2",
    "RawState": "json:bytes=1",
    "Diagnostic": "severity:int64=1 summary:string=2 detail:string=3",
    "Attribute": "name:string=1 type:bytes=2 required:bool=4 optional:bool=5 computed:bool=6",
    "NestedBlock": "type_name:string=1 block:Block=2 nesting:int64=3 min_items:int64=4 max_items:int64=5",
    "Block": "version:int64=1 attributes:Attribute*=2 block_types:NestedBlock*=3",
    "Schema": "version:int64=1 block:Block=2",
    "SchemaEntry": "key:string=1 value:Schema=2",  # what a map is on the wire
    "Schemas": "provider:Schema=1 resource_schemas:SchemaEntry*=2 data_source_schemas:SchemaEntry*=3",
    "Nothing": "",
    "Diagnosed": "diagnostics:Diagnostic*=1",
    "ConfigRequest": "type_name:string=1 config:DynamicValue=2",
    "UpgradeRequest": "type_name:string=1 version:int64=2 raw_state:RawState=3",
    "UpgradeResponse": "upgraded_state:DynamicValue=1",
    "ReadRequest": "type_name:string=1 current_state:DynamicValue=2",
    "ReadResponse": "new_state:DynamicValue=1",
    "PlanRequest": "type_name:string=1 prior_state:DynamicValue=2 proposed_new_state:DynamicValue=3 config:DynamicValue=4",
    "PlanResponse": "planned_state:DynamicValue=1",
    "ApplyRequest": "type_name:string=1 prior_state:DynamicValue=2 planned_state:DynamicValue=3 config:DynamicValue=4",
    "ApplyResponse": "new_state:DynamicValue=1",
    "DataResponse": "state:DynamicValue=1",
}

CALLS: Mapping[str, tuple[str, str]] = {
    "GetProviderSchema": ("Nothing", "Schemas"),
    "ValidateProviderConfig": ("Nothing", "Nothing"),
    "ConfigureProvider": ("Nothing", "Nothing"),
    "ValidateResourceConfig": ("ConfigRequest", "Diagnosed"),
    "ValidateDataResourceConfig": ("ConfigRequest", "Nothing"),
    "UpgradeResourceState": ("UpgradeRequest", "UpgradeResponse"),
    "ReadResource": ("ReadRequest", "ReadResponse"),
    "ReadDataSource": ("ConfigRequest", "DataResponse"),
    "PlanResourceChange": ("PlanRequest", "PlanResponse"),
    "ApplyResourceChange": ("ApplyRequest", "ApplyResponse"),
    "StopProvider": ("Nothing", "Nothing"),
}
"""A call's name -> its request and response. Calls that are not here answer that they are not implemented."""

_KINDS = descriptor_pb2.FieldDescriptorProto
_SCALARS = {"bytes": _KINDS.TYPE_BYTES, "string": _KINDS.TYPE_STRING, "bool": _KINDS.TYPE_BOOL, "int64": _KINDS.TYPE_INT64}


def _field(text: str) -> descriptor_pb2.FieldDescriptorProto:
    name, _, rest = text.partition(":")
    kind, _, number = rest.partition("=")
    label = _KINDS.LABEL_REPEATED if kind.endswith("*") else _KINDS.LABEL_OPTIONAL
    kind = kind.rstrip("*")
    if kind in _SCALARS:
        return _KINDS(name=name, number=int(number), label=label, type=_SCALARS[kind])
    return _KINDS(name=name, number=int(number), label=label, type=_KINDS.TYPE_MESSAGE, type_name=f".{PACKAGE}.{kind}")


def _classes() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="stub_provider.proto", package=PACKAGE, syntax="proto3")
    for name, fields in FIELDS.items():
        file.message_type.add(name=name).field.extend(_field(text) for text in fields.split())
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{name}")) for name in FIELDS}


MESSAGES: Mapping[str, Any] = _classes()
