"""The page as text: whole without scripts and other files, escaped, small, and with every figure."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from boards import board, changed

import bench.leaderboard.writers
from bench.leaderboard.board import Board
from bench.leaderboard.text import fraction
from bench.leaderboard.writers.overview import as_overview_page
from bench.leaderboard.writers.page import as_page

HOSTILE = "<script>alert(1)</script>"
SPECIAL = "50% & $x_1$ | {y}"
SYSTEMS = ["bm25", HOSTILE, SPECIAL, 'say "<b>', "failing"]
REASON = "the soufflé \x1b[31m collapsed"
TEMPLATES = Path(bench.leaderboard.writers.__file__).parent / "templates"


class Parsed(HTMLParser):
    """The page's tags with their attributes, and the words between them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.hidden = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.hidden = tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self.hidden = False

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.words += data

    def attributes(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == name]


def made() -> Board:
    whole = board(SYSTEMS, ["pydoc-1k", "beir:<i>&"], probes=True)
    return changed(whole, ["failing"], figures={}, problem=REASON, best_rank=None, worst_rank=None)


@pytest.fixture(scope="module")
def page() -> str:
    return as_page(made())


@pytest.fixture(scope="module")
def parsed(page: str) -> Parsed:
    return Parsed(page)


def test_nothing_is_fetched_from_elsewhere(page: str, parsed: Parsed) -> None:
    for tag, attributes in parsed.tags:
        assert "src" not in attributes
        assert tag not in ("link", "iframe", "object")
        assert not str(attributes.get("href", "")).startswith(("http", "//"))
    assert "@import" not in page
    assert not re.search(r"url\((?!#)", page)


def test_equal_boards_give_equal_text(page: str) -> None:
    assert as_page(made()) == page
    boards = [made(), replace(made(), suite="other")]
    assert as_overview_page(boards) == as_overview_page(boards)


def test_names_are_shown_and_never_run(page: str, parsed: Parsed) -> None:
    assert "<script>alert" not in page
    assert HOSTILE in parsed.words
    assert SPECIAL in parsed.words
    assert 'say "<b>' in parsed.words
    assert len(parsed.attributes("script")) == 1
    assert not [tag for tag, _ in parsed.tags if tag in ("i", "b")]


def test_characters_that_are_no_text_are_seen(page: str, parsed: Parsed) -> None:
    assert "the soufflé ␛[31m collapsed" in parsed.words
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", page)


def test_every_figure_and_every_reason_stands_in_the_page_without_a_script(parsed: Parsed) -> None:
    for collection in made().collections:
        assert collection.fingerprint[:12] in parsed.words
        for block in collection.blocks:
            assert block.definition in parsed.words
            for row in block.rows:
                assert row.system in parsed.words
                for figure in row.figures.values():
                    assert fraction(figure.value) in parsed.words
    assert parsed.words.count("failed: the soufflé") == 2 * 4


def test_intervals_and_numbers_of_queries_lie_behind_every_figure(parsed: Parsed) -> None:
    noted = [str(one["title"]) for one in parsed.attributes("td") if "95 %" in (one.get("title") or "")]
    assert len(noted) == 2 * 4 * (4 + 2 + 2 + 5)
    assert all("n = 200" in note for note in noted)


def test_a_row_begins_with_system_rank_and_primary_figure(page: str) -> None:
    table = page.split('<table class="board">')[2]
    headers = re.findall(r"<th [^>]*>(.*?)</th>", table.partition("</thead>")[0])
    assert headers[:4] == ["system", "rank", "nDCG@10", "trained"]
    assert re.search(
        r'<tr class="best"><th scope="row"><a href="systems/bm25.html">bm25</a>&nbsp;'
        r'<abbr class="star"[^>]*>★</abbr></th><td>1–2 ab</td>',
        table,
    )


def test_a_table_tells_a_screen_reader_its_caption_and_headers(parsed: Parsed) -> None:
    assert len(parsed.attributes("caption")) == 1 + 2 * 4
    assert all(attributes.get("scope") in ("col", "row") for attributes in parsed.attributes("th"))


def test_the_page_says_what_was_run_how_to_repeat_it_and_what_came_out(parsed: Parsed) -> None:
    for part in (
        "Figures of nobody",
        "5 systems on pydoc-1k, beir:<i>&; tasks search, exclusivity, completeness, relevance; seed 0",
        "python -m bench run --suite made-up",
        "python -m bench verify results/made-up",
        "1 of 3 others",
    ):
        assert part in parsed.words
    links = {attributes.get("href") for attributes in parsed.attributes("a")}
    assert {"leaderboard.json", "table.csv", "pairs.csv", "table.tex", "README.md"} <= links


def test_manifests_are_files_beside_the_page(parsed: Parsed) -> None:
    links = {attributes.get("href") for attributes in parsed.attributes("a")}
    cells = {row.cells[0] for one in made().collections for row in one.blocks[0].rows}
    assert {f"manifests/{cell}.json" for cell in cells} <= links


def test_charts_are_in_the_page_itself(parsed: Parsed) -> None:
    titles = ["nDCG@10 against latency", "Queries by nDCG@10", "Relevance by rank", "Exclusivity and completeness"]
    assert len(parsed.attributes("svg")) == 2 * 4
    assert all(parsed.words.count(title) == 2 for title in titles)


def test_references_within_the_page_find_their_place(parsed: Parsed) -> None:
    names = [attributes["id"] for _, attributes in parsed.tags if attributes.get("id")]
    assert len(names) == len(set(names))
    inside = [str(one["href"])[1:] for one in parsed.attributes("a") if str(one.get("href")).startswith("#")]
    assert len(inside) == 1 + 2 * 4
    assert set(inside) <= set(names)


def test_the_script_is_short_and_the_only_one() -> None:
    assert len((TEMPLATES / "sort.js").read_text(encoding="utf-8").splitlines()) <= 80
    assert [path.name for path in TEMPLATES.glob("*.js")] == ["sort.js"]


def test_ten_systems_on_three_collections_and_four_tasks_stay_below_300_kb() -> None:
    whole = board([f"system {number}" for number in range(10)], ["one", "two", "three"], probes=True)
    assert len(as_page(whole).encode()) < 300_000


def test_one_of_a_thing_is_not_many() -> None:
    words = Parsed(as_page(board(["bm25"], ["pydoc-1k"], relevance=False))).words
    assert "1 system on pydoc-1k; task search; seed 0" in words


def test_a_board_without_any_figure_is_a_page_of_reasons() -> None:
    empty = changed(board(["bm25"], ["pydoc-1k"], probes=True), figures={}, problem="not run")
    words = Parsed(as_page(empty)).words
    assert words.count("not run") >= 4


def test_the_overview_shows_all_systems_of_all_suites() -> None:
    parsed = Parsed(as_overview_page([made(), replace(made(), suite="other & more")]))
    assert all(parsed.words.count(name) == 2 for name in SYSTEMS)
    assert {"made-up/index.html", "other%20%26%20more/index.html"} <= {a.get("href") for a in parsed.attributes("a")}
    assert parsed.words.count(".800") >= 2
    assert any("soufflé" in (one.get("title") or "") for one in parsed.attributes("td"))


def test_the_overview_orders_systems_by_the_mean_of_their_ranks_over_the_tasks() -> None:
    two = board(["bm25", "sbert"], ["pydoc-1k", "scifact"])
    words = Parsed(as_overview_page([two])).words
    rows = [row for collection in two.collections for block in collection.blocks for row in block.rows]
    for name in ("bm25", "sbert"):
        middles = [((row.best_rank or 0) + (row.worst_rank or 0)) / 2 for row in rows if row.system == name]
        assert f"{sum(middles) / len(middles):.1f}" in words


def test_the_overview_of_nothing_says_so() -> None:
    assert "None is published yet." in Parsed(as_overview_page([])).words
