"""The pages name what is there: links that lead somewhere, paths that exist, every room."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HOUSE = ROOT / "dispatcher"
SOURCES = ("dispatcher", "providers", "infra", "tests", ".github")
PAGES = [ROOT / "README.md", *sorted(page for source in SOURCES for page in (ROOT / source).rglob("*.md"))]
PAGE = (HOUSE / "README.md").read_text(encoding="utf-8")
ROOMS = PAGE.partition("## The rooms")[2].partition("## How a run is created")[0]


def test_every_path_on_the_page_exists():
    paths = re.findall(r"`((?:\.\./)*[\w.]+(?:/[\w.]*)+|\w+\.py)`", PAGE)
    assert len(paths) > 40
    assert [path for path in paths if not (HOUSE / path).exists() and path != "base.py"] == []


def test_every_room_of_the_house_is_on_the_page():
    rooms = {path.stem for path in HOUSE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    named = set(re.findall(r"\w+", ROOMS))
    assert rooms - named - {"__init__", "__main__"} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page):
    links = re.findall(r"\]\(([^)#\s]*)(#[^)\s]*)?\)", page.read_text(encoding="utf-8"))
    for link, anchor in links:
        if not link.startswith(("https://", "http://", "mailto:")):
            target = (page.parent / link) if link else page
            assert target.exists(), link
            assert not anchor or anchor[1:] in anchors(target), f"{link}{anchor}"


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
