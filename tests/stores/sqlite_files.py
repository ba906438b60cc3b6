"""Files of SQLite for tests: our schema is made once in each process, and copied."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from dispatcher.stores.sqlite import SqliteStore


def fresh_file(path: Path) -> Path:
    """A new file with our schema and no rows."""
    path.touch(mode=0o600)
    path.write_bytes(_empty())
    return path


@cache
def _empty() -> bytes:
    with TemporaryDirectory() as directory:
        path = Path(directory, "store.sqlite")
        store = SqliteStore(path)
        store.pools()
        store.close()
        return path.read_bytes()
