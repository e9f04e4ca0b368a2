"""The picture for a README: it stands alone, follows light and dark, and shows every collection."""

import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from boards import board
from finished_cells import HOSTILE, SPECIAL

from bench.leaderboard.board import Board
from bench.leaderboard.picture import as_picture

SVG = "{http://www.w3.org/2000/svg}"


def words(picture: str) -> str:
    return " ".join(ElementTree.fromstring(picture).itertext())


def changed(made: Board, **row: object) -> Board:
    """The board with something else in every row."""
    collections = [
        replace(one, blocks=[replace(block, rows=[replace(r, **row) for r in block.rows]) for block in one.blocks])  # type: ignore[arg-type]
        for one in made.collections
    ]
    return replace(made, collections=collections)


@pytest.fixture(scope="module")
def picture() -> str:
    return as_picture(board(["bm25", HOSTILE, SPECIAL, "dsi"], ["pydoc-1k", "scifact"]))


def test_nothing_runs_and_nothing_is_fetched(picture: str) -> None:
    root = ElementTree.fromstring(picture)
    tags = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert not tags & {"script", "foreignObject", "image", "a", "link"}
    assert "@import" not in picture
    assert "url(http" not in picture
    references = [value for element in root.iter() for name, value in element.attrib.items() if name.endswith("href")]
    assert all(reference.startswith("#") for reference in references)
    assert len(picture) < 60_000


def test_every_colour_is_defined_for_light_and_for_dark(picture: str) -> None:
    used = set(re.findall(r"var\((--[\w-]+)\)", picture))
    light, dark = re.search(r":root \{(.*?)\}.*prefers-color-scheme: dark.*?:root \{(.*?)\}", picture, re.S).groups()  # type: ignore[union-attr]
    for scheme in (light, dark):
        assert used <= set(re.findall(r"(--[\w-]+):", scheme))
    assert not re.search(r"#f[cde]00[0-9a-f]{2}", picture)


def test_it_names_the_suite_the_collections_and_every_system(picture: str) -> None:
    told = words(picture)
    for part in ("made-up", "pydoc-1k, search: nDCG@10 against latency", "scifact, search", "bm25", HOSTILE, "dsi"):
        assert part in told
    assert told.count("latency on Abacus 3000, 2 threads") == 1
    assert "<script>" not in picture


def test_names_of_marks_are_used_once(picture: str) -> None:
    found = [element.get("id") for element in ElementTree.fromstring(picture).iter() if element.get("id")]
    assert len(found) == len(set(found))


def test_without_latencies_it_shows_the_intervals() -> None:
    told = words(as_picture(changed(board(["bm25", "dsi"], ["pydoc-1k"]), cost={})))
    assert "pydoc-1k, search: nDCG@10" in told
    assert "against latency" not in told
    assert "dashed" not in told
    assert "Abacus" not in told


def test_latencies_measured_on_a_busy_machine_are_marked() -> None:
    busy = changed(board(["bm25", "dsi"], ["pydoc-1k"]), cost={"p50_ms": 3.0, "others_share": 0.5})
    told = words(as_picture(busy))
    assert "bm25†" in told
    assert "† measured while other work took more than 15% of the processor" in told
    assert "†" not in words(as_picture(board(["bm25", "dsi"], ["pydoc-1k"])))


def test_without_figures_it_says_so() -> None:
    assert "no system has figures" in words(as_picture(changed(board(["bm25"], ["pydoc-1k"]), figures={})))


def test_of_many_collections_it_shows_the_first_and_says_so() -> None:
    told = words(as_picture(board(["bm25", "dsi"], [f"collection {number}" for number in range(6)])))
    assert "collection 3" in told
    assert "collection 4" not in told
    assert "the first 4 of 6 collections" in told


def test_equal_boards_give_equal_text(picture: str) -> None:
    assert as_picture(board(["bm25", HOSTILE, SPECIAL, "dsi"], ["pydoc-1k", "scifact"])) == picture
