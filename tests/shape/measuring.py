"""What the source looks like: files, rooms, arrows between them, lengths, repeated lines, broad excepts. Nothing is imported.

A *room* is a directory or a module in the root of `dispatcher`; all of `providers` is one, and its packages and modules are
counted apart. An *arrow* is an import of one room by another. A *circle* is a set of rooms, of packages of `providers`, or of
files that import each other, if only for types; `__init__.py` counts for its directory, not among the files. A line is
*repeated* when it belongs to a block of at least six lines that stands elsewhere too, imports and blank lines apart. Of
Terraform, brackets that stand alone count as blank, and versions.tf as imports.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from statistics import median
from typing import Any

PACKAGES = ("dispatcher", "providers")
INFRA = "infra"
BLOCK = 6
BROAD = {"Exception", "BaseException"}


def measure(root: Path) -> dict[str, Any]:
    """Every figure of the sources below `root`, by name."""
    sources = _sources(root)
    trees = {path: ast.parse(source) for path, source in sources.items()}
    paths = {path: path.relative_to(root) for path in sources}
    house = _arrows(trees, {path: _room(paths[path]) for path in sources}, root)
    cells = _arrows(trees, {path: _cell(paths[path]) for path in sources if paths[path].parts[0] == "providers"}, root)
    files = _arrows(trees, {path: str(paths[path]) for path in sources if path.name != "__init__.py"}, root)
    functions = sorted(_lengths(trees.values()))
    lengths = sorted(source.count("\n") for source in sources.values())
    return {
        "files": len(sources),
        "lines": sum(lengths),
        "rooms": len(house),
        "arrows between rooms": sum(map(len, house.values())),
        "floors": _floors(house),
        "circles": [circle for circle in map(_circle, (house, cells, files)) if circle],
        "packages and modules of providers": len(cells),
        "arrows between them": sum(map(len, cells.values())),
        "repeated lines": _repeated(map(_statements, sources.values())),
        "class names with several definitions": len(shared_class_names(root)),
        "broad excepts": sum(1 for tree in trees.values() for _ in _broad(tree)),
        "function length: median, ninth of ten, longest": _spread(functions),
        "file length: median, ninth of ten, longest": _spread(lengths),
        **measure_terraform(root / INFRA),
    }


def measure_terraform(infra: Path) -> dict[str, Any]:
    """The figures of the modules and examples of Terraform."""
    paths = [path for path in sorted(infra.rglob("*.tf")) if path.name != "versions.tf" and ".terraform" not in path.parts]
    statements = [_arguments(path.read_text(encoding="utf-8")) for path in paths]
    return {"Terraform: lines": sum(map(len, statements)), "Terraform: repeated lines": _repeated(statements)}


def shared_class_names(root: Path) -> dict[str, list[str]]:
    """The rooms of each class name that is defined more than once, sorted."""
    rooms: dict[str, list[str]] = defaultdict(list)
    for path, source in _sources(root).items():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.ClassDef):
                rooms[node.name].append(".".join(path.relative_to(root).parent.parts))
    return {name: sorted(places) for name, places in sorted(rooms.items()) if len(places) > 1}


def _sources(root: Path) -> dict[Path, str]:
    return {path: path.read_text(encoding="utf-8") for package in PACKAGES for path in sorted((root / package).rglob("*.py"))}


def _room(path: Path) -> str:
    """`dispatcher/web/api/runs.py` -> `dispatcher.web`; `dispatcher/errors.py` -> `dispatcher.errors`."""
    return "providers" if path.parts[0] == "providers" else _cell(path)


def _cell(path: Path) -> str:
    """`providers/emulators/ecs/tasks.py` -> `providers.emulators`; `providers/base.py` -> `providers.base`."""
    return ".".join(path.with_suffix("").parts[:2])


def _arrows(trees: Mapping[Path, ast.Module], rooms: Mapping[Path, str], root: Path) -> dict[str, set[str]]:
    """By room of `rooms` (of directories or files): the rooms that it imports."""
    names = {".".join(path.relative_to(root).with_suffix("").parts): room for path, room in rooms.items()}
    names |= {name.removesuffix(".__init__"): room for name, room in names.items()}
    arrows: dict[str, set[str]] = {room: set() for room in rooms.values()}
    for path in rooms:
        targets = {names[name] for name in _imports(trees[path]) if name in names}
        arrows[rooms[path]] |= targets - {rooms[path]}
    return arrows


def _imports(tree: ast.Module) -> Iterator[str]:
    """Every module that is imported, and `module.name` for what may be one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            submodules = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from submodules
            yield node.module


def _floors(arrows: Mapping[str, set[str]]) -> int | str:
    """How many floors the rooms stand on when each stands above all that it imports; "none" if there is a circle."""
    if _circle(arrows):
        return "none"
    floor: dict[str, int] = {}
    for room in TopologicalSorter(arrows).static_order():
        floor[room] = 1 + max((floor[below] for below in arrows[room]), default=0)
    return max(floor.values())


def _circle(arrows: Mapping[str, set[str]]) -> str:
    """Some rooms or files that import each other; empty if there are none."""
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as problem:
        return " -> ".join(reversed(problem.args[1]))
    return ""


def _lengths(trees: Iterable[ast.Module]) -> Iterator[int]:
    """The lines of each function."""
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and node.end_lineno is not None:
                yield node.end_lineno - node.lineno + 1


def _statements(source: str) -> list[str]:
    """The lines of Python that can be repeated."""
    lines = [line.strip() for line in source.splitlines()]
    return [line for line in lines if line and not line.startswith(("import ", "from ", "#", '"""'))]


def _arguments(source: str) -> list[str]:
    """The lines of Terraform that can be repeated."""
    lines = [line.strip() for line in source.splitlines()]
    return [line for line in lines if not line.startswith("#") and any(map(str.isalnum, line))]


def _repeated(sources: Iterable[Sequence[str]]) -> int:
    """Lines in a block that stands in two places."""
    blocks: dict[tuple[str, ...], list[tuple[int, int]]] = defaultdict(list)
    for number, lines in enumerate(sources):
        for start in range(len(lines) - BLOCK + 1):
            blocks[tuple(lines[start : start + BLOCK])].append((number, start))
    repeated = {
        (number, start + line)
        for places in blocks.values()
        if len(places) > 1
        for number, start in places
        for line in range(BLOCK)
    }
    return len(repeated)


def _broad(tree: ast.Module) -> Iterator[ast.ExceptHandler]:
    """The handlers that catch everything and do not raise it again."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and _names(node.type) & BROAD and not _raises(node):
            yield node


def _names(node: ast.expr | None) -> set[str]:
    if node is None:
        return {"BaseException"}
    return {name.id for name in ast.walk(node) if isinstance(name, ast.Name)}


def _raises(handler: ast.ExceptHandler) -> bool:
    return any(isinstance(node, ast.Raise) and node.exc is None for node in ast.walk(handler))


def _spread(lengths: list[int]) -> str:
    return f"{median(lengths):g}, {lengths[len(lengths) * 9 // 10]}, {lengths[-1]}"
