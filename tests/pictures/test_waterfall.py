from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree

from dispatcher.models import RunState
from tests.builders import a_pool, a_run
from tests.pictures.waterfall import draw

START = datetime(2026, 1, 1, tzinfo=UTC)
SVG = "{http://www.w3.org/2000/svg}"


def test_every_run_is_a_bar_in_the_colour_of_its_end():
    picture = ElementTree.fromstring(draw(a_pool(), [_run(RunState.COMPLETED), _run(RunState.FAILED), _run(RunState.CRASHED)]))
    assert [bar.get("class") for bar in picture.iter(f"{SVG}rect")] == ["completed", "other", "other"]


def test_the_readme_shows_a_picture_that_was_drawn():
    picture = ElementTree.parse(Path(__file__).parents[2] / ".github" / "waterfall.svg")
    assert len(list(picture.iter(f"{SVG}rect"))) == 30


def _run(state: RunState):
    return a_run(state=state, created_at=START, claimed_at=START + timedelta(seconds=1), ended_at=START + timedelta(seconds=3))
