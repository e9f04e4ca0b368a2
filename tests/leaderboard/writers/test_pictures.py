"""Charts: static, safe, the same for the same data, and with names that do not lie on each other."""

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from xml.etree import ElementTree

import pytest
from boards import HARDWARE, SEARCH, block, board, changed
from hypothesis import given
from hypothesis import strategies as st

from bench.leaderboard.board import BANDS, Block, Board, RowCost, RowFigure
from bench.leaderboard.writers.charts import PALETTE, by_rank, colours_of, distribution, side_by_side
from bench.leaderboard.writers.labels import FONT_SIZE, Box, Point, place_names, text_width
from bench.leaderboard.writers.pictures import as_picture, block_charts, collection_charts
from bench.leaderboard.writers.tradeoff import _front, against_latency
from bench.measures.measure import Count
from bench.tasks.failures import KINDS

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "<script>alert(1)</script>"
SYSTEMS = ["bm25", HOSTILE, "50% & $x_1$ | {y}", "dsi\x1b[2J"]


def words(svg: str) -> str:
    return " ".join(ElementTree.fromstring(svg).itertext())


def made(*systems: str) -> Block:
    return block("search", systems or SYSTEMS, "pydoc-1k")


def latency(shown: Block) -> str:
    return against_latency(shown, shown.rows, colours_of([row.system for row in shown.rows])).svg


def charts(shown: Block) -> list[str]:
    return [chart.svg for chart in block_charts(shown, colours_of(SYSTEMS))]


@pytest.fixture(scope="module")
def picture() -> str:
    return as_picture(board(SYSTEMS, ["pydoc-1k", "scifact"]))


def texts(svg: str, parent: str) -> Iterator[tuple[str, Box]]:
    """The texts in groups of a class, with their boxes in the coordinates of that group."""
    for group in ElementTree.fromstring(svg).iter(f"{SVG}g"):
        if parent in (group.get("class") or ""):
            for one in group.iter(f"{SVG}text"):
                x, y = map(float, re.findall(r"-?[\d.]+", str(one.get("transform")))[:2])
                width = 0.5 * FONT_SIZE * len(one.text or "")
                left = {"start": x, "middle": x - width / 2, "end": x - width}[str(one.get("text-anchor"))]
                yield str(one.text), Box(left, y - 0.7 * FONT_SIZE, left + width, y)


def test_charts_hold_nothing_that_runs_or_is_fetched(picture: str) -> None:
    shown = [*charts(made()), *charts(block("relevance", SYSTEMS, "pydoc-1k")), picture]
    assert len(shown) == 2 + 1 + 1
    for svg in shown:
        tags = {element.tag.removeprefix(SVG) for element in ElementTree.fromstring(svg).iter()}
        assert not tags & {"script", "foreignObject", "image", "a", "link"}
        assert not re.search(r"href|url\(|@import", svg)


def test_the_ground_is_transparent_and_all_ink_is_of_a_middle_tone() -> None:
    for svg in charts(made()):
        inks = set(re.findall(r'(?:fill|stroke)="#([0-9a-f]{6})"', svg))
        assert inks
        for ink in inks:
            red, green, blue = (int(ink[i : i + 2], 16) / 255 for i in (0, 2, 4))
            assert 0.2 < 0.3 * red + 0.59 * green + 0.11 * blue < 0.85
        assert "#000" not in svg
        assert "#fff" not in svg


def test_equal_boards_give_equal_text(picture: str) -> None:
    assert charts(made()) == charts(made())
    assert as_picture(board(SYSTEMS, ["pydoc-1k", "scifact"])) == picture


def test_every_system_is_named_at_its_point_with_what_lies_behind_it() -> None:
    svg = latency(made("bm25", HOSTILE, "sbert"))
    assert {text for text, _ in texts(svg, "mark-text role-mark")} == {"bm25", HOSTILE, "sbert"}
    assert 'aria-label="bm25: nDCG@10 .800, n = 200; 95 % .770–.830; median latency 3.00 ms"' in svg


def test_what_steers_a_terminal_is_seen_in_a_chart() -> None:
    assert "dsi␛[2J" in words(latency(made()))


@pytest.mark.parametrize("number", [2, 9, 14, 40])
def test_names_in_a_chart_do_not_lie_on_each_other(number: int) -> None:
    svg = latency(made(*(f"a system of number {n}" for n in range(number))))
    placed = list(texts(svg, "mark-text role-mark"))
    assert placed
    for (_, one), (_, other) in combinations(placed, 2):
        assert not one.overlaps(other)


def test_systems_whose_names_have_no_room_are_in_the_legend_or_told_of() -> None:
    crowded = made(*(f"one of many systems, {n}" for n in range(60)))
    crowded = replace(crowded, rows=[replace(row, cost=RowCost(p50_ms=1.0)) for row in crowded.rows])
    chart = against_latency(crowded, crowded.rows, colours_of([row.system for row in crowded.rows]))
    named = {text for text, _ in texts(chart.svg, "mark-text role-mark")}
    legend = {text for text, _ in texts(chart.svg, "role-legend-label")}
    assert legend
    assert len(named) + len(legend) < 60
    assert f"{60 - len(named) - len(legend)} grey points without a name" in chart.notes[-1]
    assert not named & legend


def test_recommenders_are_drawn_against_the_catalogue_that_they_show() -> None:
    shown = made("popularity", "markov", "item-knn")
    shares = dict(zip(("popularity", "markov", "item-knn"), (0.02, 0.7, 0.5), strict=True))
    meaning = "share of the catalogue that stands among the first 10 of some answer"
    rows = [
        replace(row, counts={"coverage@10": Count("coverage@10", shares[row.system], meaning, kind="share")})
        for row in shown.rows
    ]
    chart = block_charts(replace(shown, rows=rows), colours_of(list(shares)))[1]
    assert chart.title == "nDCG@10 against coverage"
    assert "share of the catalogue that stands in some answer" in words(chart.svg)
    assert {"popularity", "markov", "item-knn"} <= {text for text, _ in texts(chart.svg, "mark-text role-mark")}
    assert list(chart.notes) == [meaning, "dashed: no system shows more of the catalogue and is better"]
    assert len(block_charts(shown, colours_of(list(shares)))) == 2  # without such a count there is none


places = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=9)


@given(places, st.booleans(), st.booleans())
def test_the_front_is_what_no_other_beats_in_both(
    found: list[tuple[int, int]], lower: bool, higher_is_better: bool
) -> None:
    across, up = (-1 if lower else 1), (1 if higher_is_better else -1)

    def beaten(place: tuple[int, int]) -> bool:
        return any(
            other != place and across * other[0] >= across * place[0] and up * other[1] >= up * place[1]
            for other in found
        )

    assert _front(found, lower, higher_is_better) == sorted({place for place in found if not beaten(place)})


points = st.lists(st.tuples(st.floats(0, 400), st.floats(0, 200), st.text(min_size=1, max_size=28)), max_size=25)


@given(points)
def test_placed_names_cover_no_point_and_no_other_name(found: list[tuple[float, float, str]]) -> None:
    given_points = [Point(str(n), text, x, y) for n, (x, y, text) in enumerate(found)]
    sides = place_names(given_points, 400, 200, [])
    boxes = [sides[p.name].box(p.x, p.y, text_width(p.text)) for p in given_points if p.name in sides]
    assert all(box.inside(400, 200) for box in boxes)
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    assert not any(box.left < p.x < box.right and box.top < p.y < box.bottom for box in boxes for p in given_points)


def level(y: float) -> Box:
    return Box(0, y - 1, 400, y + 1)


def test_no_name_is_struck_through() -> None:
    point, levels = Point("a", "name", 200, 50), [level(50), level(37)]
    box = place_names([point], 400, 100, levels)["a"].box(200, 50, text_width("name"))
    assert not any(box.overlaps(line) for line in levels)
    assert place_names([point], 400, 100, [*levels, level(63)]) == {}


def test_a_name_keeps_off_an_upright_line_where_it_can() -> None:
    point, uprights = Point("a", "name", 200, 50), [Box(x - 1, 0, x + 1, 100) for x in (190, 210)]
    one, both = (place_names([point], 400, 100, lines)["a"] for lines in (uprights[1:], uprights))
    assert not one.box(200, 50, text_width("name")).overlaps(uprights[1])
    assert both.box(200, 50, text_width("name")).overlaps(uprights[1])


def test_the_front_is_of_the_best_whichever_way_is_better() -> None:
    one = latency(made("a", "b", "c"))
    lower = replace(SEARCH[0], higher_is_better=False)
    two = latency(replace(made("a", "b", "c"), measures=[lower, *SEARCH[1:]]))
    front = re.compile(r'd="([^"]+)"[^>]*stroke-dasharray="4,3"')
    assert front.search(one)
    assert front.search(one)[1] != front.search(two)[1]  # type: ignore[index]
    assert "lower is better" in words(two)


def test_a_chart_by_rank_has_a_line_for_each_system_and_says_which_way_is_better() -> None:
    shown = block("relevance", SYSTEMS, "pydoc-1k")
    told = words(by_rank(shown, shown.rows, colours_of(SYSTEMS)).svg)
    assert "fail (lower is better)" in told
    assert "fail@k" in told
    assert all(name in told for name in ("bm25", HOSTILE))


def test_exclusivity_stands_beside_completeness() -> None:
    collection = board(SYSTEMS, ["pydoc-1k"], probes=True).collections[0]
    [chart] = collection_charts(collection, {})
    assert "exclusivity, Hits@1" in words(chart.svg)
    assert "completeness, Hits@1" in words(chart.svg)
    assert not collection_charts(replace(collection, blocks=collection.blocks[:2]), {})
    assert side_by_side(collection.blocks[1:3]).svg == chart.svg


@pytest.fixture
def asked_both() -> Board:
    """Three systems, which come in the opposite order in the one task as in the other."""
    made_up = board(["tea", "milk", "sugar"], ["pydoc-1k"], relevance=False)
    collection = made_up.collections[0]
    search = collection.blocks[0]
    figures = [row.figures for row in search.rows]
    rows = [replace(row, figures=own) for row, own in zip(search.rows, reversed(figures), strict=True)]
    following = replace(search, task="next_item", rows=rows)
    return replace(made_up, collections=[replace(collection, blocks=[search, following])])


def test_what_comes_next_is_drawn_against_search(asked_both: Board) -> None:
    (collection,) = asked_both.collections
    [chart] = collection_charts(collection, colours_of(["tea", "milk", "sugar"]))
    assert chart.title == "nDCG@10 against nDCG@10 of search"
    assert {"tea", "milk", "sugar"} <= {text for text, _ in texts(chart.svg, "mark-text role-mark")}
    assert {"search: nDCG@10", "next_item: nDCG@10"} <= {one.text for one in ElementTree.fromstring(chart.svg).iter()}
    told = 'aria-label="tea: nDCG@10 .200, n = 200; 95 % .170–.230; search: nDCG@10 .800"'
    assert told in chart.svg
    assert "dashed: no system is better in both" in chart.notes
    assert "pydoc-1k, next_item: nDCG@10 against nDCG@10 of search" in words(as_picture(asked_both))


def test_one_system_is_drawn_against_nothing(asked_both: Board) -> None:
    (collection,) = asked_both.collections
    search, following = collection.blocks
    alone = replace(collection, blocks=[search, replace(following, rows=following.rows[:1])])
    assert not collection_charts(alone, {})
    assert "against nDCG@10 of search" not in words(as_picture(replace(asked_both, collections=[alone])))


def test_the_distribution_shows_every_band() -> None:
    shown = made()
    told = words(distribution(shown, shown.rows).svg)
    assert all(band in told for band in BANDS)


def test_failures_are_drawn_by_what_they_come_of() -> None:
    title, shown = "What the failures come of", made("bm25", "dsi")
    shares = {name: RowFigure(value, 0, 1, 30) for name, value in zip(KINDS, (0.25, 0, 0.75), strict=True)}
    traced = replace(shown.rows[1], figures={**shown.rows[1].figures, **shares})
    drawn = block_charts(replace(shown, rows=[shown.rows[0], traced]), colours_of(SYSTEMS))
    [told] = [words(chart.svg) for chart in drawn if chart.title == title]
    assert all(name in told for name in (*KINDS, "dsi"))
    assert "bm25" not in told
    assert title not in [chart.title for chart in block_charts(shown, colours_of(SYSTEMS))]


def test_a_chart_of_many_systems_shows_the_first_and_says_so() -> None:
    shown = made(*(f"system {n}" for n in range(40)))
    assert distribution(shown, shown.rows).notes == ["the first 25 of 40 systems"]


def test_systems_have_the_same_colour_in_every_chart_and_those_beyond_the_palette_none() -> None:
    colours = colours_of([f"system {n}" for n in range(30)])
    assert list(colours.values()) == list(range(len(PALETTE)))


def test_only_rows_on_one_hardware_are_compared_by_latency() -> None:
    whole = board(["bm25", "sbert", "dsi"], ["pydoc-1k"], relevance=False)
    mixed = changed(whole, ["dsi"], hardware="another machine")
    (chart, *_) = block_charts(mixed.collections[0].blocks[0], colours_of(SYSTEMS))
    assert {text for text, _ in texts(chart.svg, "mark-text role-mark")} == {"bm25", "sbert"}
    assert f"latency on {HARDWARE}; not drawn: 1 system timed on other hardware" in chart.notes


def test_rows_without_a_latency_are_told_of() -> None:
    whole = board(["bm25", "sbert", "dsi"], ["pydoc-1k"], relevance=False)
    mixed = changed(whole, ["dsi"], cost=RowCost())
    (chart, *_) = block_charts(mixed.collections[0].blocks[0], colours_of(SYSTEMS))
    assert f"latency on {HARDWARE}; not drawn: 1 system without a latency of one machine" in chart.notes


def test_the_picture_names_the_suite_the_collections_and_every_system(picture: str) -> None:
    told = words(picture)
    for part in ("made-up", "pydoc-1k, search: nDCG@10 against latency", "scifact, search", "bm25", HOSTILE):
        assert part in told
    assert told.count(f"latency on {HARDWARE}") == 1
    assert len(picture) < 60_000


def test_without_latencies_the_picture_shows_the_intervals() -> None:
    told = words(as_picture(changed(board(["bm25", "dsi"], ["pydoc-1k"]), cost=RowCost())))
    assert "pydoc-1k, search: nDCG@10" in told
    assert "latency" not in told


def test_latencies_measured_on_a_busy_machine_are_marked() -> None:
    busy = changed(board(["bm25", "dsi"], ["pydoc-1k"]), cost=RowCost(p50_ms=3.0, others_share=0.5))
    told = words(as_picture(busy))
    assert "bm25†" in told
    assert "† measured while other work took more than 15% of the processor" in told
    assert "†" not in words(as_picture(board(["bm25", "dsi"], ["pydoc-1k"])))


def test_a_note_that_holds_of_one_collection_says_of_which() -> None:
    quiet = board(["bm25", "dsi"], ["pydoc-1k"])
    busy = changed(board(["bm25", "dsi"], ["scifact"]), cost=RowCost(p50_ms=3.0, others_share=0.5))
    told = words(as_picture(replace(quiet, collections=[*quiet.collections, *busy.collections])))
    assert "scifact: † measured while other work" in told
    assert told.count("dashed: ") == 1


def test_a_long_note_takes_several_lines() -> None:
    name = "a-collection-whose-name-is-so-long-that-the-note-of-it-has-no-room-in-one-line-of-this-width"
    quiet = board(["bm25", "dsi"], ["pydoc-1k"])
    mixed = changed(board(["bm25", "dsi", "sbert"], [name]), ["dsi"], hardware="another machine")
    picture = as_picture(replace(quiet, collections=[*quiet.collections, *mixed.collections]))
    lines = re.findall(r'<text class="own" x="8" y="\d+">([^<]*)</text>', picture)
    assert max(map(len, lines)) <= 130
    assert f"{name}: latency on {HARDWARE}; not drawn: 1 system timed on other hardware" in " ".join(lines)


def test_a_picture_without_figures_says_so() -> None:
    assert "no system has figures" in words(as_picture(changed(board(["bm25"], ["pydoc-1k"]), figures={})))


def test_of_many_collections_the_picture_shows_the_first_and_says_so() -> None:
    told = words(as_picture(board(["bm25", "dsi"], [f"collection {number}" for number in range(6)])))
    assert "collection 3" in told
    assert "collection 4" not in told
    assert "the first 4 of 6 collections" in told


def test_a_probe_alone_has_no_chart_of_bands_and_none_of_latency() -> None:
    assert charts(block("exclusivity", SYSTEMS, "pydoc-1k")) == []
