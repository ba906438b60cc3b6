"""The mutants of a module: small changes of its syntax tree, each with a name that lines which move do not change."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

CORE = Path(__file__).parents[2] / "dispatcher" / "core"

Change = Callable[[], ast.AST]
"""Makes the node that takes another's place."""

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult,
    ast.Pow: ast.Mult,
    ast.Mod: ast.Mult,
}
FUNCTIONS = {"min": "max", "max": "min", "any": "all", "all": "any"}
"""Called by these names, and taken for each other."""


@dataclass(frozen=True)
class Mutant:
    """One change of one module."""

    module: str
    name: str
    """Function, what stood there and what stands there now: stays when lines move."""
    position: tuple[int, int]
    """The number of the node, and which of its changes."""
    line: int | None
    """Of the statement of a function that changes; None for a change that takes effect when the module is imported."""

    @property
    def tree(self) -> ast.Module:
        """The whole module, changed; every line keeps its number."""
        tree = tree_of(self.module)
        _mutate(tree, *self.position)
        return tree


def modules() -> list[str]:
    """Every module of the core, by name."""
    return sorted(path.stem for path in CORE.glob("*.py") if path.stem != "__init__")


def path_of(module: str) -> Path:
    """The file of a module."""
    return CORE / f"{module}.py"


def tree_of(module: str) -> ast.Module:
    """The module as it is."""
    return ast.parse(path_of(module).read_text(encoding="utf-8"))


def mutants(module: str) -> list[Mutant]:
    """Every mutant of a module."""
    tree, seen, made = tree_of(module), Counter[str](), []
    nodes, owners, lines = list(ast.walk(tree)), _owners(tree), _lines(tree)
    for index, number in _positions(tree):
        node = nodes[index]
        change = f"{_short(node)} -> {_short(_changes(node)[number]())}"
        name = f"{module}: {owners[id(node)]}: {change}"
        seen[name] += 1
        name = f"{name} (number {seen[name]})" if seen[name] > 1 else name
        made.append(Mutant(module, name, (index, number), lines[id(node)]))
    return made


def _positions(tree: ast.Module) -> Iterator[tuple[int, int]]:
    """Where something can be changed: the number of the node, and which of the changes it is."""
    left_out = _left_out(tree)
    for index, node in enumerate(ast.walk(tree)):
        if id(node) not in left_out:
            yield from ((index, number) for number, _ in enumerate(_changes(node)))


def _left_out(tree: ast.Module) -> set[int]:
    """What is no behaviour: annotations, decorators, imports of types, `__all__`."""
    unread: list[ast.AST] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            arguments = [*node.args.args, *node.args.kwonlyargs, *node.args.posonlyargs]
            unread += [*node.decorator_list, *(argument.annotation for argument in arguments if argument.annotation)]
            unread += [node.returns] if node.returns else []
        if isinstance(node, ast.ClassDef):
            unread += node.decorator_list
        if isinstance(node, ast.AnnAssign):
            unread.append(node.annotation)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            unread.append(node)
        if isinstance(node, ast.Assign) and ast.unparse(node).startswith(("T =", "__all__ =")):
            unread.append(node)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "TypeVar":
            unread.append(node)
        if isinstance(node, ast.Raise) and node.exc is not None:
            unread += [node.exc] if isinstance(node.exc, ast.Call) else []
    return {id(inner) for node in unread for inner in ast.walk(node)}


def _mutate(tree: ast.Module, index: int, number: int) -> None:
    """Change a node in place."""
    node = list(ast.walk(tree))[index]
    after = _changes(node)[number]()
    for owner in ast.walk(tree):
        for field, value in ast.iter_fields(owner):
            if value is node:
                setattr(owner, field, after)
            elif isinstance(value, list) and any(item is node for item in value):
                setattr(owner, field, [after if item is node else item for item in value])
    ast.fix_missing_locations(tree)


def _owners(node: ast.AST, name: str = "") -> dict[int, str]:
    """By node: the function or class that it stands in, with those around it."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        name = f"{name}.{node.name}".lstrip(".")
    owners = {id(node): name or "module"}
    for child in ast.iter_child_nodes(node):
        owners |= _owners(child, name)
    return owners


def _lines(node: ast.AST, line: int | None = None) -> dict[int, int | None]:
    """By node: the line at which its statement begins, if it stands in a function's body."""
    lines = {id(node): line}
    for field, value in ast.iter_fields(node):
        is_body = line is not None or (field == "body" and isinstance(node, ast.FunctionDef))
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                lines |= _lines(child, child.lineno if is_body and isinstance(child, ast.stmt) else line)
    return lines


def _short(node: ast.AST) -> str:
    return " ".join(ast.unparse(ast.fix_missing_locations(node)).split())


def _changes(node: ast.AST) -> list[Change]:
    if isinstance(node, ast.Compare):
        return [lambda at=at: _compared_otherwise(node, at) for at, op in enumerate(node.ops) if type(op) in COMPARISONS]
    if isinstance(node, ast.BoolOp):
        other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        return [lambda: ast.BoolOp(other, node.values)]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return [lambda: node.operand]
    if isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
        return [lambda: ast.BinOp(node.left, ARITHMETIC[type(node.op)](), node.right)]
    if isinstance(node, ast.Constant):
        return _other_constants(node)
    if isinstance(node, ast.IfExp):
        return [lambda: ast.IfExp(node.test, node.orelse, node.body)]
    if isinstance(node, ast.If):
        return [lambda: ast.If(ast.UnaryOp(ast.Not(), node.test), node.body, node.orelse)]
    if isinstance(node, ast.Call):
        return _other_calls(node)
    return []


def _compared_otherwise(node: ast.Compare, at: int) -> ast.Compare:
    ops = [COMPARISONS[type(op)]() if place == at else op for place, op in enumerate(node.ops)]
    return ast.Compare(node.left, ops, node.comparators)


def _other_constants(node: ast.Constant) -> list[Change]:
    if isinstance(node.value, bool):
        return [lambda: ast.Constant(not node.value)]
    return [lambda: ast.Constant(node.value + 1)] if isinstance(node.value, int | float) else []


def _other_calls(node: ast.Call) -> list[Change]:
    """Another function, and without each argument that is given by name: in this house those are what a step changes."""
    changes: list[Change] = []
    if isinstance(node.func, ast.Name) and node.func.id in FUNCTIONS:
        changes.append(lambda: ast.Call(ast.Name(FUNCTIONS[node.func.id], ast.Load()), node.args, node.keywords))
    return [*changes, *(partial(_without, node, keyword) for keyword in node.keywords)]


def _without(node: ast.Call, keyword: ast.keyword) -> ast.Call:
    return ast.Call(node.func, node.args, [other for other in node.keywords if other is not keyword])
