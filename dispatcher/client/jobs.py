"""The provider's checks of the jobs of a pool, a deployment or a run, before any of these is saved.

A tick would find the same faults hours later, one run after another. So the job configuration is rendered from the values that
are known, and the provider checks it without a call to its API. A value that a later level may still change is not a fault:
for a pool, and for a deployment whose runs may have their own variables, only faults count that no value of a placeholder
removes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from dispatcher.core.own_values import OWN, PARAMETERS
from dispatcher.core.placeholders import Placeholder, fill, is_looked_up, joined, placeholders, steps
from dispatcher.core.samples import samples
from dispatcher.core.templates import ENVIRONMENT, NONE, is_block_reference, render, resolve
from dispatcher.environment.events import log_event
from dispatcher.errors import Fault, InvalidTemplate, InvalidVariables, RenderError
from dispatcher.models import WorkPool
from providers import registry
from providers.base import Checked, Finding, ProviderError

Check = Callable[[str, Mapping[str, Any]], Checked]
"""A provider type's check of a rendered configuration, as `providers.registry.check`."""
CheckEnvironment = Callable[[str, Mapping[str, Any], Mapping[str, str]], Sequence[Finding]]
"""Its check of the environment that the dispatcher adds, as `providers.registry.check_environment`."""
Warn = Callable[[str], None]
Level = Mapping[str, Any]

PARTS = frozenset({"job_configuration", "variables"})
CONFIGURATION = "job_configuration"


def log_warning(text: str) -> None:
    """Log a warning: the default of `warn`."""
    log_event("input.warning", warning=text)


class Jobs:
    """Asks providers about jobs, and reports warnings."""

    def __init__(
        self,
        check: Check = registry.check,
        warn: Warn = log_warning,
        check_environment: CheckEnvironment = registry.check_environment,
    ) -> None:
        self.check, self.check_environment, self._warn = check, check_environment, warn

    def check_pool(self, pool: WorkPool) -> None:
        """Raise `InvalidTemplate` for faults that no variable can correct. Warn of parts that are not used or not checked."""
        template = pool.base_job_template
        warnings = [f"base_job_template.{key}: is not read; remove it" for key in sorted(template.keys() - PARTS)]
        warnings += _blocks_left_out(template)
        checked = self._ask(pool, render(template, {}))
        fixed = self._fixed(pool, checked)
        if fixed:
            raise InvalidTemplate("base job template", [Fault(_below(finding), finding.message) for finding in fixed])
        warnings += [f"{_below(finding)}: {finding.message}" for finding in _independent(template, checked.warnings, {})]
        warnings += [
            f"{_named(template, finding)}: {finding.message} (a run that changes nothing would be refused)"
            for finding in _independent(template, checked.faults, {})
        ]
        self._report([*warnings, *(f"{pool.type}: not checked: {words}" for words in checked.unchecked)])

    def warn_of_defaults(self, template: Level, variables: Level | None) -> None:
        """Warn of values that become defaults of a template and have no effect."""
        self._report(_idle(template, variables or {}))

    def check_deployment(
        self,
        pool: WorkPool,
        variables: Level,
        *,
        scheduled: bool,
        parameters: Level = NONE,
        environment: Mapping[str, str] = NONE,
        quiet: bool = False,
    ) -> None:
        """Raise `InvalidVariables` for faults that every run of the deployment would have, whatever its own variables.

        With `scheduled` there are runs without variables of their own, so every fault counts. `parameters` and `environment`
        are those of such runs. `quiet` suppresses warnings.
        """
        template = pool.base_job_template
        configuration = render(template, {}, deployment_variables=variables, parameters=parameters)
        checked = self._ask(pool, configuration)
        faults = checked.faults if scheduled else self._fixed(pool, checked)
        _raise(template, faults)
        if scheduled and not checked.faults:
            self._check_environment(pool, configuration, environment)
        if quiet:
            return
        warnings = [*_idle(template, variables), *self._new_warnings(pool, checked, None)]
        if not scheduled:
            doubtful = _independent(template, checked.faults, variables)
            warnings += [
                f"{_named(template, finding)}: {finding.message} (a run that changes nothing would be refused)"
                for finding in doubtful
            ]
        self._report(warnings)

    def check_run(
        self,
        pool: WorkPool,
        variables: Level,
        *,
        deployment_variables: Level | None = None,
        parameters: Level = NONE,
        environment: Mapping[str, str] = NONE,
        quiet: bool = False,
    ) -> None:
        """Raise `InvalidVariables` for faults that the provider would refuse; warn of values that would have no effect.

        `parameters` are all parameters of the run, `environment` is what the dispatcher adds to its job because of them.
        `quiet` suppresses warnings.
        """
        template = pool.base_job_template
        configuration = render(template, variables, deployment_variables=deployment_variables, parameters=parameters)
        checked = self._ask(pool, configuration)
        _raise(template, checked.faults)
        self._check_environment(pool, configuration, environment)
        if quiet:
            return
        self._report([*_idle(template, variables), *self._new_warnings(pool, checked, deployment_variables)])

    def _ask(self, pool: WorkPool, configuration: Level) -> Checked:
        try:
            return self.check(pool.type, configuration)
        except ProviderError as problem:
            return Checked(faults=(Finding(path="", message=str(problem)),))

    def _check_environment(self, pool: WorkPool, configuration: Level, environment: Mapping[str, str]) -> None:
        """Raise `InvalidVariables` for parameters that are too large for the platform."""
        findings = self.check_environment(pool.type, configuration, environment) if environment else ()
        if findings:
            raise InvalidVariables(PARAMETERS, [Fault(PARAMETERS, finding.message) for finding in findings])

    def _fixed(self, pool: WorkPool, checked: Checked) -> list[Finding]:
        """The faults that no variable can correct: no placeholder is involved, and they appear with any values."""
        template = pool.base_job_template
        findings = [finding for finding in checked.faults if not _involved(template, finding.path)]
        for values in ({}, samples(template["variables"])) if findings else ():
            try:
                others = self._ask(pool, fill(template[CONFIGURATION], values)).faults
            except RenderError:  # a sample value that cannot be put inside text
                continue
            findings = [finding for finding in findings if finding in others]
        return findings

    def _new_warnings(self, pool: WorkPool, checked: Checked, below: Level | None) -> Iterator[str]:
        """The warnings that the level below (pool or deployment) does not have already."""
        if not checked.warnings:
            return
        template = pool.base_job_template
        before = self._ask(pool, render(template, {}, deployment_variables=below)).warnings
        yield from (f"{_named(template, finding)}: {finding.message}" for finding in checked.warnings if finding not in before)

    def _report(self, texts: Iterable[str]) -> None:
        for text in dict.fromkeys(texts):
            self._warn(text)


def _blocks_left_out(template: Level) -> Iterator[str]:
    """Warnings of defaults that refer to Prefect blocks: jobs are made without them."""
    for name, schema in (template["variables"].get("properties") or {}).items():
        if isinstance(schema, Mapping) and is_block_reference(schema.get("default")):
            yield (
                f"base_job_template.variables.properties.{name}.default: refers to a Prefect block, and blocks are not looked "
                "up: the identity of the dispatcher's host is used; or name an entry of DISPATCHER_CREDENTIALS"
            )


def _raise(template: Level, findings: Iterable[Finding]) -> None:
    faults = [Fault(_named(template, finding), finding.message) for finding in findings]
    if faults:
        raise InvalidVariables("job variables", faults)


def _idle(template: Level, variables: Level) -> Iterator[str]:
    """Warnings of values without effect: variables that the template does not use, and placeholders that are not filled."""
    declared, used = template["variables"].get("properties") or {}, _used(template)
    for name, value in variables.items():
        root = name.partition(".")[0]
        if root in declared and root not in used:
            yield f"{name}: is declared, but the template does not use it; use it in `job_configuration`, or leave it out"
        for placeholder in placeholders(value):
            if not is_looked_up(placeholder.name) or steps(placeholder.name)[0] in (OWN, PARAMETERS):
                place = (
                    joined(name, placeholder.path)
                    if placeholder.path and not placeholder.path.startswith("[")
                    else name + placeholder.path
                )
                yield f"{place}: {{{{ {placeholder.name} }}}} stays as it is: {_why_unfilled(placeholder.name)}"


def _why_unfilled(name: str) -> str:
    if steps(name)[0] == OWN:
        return "only a job configuration and the defaults of variables may name the dispatcher's own values"
    if steps(name)[0] == PARAMETERS:
        return "only a job configuration and the defaults of variables may name parameters"
    return "nothing is looked up; let the provider read a secret by a reference to it"


def _used(template: Level) -> frozenset[str]:
    """The names of variables for which the job configuration has placeholders."""
    roots = {str(steps(placeholder.name)[0]) for placeholder in placeholders(template[CONFIGURATION])}
    return frozenset(roots | ({ENVIRONMENT} if isinstance(template[CONFIGURATION].get(ENVIRONMENT), Mapping) else set()))


def _involved(template: Level, path: str) -> list[Placeholder]:
    """The placeholders at a path, inside it or around it.

    A path that the job configuration does not have may be the name of a variable: then that variable's placeholders.
    """
    own = (
        [Placeholder(ENVIRONMENT, ENVIRONMENT, alone=True)]
        if isinstance(template[CONFIGURATION].get(ENVIRONMENT), Mapping)
        else []
    )
    candidates = [*placeholders(template[CONFIGURATION]), *own]
    matching = [placeholder for placeholder in candidates if _within(placeholder.path, path) or _within(path, placeholder.path)]
    return matching or [placeholder for placeholder in candidates if str(steps(placeholder.name)[0]) == path]


def _within(path: str, whole: str) -> bool:
    rest = path.removeprefix(whole)
    return not whole or (path.startswith(whole) and (not rest or rest[0] in ".["))


def _independent(template: Level, findings: Iterable[Finding], variables: Level) -> list[Finding]:
    """The findings in which no unset variable is involved."""
    values = resolve(template, {}, deployment_variables=variables)
    return [
        finding
        for finding in findings
        if all(str(steps(placeholder.name)[0]) in values for placeholder in _involved(template, finding.path))
    ]


def _named(template: Level, finding: Finding) -> str:
    """The variable that causes a finding, if there is exactly one; otherwise the path in the job configuration."""
    sources = _involved(template, finding.path) if finding.path else []
    names = {str(steps(placeholder.name)[0]) for placeholder in sources}
    if len(names) != 1:
        return _below(finding)
    [name] = names
    around = [placeholder for placeholder in sources if placeholder.alone and _within(finding.path, placeholder.path)]
    return name + finding.path.removeprefix(around[0].path) if around and around[0].name == name else name


def _below(finding: Finding) -> str:
    return joined(CONFIGURATION, finding.path) if finding.path else CONFIGURATION
