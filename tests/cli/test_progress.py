"""The progress bar: on a terminal alone, and never between the lines of JSON."""

import sys

import pytest

from dispatcher.cli.context import Context
from dispatcher.cli.output.progress import LEAST, progress_bar


class Terminal:
    def __init__(self, *, is_terminal=True):
        self.written, self._is_terminal = "", is_terminal

    def write(self, text):
        self.written += text

    def flush(self):
        pass

    def isatty(self):
        return self._is_terminal


def written(context, length, monkeypatch, *, is_terminal=True):
    terminal = Terminal(is_terminal=is_terminal)
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress_bar(context, "Creating runs", length) as step:
        for _ in range(length):
            step()
    return terminal.written


def test_a_terminal_shows_a_bar(monkeypatch):
    text = written(Context(), LEAST, monkeypatch)
    assert "Creating runs" in text
    assert "100%" in text


@pytest.mark.parametrize(
    ("as_json", "length", "is_terminal"), [(True, LEAST, True), (False, LEAST, False), (False, LEAST - 1, True)]
)
def test_json_pipes_and_short_work_have_none(as_json, length, is_terminal, monkeypatch):
    assert written(Context(as_json=as_json), length, monkeypatch, is_terminal=is_terminal) == ""
