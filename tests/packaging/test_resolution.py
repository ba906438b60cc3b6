"""What is fetched: what the target needs, in the lock's versions, checked by its hashes."""

from __future__ import annotations

from hashlib import sha256
from importlib.metadata import requires

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from dispatcher.errors import PackagingError
from dispatcher.packaging import lock
from dispatcher.packaging.resolution import EXTRAS, VALIDATION, resolve, roots
from dispatcher.packaging.targets import target
from dispatcher.packaging.wheels import WheelSource

ARM = target("aws-lambda", arch="arm64", python="3.13")
INTEL = target("aws-lambda", arch="x86-64", python="3.11")

GOOGLE = target("google-cloud-function", python="3.13")
AZURE = target("azure-functions", python="3.12")
EVERYWHERE = [ARM, INTEL, GOOGLE, AZURE]


@pytest.fixture
def fetched(wheelhouse, tmp_path):
    def fetch(*names, where=ARM, without=()):
        requirements = frozenset((name.partition("[")[0], name.partition("[")[2].rstrip("]")) for name in names)
        wheels = resolve(
            requirements, lock.read(wheelhouse.lock), where, WheelSource(into=tmp_path), without=frozenset(without)
        )
        return [wheel.path.name for wheel in wheels]

    return fetch


def test_a_wheel_brings_what_it_needs_and_nothing_else(wheelhouse, fetched):
    wheelhouse.add("top", requires=["middle>=1"])
    wheelhouse.add("middle", requires=["Bottom_Thing"])
    wheelhouse.add("bottom-thing", requires=["top"])
    wheelhouse.add("other")
    assert fetched("top") == ["bottom_thing-1.0-py3-none-any.whl", "middle-1.0-py3-none-any.whl", "top-1.0-py3-none-any.whl"]


def test_markers_are_those_of_the_target_and_not_of_this_machine(wheelhouse, fetched):
    wheelhouse.add(
        "top",
        requires=[
            "old ; python_version < '3.12'",
            "new ; python_version >= '3.12'",
            "arm ; platform_machine == 'aarch64'",
            "windows ; sys_platform == 'win32'",
        ],
    )
    for name in ("old", "new", "arm"):
        wheelhouse.add(name)
    assert [name.partition("-")[0] for name in fetched("top")] == ["arm", "new", "top"]


def test_an_older_python_takes_what_the_newer_one_leaves(wheelhouse, fetched):
    wheelhouse.add("top", requires=["old ; python_version < '3.12'", "arm ; platform_machine == 'aarch64'"])
    wheelhouse.add("old")
    assert [name.partition("-")[0] for name in fetched("top", where=INTEL)] == ["old", "top"]


@pytest.mark.parametrize(("asked", "resolved"), [("top", ["top"]), ("top[fast]", ["speed", "top"])])
def test_an_extra_of_a_dependency_is_followed_when_it_is_asked_for(wheelhouse, fetched, asked, resolved):
    wheelhouse.add("top", extras=["fast"], requires=["speed ; extra == 'fast'"])
    wheelhouse.add("user", requires=[asked])
    wheelhouse.add("speed")
    assert [name.partition("-")[0] for name in fetched("user")] == [*resolved, "user"]


@pytest.mark.parametrize(("where", "machine", "tag"), [(ARM, "aarch64", "cp313-cp313"), (INTEL, "x86_64", "cp311-cp311")])
def test_the_wheel_is_the_one_for_the_targets_machine_and_python(wheelhouse, fetched, where, machine, tag):
    for python in ("cp311-cp311", "cp313-cp313"):
        for word in ("aarch64", "x86_64"):
            wheelhouse.add("binary", tag=f"{python}-manylinux_2_17_{word}")
    assert fetched("binary", where=where) == [f"binary-1.0-{tag}-manylinux_2_17_{machine}.whl"]


def test_a_wheel_that_needs_a_newer_c_library_than_the_runtimes_is_not_taken(wheelhouse, fetched):
    wheelhouse.add("binary", tag="cp311-cp311-manylinux_2_34_x86_64")
    with pytest.raises(
        PackagingError, match=r"for aws-lambda x86-64, Python 3\.11 with glibc 2\.26: .* found for binary==1\.0"
    ):
        fetched("binary", where=INTEL)


def test_a_file_with_another_hash_than_the_locks_is_refused(wheelhouse, fetched):
    wheelhouse.add("top", locked=False)
    wheelhouse.pin("top", "1.0", "0" * 64)
    with pytest.raises(PackagingError, match="THESE PACKAGES DO NOT MATCH THE HASHES"):
        fetched("top")


def test_a_distribution_missing_from_the_lock_is_named_with_the_fix(wheelhouse, fetched):
    wheelhouse.add("top", requires=["forgotten"])
    with pytest.raises(
        PackagingError, match=r"requirements\.lock: forgotten is not in it; generate it again with the command at its top"
    ):
        fetched("top")


def test_distributions_of_the_runtime_are_left_out_with_those_that_only_they_need(wheelhouse, fetched):
    wheelhouse.add("top", requires=["boto3", "shared"])
    wheelhouse.add("shared")
    assert [name.partition("-")[0] for name in fetched("top", without=["boto3"])] == ["shared", "top"]


def test_one_name_may_be_locked_to_a_version_for_each_python(wheelhouse, fetched):
    for version, marker in (("1.0", "python_version < '3.12'"), ("2.0", "python_version >= '3.12'")):
        wheel = wheelhouse.add("top", version, locked=False)
        wheelhouse.pin("top", version, sha256(wheel.read_bytes()).hexdigest(), marker)
    assert fetched("top", where=INTEL) == ["top-1.0-py3-none-any.whl"]
    assert fetched("top", where=ARM) == ["top-2.0-py3-none-any.whl"]


@pytest.mark.parametrize("line", ["top>=1.0 --hash=sha256:00", "top==1.0"])
def test_a_lock_that_leaves_something_open_is_refused(tmp_path, line):
    path = tmp_path / "requirements.lock"
    path.write_text(line + "\n")
    with pytest.raises(PackagingError, match="must be pinned with == and have a --hash"):
        lock.read(path)


def test_a_tick_asks_for_less_than_validation():
    tick = {name for name, _ in roots(["aws"], ARM, validation=False)}
    checked = {name for name, _ in roots(["aws"], ARM, validation=True)}
    assert "annotated-types" in tick
    assert checked - tick == VALIDATION


def test_a_tick_that_mirrors_pools_of_a_server_asks_for_validation():
    names = {name for name, _ in roots(["aws", "prefect"], ARM, validation=False)}
    assert names >= VALIDATION | {"httpx"}


def test_the_api_asks_for_validation_and_its_framework_and_not_for_what_pages_need():
    tick = {name for name, _ in roots(["aws"], ARM, validation=False)}
    assert {name for name, _ in roots(["aws"], ARM, validation=False, api=True)} - tick == VALIDATION | {"fastapi"}


def test_only_the_chosen_extras_are_asked_for():
    names = {name for name, _ in roots(["postgres"], ARM, validation=False)}
    assert "psycopg" in names
    assert not names & {"boto3", "modal", "azure-identity", "google-cloud-run"}


def test_a_platform_requires_only_the_libraries_of_its_own_host():
    asked = {where.name: {name for name, _ in roots(["postgres"], where, validation=False)} for where in (ARM, GOOGLE, AZURE)}
    assert {name: sorted(names - asked["aws-lambda"]) for name, names in asked.items()} == {
        "aws-lambda": [],
        "google-cloud-function": ["functions-framework", "google-auth", "requests"],
        "azure-functions": ["azure-functions"],
    }


def test_an_extra_that_no_function_has_is_refused():
    extras = "aws, azure, docker, gcp, kubernetes, modal, postgres, prefect, schedules, telemetry, vertex"
    with pytest.raises(PackagingError, match=f"extras: dev is not an extra for functions; these are {extras}"):
        roots(["dev"], ARM, validation=False)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("aws-lambda", "riscv", "3.13"), "arch: 'riscv' is not supported; it is one of arm64, x86-64"),
        (("aws-lambda", "arm64", "3.8"), "python: '3.8' is not supported; it is one of 3.11, 3.12, 3.13, 3.14"),
        (
            ("heroku", "arm64", "3.13"),
            "target: 'heroku' is not supported; it is one of aws-lambda, google-cloud-function, azure-functions",
        ),
        (("google-cloud-function", "arm64", "3.13"), "arch: 'arm64' is not supported; it is one of x86-64"),
        (("azure-functions", "x86-64", "3.14"), "python: '3.14' is not supported; it is one of 3.11, 3.12, 3.13"),
    ],
)
def test_a_target_that_is_not_supported_is_refused_with_those_that_are(words, message):
    name, arch, python = words
    with pytest.raises(PackagingError) as refused:
        target(name, arch=arch, python=python)
    assert str(refused.value) == message


@pytest.mark.parametrize("where", EVERYWHERE, ids=str)
def test_the_packaged_lock_pins_a_suitable_version_for_every_extra(where):
    held = lock.read(lock.default_path())
    expected = {name for name, _ in roots(EXTRAS, where, validation=True, api=True)}
    asked = [Requirement(line) for line in requires("push-dispatcher")]
    for requirement in (candidate for candidate in asked if canonicalize_name(candidate.name) in expected):
        pinned = str(held.find(requirement.name, where.markers).requirement.specifier).removeprefix("==")
        assert requirement.specifier.contains(pinned), f"{requirement} is locked to {pinned}: make requirements.lock anew"


def test_the_packaged_lock_names_no_host():
    text = lock.default_path().read_text()
    assert "://" not in text
    assert "index" not in text.split("\n", 2)[2]
