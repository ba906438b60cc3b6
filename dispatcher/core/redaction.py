"""Hide secrets in a job or a configuration before it is shown.

A job should name its secrets by *references* that the provider resolves. If somebody wrote a secret's value instead, it must
not appear on a screen or in a build log. Names of secrets, ARNs, placeholders and other references are shown. Inputs may not
contain the mark of a hidden value (`hidden_at`), so that no job runs with the mark as its password.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from dispatcher.core.placeholders import joined

HIDDEN = "(hidden)"
SHORTEST = 4

ALL_PARAMETERS = "DISPATCHER_PARAMETERS"
"""The environment variable of a job that holds its parameters as JSON."""

_NAMES = re.compile(
    r"passw(or)?d|passphrase|(^|[_.-])(pwd|pat|pw)($|[_.-])|secret|token|api[_-]?key|access[_-]?key|private[_-]?key"
    r"|client[_-]?key|signing[_-]?key|encryption[_-]?key|credential|authorization|bearer|cookie",
    re.IGNORECASE,
)
_CREDENTIALS = frozenset({"aws_credentials", "credentials", "aci_credentials", "modal_credentials", "registry_credentials"})
"""Variables whose value is the name of a settings entry, not a secret."""
_REFERENCES = frozenset({"secrets", "env_from_secrets", "secret_fields"})
"""Lists and objects of references: variables of ours and of Prefect's templates, and keys of ECS."""
_NAMES_OF_SECRETS = frozenset({"secret", "secretName", "secret_name", "secretId", "secret_id"})
"""Keys that hold the name of a secret in an object of its own, as in Cloud Run (`{"secret": ..., "version": ...}`) and in
Modal's image; not in an environment."""
_ENVIRONMENTS = frozenset({"", "env", "environment", "job_variables"})
_VALUES = frozenset({"value", "secure_value", "secureValue"})
_SIDES = frozenset({"before", "after"})
_OF_SCHEMA = frozenset({"default", "const", "enum", "examples"})
_REFERENCE = re.compile(r"arn:[\w-]+:\S+|\s*(\{\{[^{}]*\}\}\s*)+")
_PASSWORD_IN_URL = re.compile(r"(?P<before>\b[a-z][a-z0-9+.-]*://[^\s/:@]*:)[^\s/@]+(?=@)", re.IGNORECASE)


def redacted(value: Any, name: str = "") -> Any:
    """A copy in which texts under a name like `DB_PASSWORD`, and passwords in URLs, are hidden."""
    if isinstance(value, str):
        if name == ALL_PARAMETERS:
            return _in_json(value)
        hide = value and is_secret(name) and not _REFERENCE.fullmatch(value)
        return HIDDEN if hide else _PASSWORD_IN_URL.sub(rf"\g<before>{HIDDEN}", value)
    if isinstance(value, Mapping | list | tuple) and name in _REFERENCES:
        return _listed(value)
    if isinstance(value, Mapping):
        return {key: redacted(inner, _name(key, value, name)) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [redacted(inner, name) for inner in value]
    return value


def _in_json(text: str) -> Any:
    """A text with its secrets hidden, also if it is JSON."""
    try:
        return json.dumps(redacted(json.loads(text)), ensure_ascii=False, separators=(",", ":"))
    except (ValueError, RecursionError):
        return redacted(text)


def is_secret(name: str) -> bool:
    """Whether the value under this name may be a secret, not the name of one."""
    return name not in _CREDENTIALS and bool(_NAMES.search(name))


def without(texts: frozenset[str], value: Any) -> Any:
    """A copy in which these texts are hidden wherever they stand."""
    if isinstance(value, str):
        for text in sorted(texts, key=len, reverse=True):
            value = value.replace(text, HIDDEN)
        return value
    if isinstance(value, Mapping):
        return {key: without(texts, inner) for key, inner in value.items()}
    return [without(texts, inner) for inner in value] if isinstance(value, list | tuple) else value


def secret_texts(template: Mapping[str, Any], *levels: Mapping[str, Any]) -> frozenset[str]:
    """The values of variables that the template declares secret: `writeOnly`, or of the format `password`.

    `levels` are job variables; the template's defaults count as well. A text shorter than `SHORTEST` is left out: it would
    match everywhere.
    """
    variables = template.get("variables", {}).get("properties", {})
    secret = {name: schema for name, schema in variables.items() if isinstance(schema, Mapping) and _is_write_only(schema)}
    values = [schema.get("default") for schema in secret.values()]
    values += [level[name] for level in levels for name in level if name.partition(".")[0] in secret]
    return frozenset(text for value in values for text in _texts(value) if len(text) >= SHORTEST)


def _is_write_only(schema: Mapping[str, Any]) -> bool:
    """Whether a schema is `writeOnly`, or one of its alternatives is (a secret that may be null)."""
    if schema.get("writeOnly") is True or schema.get("format") == "password":
        return True
    alternatives = [part for word in ("anyOf", "oneOf", "allOf") for part in schema.get(word) or ()]
    return any(isinstance(part, Mapping) and _is_write_only(part) for part in alternatives)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(inner)


def hidden_at(value: Any, path: str = "") -> Iterator[str]:
    """The dotted paths of the marks of hidden values. Without recursion: a value may nest to any depth."""
    waiting = [(value, path)]
    while waiting:
        inner, place = waiting.pop()
        if isinstance(inner, str) and HIDDEN in inner:
            yield place
        elif isinstance(inner, Mapping):
            waiting += reversed([(child, joined(place, str(key))) for key, child in inner.items()])
        elif isinstance(inner, list | tuple):
            waiting += reversed([(child, joined(place, number)) for number, child in enumerate(inner)])


def _listed(value: Any) -> Any:
    """References unchanged; a secret value among them is hidden."""
    inner = value.values() if isinstance(value, Mapping) else value
    return value if all(isinstance(element, str) for element in inner) else redacted(value)


def _name(key: str, within: Mapping[str, Any], parent: str) -> str:
    """The name of a value.

    In `{"name": "TOKEN", "value": "..."}` and in a change of a configuration, a neighbour key holds the name; in a schema, the
    variable does.
    """
    if key in _VALUES and isinstance(within.get("name"), str):
        return str(within["name"])
    if key in _SIDES and isinstance(within.get("path"), str):
        steps = [step for step in within["path"].split(".") if step not in _OF_SCHEMA]
        return steps[-1] if steps else key
    if key in _OF_SCHEMA:
        return parent
    return "reference" if key in _NAMES_OF_SECRETS and parent not in _ENVIRONMENTS else key
