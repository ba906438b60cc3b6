"""What is shown of a job or a configuration without the secrets that should not stand there in the first place.

A secret belongs into a *reference* that the provider resolves. Where somebody put a value all the same, a screen or a build log
is the wrong place for it. Names of secrets, ARNs and other references are shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

HIDDEN = "(hidden)"
SHORTEST = 4

_NAMES = re.compile(
    r"passw(or)?d|passphrase|(^|[_.-])(pwd|pat|pw)($|[_.-])|secret|token|api[_-]?key|access[_-]?key|private[_-]?key"
    r"|client[_-]?key|signing[_-]?key|encryption[_-]?key|credential|authorization|bearer|cookie",
    re.IGNORECASE,
)
_CREDENTIALS = frozenset({"aws_credentials", "credentials", "aci_credentials", "modal_credentials"})
"""Variables that hold the name of an entry of the settings."""
_PASSWORD_IN_URL = re.compile(r"(?P<before>\b[a-z][a-z0-9+.-]*://[^\s/:@]*:)[^\s/@]+(?=@)", re.IGNORECASE)


def redacted(value: Any, name: str = "") -> Any:
    """A copy in which texts are hidden that stand under a name like `DB_PASSWORD`, and passwords within URLs."""
    if isinstance(value, str):
        return HIDDEN if value and is_secret(name) else _PASSWORD_IN_URL.sub(rf"\g<before>{HIDDEN}", value)
    if isinstance(value, Mapping):
        named = value.get("name")
        return {key: redacted(inner, _name(key, named)) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [redacted(inner, name) for inner in value]
    return value


def is_secret(name: str) -> bool:
    """Whether what stands under this name may be a secret itself, and not the name of one."""
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
    """The texts that variables have which the template itself calls secret: `writeOnly`, or of the format `password`.

    `levels` are job variables; the template's defaults count as well. What is shorter than `SHORTEST` is left out: it would be
    found everywhere.
    """
    variables = template.get("variables", {}).get("properties", {})
    secret = {name: schema for name, schema in variables.items() if isinstance(schema, Mapping) and _is_write_only(schema)}
    values = [schema.get("default") for schema in secret.values()]
    values += [level[name] for level in levels for name in level if name.partition(".")[0] in secret]
    return frozenset(text for value in values for text in _texts(value) if len(text) >= SHORTEST)


def _is_write_only(schema: Mapping[str, Any]) -> bool:
    return schema.get("writeOnly") is True or schema.get("format") == "password"


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(inner)


def _name(key: str, named: Any) -> str:
    """What a value is called: in `{"name": "TOKEN", "value": "..."}` it is the neighbour that says so."""
    if key in ("value", "secure_value", "secureValue") and isinstance(named, str):
        return named
    return key
