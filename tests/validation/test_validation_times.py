"""Lengths of time as people write them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dispatcher.errors import InvalidInput
from dispatcher.validation.times import length_of_time, written_length


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5m", 300),
        ("1h30m", 5400),
        ("1h 30m", 5400),
        ("1 hour 30 minutes", 5400),
        ("1.5h", 5400),
        ("2 days", 172_800),
        ("1w2d3h4m5s", 788_645),
        ("90s", 90),
        ("0.5s", 0.5),
        ("PT15M", 900),
        ("P1D", 86_400),
    ],
)
def test_a_length_in_words_or_in_iso_8601_is_read_in_files_and_on_command_lines(text, seconds):
    assert written_length(text) == length_of_time(text, "delay") == timedelta(seconds=seconds)


def test_a_number_on_a_command_line_is_seconds():
    assert length_of_time("900", "delay") == timedelta(seconds=900)


@pytest.mark.parametrize(
    "text", ["", " ", "m", "5", "5 x", "30m1h", "5m5m", "1h, 30m", "-5m", "5M", "5m!", "1e3s", "\u0665m", "9" * 400 + "d"]
)
def test_anything_else_is_refused(text):
    with pytest.raises(ValueError, match="must be a number of seconds, or a length of time, as 15m, 1h30m"):
        written_length(text)


def test_the_refusal_names_the_field():
    with pytest.raises(InvalidInput, match=r"delay: must be .* \(got \"soon\"\)"):
        length_of_time("soon", "delay")
