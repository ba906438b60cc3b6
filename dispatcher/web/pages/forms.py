"""A form for the values that a JSON Schema describes: the fields to draw, and the values that were filled in.

Empty fields are left out. A value that its field cannot show (an empty text, an object in a field for text) is shown as JSON,
so that every stored value comes back unchanged. The names of inputs say how each is read:

    v:PATH    in the way of its kind            n:PATH    a tick: null
    j:PATH    as JSON                           m:PATH    an object: the fields that the schema does not declare
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

from dispatcher.core.placeholders import joined
from dispatcher.core.written import Typed
from dispatcher.errors import Fault, InvalidInput
from dispatcher.web.pages.schema_fields import (
    NUMBERS,
    Described,
    FieldKind,
    Schema,
    as_json,
    bounds_in_words,
    described,
    item_types,
    kind_of,
)

MAX_DEPTH = 3
"""How deep objects within objects are drawn as fields; deeper ones are JSON."""

Sent = Mapping[str, Sequence[str]]
Steps = tuple[str, ...]

VARIABLES = "job_variables"
"""The root of the paths of job variables. Their faults, and the names of their inputs, need not name it."""

_ABSENT: Any = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field, ready to be drawn."""

    key: str
    """The encoded path; the name of the input is this after `v:` or one of the other prefixes."""
    path: str
    """The path as faults name it."""
    label: str
    kind: FieldKind
    help: str = ""
    hint: str = ""
    default: str = ""
    text: str = ""
    """The text in it; for a choice, the JSON of the value."""
    required: bool = False
    takes_null: bool = False
    is_null: bool = False
    choices: tuple[tuple[str, str], ...] = ()
    """The choices: the JSON text of each value, and its label."""
    fields: tuple[Field, ...] = ()
    more: str | None = None
    """In a group: the fields that the schema does not declare, as JSON."""
    faults: tuple[str, ...] = ()

    @property
    def is_set(self) -> bool:
        """Whether it holds a value."""
        return bool(self.text or self.is_null or self.more or any(inner.is_set for inner in self.fields))

    @property
    def faulty(self) -> tuple[Field, ...]:
        """The innermost fields with faults."""
        return tuple(field for inner in self.fields for field in inner.faulty) or (self,) * bool(self.faults)

    @property
    def is_open(self) -> bool:
        """Whether a group is open at first: it has a value or a fault."""
        return self.is_set or self.required or any(inner.faults or inner.is_open for inner in self.fields)


@dataclass
class Form:
    """The fields of one schema of an object."""

    schema: Schema
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """Values that apply to empty fields, in addition to the schema's own defaults."""
    root: str = VARIABLES
    """The path of the values. The faults and inputs of any root but the default name it."""
    keeps_null: bool = False
    """Whether null is a value even without a default."""

    def draw(self, values: Mapping[str, Any], faults: Iterable[Fault] = ()) -> Field:
        """The form with these values, as a group."""
        return self._draw((), self.schema, values, _Faults(faults, self.root), default=self.defaults)

    def read(self, sent: Sent) -> dict[str, Any]:
        """The values that were filled in. Numbers are kept as typed; the check of the values decides their type. Raises
        `InvalidInput`.
        """
        try:
            values = self._read((), self.schema, sent)
        except InvalidInput as problem:
            raise InvalidInput("form", [self._below_root(fault) for fault in problem.faults]) from None
        return {} if values is _ABSENT or not isinstance(values, dict) else values

    def _draw(
        self, steps: Steps, schema: Any, value: Any, faults: _Faults, *, default: Any = _ABSENT, required: bool = False
    ) -> Field:
        about = described(schema, self.schema)
        kind = kind_of(about, self.schema) if len(steps) < MAX_DEPTH else FieldKind.JSON
        kind = FieldKind.GROUP if not steps else kind
        text = "" if value is _ABSENT or value is None or not steps else self._shown(kind, about, value)
        if text is None:
            kind, text = FieldKind.JSON, json.dumps(value, indent=2, ensure_ascii=False)
        default = about.schema.get("default", _ABSENT) if default is _ABSENT else default
        common: dict[str, Any] = {
            "key": self._key(steps),
            "path": ".".join(steps),
            "required": required and default is _ABSENT,
            "faults": faults.at(steps),
            "label": _label(about.schema.get("title"), steps),
            "help": _text(about.schema.get("description")),
            "is_null": value is None,
            "takes_null": value is None or self._null_differs(about, default),
        }
        if kind is FieldKind.GROUP:
            inner = self._inner(steps, about, value, faults, default)
            return Field(kind=kind, fields=inner, more=_more(about, value), **common)
        hint, words = _hint(kind, about), "" if default is _ABSENT or default is None else _in_words(default)
        return Field(kind=kind, text=text, hint=hint, default=words, choices=_choices(kind, about), **common)

    def _inner(self, steps: Steps, about: Described, value: Any, faults: _Faults, default: Any) -> tuple[Field, ...]:
        values = value if isinstance(value, Mapping) else {}
        defaults = default if isinstance(default, Mapping) else {}
        fields = [
            self._draw(
                (*steps, name),
                schema,
                values.get(name, _ABSENT),
                faults,
                default=defaults.get(name, _ABSENT),
                required=name in about.required,
            )
            for name, schema in about.fields.items()
        ]
        return tuple(sorted(fields, key=lambda inner: not inner.required))

    def _shown(self, kind: FieldKind, about: Described, value: Any) -> str | None:
        """The text in the field; None for a value that it cannot show."""
        match kind:
            case FieldKind.TEXT:
                return value if isinstance(value, str) and value and "\r" not in value else None
            case FieldKind.WORDS:
                return _shown_words(value, about.types)
            case FieldKind.NUMBER:
                return as_json(value) if _is_number(value) else None
            case FieldKind.CHOICE:
                return as_json(value) if any(_same(value, choice) for choice in about.choices) else None
            case FieldKind.LINES:
                return _shown_lines(value, item_types(about.schema, self.schema))
            case FieldKind.PAIRS:
                return _shown_pairs(value)
            case FieldKind.GROUP:
                return "" if isinstance(value, Mapping) and value else None
            case FieldKind.JSON:
                return None

    def _read(self, steps: Steps, schema: Any, sent: Sent) -> Any:
        key = self._key(steps)
        if sent.get(f"n:{key}"):
            return None
        if words := _only(sent, f"j:{key}").strip():
            return _parsed(words, steps)
        about = described(schema, self.schema)
        kind = kind_of(about, self.schema) if steps else FieldKind.GROUP
        if kind is FieldKind.GROUP and len(steps) < MAX_DEPTH:
            return self._read_group(steps, about, sent)
        text = _only(sent, f"v:{key}")
        return _value(kind, text, item_types(about.schema, self.schema), steps) if text else _ABSENT

    def _read_group(self, steps: Steps, about: Described, sent: Sent) -> Any:
        values = {name: self._read((*steps, name), schema, sent) for name, schema in about.fields.items()}
        values = {name: value for name, value in values.items() if value is not _ABSENT}
        if words := _only(sent, f"m:{self._key(steps)}").strip():
            more = _parsed(words, steps)
            if not isinstance(more, dict):
                raise _invalid(steps, "more: must be a JSON object")
            values |= {name: value for name, value in more.items() if name not in about.fields}
        return values or _ABSENT

    def _key(self, steps: Steps) -> str:
        """The path as it appears in names of inputs. No step begins with the `@` of a root, because that would be quoted."""
        path = "/".join(quote(step, safe="") for step in steps)
        return path if self.root == VARIABLES else f"@{self.root}/{path}"

    def _null_differs(self, about: Described, default: Any) -> bool:
        """Whether null differs from an empty field."""
        return about.takes_null and default is not None and (self.keeps_null or default is not _ABSENT)

    def _below_root(self, fault: Fault) -> Fault:
        return fault if self.root == VARIABLES else Fault(joined(self.root, fault.path), fault.message)


def as_sent(form: Field, sent: Sent) -> Field:
    """The same form with the typed texts, even those that cannot be read."""
    fields = tuple(as_sent(inner, sent) for inner in form.fields)
    kind = FieldKind.JSON if f"j:{form.key}" in sent else FieldKind.WORDS if _is_typed(form, sent) else form.kind
    text = _only(sent, f"j:{form.key}") or _only(sent, f"v:{form.key}")
    more = None if form.more is None else _only(sent, f"m:{form.key}")
    return replace(form, kind=kind, text=text, fields=fields, more=more, is_null=bool(sent.get(f"n:{form.key}")))


def _is_typed(form: Field, sent: Sent) -> bool:
    """Whether text was typed into a field that does not accept text, so that only JSON could show it."""
    return form.kind is FieldKind.JSON and f"v:{form.key}" in sent


class _Faults:
    """The faults of a form, each at the deepest field that it concerns."""

    def __init__(self, faults: Iterable[Fault], root: str) -> None:
        self._faults, self._root = list(faults), root

    def at(self, steps: Steps) -> tuple[str, ...]:
        wholes = [".".join((self._root, *steps))] + [".".join(steps)] * (self._root == VARIABLES)
        return tuple(
            fault.message for fault in self._faults if steps and any(_is_within(fault.path, whole) for whole in wholes)
        )


def _is_within(path: str, whole: str) -> bool:
    return path == whole or (path.startswith(whole) and path[len(whole)] in ".[")


def _label(title: Any, steps: Steps) -> str:
    """The title, if it is meant for people: a definition's title may be the name of a class."""
    if isinstance(title, str) and title and not _CLASS.fullmatch(title):
        return title
    name = steps[-1] if steps else ""
    return name.replace("_", " ").capitalize() if title else name


_CLASS = re.compile(r"(?:[A-Z][a-z0-9]+){2,}")


def _only(sent: Sent, name: str) -> str:
    values = sent.get(name) or [""]
    return values[0]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _in_words(value: Any) -> str:
    return value if isinstance(value, str) and value else as_json(value)


def _more(about: Described, value: Any) -> str | None:
    """The undeclared fields; None if the schema allows none and there are none."""
    extra = {name: inner for name, inner in value.items() if name not in about.fields} if isinstance(value, Mapping) else {}
    if extra:
        return json.dumps(extra, indent=2, ensure_ascii=False)
    return "" if about.schema.get("additionalProperties") else None


def _hint(kind: FieldKind, about: Described) -> str:
    forms = {
        FieldKind.LINES: "one a line",
        FieldKind.PAIRS: "NAME=value, one a line",
        FieldKind.JSON: "JSON",
        FieldKind.WORDS: "text, or a list as JSON" if "array" in about.types else "",
    }
    return ", ".join(filter(None, [forms.get(kind, ""), bounds_in_words(about.schema)]))


def _choices(kind: FieldKind, about: Described) -> tuple[tuple[str, str], ...]:
    values = about.choices if kind is FieldKind.CHOICE else ()
    return tuple((as_json(value), _in_words(value)) for value in values)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _same(value: Any, other: Any) -> bool:
    return type(value) is type(other) and bool(value == other)


def _shown_words(value: Any, types: frozenset[str]) -> str | None:
    """Text, a number, or a list of texts as JSON, if reading it back gives the same value."""
    if _is_number(value) and types & NUMBERS:
        return as_json(value)
    if isinstance(value, str):
        is_plain = bool(value) and "\r" not in value and not value.lstrip().startswith(("[", "{")) and value != "null"
        return value if is_plain else None
    is_list = "array" in types and isinstance(value, list) and value and all(isinstance(item, str) for item in value)
    return as_json(value) if is_list else None


def _shown_lines(value: Any, types: frozenset[str]) -> str | None:
    if not isinstance(value, list) or not value:
        return None
    if types <= NUMBERS:
        return "\n".join(map(as_json, value)) if all(map(_is_number, value)) else None
    is_plain = all(isinstance(item, str) and item and not set(item) & {"\n", "\r"} for item in value)
    return "\n".join(value) if is_plain else None


def _shown_pairs(value: Any) -> str | None:
    if not isinstance(value, Mapping) or not value:
        return None
    is_plain = all(
        name and not set(name) & set("=\n\r") and isinstance(text, str) and not set(text) & {"\n", "\r"}
        for name, text in value.items()
    )
    return "\n".join(f"{name}={text}" for name, text in value.items()) if is_plain else None


def _value(kind: FieldKind, text: str, types: frozenset[str], steps: Steps) -> Any:
    match kind:
        case FieldKind.TEXT:
            return text
        case FieldKind.CHOICE:
            return _parsed(text, steps)
        case FieldKind.LINES:
            lines = [line for line in text.split("\n") if line]
            return [Typed(line.strip()) for line in lines] if types <= NUMBERS else lines
        case FieldKind.PAIRS:
            return dict(_pairs(text, steps))
    return Typed(text.strip() if kind is FieldKind.NUMBER else text)


def _pairs(text: str, steps: Steps) -> Iterator[tuple[str, str]]:
    for line in filter(str.strip, text.split("\n")):
        name, sign, value = line.partition("=")
        if not sign or not name:
            raise _invalid(steps, f"{line!r} is not NAME=value")
        yield name, value


def _parsed(words: str, steps: Steps) -> Any:
    try:
        return json.loads(words, parse_constant=_no_constant)
    except (ValueError, RecursionError) as problem:
        raise _invalid(steps, f"is not JSON: {problem}") from None


def _invalid(steps: Steps, message: str) -> InvalidInput:
    return InvalidInput("form", [Fault(".".join(steps), message)])


def _no_constant(name: str) -> Any:
    words = f"{name} is not a value of JSON"
    raise ValueError(words)
