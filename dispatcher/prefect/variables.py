"""The server's variables: what `{{ prefect.variables.NAME }}` in a template or in job variables stands for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dispatcher.core.placeholders import MISSING, PREFECT_VARIABLES, replaced
from dispatcher.prefect.server import PrefectServer


@dataclass
class ServerVariables:
    """The variables that one tick has read, each once. A name that the server does not have stays as it is written."""

    server: PrefectServer
    _values: dict[str, Any] = field(default_factory=dict)

    def filled(self, value: Any) -> Any:
        """A copy of the value with the variables in it replaced, once. Raises `SourceError`."""
        return replaced(value, self._value)

    def filled_all(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Likewise, for an object."""
        return {name: self.filled(value) for name, value in values.items()}

    def _value(self, placeholder: str) -> Any:
        if not placeholder.startswith(PREFECT_VARIABLES):
            return MISSING
        name = placeholder.removeprefix(PREFECT_VARIABLES)
        if name not in self._values:
            self._values[name] = self.server.variable(name)
        return self._values[name]
