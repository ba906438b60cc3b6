"""`dispatcher doctor`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import click

from dispatcher.cli.command import Command, Output
from dispatcher.cli.commands.checkup import CheckResult, Level, checkup
from dispatcher.cli.context import Context, pass_context


@click.command(cls=Command, example="dispatcher doctor\ndispatcher doctor --json")
@pass_context
def doctor(context: Context, /) -> Output:
    """Check for problems that keep runs from starting: settings, store, clocks, schedule, providers, credentials.

    Passed checks are only counted. Nothing is changed and nothing is started: the provider is asked for a job that never
    existed. Exits with 1 if there is a problem.
    """
    findings = list(checkup(context))
    problems = tuple(_line(finding) for finding in findings if finding.level is Level.PROBLEM)
    data = [{**asdict(finding), "level": str(finding.level)} for finding in findings]
    return Output(data=data, text=_text(findings), faults=problems)


def _text(findings: Sequence[CheckResult]) -> str:
    """The warnings and the number of passed checks; problems are printed as errors."""
    warnings = [f"warning: {_line(finding)}" for finding in findings if finding.level is Level.WARNING]
    well = sum(finding.level is Level.OK for finding in findings)
    return "\n".join([*warnings, f"{well} of {len(findings)} checks passed."])


def _line(finding: CheckResult) -> str:
    fix = f"; {finding.fix}" if finding.fix else ""
    return f"{finding.check} ({finding.subject}): {finding.text}{fix}"
