"""The targets: a platform's Python, machine and C library, and the distributions that its runtime already has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from dispatcher.errors import PackagingError
from dispatcher.packaging.platform_files import FUNCTION_APP, FUNCTION_APP_API, HOST, MAIN, MAIN_API, SITE_PACKAGES

MACHINES: Mapping[str, str] = {"arm64": "aarch64", "x86-64": "x86_64"}
"""Our name of an architecture -> its name in wheels and markers."""

_OLDEST_GLIBC = 17


@dataclass(frozen=True, kw_only=True)
class Platform:
    """A platform for which a package can be built."""

    description: str
    root: str
    """The directory where the platform unpacks the package, as tracebacks name it."""
    brought: frozenset[str]
    """Distributions that the runtime has already, by their normalised names."""
    glibc: Mapping[str, int]
    """Python version -> the minor version of the runtime's glibc 2; only these versions are supported."""
    machines: tuple[str, ...]
    """The architectures; the first is the default."""
    extras: tuple[str, ...]
    """The default extras."""
    host: str | None = None
    """The extra that the platform's own host or client needs."""
    files: Mapping[str, str] = field(default_factory=dict)
    """The files that the platform requires at the top, by name."""
    api_files: Mapping[str, str] = field(default_factory=dict)
    """Replacements for these files in a package with the HTTP API, by name."""
    place: str = "."
    """The directory for code and distributions, below the top."""
    installs: bool = False
    """Whether the platform itself installs the distributions, from a requirements.txt, and compiles the code."""


PLATFORMS: Mapping[str, Platform] = {
    "aws-lambda": Platform(
        description="AWS Lambda, the handler dispatcher.functions.aws_lambda.handler",
        root="/var/task",
        # Distributions that only botocore needs come with it; a distribution that our code needs is shipped anyway.
        brought=frozenset({"boto3", "botocore"}),
        # 3.11 is Amazon Linux 2, later ones are Amazon Linux 2023:
        # https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html
        glibc={"3.11": 26, "3.12": 34, "3.13": 34, "3.14": 34},
        machines=("arm64", "x86-64"),
        extras=("aws",),
    ),
    "google-cloud-function": Platform(
        description="Google Cloud Run function, the target tick",
        root="/workspace",
        brought=frozenset(),
        # Ubuntu 22.04 and later: https://cloud.google.com/run/docs/runtime-support#python
        glibc={"3.11": 35, "3.12": 35, "3.13": 35, "3.14": 35},
        machines=("x86-64",),
        extras=("gcp", "postgres"),
        host="functions-google",
        files={"main.py": MAIN},
        api_files={"main.py": MAIN_API},
        installs=True,
    ),
    "azure-functions": Platform(
        description="Azure Functions on Flex Consumption, the functions tick and invoke",
        root="/home/site/wwwroot",
        brought=frozenset(),
        # Debian 11, the oldest that the images of Python's worker were made from.
        glibc={"3.11": 31, "3.12": 31, "3.13": 31},
        machines=("x86-64",),
        extras=("azure", "postgres"),
        host="functions-azure",
        files={"function_app.py": FUNCTION_APP, "host.json": HOST},
        api_files={"function_app.py": FUNCTION_APP_API},
        place=SITE_PACKAGES,
    ),
}


@dataclass(frozen=True, kw_only=True)
class BuildTarget:
    """One platform, architecture and Python version; made by `target`, which checks them."""

    name: str
    arch: str
    python: str

    def __str__(self) -> str:
        """The target's name for people."""
        return f"{self.name} {self.arch}, Python {self.python} with glibc 2.{self.platform.glibc[self.python]}"

    @property
    def platform(self) -> Platform:
        """The platform's properties."""
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


def target(name: str, *, arch: str | None = None, python: str) -> BuildTarget:
    """The target with these names; the default `arch` is the platform's first. Raises `PackagingError` that lists the
    choices.
    """
    _check_supported("target", name, PLATFORMS)
    platform = PLATFORMS[name]
    arch = arch or platform.machines[0]
    _check_supported("arch", arch, platform.machines)
    _check_supported("python", python, platform.glibc)
    return BuildTarget(name=name, arch=arch, python=python)


def _check_supported(noun: str, word: str, words: Iterable[str]) -> None:
    if word not in words:
        raise PackagingError(f"{noun}: {word!r} is not supported; it is one of {', '.join(words)}")
