"""`python -m tests.shape [DIRECTORY]`: the shape of the house, to be compared before and after a change."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.shape.measuring import measure


def main() -> None:
    root = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    figures = measure(root)
    width = max(map(len, figures))
    for name, figure in figures.items():
        print(f"{name:{width}}  {figure}")


if __name__ == "__main__":
    main()
