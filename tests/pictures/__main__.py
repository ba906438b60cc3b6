"""`python -m tests.pictures`: play the demo and draw the picture of the README from it."""

from __future__ import annotations

from pathlib import Path

from dispatcher.cli.commands.demo.play import Play
from dispatcher.cli.commands.demo.processes import ProcessStage
from dispatcher.cli.commands.demo.scenario import scenario
from dispatcher.environment.clock import SystemClock
from tests.pictures.waterfall import draw

PICTURE = Path(".github/waterfall.svg")


def main() -> None:
    with ProcessStage() as stage:
        play = Play(scenario=scenario(), stage=stage, clock=SystemClock(), show=lambda _picture: None)
        runs = play.run()
        pool = stage.client.work_pool(play.scenario.pool)
    PICTURE.write_text(draw(pool, runs), encoding="utf-8")
    print(f"{PICTURE}: {len(runs)} runs")


if __name__ == "__main__":
    main()
