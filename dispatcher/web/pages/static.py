"""The files that a page loads: a fixed list, each with its hash in its address. No directory is served."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha384
from pathlib import Path

DIRECTORY = Path(__file__).parents[1] / "static"

KINDS = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}

NAMES = ("app.css", "app.js", "htmx.min.js", "hx-sse.min.js")

VENDORED = {
    "htmx.min.js": "Qp9rdC8H7EqOoX+nR0P3RPG2Noji+qdwJlGpfzwQJsfOpp3sGwIdSP9xO3+UlEhn",
    "hx-sse.min.js": "v8HvucQ+ohQhMg0arboXc5049yNR46QKMjphs7YDch+Wm7zpfK5XVS01f26mQDJV",
}
"""htmx 4.0.1 (0BSD, `static/HTMX-LICENSE`): SHA-384 of `dist/htmx.min.js` and `dist/ext/hx-sse.min.js` as npm has them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticFile:
    """One file, and how a page names it."""

    name: str
    content: bytes
    digest: str
    """SHA-384 in base64, for the attribute `integrity`."""

    @property
    def address(self) -> str:
        """Its path on the server. The path changes with the content."""
        stem, _, suffix = self.name.rpartition(".")
        mark = "".join(character for character in self.digest if character.isalnum())[:12]
        return f"/static/{stem}.{mark}.{suffix}"

    @property
    def integrity(self) -> str:
        """The attribute of the same name."""
        return f"sha384-{self.digest}"

    @property
    def kind(self) -> str:
        """Its media type."""
        return KINDS[Path(self.name).suffix]


def static_files() -> dict[str, StaticFile]:
    """Every file by its name."""
    return {name: _read(name) for name in NAMES}


def _read(name: str) -> StaticFile:
    content = (DIRECTORY / name).read_bytes()
    return StaticFile(name=name, content=content, digest=b64encode(sha384(content).digest()).decode())
