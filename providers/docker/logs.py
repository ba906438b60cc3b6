"""A container's log as text. Without a terminal Docker puts eight bytes before each frame: the stream and the length."""

from __future__ import annotations

HEADER = 8


def text_of(body: bytes, *, framed: bool) -> str:
    """The text of an answer, from both streams."""
    content = _unframed(body) if framed else body
    return content.decode("utf-8", errors="replace").replace("\r\n", "\n")


def _unframed(body: bytes) -> bytes:
    pieces, place = [], 0
    while place + HEADER <= len(body):
        length = int.from_bytes(body[place + 4 : place + HEADER], "big")
        pieces.append(body[place + HEADER : place + HEADER + length])
        place += HEADER + length
    return b"".join(pieces)
