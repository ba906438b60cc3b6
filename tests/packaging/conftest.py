from __future__ import annotations

from contextlib import contextmanager

import pytest

from tests.packaging.wheelhouse import Wheelhouse


@contextmanager
def opened(directory):
    directory.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_NO_INDEX", "1")
        patch.setenv("PIP_FIND_LINKS", str(directory))
        patch.setenv("PIP_CONFIG_FILE", "/dev/null")
        yield Wheelhouse(directory)


@pytest.fixture
def wheelhouse(tmp_path):
    with opened(tmp_path / "wheelhouse") as house:
        yield house
