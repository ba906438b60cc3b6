"""YAML in and out: the values that editors see, the place of each, and one line for what is wrong."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dispatcher.cli.input.yaml_files import read, write
from dispatcher.errors import InvalidInput

TEXT = """\
x-common: &common {cpu: 256, on: yes}
pools:
  nightly:
    list: [1, 0x1f, 0o17, 1e3, -.5, ~, null, true, no, 2026-01-31, 1_000, 12:30:45, =]
    merged:
      <<: *common
      cpu: 512
    "a.b": |
      two
      lines
"""


def test_scalars_are_those_of_yaml_1_2():
    nightly = read(TEXT, "f").value["pools"]["nightly"]
    assert nightly["list"] == [1, 31, 15, 1000.0, -0.5, None, None, True, "no", "2026-01-31", "1_000", "12:30:45", "="]
    assert nightly["merged"] == {"cpu": 512, "on": "yes"}
    assert nightly["a.b"] == "two\nlines\n"


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("", "f:1:1"),
        ("pools.nightly", "f:3:3"),
        ("pools.nightly.list[1]", "f:4:15"),
        ("pools.nightly.list[1].not.there", "f:4:15"),
        ("pools.nightly.merged.cpu", "f:7:7"),
        ("pools.nightly.merged.on", "f:1:30"),
        ("pools.nightly.a.b", "f:8:5"),
        ("nowhere.at.all", "f:1:1"),
    ],
)
def test_every_value_has_its_position_and_a_missing_value_that_of_its_parent(path, place):
    assert str(read(TEXT, "f").place(path)) == place


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: 1\nb: 2\na: 3", "f:3:1: the key 'a' stands here twice"),
        ("a: !Ref x", "f:1:4: the tag !Ref is not known here"),
        ("a: !!python/object:os.system {}", "f:1:4: the tag tag:yaml.org,2002:python/object:os.system is not known"),
        ("a:\n  - [1, 2", "not YAML: while parsing a flow sequence"),
        ("a: .inf", "f:1:4: .inf is not a value that JSON has"),
        ("1: a", "f:1:1: the key 1 is not text"),
        ("? [a]\n: b", "f:1:3: a key has to be text"),
        ("a: &a [*a]", "is too large, or nested too deeply"),
        ("a: 1\n---\nb: 1", "f:2:1: is not YAML: expected a single document"),
        ("a:\n\tb: 1", "f:2:1: is not YAML"),
        ("a: *b", "f:1:4: is not YAML: found undefined alias"),
        ("a: \x01", "f: is not YAML: "),
        ("<<: 3", "f:1:5: << takes a mapping"),
        ("[" * 5000, "f:1:"),
        ("{a: " * 5000, "f:1:401: is too large, or nested too deeply"),
        ("a: " + "x" * 17_000_000, "f: has more than 2048 KiB"),
        ("a: " + "1" * 5000, "is not a value that JSON has"),
        ("[" + "1," * 200_000 + "1]", "is too large, or nested too deeply"),
    ],
)
def test_a_fault_is_reported_with_line_and_column(text, says):
    with pytest.raises(InvalidInput) as refused:
        read(text, "f")
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_yaml_alias_that_grows_exponentially_is_refused():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(InvalidInput, match="too large"):
        read("\n".join(lines), "f")


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)
LOOKS_LIKE = [
    "yes",
    "on",
    "no",
    "off",
    "y",
    "n",
    "true",
    "null",
    "~",
    "1e3",
    "0o7",
    "0x1",
    "0x",
    "1_0",
    "12:30",
    ".5",
    "5.",
    "1.",
    "+1",
    "-.inf",
    "nan",
    "=",
    "<<",
    "2026-01-31",
    "#",
    "-",
    "'",
    '"',
    "%",
    "@",
    "&a",
    "*a",
    "!x",
    "|",
    ">",
    "[",
    "{",
    "?",
    ":",
    ",",
    "x:",
    "-x",
    "",
    " x",
    "x ",
    "x: y",
    "x #y",
    "a\n b\n",
    "\n",
    "a\n\n",
    " \n a",
    "\ta",
    "\xe9\u2028",
    "\x85",
    "\ufeff",
    "\r\n",
    "---",
    "...",
]
"""Texts that some reader could take for something else."""


@given(values)
@example(LOOKS_LIKE)
@example({text: text for text in LOOKS_LIKE})
@example({"a": [1e16, 1e-7, 1.0, -0.0, 10**30, [], {}, [[]], {"b": {}}]})
def test_a_value_written_as_yaml_reads_back(value):
    assert read(write({"value": value}), "f").value == {"value": value}
