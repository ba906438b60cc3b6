"""Configuration files: read with their templates and with the line of every value, and written with a schema for editors."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dispatcher.cli.input import yaml_files
from dispatcher.cli.input.overlays import filled, laid_over, values_of_options
from dispatcher.cli.input.values import STANDARD_INPUT, parse_json
from dispatcher.cli.input.yaml_files import Document, FilePosition
from dispatcher.client import configuration_schema
from dispatcher.client.configuration import SUBJECT
from dispatcher.core.placeholders import joined
from dispatcher.errors import Fault, InvalidInput

DEFAULT = "dispatcher.yaml"
"""The file that is read by default; `dispatcher init` writes it."""
OWN = "x-"
"""Top-level keys with this prefix belong to their own file; they hold anchors."""
TEMPLATE = "base_job_template"
SCHEMA_NAME = "dispatcher.schema.json"
EDITOR_LINE = f"# yaml-language-server: $schema={SCHEMA_NAME}\n"
"""Names the schema for editors (https://github.com/redhat-developer/yaml-language-server#using-inlined-schema)."""


def read(sources: Sequence[str], *, overlays: Sequence[str] = (), assignments: Sequence[str] = ()) -> Document:
    """Read one configuration from one file or several, with the template files that it names.

    Without a source it reads `DEFAULT`. `overlays` change it, in their order; `assignments` (`NAME=VALUE`) are the values of
    its variables. Raises `InvalidInput` with file and line for a fault of a file, and for a noun that two files hold.
    """
    if not sources and not Path(DEFAULT).exists():
        raise InvalidInput("file", [Fault("-f", f"name a configuration file; there is no {DEFAULT} here (dispatcher init)")])
    document = _whole(sources or (DEFAULT,))
    for overlay in overlays:
        document = laid_over(document, _whole([overlay]))
    return filled(document, values_of_options(assignments))


def _whole(sources: Sequence[str]) -> Document:
    documents = [_read(file) for source in sources for file in _files(source)]
    return documents[0] if len(documents) == 1 else _together(documents)


def _files(source: str) -> Sequence[str]:
    """A file, or the files of a directory. Raises `InvalidInput` for a directory without any."""
    if source == STANDARD_INPUT or not Path(source).is_dir():
        return [source]
    files = sorted(str(path) for path in Path(source).iterdir() if path.suffix in (".yaml", ".yml"))
    if not files:
        raise InvalidInput("file", [Fault(source, "holds no .yaml or .yml file; name another, or a file")])
    return files


def _together(documents: Sequence[Document]) -> Document:
    """Several files as one configuration: each pool and deployment is in exactly one of them."""
    merged, places, faults = dict[str, Any](), dict[str, FilePosition](), list[Fault]()
    for document in documents:
        if not isinstance(document.value, Mapping):
            words = "must be an object with `pools`, `deployments` and `automations`"
            raise with_places(InvalidInput(SUBJECT, [Fault("", words)]), document)
        for kind, nouns in document.value.items():
            earlier = merged.get(kind, {})
            if kind.startswith(OWN):
                merged[kind] = nouns
            elif kind == "owner" and earlier and nouns != earlier:
                words = f"is {nouns!r} here and {earlier!r} in {places[kind]}; plan them one by one"
                faults.append(Fault(_located(kind, document), words))
            elif kind == "owner":
                merged[kind] = nouns
            elif isinstance(nouns, Mapping) and isinstance(earlier, Mapping):
                faults += _twice(kind, earlier, places, document)
                merged[kind] = {**earlier, **nouns}
            elif kind not in merged:
                merged[kind] = nouns
            else:
                faults.append(Fault(_located(kind, document), "must be an object in each of the files"))
        places = {**document.places, **places}
    if faults:
        raise InvalidInput("file", faults)
    return Document(merged, places)


def _twice(kind: str, earlier: Mapping[str, Any], places: Mapping[str, FilePosition], document: Document) -> Iterator[Fault]:
    """A fault for each noun that an earlier file also holds."""
    for name in sorted(earlier.keys() & document.value[kind].keys()):
        path = joined(kind, name)
        yield Fault(
            f"{document.place(path)}: {path}",
            f"stands in {places[path]} too; keep one of the two, or lay one file over the other with --overlay",
        )


def _read(source: str) -> Document:
    if source == STANDARD_INPUT:
        document, folder = yaml_files.read(sys.stdin.read(), "standard input"), Path()
    else:
        document, folder = yaml_files.read(_text(Path(source), source), source), Path(source).parent
    if document.value is None:
        raise InvalidInput(SUBJECT, [Fault(source, "is empty; `dispatcher init` and `dispatcher export` write one")])
    pools = document.value.get("pools") if isinstance(document.value, Mapping) else None
    for name, pool in pools.items() if isinstance(pools, Mapping) else ():
        if isinstance(pool, dict) and isinstance(pool.get(TEMPLATE), str):
            path = joined(joined("pools", name), TEMPLATE)
            pool[TEMPLATE] = _template(document, path, folder / pool[TEMPLATE])
    return document


def with_places(problem: InvalidInput, document: Document) -> InvalidInput:
    """The same error, with file, line and column before the paths of the configuration's faults."""
    if problem.subject != SUBJECT:
        return problem
    return InvalidInput(SUBJECT, [Fault(_located(fault.path, document), fault.message) for fault in problem.faults])


def text_of(value: Mapping[str, Any]) -> str:
    """A configuration as the text of a file, with a line that names the schema for editors."""
    parts = [EDITOR_LINE]
    for kind, nouns in value.items():
        if not isinstance(nouns, Mapping):
            parts.append(f"\n{yaml_files.write({kind: nouns})}")
            continue
        parts.append(f"\n{kind}:" + (" {}\n" if not nouns else "\n"))
        for name, noun in nouns.items():
            parts += [f"  {line}\n" for line in yaml_files.write({name: noun}).splitlines()]
    return "".join(parts)


def write_new(path: Path, text: str, *, force: bool) -> list[str]:
    """Write a configuration, and its schema beside it. Raises `InvalidInput` if the file exists, unless forced."""
    if path.exists() and not force:
        raise InvalidInput("file", [Fault(str(path), "exists; name another, or give --force to write over it")])
    path.write_text(text, encoding="utf-8")
    write_schema(path.parent / SCHEMA_NAME)
    return [str(path), str(path.parent / SCHEMA_NAME)]


def write_schema(path: Path) -> None:
    """Write the JSON Schema of configurations."""
    path.write_text(json.dumps(configuration_schema(), indent=2) + "\n", encoding="utf-8")


def _text(path: Path, name: str) -> str:
    try:
        return yaml_files.read_file(path)
    except OSError as problem:
        raise InvalidInput("file", [Fault(name, f"{problem.strerror}; name a file that can be read")]) from None


def _template(document: Document, path: str, file: Path) -> Any:
    """The value of a template file; its positions are added to the configuration's."""
    try:
        text = _text(file, str(file))
    except InvalidInput as problem:
        message = problem.faults[0].message
        raise InvalidInput(SUBJECT, [Fault(_located(path, document), f"{file}: {message}")]) from None
    read = _json(text, str(file)) if file.suffix == ".json" else yaml_files.read(text, str(file))
    document.places.update((_under(path, inner), place) for inner, place in read.places.items())
    return read.value


def _json(text: str, name: str) -> Document:
    """The value of a JSON file. Positions are known if the file is also YAML, as most JSON is."""
    value = parse_json(text, name, TEMPLATE)
    try:
        return Document(value, yaml_files.read(text, name).places)
    except InvalidInput:
        return Document(value, {"": FilePosition(name, 1, 1)})


def _located(path: str, document: Document) -> str:
    place = document.place(path)
    return f"{place}: {path}".removesuffix(": ") if place else path


def _under(root: str, path: str) -> str:
    return root if not path else f"{root}{path}" if path.startswith("[") else f"{root}.{path}"
