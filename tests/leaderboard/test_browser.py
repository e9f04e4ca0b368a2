"""The page in a browser, opened from disk as a reader does. Skipped where there is no browser."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from boards import board, changed
from finished_cells import HOSTILE, Finished

from bench.cells.folder import read_all
from bench.leaderboard.publish import publish
from bench.leaderboard.selection import select
from bench.leaderboard.writers.overview import as_overview_page
from bench.leaderboard.writers.page import as_page
from bench.leaderboard.writers.pictures import as_picture

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SYSTEMS = ["bm25", "colbert", HOSTILE, "dsi", "failing", *(f"system {number}" for number in range(30))]
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="needs pip install 'retrieval-bench[browser]'")
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"needs a browser: none of {', '.join(BROWSERS)} is installed")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    whole = board(SYSTEMS, ["pydoc-1k", "scifact"], probes=True)
    made = changed(whole, ["failing"], figures={}, problem="collapsed", best_rank=None)
    folder = tmp_path_factory.mktemp("page")
    (folder / "index.html").write_text(as_page(made), encoding="utf-8")
    (folder / "overview.html").write_text(as_overview_page([made]), encoding="utf-8")
    return (folder / "index.html").as_uri()


@pytest.fixture
def page(chromium: Any, address: str) -> Iterator[Any]:
    """The page, opened; a message on the console or a dialog fails the test."""
    opened = chromium.new_page()
    complaints: list[str] = []
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
    opened.on("request", lambda request: complaints.append(request.url) if request.url.startswith("http") else None)
    opened.goto(address)
    yield opened
    assert complaints == []
    opened.close()


def names(table: Any) -> list[str]:
    return [text.replace("★", "").strip() for text in table.locator("tbody tr th").all_inner_texts()]


def test_a_click_on_a_header_sorts_and_says_so(page: Any) -> None:
    table = page.locator("table.board").nth(1)
    header = table.locator("thead th", has_text="MRR@10")
    header.get_by_role("button").click()
    assert header.get_attribute("aria-sort") == "descending"
    assert names(table)[0] == "bm25"
    header.get_by_role("button").press("Enter")
    assert header.get_attribute("aria-sort") == "ascending"
    assert names(table)[0] == "system 29"
    assert names(table)[-1] == "failing"


def test_costs_sort_by_their_size_and_names_by_the_alphabet(page: Any) -> None:
    table = page.locator("table.board").nth(1)
    table.locator("thead th", has_text="memory MB").get_by_role("button").click()
    assert names(table)[0] == "system 29"
    table.locator("thead th", has_text="system").get_by_role("button").click()
    assert names(table)[0] == HOSTILE
    assert table.locator("thead th[aria-sort]").count() == 1


def test_a_failed_system_has_its_reason_in_its_row(page: Any) -> None:
    assert page.locator("tr", has_text="failing").locator("td.absent").first.inner_text() == "failed: collapsed"


def test_without_scripts_tables_and_charts_are_there(chromium: Any, address: str) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    assert len(names(page.locator("table.board").nth(1))) == len(SYSTEMS)
    assert page.locator("figure svg").count() == 2 * 4
    assert page.locator("figure svg").first.bounding_box()["width"] > 300
    context.close()


def test_in_print_a_wide_table_is_on_the_paper_whole(chromium: Any, address: str) -> None:
    page = chromium.new_page(viewport={"width": 1046, "height": 700})
    page.goto(address)
    page.emulate_media(media="print")
    edges = page.locator("table.board").evaluate_all(
        "(tables) => tables.map((one) => one.getBoundingClientRect().right)"
    )
    assert max(edges) <= 1046
    assert page.locator("figure svg").first.bounding_box()["height"] > 100
    page.close()


@pytest.mark.parametrize("name", ["index.html", "overview.html"])
def test_a_phone_shows_the_page_without_scrolling_sideways(chromium: Any, address: str, name: str) -> None:
    page = chromium.new_page(viewport=PHONE)
    page.goto(address.replace("index.html", name))
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    page.close()


def test_a_phone_shows_system_star_rank_and_primary_figure_at_once(chromium: Any, address: str) -> None:
    page = chromium.new_page(viewport=PHONE)
    page.goto(address)
    row = page.locator("table.board").nth(1).locator("tbody tr").first
    for part in (row.locator(".star"), row.locator("td").nth(0), row.locator("td").nth(1)):
        box = part.bounding_box()
        assert 0 <= box["x"] < box["x"] + box["width"] <= PHONE["width"]
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_in_light_and_in_dark(chromium: Any, address: str, scheme: str) -> None:
    page = chromium.new_page(color_scheme=scheme)
    page.goto(address)
    shown = ["body", "table.board tbody td", ".star", ".notes", "td.absent", ".role-axis-label text"]
    colours = page.evaluate(
        """(places) => places.map((where) => {
            const style = getComputedStyle(document.querySelector(where));
            return where.startsWith(".role") ? style.fill : style.color;
        }).concat(getComputedStyle(document.body).backgroundColor)""",
        shown,
    )
    *inks, ground = ([float(part) for part in re.findall(r"[\d.]+", colour)[:3]] for colour in colours)
    assert (sum(ground) < 200) == (scheme == "dark")
    assert all(abs(sum(ink) - sum(ground)) > 250 for ink in inks)
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_picture_for_a_readme_is_drawn_in_light_and_in_dark(chromium: Any, tmp_path: Path, scheme: str) -> None:
    (tmp_path / "overview.svg").write_text(as_picture(board(["bm25", HOSTILE], ["pydoc-1k"])), encoding="utf-8")
    (tmp_path / "readme.html").write_text('<img src="overview.svg">', encoding="utf-8")
    page = chromium.new_page(color_scheme=scheme)
    page.goto((tmp_path / "readme.html").as_uri())
    page.evaluate("document.images[0].decode()")
    box = page.locator("img").bounding_box()
    assert box["height"] > 300
    assert box["width"] > 600
    page.close()


def test_what_publish_writes_opens_without_a_complaint(chromium: Any, finished: Finished, tmp_path: Path) -> None:
    publish(finished.suite, select(finished.suite, [read_all([finished.out])]), tmp_path)
    page = chromium.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(dialog.message))
    page.goto((tmp_path / "index.html").as_uri())
    page.get_by_role("link", name="tiny").first.click()
    assert "failed: " in page.locator("td.absent").first.inner_text()
    links = page.locator(".cells a").evaluate_all("(links) => links.map((link) => decodeURI(link.pathname))")
    assert links
    assert all(Path(link).is_file() for link in links)
    assert complaints == []
    page.close()
