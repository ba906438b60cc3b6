"""Task definitions at ECS: found by the name of their content, or registered; each once for a provider's life.

Registration is limited to one a second for an account and region, and two at once for one family fail; that is why nothing
is registered that can be found, and why threads that want the same definition wait for the one that gets it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from providers.base import ConfigurationError, Rejected
from providers.ecs.answers import definition_in
from providers.ecs.calls import Service, optional
from providers.ecs.definition import Facts, facts_of
from providers.ecs.once import Once
from providers.ecs.outcomes import fault_of, outcome_of_error
from providers.ecs.place import Place

Check = Callable[[], None]
"""Called before each call; raises when there is no time left for one."""


class TaskDefinitions:
    """What is known of definitions, by place."""

    def __init__(self) -> None:
        self._arns: Once[tuple[Place, str], str] = Once()
        self._facts: Once[tuple[Place, str], Facts] = Once()

    def registered(self, ecs: Service, place: Place, definition: Mapping[str, Any], check: Check) -> str:
        """The ARN of the active revision with the content of `definition`. Raises what the client raises."""
        return self._arns.get((place, definition["family"]), lambda: _find_or_register(ecs, definition, check))

    def facts(self, ecs: Service, place: Place, identifier: str, check: Check) -> Facts:
        """What ECS says of an existing definition. Raises `ConfigurationError` when it cannot be run."""
        return self._facts.get((place, identifier), lambda: _describe_given(ecs, identifier, check))

    def forget(self, place: Place, identifier: str) -> None:
        """Look again next time: ECS says that it is gone."""
        self._arns.forget((place, identifier))
        self._facts.forget((place, identifier))


def _find_or_register(ecs: Service, definition: Mapping[str, Any], check: Check) -> str:
    check()
    if found := _active_revision(ecs, definition["family"]):
        return found
    check()
    answer = ecs.ask("register_task_definition", **definition)
    return str(definition_in(answer, definition["family"])["taskDefinitionArn"])


def _active_revision(ecs: Service, family: str) -> str | None:
    """The newest active revision of a family; None when it has none, which ECS says with a ClientException."""
    try:
        described = definition_in(ecs.ask("describe_task_definition", taskDefinition=family), family)
    except Exception as error:
        if _says_unknown(error):
            return None
        raise
    return str(described["taskDefinitionArn"]) if described.get("status", "ACTIVE") == "ACTIVE" else None


def _describe_given(ecs: Service, identifier: str, check: Check) -> Facts:
    check()
    try:
        described = definition_in(ecs.ask("describe_task_definition", taskDefinition=identifier), identifier)
    except Exception as error:
        if _says_unknown(error):
            _refuse(identifier, error)
        raise
    if optional(described, "status", str) == "INACTIVE":
        raise ConfigurationError(f"task_definition_arn: {identifier} is INACTIVE; name an active revision, or only the family")
    return facts_of(described)


def _says_unknown(error: Exception) -> bool:
    return fault_of(error).code == "ClientException" and isinstance(outcome_of_error(error), Rejected)


def _refuse(identifier: str, error: Exception) -> NoReturn:
    raise ConfigurationError(
        f"task_definition_arn: {identifier}: {fault_of(error).words} (check it, its region and account)"
    ) from error
