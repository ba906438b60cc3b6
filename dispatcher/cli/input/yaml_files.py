"""Read YAML with the line and column of every value, and write plain values as YAML.

Reading follows the core schema of YAML 1.2, as editors and JSON do: `on`, `no` and `2026-01-31` are text. PyYAML follows
YAML 1.1, so this module reads PyYAML's nodes itself. The nodes also give the line of every key, so a duplicate key can be
reported. Written files mean the same in both versions. `<<` merges the mapping that an anchor names, as editors do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from dispatcher.core.placeholders import joined
from dispatcher.core.written import Written, integer, number
from dispatcher.errors import Fault, InvalidInput

MAX_CHARACTERS = 2 * 1024 * 1024
"""The largest file: room for a thousand deployments, or for eight templates of the maximum size."""
MAX_VALUES = 100_000
"""The most values in one file; keys count, and so does each repetition by an alias. Reading takes about a second."""
MAX_DEPTH = 100

_TAG = "tag:yaml.org,2002:"
_MERGE = "<<"
_PLAIN: Mapping[str, tuple[str, Sequence[str]]] = {
    "null": (r"(?:~|null|Null|NULL|)", ["", *"~nN"]),
    "bool": (r"(?:true|True|TRUE|false|False|FALSE)", [*"tTfF"]),
    "int": (r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)", [*"-+0123456789"]),
    "float": (
        r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))",
        [*"-+0123456789."],
    ),
}
"""The types of plain scalars in YAML 1.2 (https://yaml.org/spec/1.2.2/#1032-tag-resolution), and their first characters."""


@dataclass(frozen=True, slots=True)
class FilePosition:
    """A position in a file; lines and columns count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass
class Document:
    """A value, and the position of each of its parts by dotted path; the empty path is the whole."""

    value: Any
    places: dict[str, FilePosition] = field(default_factory=dict)

    def place(self, path: str) -> FilePosition | None:
        """The position of a path, or of the nearest path that contains it."""
        while path not in self.places and path:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self.places.get(path)


_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml, if PyYAML has it, reads ten times as fast


class _Reader(_Loader):  # type: ignore[misc]
    """PyYAML's nodes with the types of YAML 1.2."""


class _Writer(yaml.SafeDumper):
    """PyYAML's writer. It quotes text that YAML 1.1 or 1.2 would read as another type."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write a repeated value in full each time."""
        del data
        return True


def _text_node(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    """A text node, in double quotes if it holds a line break of YAML 1.1, because PyYAML would fold that."""
    style = '"' if _BREAKS & set(text) else "|" if "\n" in text else None
    return dumper.represent_scalar(f"{_TAG}str", text, style=style)


_BREAKS = frozenset("\r\x85\u2028\u2029\ufeff")
_Reader.yaml_implicit_resolvers = {}  # without those of YAML 1.1
_Writer.add_representer(str, _text_node)
for _name, (_pattern, _first) in _PLAIN.items():
    for _class in (_Reader, _Writer):
        _class.add_implicit_resolver(_TAG + _name, re.compile(f"^{_pattern}$"), _first)


def read(text: str, name: str) -> Document:
    """Read a text that holds one document. Raises `InvalidInput` that names the line and the column."""
    if len(text) > MAX_CHARACTERS:
        raise _fault(name, f"has more than {MAX_CHARACTERS // 1024} KiB; name large data by its address, and split the rest")
    try:
        _check_events(text, name)
        node = yaml.compose(text, Loader=_Reader)
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        raise _fault(_at(name, mark) if mark else name, f"is not YAML: {_words(problem)}") from None
    except yaml.YAMLError as problem:
        raise _fault(name, f"is not YAML: {' '.join(str(problem).split())}") from None
    except RecursionError:
        raise _fault(name, "nests too deeply; flatten it") from None
    return _Walk(name).document(node)


def write(value: Any) -> str:
    """A value as YAML, in its own order."""
    text: str = yaml.dump(value, Dumper=_Writer, sort_keys=False, allow_unicode=True, default_flow_style=False, width=110)
    return text


def read_file(path: Path) -> str:
    """A file's text. Raises `InvalidInput` for one that is not UTF-8, OSError for one that cannot be read."""
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _fault(str(path), "is not UTF-8; save the file in that encoding") from None


def _check_events(text: str, name: str) -> None:
    """Refuse deep nesting before nodes are built: both parsers build them by recursion, and libyaml has no limit."""
    depth = values = 0
    for event in yaml.parse(text, Loader=_Reader):
        depth += _DEEPER.get(type(event), 0)
        values += isinstance(event, yaml.NodeEvent)
        if depth > MAX_DEPTH or values > MAX_VALUES:
            raise _fault(_at(name, event.start_mark), "is too large, or nested too deeply; flatten or split it")


_DEEPER: Mapping[type[yaml.Event], int] = {
    yaml.MappingStartEvent: 1,
    yaml.SequenceStartEvent: 1,
    yaml.MappingEndEvent: -1,
    yaml.SequenceEndEvent: -1,
}


class _Walk:
    """Turns nodes into a value and records positions."""

    def __init__(self, name: str) -> None:
        self._name, self._values = name, 0
        self._places: dict[str, FilePosition] = {}

    def document(self, node: yaml.Node | None) -> Document:
        if node is None:
            return Document(None, {"": FilePosition(self._name, 1, 1)})
        self._places[""] = self._place(node)
        return Document(self._value(node, "", 0), self._places)

    def _value(self, node: yaml.Node, path: str, depth: int) -> Any:
        self._values += 1
        if self._values > MAX_VALUES or depth > MAX_DEPTH:
            raise _fault(self._place(node), "is too large, or nested too deeply: an alias may lead back to itself")
        if isinstance(node, yaml.MappingNode) and node.tag == f"{_TAG}map":
            return self._object(node, path, depth)
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq":
            return [self._item(child, joined(path, number), depth) for number, child in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        raise _fault(self._place(node), f"the tag {node.tag} is not known here; remove it")

    def _item(self, node: yaml.Node, path: str, depth: int) -> Any:
        self._places[path] = self._place(node)
        return self._value(node, path, depth + 1)

    def _object(self, node: yaml.MappingNode, path: str, depth: int) -> dict[str, Any]:
        brought: dict[str, Any] = {}
        for merged in reversed(list(_merged(node))):
            if not isinstance(merged, yaml.MappingNode):
                raise _fault(self._place(merged), f"{_MERGE} takes a mapping, or a list of them")
            brought.update(self._value(merged, path, depth + 1))
        entries: dict[str, Any] = {}
        for key, child in node.value:
            if not _is_merge(key):
                name = self._key(key, entries)
                self._places[joined(path, name)] = self._place(key)
                entries[name] = self._value(child, joined(path, name), depth + 1)
        return {**brought, **entries}

    def _key(self, key: yaml.Node, entries: Mapping[str, Any]) -> str:
        if not isinstance(key, yaml.ScalarNode):
            raise _fault(self._place(key), "a key has to be text")
        if key.tag != f"{_TAG}str":
            raise _fault(self._place(key), f"the key {key.value} is not text; put it in quotes")
        if key.value in entries:
            raise _fault(self._place(key), f"the key {key.value!r} stands here twice; remove one")
        return str(key.value)

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        kind, text = node.tag.removeprefix(_TAG), node.value
        if kind not in ("str", *_PLAIN):
            raise _fault(self._place(node), f"the tag {node.tag} is not known here; remove it")
        if kind == "str":
            return text
        if kind == "null":
            return None
        if kind == "bool":
            return text.lower() == "true"
        try:
            return _number(kind, text)
        except ValueError:
            raise _fault(
                self._place(node), f"{text[:40]} is not a value that JSON has; give a number, or put it in quotes"
            ) from None

    def _place(self, node: yaml.Node) -> FilePosition:
        return _at(self._name, node.start_mark)


def _at(name: str, mark: Any) -> FilePosition:
    return FilePosition(name, mark.line + 1, mark.column + 1)


def _is_merge(key: yaml.Node) -> bool:
    return isinstance(key, yaml.ScalarNode) and key.value == _MERGE and not key.style


def _merged(node: yaml.MappingNode) -> Iterator[yaml.Node]:
    """The mappings that `<<` names. The first wins over later ones, and the mapping's own keys win over all."""
    for key, child in node.value:
        if _is_merge(key):
            yield from child.value if isinstance(child, yaml.SequenceNode) else [child]


def _number(kind: str, text: str) -> Written:
    """A number that keeps its spelling. Raises `ValueError` for other tags and for numbers that JSON lacks."""
    if kind == "int":
        return integer(text, 0 if text.startswith(("0o", "0x")) else 10)
    if kind == "float" and "n" not in text.lower():
        return number(text)
    raise ValueError(kind)


def _words(problem: yaml.MarkedYAMLError) -> str:
    return ", ".join(" ".join(words.split()) for words in (problem.context, problem.problem) if words)


def _fault(place: FilePosition | str, words: str) -> InvalidInput:
    return InvalidInput("file", [Fault(str(place), words)])
