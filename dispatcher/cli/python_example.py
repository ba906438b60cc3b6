"""A first Python function with its image, as `dispatcher init --python` writes it."""

from __future__ import annotations

from dispatcher import __version__
from dispatcher.cli.terraform.writing import RootModule

FUNCTION = '''\
"""An example of a Python function that runs as a job.

    python etl.py                                          runs it on this machine, until Ctrl-C
    dispatcher deployment run etl --param day=2026-01-31   in another terminal: a run with a parameter
"""

from datetime import date


def main(day: date, limit: int = 3) -> None:
    """Load a day."""
    for number in range(1, limit + 1):
        print(f"row {number} of {limit} of {day:%A, %d %B %Y}")


if __name__ == "__main__":
    from dispatcher.client import Dispatcher

    Dispatcher.from_environment().serve(main, name="etl")
'''

IMAGE = f"""\
FROM python:3.13-slim
WORKDIR /app
RUN pip install --no-cache-dir push-dispatcher=={__version__}
COPY etl.py .
USER nobody
CMD ["python", "-m", "dispatcher.job", "etl:main"]
"""

IGNORED = "*\n!etl.py\n"


def example() -> RootModule:
    """The files, and the next steps."""
    files = {"etl.py": FUNCTION, "Dockerfile": IMAGE, ".dockerignore": IGNORED}
    steps = (
        "python etl.py    # runs it on this machine; in another terminal: dispatcher deployment run etl --param day=2026-01-31",
        "docker build -t registry.example.com/etl:1 . && docker push registry.example.com/etl:1",
        "dispatcher deploy etl:main --name etl --pool POOL --image registry.example.com/etl:1 --param day=2026-01-31",
    )
    return RootModule(files={name: text.encode() for name, text in files.items()}, steps=steps, page="etl.py")
