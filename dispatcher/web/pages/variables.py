"""Job variables and parameters on a page: as fields from a schema, and as JSON. One of the two halves is sent."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dispatcher.client.checks import coerced_parameters, coerced_variables
from dispatcher.client.secrets import hide
from dispatcher.core.redaction import hidden_at
from dispatcher.errors import Fault, InvalidInput
from dispatcher.web.pages.forms import VARIABLES, Form, Sent, as_sent

HALF, AS_JSON = "half", "json"
"""The name of the submit button, and its value for the half in JSON."""


@dataclass(frozen=True, kw_only=True)
class EditedVariables:
    """The variables or parameters that a page edits. The root of the form says which, and names the field with the JSON."""

    form: Form
    secrets: frozenset[str] = frozenset()
    stored: Mapping[str, Any] = field(default_factory=dict)
    """The present values. The page shows them without secrets; a secret that comes back as its mark is unchanged."""

    @property
    def shown(self) -> Mapping[str, Any]:
        """The present values without secrets."""
        return dict(hide(self.secrets, self.stored))

    def read(self, sent: Sent) -> dict[str, Any]:
        """The values that were sent. Raises `InvalidInput` for unreadable values, and for a mark that stands for no secret."""
        return dict(with_secrets(self._typed(sent), self.stored, self.shown))

    def drawn(self, sent: Sent | None = None, faults: Iterable[Fault] = ()) -> Mapping[str, Any]:
        """What the template needs: the form and the JSON text, with the sent values or else the stored ones."""
        faults = list(faults)
        if sent is None:
            return {"form": self.form.draw(self.shown, faults), "json": as_text(self.shown)}
        try:
            values = self._typed(sent)
        except InvalidInput:
            values = dict(self.shown)
        form, text = self.form.draw(values, faults), as_text(values)
        if faults and is_json(sent):
            return {"form": form, "json": only(sent, self.form.root)}
        return {"form": as_sent(form, sent) if faults else form, "json": text}

    def _typed(self, sent: Sent) -> dict[str, Any]:
        if is_json(sent):
            return json_object(only(sent, self.form.root), self.form.root)
        values, schema = self.form.read(sent), self.form.schema
        is_template = self.form.root == VARIABLES
        typed: dict[str, Any] = (
            coerced_variables({"variables": schema}, values) if is_template else coerced_parameters(schema, values)
        )
        return typed


def with_secrets(value: Any, stored: Any, shown: Any) -> Any:
    """The sent value, with stored secrets in place of their marks. Raises `InvalidInput` for any other mark."""
    whole = restored(value, stored, shown)
    if marks := list(hidden_at(whole)):
        raise InvalidInput("form", [Fault(path, "holds (hidden) in place of a secret") for path in marks])
    return whole


def restored(value: Any, stored: Any, shown: Any) -> Any:
    """The value, with the stored text wherever the shown text came back unchanged."""
    if isinstance(value, Mapping) and isinstance(stored, Mapping) and isinstance(shown, Mapping):
        return {name: restored(inner, stored.get(name), shown.get(name)) for name, inner in value.items()}
    if isinstance(value, list) and isinstance(stored, list) and isinstance(shown, list) and len(value) == len(stored):
        return [restored(*items) for items in zip(value, stored, shown, strict=True)]
    return stored if isinstance(value, str) and isinstance(stored, str) and value == shown else value


def is_json(sent: Sent) -> bool:
    """Whether the half in JSON was sent."""
    return only(sent, HALF) == AS_JSON


def only(sent: Sent, name: str) -> str:
    """A field of a form; empty if it is missing."""
    return (sent.get(name) or [""])[0]


def json_object(text: str, path: str) -> dict[str, Any]:
    """The JSON object in a text; empty for an empty text. Raises `InvalidInput`."""
    try:
        values = json.loads(text.strip() or "{}")
    except (ValueError, RecursionError) as problem:
        raise InvalidInput("form", [Fault(path, f"is not JSON: {problem}")]) from None
    if not isinstance(values, dict):
        raise InvalidInput("form", [Fault(path, "must be a JSON object")])
    return values


def as_text(values: Any) -> str:
    """JSON as a text that people edit."""
    return json.dumps(values, indent=2, ensure_ascii=False, default=str)
