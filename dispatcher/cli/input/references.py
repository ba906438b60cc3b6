"""References to nouns: a name, an id, or the beginning of an id as lists show it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from dispatcher.cli.context import Context
from dispatcher.cli.input import completion
from dispatcher.errors import Fault, InvalidInput, NotFound

if TYPE_CHECKING:
    from dispatcher.models import Deployment, Run, WorkPool

SHORTEST = 4
"""The fewest characters of an id that are accepted."""

PAGE, MOST = 1000, 20_000
"""The most runs that are searched for a name or the beginning of an id, newest first."""


class Reference(click.Argument):
    """An argument that names an existing noun; `Command` replaces an id by the name."""

    def resolve(self, context: Context, value: Any) -> str:
        """The name for a name or id. Any other text is returned unchanged, and the client reports it."""
        nouns = self.nouns(context)
        if any(noun.name == value for noun in nouns):
            return str(value)
        matches = [noun for noun in nouns if _begins(str(noun.id), value)]
        if len(matches) > 1:
            raise _ambiguous(value, [str(noun.id) for noun in matches])
        return matches[0].name if matches else str(value)

    def nouns(self, context: Context) -> Sequence[WorkPool | Deployment]:
        """The nouns that the argument can name."""
        raise NotImplementedError


class PoolReference(Reference):
    """A work pool."""

    def nouns(self, context: Context) -> Sequence[WorkPool]:
        """Every one."""
        return context.client.work_pools()


class DeploymentReference(Reference):
    """A deployment."""

    def nouns(self, context: Context) -> Sequence[Deployment]:
        """Every one."""
        return context.client.deployments()


pool_argument = click.argument("name", cls=PoolReference, shell_complete=completion.pools)
deployment_argument = click.argument("name", cls=DeploymentReference, shell_complete=completion.deployments)
run_argument = click.argument("run_id", metavar="ID", shell_complete=completion.runs)


def find_run(context: Context, reference: str) -> Run:
    """The run with an id, the beginning of an id, or a name from `run ls`. Raises `NotFound` or `InvalidInput`."""
    with suppress(InvalidInput):  # it is not a whole id
        return context.client.run(reference)
    for page in _pages(context):
        matches = [run for run in page if run.name == reference] or [run for run in page if _begins(str(run.id), reference)]
        if len(matches) > 1:
            raise _ambiguous(reference, [str(run.id) for run in matches], "runs")
        if matches:
            return matches[0]
    words = f"run {reference!r} does not exist among the latest {MOST}; `dispatcher run ls` lists them, a whole id finds any"
    raise NotFound(words)


def _pages(context: Context) -> Iterator[Sequence[Run]]:
    for offset in range(0, MOST, PAGE):
        page = context.client.runs(limit=PAGE, offset=offset)
        yield page
        if len(page) < PAGE:
            return


def _begins(identity: str, reference: str) -> bool:
    return len(reference) >= SHORTEST and identity.startswith(reference.lower())


def _ambiguous(reference: str, ids: Iterable[str], kind: str = "nouns") -> InvalidInput:
    identities = list(ids)
    words = f"{reference!r} may be any of {len(identities)} {kind}, as {', '.join(identities[:3])}; give the whole id"
    return InvalidInput("request", [Fault("id", words)])
