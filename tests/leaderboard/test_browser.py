"""The page in a browser, opened from disk as a reader does. Skipped where there is no browser."""

import io
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pytest
from boards import board, manifests
from finished_cells import HOSTILE, Finished

from bench.leaderboard.cells import read_cells
from bench.leaderboard.page import as_page
from bench.leaderboard.picture import as_picture
from bench.leaderboard.publish import publish, select

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SYSTEMS = ["bm25", "colbert", HOSTILE, "dsi", *(f"system {number}" for number in range(30))]


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
    made = board(SYSTEMS, ["pydoc-1k", "scifact"])
    path = tmp_path_factory.mktemp("page") / "index.html"
    path.write_text(as_page(made, manifests(made)), encoding="utf-8")
    return path.as_uri()


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
    opened.wait_for_selector("div.dt-container")
    yield opened
    assert complaints == []
    opened.close()


def first_names(page: Any) -> list[str]:
    rows = page.locator("table.board").first.locator("tbody tr th")
    return [text.replace("★", "").strip() for text in rows.all_inner_texts()]


def test_a_click_on_a_header_sorts_and_says_so(page: Any) -> None:
    table = page.locator("table.board").first
    assert first_names(page)[0] == "bm25"
    header = table.locator("thead th", has_text="nDCG@10")
    orders = {}
    for act in (header.click, lambda: header.get_by_role("button").press("Enter")):
        before = header.get_attribute("aria-sort")
        act()
        told = "([header, before]) => header.getAttribute('aria-sort') !== before"
        page.wait_for_function(told, arg=[header.element_handle(), before])
        orders[header.get_attribute("aria-sort")] = first_names(page)[0]
    assert orders == {"ascending": "system 29", "descending": "bm25"}


def test_the_filter_leaves_what_fits(page: Any) -> None:
    page.get_by_label("Filter:").first.fill("colb")
    assert first_names(page) == ["colbert"]
    page.get_by_label("Filter:").first.fill("<script>")
    assert first_names(page) == [HOSTILE]


def test_one_click_opens_a_systems_manifest(page: Any) -> None:
    page.locator("table.board").first.get_by_role("link", name="colbert").click()
    shown = page.locator("details[open] pre")
    shown.wait_for()
    page.wait_for_function("document.querySelector('details[open] pre').textContent.length > 50")
    assert '"system": "colbert"' in shown.inner_text()
    assert page.locator("details[open]").count() == 1


def test_arrow_keys_move_over_the_figures_and_each_is_explained(page: Any) -> None:
    cell = page.locator("table.board").first.locator("tbody tr").first.locator("td").nth(2)
    cell.click()
    line = page.locator(".explain").first
    assert "nDCG@10: discounted cumulative gain" in line.inner_text()
    assert "n = 200; 95 % .770–.830" in line.inner_text()
    page.keyboard.press("ArrowRight")
    assert "MRR@10: reciprocal rank" in line.inner_text()
    cell.hover()
    title = cell.get_attribute("title")
    assert all(part in title for part in ("bm25 .800", "discounted cumulative gain", "n = 200", "what search means"))


def test_pictures_are_drawn_when_they_come_near(page: Any) -> None:
    plot = page.locator(".plot").last
    assert plot.locator("svg").count() == 0
    plot.scroll_into_view_if_needed()
    plot.locator("svg").wait_for()
    assert plot.get_attribute("tabindex") == "0"
    assert "fail@1" in plot.get_attribute("title")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_picture_for_a_readme_is_drawn_in_light_and_in_dark(chromium: Any, tmp_path: Path, scheme: str) -> None:
    (tmp_path / "overview.svg").write_text(as_picture(board(["bm25", HOSTILE], ["pydoc-1k"])), encoding="utf-8")
    (tmp_path / "readme.html").write_text('<img src="overview.svg">', encoding="utf-8")
    page = chromium.new_page(color_scheme=scheme)
    page.goto((tmp_path / "readme.html").as_uri())
    page.evaluate("document.images[0].decode()")
    shown = matplotlib.image.imread(io.BytesIO(page.locator("img").screenshot()))[:, :, :3]
    assert shown.shape[0] > 300
    assert shown.shape[1] > 600
    ground = np.median(shown, axis=(0, 1)).mean()
    assert ground > 0.9 if scheme == "light" else ground < 0.2
    assert shown.std() > 0.02
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_in_light_and_in_dark(chromium: Any, address: str, scheme: str) -> None:
    page = chromium.new_page(color_scheme=scheme)
    page.goto(address)
    page.wait_for_selector("div.dt-container")
    colours = page.evaluate(
        """() => ["body", "table.board tbody tr:last-child td", "table.board tbody tr.best td"].map((where) => {
            const style = getComputedStyle(document.querySelector(where));
            return [style.color, style.backgroundColor].map((text) => text.match(/[\\d.]+/g).map(Number));
        })"""
    )
    ground = colours[0][1]
    for ink, paper in colours:
        behind = ground if paper[3:] == [0] else paper
        assert abs(sum(ink[:3]) - sum(behind[:3])) > 300
    assert (sum(ground[:3]) < 200) == (scheme == "dark")
    page.close()


def test_a_phone_shows_the_page_without_scrolling_sideways(chromium: Any, address: str) -> None:
    page = chromium.new_page(viewport={"width": 390, "height": 844})
    page.goto(address)
    page.wait_for_selector("div.dt-container")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.close()


def test_what_publish_writes_opens_without_a_complaint(chromium: Any, finished: Finished, tmp_path: Path) -> None:
    publish(finished.suite, select(finished.suite, [read_cells([finished.out])]), tmp_path)
    page = chromium.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(dialog.message))
    page.goto((tmp_path / "index.html").as_uri())
    page.get_by_role("link", name="tiny").first.click()
    page.wait_for_selector("details.failed")
    assert "the soufflé collapsed" in page.locator("details.failed").first.inner_text()
    assert page.locator("td.absent", has_text="failed").first.is_visible()
    page.locator("table.board a", has_text="alert(1)").first.click()
    page.wait_for_selector("details[open] pre")
    page.wait_for_timeout(300)
    assert complaints == []
    page.close()
