"""The console script `dispatcher`."""

from __future__ import annotations

import sys

MISSING = "error: the command line needs {name}, which is not installed: pip install 'push-dispatcher[cli]'"


def main() -> None:
    """Run the command line and exit: 0 done, 1 refused or a problem, 2 a wrong command line, 130 Ctrl-C."""
    try:
        from dispatcher.cli.root import root  # noqa: PLC0415 - click is an extra, and its absence has one clear line
    except ModuleNotFoundError as problem:
        if problem.name != "click":
            raise
        sys.exit(MISSING.format(name=problem.name))
    root.main(prog_name="dispatcher")


if __name__ == "__main__":
    main()
