"""The page as text: it needs nothing from outside, escapes what it is given and shows every row."""

import base64
import gzip
import json
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from boards import board, manifests
from finished_cells import HOSTILE, SPECIAL

from bench.leaderboard.board import BANDS
from bench.leaderboard.page import as_page


class Tags(HTMLParser):
    """Collects tags with their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.fixture(scope="module")
def page() -> str:
    made = board(["bm25", HOSTILE, SPECIAL, 'say "<b>'], ["pydoc-1k", "beir:<i>&"])
    return as_page(made, manifests(made))


def test_the_page_does_not_depend_on_the_order_in_which_manifests_were_read() -> None:
    made = board(["se_dsi", "se_dsi key-words", "bm25"], ["pydoc-1k"])
    backwards = dict(reversed(manifests(made).items()))
    assert as_page(made, backwards) == as_page(made, manifests(made))


def packed(page: str) -> dict[str, list[str]]:
    found = re.search(r'id="packed">([^<]+)</script>', page)
    assert found
    return dict(json.loads(gzip.decompress(base64.b64decode(found[1]))))


def tags(page: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = Tags()
    parser.feed(page)
    return parser.found


def test_nothing_is_fetched_from_elsewhere(page: str) -> None:
    for tag, attributes in tags(page):
        assert "src" not in attributes
        assert tag != "link"
        assert not str(attributes.get("href", "")).startswith(("http", "//"))
    assert "@import" not in page.partition("</style>")[0]
    assert len(page) < 1_500_000


def test_names_are_shown_and_never_run(page: str) -> None:
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<b>" not in page.partition("<script type=")[0]
    assert sum(tag == "script" for tag, _ in tags(page)) == 2
    assert "<i>" not in page.partition("<script type=")[0].partition("</style>")[2]


def test_a_table_tells_a_screen_reader_its_caption_headers_and_rows(page: str) -> None:
    found = tags(page)
    assert sum(tag == "caption" for tag, _ in found) == 4
    assert all(attributes.get("scope") in ("col", "row") for tag, attributes in found if tag == "th")
    noted = [attributes for tag, attributes in found if tag == "td" and "95 %" in (attributes.get("title") or "")]
    assert len(noted) == 2 * 4 * (4 + 10)
    assert all("n = 200" in str(attributes["title"]) for attributes in noted)


def test_every_picture_is_whole_follows_the_page_and_explains_its_marks(page: str) -> None:
    plots = packed(page)["plots"]
    assert len(plots) == 2 * (3 + 1)
    for svg in plots:
        root = ElementTree.fromstring(svg)
        assert root.get("role") == "img"
        assert "var(--ink)" in svg
        assert not re.search(r"#f[cde]00[0-9a-f]{2}", svg)
        assert "<style" not in svg
        notes = [element.text for element in root.iter("{http://www.w3.org/2000/svg}title")]
        assert len(notes) >= 4
    latency, size, bands, ranks = (ElementTree.fromstring(svg) for svg in plots[:4])
    words = "".join(latency.itertext())
    assert "bm25: nDCG@10 .800, n = 200; 95 % .770–.830; p50 of a single query, ms (log): 3.00" in words
    assert HOSTILE in words
    assert SPECIAL[:10] in "".join(size.itertext())
    assert all(name in "".join(bands.itertext()) for name in BANDS)
    assert "chance" in "".join(ranks.itertext())
    assert SPECIAL in "".join(ranks.itertext())
    identifiers = [
        element.get("id") for svg in plots for element in ElementTree.fromstring(svg).iter() if element.get("id")
    ]
    assert len(identifiers) == len(set(identifiers))


def test_a_manifest_of_each_cell_is_in_the_page(page: str) -> None:
    made = board(["bm25", HOSTILE, SPECIAL, 'say "<b>'], ["pydoc-1k", "beir:<i>&"])
    assert packed(page)["manifests"] == manifests(made)
    assert sum(tag == "details" for tag, _ in tags(page)) == 8


def test_a_page_of_60_systems_and_10_collections_stays_small() -> None:
    made = board([f"system {number}" for number in range(60)], [f"collection {number}" for number in range(2)])
    assert len(as_page(made, manifests(made)).encode()) < 1_200_000
