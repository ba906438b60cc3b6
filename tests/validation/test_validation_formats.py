"""The formats that are checked are named here, and no other: what a template may say is the same wherever it is read."""

from __future__ import annotations

import subprocess
import sys

import pytest

from dispatcher.core.formats import MAX_FORMATTED, has_format
from dispatcher.errors import InvalidInput
from dispatcher.validation import check_base_job_template, check_job_variables
from dispatcher.validation.formats import FORMATS

UUID = "6e0c3f0a-53fd-4cf1-8e6e-9b3f57a3a7a5"
UNEVEN = [UUID[:place] + UUID[place + 1 :] for place, letter in enumerate(UUID) if letter == "-"]
"""Without one of the hyphens."""
GOOD = {
    "date": ["2026-01-31", "2024-02-29"],
    "time": ["08:00:00Z", "23:59:60.5+01:00"],
    "date-time": ["2026-01-31T08:00:00Z", "2026-01-31t08:00:00.123-05:00"],
    "email": ["a@b"],
    "ipv4": ["127.0.0.1"],
    "ipv6": ["::1", "2001:db8::"],
    "uuid": [UUID],
    "regex": ["^a+$"],
}
BAD = {
    "date": ["2026-02-30", "20260131", "2026-W05-6", "٢026-01-31"],
    "time": ["08:00:00", "24:00:00Z", "8:00:00Z"],
    "date-time": ["2026-01-31", "2026-01-31T08:00:00", "2026-01-31 08:00:00Z", "2026-13-01T08:00:00Z"],
    "email": ["a"],
    "ipv4": ["127.0.0.256", "localhost"],
    "ipv6": ["::1%eth0", "1.2.3.4"],
    "uuid": ["6e0c3f0a53fd4cf18e6e9b3f57a3a7a5", "-", *UNEVEN],
    "regex": ["("],
}
ANNOTATIONS = ["uri", "hostname", "duration", "iri", "color", "json-pointer", "password", "file-path"]


def template(format_: str) -> dict[str, object]:
    declared = {"x": {"type": "string", "format": format_}}
    return {"job_configuration": {"command": "{{ x }}"}, "variables": {"type": "object", "properties": declared}}


def test_the_formats_are_named():
    assert FORMATS.keys() == GOOD.keys() == BAD.keys()


@pytest.mark.parametrize(("format_", "text"), [(name, text) for name, texts in GOOD.items() for text in texts])
def test_a_text_in_the_declared_format_passes(format_, text):
    check_base_job_template(template(format_))
    check_job_variables(template(format_), {"x": text})


@pytest.mark.parametrize(("format_", "text"), [(name, text) for name, texts in BAD.items() for text in texts])
def test_a_text_in_another_format_is_a_fault(format_, text):
    with pytest.raises(InvalidInput, match=f"must be a valid {format_}"):
        check_job_variables(template(format_), {"x": text})


@pytest.mark.parametrize("format_", ANNOTATIONS)
def test_every_other_format_describes_a_value_and_refuses_none(format_):
    check_job_variables(template(format_), {"x": "%%% no such thing %%%"})


@pytest.mark.parametrize("format_", ["email", "uri"])
def test_long_text_has_no_format(format_):
    assert has_format(format_, "@" * MAX_FORMATTED)
    assert not has_format(format_, "@" * (MAX_FORMATTED + 1))


@pytest.mark.parametrize("value", [1, None, True, ["a"], {}], ids=repr)
def test_a_value_that_is_not_text_passes_every_format(value):
    assert has_format("email", value)


def test_the_library_is_imported_without_the_packages_that_take_seconds():
    program = "import sys, dispatcher.validation.library; print({'rfc3987_syntax', 'isoduration', 'lark'} & sys.modules.keys())"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "set()\n"
