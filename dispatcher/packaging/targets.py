"""What a platform runs: the Python, the machine and its C library, and the distributions that its runtime brings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from dispatcher.errors import PackagingError

MACHINES: Mapping[str, str] = {"arm64": "aarch64", "x86-64": "x86_64"}
"""Our word for an architecture -> the word of wheels and of markers."""

_OLDEST_GLIBC = 17


@dataclass(frozen=True, kw_only=True)
class Platform:
    """One kind of place that a package is made for."""

    description: str
    root: str
    """Where the platform unpacks the package: what a traceback names."""
    brought: frozenset[str]
    """Distributions that the runtime has already, by their normalised names."""
    glibc: Mapping[str, int]
    """Python version -> the minor version of the runtime's glibc 2; only these versions are supported."""


PLATFORMS: Mapping[str, Platform] = {
    "aws-lambda": Platform(
        description="AWS Lambda, the handler dispatcher.functions.aws_lambda.handler",
        root="/var/task",
        # What botocore alone needs comes with it; a distribution that something of ours asks for is shipped all the same.
        brought=frozenset({"boto3", "botocore"}),
        # 3.11 is Amazon Linux 2, later ones are Amazon Linux 2023:
        # https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html
        glibc={"3.11": 26, "3.12": 34, "3.13": 34, "3.14": 34},
    ),
}


@dataclass(frozen=True, kw_only=True)
class Target:
    """One platform, architecture and Python version; made by `target`, which checks them."""

    name: str
    arch: str
    python: str

    def __str__(self) -> str:
        """For people."""
        return f"{self.name} {self.arch}, Python {self.python} with glibc 2.{self.platform.glibc[self.python]}"

    @property
    def platform(self) -> Platform:
        """What is known of the platform."""
        return PLATFORMS[self.name]

    @property
    def tags(self) -> tuple[str, ...]:
        """The platform tags of wheels that run there, newest glibc first (PEP 600)."""
        return tuple(self._tags())

    @property
    def markers(self) -> dict[str, str]:
        """The environment in which dependencies' markers are evaluated: the target's, not this machine's (PEP 508)."""
        return {
            "implementation_name": "cpython",
            "implementation_version": f"{self.python}.0",
            "os_name": "posix",
            "platform_machine": MACHINES[self.arch],
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": f"{self.python}.0",
            "python_version": self.python,
            "sys_platform": "linux",
        }

    def _tags(self) -> Iterator[str]:
        machine = MACHINES[self.arch]
        for minor in range(self.platform.glibc[self.python], _OLDEST_GLIBC - 1, -1):
            yield f"manylinux_2_{minor}_{machine}"
        yield f"manylinux2014_{machine}"  # the old name of glibc 2.17
        if self.arch == "x86-64":
            yield from ("manylinux_2_12_x86_64", "manylinux2010_x86_64", "manylinux_2_5_x86_64", "manylinux1_x86_64")


def target(name: str, *, arch: str, python: str) -> Target:
    """A target of those words. Raises `PackagingError` that lists what there is."""
    _known("target", name, PLATFORMS)
    _known("arch", arch, MACHINES)
    _known("python", python, PLATFORMS[name].glibc)
    return Target(name=name, arch=arch, python=python)


def _known(field: str, word: str, words: Mapping[str, object]) -> None:
    if word not in words:
        raise PackagingError(f"{field}: {word!r} is not supported; it is one of {', '.join(words)}")
