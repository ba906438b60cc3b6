"""Write the tables of inputs and outputs into the README of every module: python infra/document.py [--check].

As `terraform-docs` does it: what stands between the two marks is made from variables.tf and outputs.tf, the rest people write.
CI fails where a README says something else.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MODULES = Path(__file__).parent / "modules"
BEGIN, END = "<!-- made by infra/document.py -->", "<!-- end -->"
_BLOCK = re.compile(r'^(variable|output) "(\w+)" \{\n(.*?)^\}', re.MULTILINE | re.DOTALL)
_LINE = re.compile(r"^  (description|type|default|sensitive) += (.+)$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Item:
    """A variable or an output of a module."""

    kind: str
    name: str
    values: dict[str, str]
    """What it says of itself, by argument, as it stands in the file."""

    @property
    def description(self) -> str:
        """For people."""
        return self.values["description"].strip('"').replace('\\"', '"').replace("|", "\\|")

    @property
    def row(self) -> str:
        """Its row of the table."""
        if self.kind == "output":
            return f"| `{self.name}` | {self.description} |"
        default = f"`{self.values['default']}`" if "default" in self.values else "(required)"
        return f"| `{self.name}` | `{self.values['type']}` | {default} | {self.description} |"


def items(module: Path) -> Iterator[Item]:
    """The variables and outputs of a module, in the order of its files."""
    for name in ("variables.tf", "outputs.tf"):
        path = module / name
        text = path.read_text(encoding="utf-8") if path.exists() else (module / "main.tf").read_text(encoding="utf-8")
        for kind, block, body in _BLOCK.findall(text):
            if f"{kind}s.tf" == name:
                yield Item(kind=kind, name=block, values=dict(_LINE.findall(body)))


def tables(module: Path) -> str:
    """What stands between the marks."""
    parts = list(items(module))
    inputs = [item.row for item in parts if item.kind == "variable"]
    outputs = [item.row for item in parts if item.kind == "output"]
    head = ["| input | type | default | |", "| --- | --- | --- | --- |"]
    return "\n".join([BEGIN, "", *head, *inputs, "", "| output | |", "| --- | --- |", *outputs, "", END])


def documented(module: Path) -> str:
    """The whole README, with the tables as they have to be. Raises `ValueError` for one that has no marks."""
    text = (module / "README.md").read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{module / 'README.md'}: has no {BEGIN} and {END}")
    return f"{before}{tables(module)}{after}"


def modules() -> list[Path]:
    """Every module's directory."""
    return sorted(path for path in MODULES.iterdir() if path.is_dir())


def main(words: list[str]) -> int:
    """Write, or with `--check` name what is to be written anew; the exit code."""
    stale = [module / "README.md" for module in modules() if (module / "README.md").read_text("utf-8") != documented(module)]
    for path in stale:
        if "--check" not in words:
            path.write_text(documented(path.parent), encoding="utf-8")
        sys.stdout.write(f"{path}\n")
    return int(bool(stale) and "--check" in words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
