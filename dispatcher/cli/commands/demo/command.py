"""`dispatcher demo`."""

from __future__ import annotations

from typing import Any

import click

from dispatcher.cli.command import Command, Output
from dispatcher.cli.commands.demo.audience import audience
from dispatcher.cli.commands.demo.play import Play
from dispatcher.cli.commands.demo.processes import ProcessStage
from dispatcher.cli.commands.demo.scenario import meant_to_fail, scenario
from dispatcher.cli.commands.demo.stage import Stage
from dispatcher.cli.commands.demo.summary import summary
from dispatcher.cli.context import Context, pass_context
from dispatcher.environment.clock import Clock, SystemClock

SPEED = click.FloatRange(min=0.1, max=100)


@click.command(cls=Command, example="dispatcher demo --ecs")
@click.option("--ecs", is_flag=True, help="On the ECS emulator, through the AWS Lambda handler.")
@click.option("--docker", is_flag=True, help="On the Docker engine of this machine, or that of DOCKER_HOST.")
@click.option("--speed", type=SPEED, default=1.0, show_default=True, metavar="X", help="Make the jobs X times as fast.")
@click.option("--all", "clouds", is_flag=True, help="The same runs on all six emulated clouds, through one function.")
@pass_context
def demo(context: Context, /, *, ecs: bool, docker: bool, clouds: bool, speed: float) -> Output:
    """Watch priorities and limits at work, with a store and jobs of its own. It touches nothing of yours and leaves nothing."""
    if ecs + docker + clouds > 1:
        raise click.UsageError("Give one of --ecs, --docker and --all.")
    if clouds:
        return _all(speed=speed, silent=context.as_json)
    if ecs and not context.as_json:
        click.echo("Starting the ECS emulator and the function ...")
    with _stage(ecs=ecs, docker=docker) as stage:
        shape = perform(stage, speed=speed, silent=context.as_json, clock=SystemClock())
    return Output(data=shape, view="commands.demo.views:demo_summary", faults=_broken(shape))


def perform(stage: Stage, *, speed: float, silent: bool, clock: Clock) -> dict[str, Any]:
    """Play the scenario on a stage, and return the summary."""
    planned = scenario(speed)
    with audience(stage.title, silent=silent) as show:
        play = Play(scenario=planned, stage=stage, clock=clock, show=show)
        runs = play.run()
    pool, failing = stage.client.work_pool(planned.pool), meant_to_fail(planned.runs)
    shape = summary(pool, runs, stage.evidence(), highest=play.watcher.highest, seconds=play.seconds, failing=failing)
    return {"stage": stage.title, **shape, "next": list(stage.next_steps)}


def _all(*, speed: float, silent: bool) -> Output:
    if not silent:
        click.echo("Starting six emulated clouds and the function ...")  # before the import, which takes seconds
    from dispatcher.cli.commands.demo.clouds import tour  # noqa: PLC0415 - the plain demo does without emulators

    shape = tour(speed=speed, clock=SystemClock(), say=(lambda _line: None) if silent else click.echo)
    return Output(data=shape, view="commands.demo.views:demo_clouds", faults=_broken(shape))


def _broken(shape: dict[str, Any]) -> tuple[str, ...]:
    return tuple(f"{check['name']}: {check['found']}" for check in shape["checks"] if not check["ok"])


def _stage(*, ecs: bool, docker: bool) -> Stage:
    if docker:
        from dispatcher.cli.commands.demo.containers import DockerStage  # noqa: PLC0415 - the plain demo does without an engine

        return DockerStage()
    if not ecs:
        return ProcessStage()
    from dispatcher.cli.commands.demo.emulated import EcsStage  # noqa: PLC0415 - the plain demo does without emulators

    return EcsStage()
