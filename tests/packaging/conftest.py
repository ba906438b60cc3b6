from __future__ import annotations

import pytest

from tests.packaging.wheelhouse import Wheelhouse


@pytest.fixture
def wheelhouse(tmp_path, monkeypatch):
    directory = tmp_path / "wheelhouse"
    directory.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(directory))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return Wheelhouse(directory)
