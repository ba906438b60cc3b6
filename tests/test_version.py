"""One version: the package, the command line, the built distribution and the changelog name the same one."""

import re
import tomllib
from pathlib import Path

from click.testing import CliRunner

from dispatcher import __version__
from dispatcher.cli.root import root

ROOT = Path(__file__).parents[1]


def test_the_command_line_prints_the_version_of_the_package():
    assert CliRunner().invoke(root, ["--version"]).output == f"{__version__}\n"


def test_the_newest_section_of_the_changelog_is_the_version_of_the_package():
    headings = re.findall(r"^## .*$", (ROOT / ".github" / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)

    assert headings[0] == f"## {__version__} (unreleased)"


def test_a_built_distribution_takes_its_version_from_the_package():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

    assert "version" not in settings["project"]
    assert settings["project"]["dynamic"] == ["version"]
    assert settings["tool"]["hatch"]["version"]["path"] == "dispatcher/__init__.py"
