"""What of our own files goes into a package: a fixed list, and a build that is refused where anything else lies among them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dispatcher.errors import PackagingError
from dispatcher.packaging.sources import API_LIST, LIST, OF_EXTRAS, TOP, files, tracked, tracked_of_api

LISTED = LIST.read_text().split()


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    """A clone's rooms, for whoever does not change them."""
    top = tmp_path_factory.mktemp("clone")
    for place in LISTED:
        (top / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(TOP / place, top / place)
    return top


@pytest.fixture
def clone(copied, tmp_path):
    """The same, to change."""
    shutil.copytree(copied, tmp_path / "clone")
    return tmp_path / "clone"


def test_the_list_is_what_git_knows_of_our_rooms():
    assert tracked(TOP) == LISTED, "write it anew: python -m dispatcher.packaging.sources"
    assert tracked_of_api(TOP) == API_LIST.read_text().split(), "likewise"


def test_the_package_holds_exactly_the_listed_files(copied):
    assert [place for place, _ in files(copied, extras=tuple(OF_EXTRAS))] == LISTED


@pytest.mark.parametrize(
    "place",
    [
        "dispatcher/secrets.json",
        "dispatcher/core/scratch.py",
        "dispatcher/.env",
        "providers/ecs/dump.sql",
        "providers/notes.txt",
    ],
)
def test_an_unlisted_file_is_refused_by_name(place, clone):
    (clone / place).write_text("secret")
    with pytest.raises(PackagingError, match=rf"^{place}: not in the list of what a package holds"):
        list(files(clone))


@pytest.mark.parametrize("folder", ["dispatcher/.idea", "providers/node_modules", "dispatcher/core/old"])
def test_an_unlisted_folder_is_refused_by_its_own_name(folder, clone):
    for name in ("a.py", "b.json"):
        (clone / folder).mkdir(exist_ok=True)
        (clone / folder / name).write_text("")
    with pytest.raises(PackagingError, match=rf"^{folder}: not in the list"):
        list(files(clone))


def test_a_link_in_place_of_a_listed_file_is_refused(clone):
    (clone / "providers/base.py").unlink()
    (clone / "providers/base.py").symlink_to("/etc/passwd")
    with pytest.raises(PackagingError, match=r"^providers/base\.py: a link"):
        list(files(clone))


def test_a_link_in_place_of_a_folder_is_refused(clone, tmp_path):
    shutil.move(clone / "providers/ecs", tmp_path / "ecs")
    (clone / "providers/ecs").symlink_to(tmp_path / "ecs")
    with pytest.raises(PackagingError, match=r"^providers/ecs/__init__\.py: a link"):
        list(files(clone))


@pytest.mark.parametrize("name", ["passwd.json", "passwd.md", "passwd.pyc"])
def test_an_unlisted_link_is_refused(name, clone):
    (clone / "dispatcher" / name).symlink_to("/etc/passwd")
    with pytest.raises(PackagingError, match=rf"^dispatcher/{name}: not in the list"):
        list(files(clone))


def test_a_listed_file_that_is_missing_is_named(clone):
    (clone / "dispatcher/wiring.py").unlink()
    with pytest.raises(PackagingError, match=r"^dispatcher/wiring\.py: not there"):
        list(files(clone))


def test_many_names_are_cut_short(clone):
    for number in range(12):
        (clone / "dispatcher" / f"scratch{number:02}.py").write_text("")
    with pytest.raises(PackagingError, match=r"scratch09\.py and 2 more: not in the list"):
        list(files(clone))


def test_files_that_no_function_uses_are_ignored(clone):
    for place in ("dispatcher/cli/scratch.py", "providers/emulators/secrets.json", "dispatcher/core/__pycache__/x.pyc"):
        path: Path = clone / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    assert [place for place, _ in files(clone, extras=tuple(OF_EXTRAS))] == LISTED
