"""The rules of CloudWatch's Embedded Metric Format, as its specification gives them.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

import json

from jsonschema import Draft202012Validator

WORD = {"type": "string", "minLength": 1, "maxLength": 255}
UNITS = ["Seconds", "Microseconds", "Milliseconds", "Percent", "Count", "None"]
"""Those of time and of numbers; bytes and bits are left out."""
DEFINITION = {
    "type": "object",
    "required": ["Name"],
    "properties": {"Name": WORD, "Unit": {"enum": UNITS}, "StorageResolution": {"enum": [1, 60]}},
    "additionalProperties": False,
}
DIRECTIVE = {
    "type": "object",
    "required": ["Namespace", "Dimensions", "Metrics"],
    "properties": {
        "Namespace": {**WORD, "pattern": "^[0-9A-Za-z._/#:-]+$"},
        "Dimensions": {"type": "array", "minItems": 1, "items": {"type": "array", "maxItems": 30, "items": WORD}},
        "Metrics": {"type": "array", "minItems": 1, "maxItems": 100, "items": DEFINITION},
    },
    "additionalProperties": False,
}
METADATA = {
    "type": "object",
    "required": ["Timestamp", "CloudWatchMetrics"],
    "properties": {
        "Timestamp": {"type": "integer"},
        "CloudWatchMetrics": {"type": "array", "minItems": 1, "items": DIRECTIVE},
    },
    "additionalProperties": False,
}
SCHEMA = {"type": "object", "required": ["_aws"], "properties": {"_aws": METADATA}}
METRIC = {
    "anyOf": [{"type": "number"}, {"type": "array", "minItems": 1, "maxItems": 100, "items": {"type": "number"}}],
}
DIMENSION = {"type": "string", "minLength": 1, "maxLength": 1024, "pattern": r"^[\x20-\x7e]*[\x21-\x7e][\x20-\x7e]*$"}


def check(line):
    """The document of a line of the log, by which every rule is kept."""
    assert line.endswith(("}", "}\n"))
    assert "\n" not in line.rstrip("\n")
    assert len(line.encode()) <= 256 * 1024
    document = json.loads(line, parse_constant=lambda word: f"{word} is not JSON")
    Draft202012Validator(SCHEMA).validate(document)
    for directive in document["_aws"]["CloudWatchMetrics"]:
        names = [metric["Name"] for metric in directive["Metrics"]]
        assert len(names) == len(set(names))
        for name in names:
            Draft202012Validator(METRIC).validate(document[name])
        for name in {name for names in directive["Dimensions"] for name in names}:
            Draft202012Validator(DIMENSION).validate(document[name])
    return document
