"""The pages of single systems: what they say, and that it is what the answers give."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from finished_cells import HOSTILE, SPECIAL, Finished

from bench.leaderboard import publish as publishing
from bench.leaderboard.publish import publish
from bench.leaderboard.published import Published, read_published
from bench.leaderboard.selection import select
from bench.leaderboard.systems import SYSTEMS, page_name, read_systems, with_page
from bench.leaderboard.writers.system import system_pages
from bench.verification.check import worst
from bench.verification.verify import verify


@pytest.fixture(scope="module")
def published(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> Published:
    results = tmp_path_factory.mktemp("results")
    publish(finished.suite, select(finished.suite, [finished.records()]), results)
    return read_published(results / "tiny")


@pytest.fixture
def copy(published: Published, tmp_path: Path) -> Path:
    return shutil.copytree(published.folder, tmp_path / "tiny")


def failures(folder: Path, finished: Finished) -> list[str]:
    found = read_published(folder)
    return [one.what for one in verify(found, {found.collections()[0]: finished.dataset}) if one.verdict == "FAIL"]


def page(published: Published, system: str) -> str:
    return (published.folder / page_name(system)).read_text(encoding="utf-8")


def test_every_row_leads_to_the_page_of_its_system(published: Published) -> None:
    assert set(with_page(published.board)) == {"tf-idf", "bm25", HOSTILE, SPECIAL, "raises"}
    index = (published.folder / "index.html").read_text(encoding="utf-8")
    for name in with_page(published.board):
        assert f'href="{page_name(name)}"' in index
        assert (published.folder / page_name(name)).is_file()
    assert "&lt;script&gt;alert(1)" in page(published, HOSTILE)
    assert "<script>alert" not in page(published, HOSTILE)


def test_a_page_does_not_depend_on_the_order_in_which_its_cells_are_found(published: Published) -> None:
    """One collection's name may begin another's, so that files and collections are ordered otherwise."""
    systems = read_systems(published.folder)
    backwards = dict(reversed(published.cells.items()))
    assert system_pages(published.board, systems, backwards) == system_pages(
        published.board, systems, published.cells
    )


def test_a_page_says_what_the_system_is_and_what_differs(published: Published) -> None:
    bm25 = page(published, "bm25")
    assert "Robertson and Zaragoza 2009" in bm25
    assert "retrievers.lexical.bm25:BM25" in bm25
    assert "Nothing: it runs as it comes." in bm25
    assert read_systems(published.folder).systems[HOSTILE].differs == {"min_df": (2, 1)}
    assert "<code>min_df</code>" in page(published, HOSTILE)
    assert "the soufflé collapsed" in page(published, "raises")


def test_queries_that_moved_are_those_with_the_largest_differences(published: Published, finished: Finished) -> None:
    systems, search = read_systems(published.folder).systems, published.board.collections[0].blocks[0]
    best, second = search.rows[0].system, search.rows[1].system
    for name in (SPECIAL, best):
        (moved,) = systems[name].moved
        assert moved.other == (second if name == best else best)
        mine, other = (
            np.mean([finished.task(one, seed=seed).values["nDCG@10"] for seed in (0, 1)], axis=0)
            for one in (name, moved.other)
        )
        apart = np.abs(mine - other)
        shown = [abs(one.value - one.other_value) for one in moved.queries]
        assert shown == pytest.approx(np.sort(apart)[::-1][:5], abs=2e-6)
        places = {query: place for place, query in enumerate(finished.task(name).query_ids)}
        assert [one.value for one in moved.queries] == pytest.approx(
            [mine[places[one.query]] for one in moved.queries]
        )


def test_hits_are_the_first_of_the_run_and_told_apart_by_relevance(published: Published, finished: Finished) -> None:
    (moved,) = read_systems(published.folder).systems[SPECIAL].moved
    collection = finished.dataset.collection
    texts = {query.id: query.text for query in collection.queries()}
    run = finished.cell(SPECIAL).folder.glob("tasks/search*/rankings.parquet")
    import pyarrow.parquet as pq

    answers = pq.read_table(next(run)).to_pylist()
    for query in moved.queries:
        ranked = [one["document"] for one in answers if one["query"] == query.query][:3]
        assert [hit.id for hit in query.hits] == ranked
        assert query.text == " ".join(texts[query.query].split())[:160] or query.text.endswith("…")
        right = [one.id for one in query.relevant]
        assert right == [query.query]  # a docstring's summary asks for the docstring
        assert all(hit.relevant == (hit.id in right) for hit in (*query.hits, *query.other_hits))
    assert "✓" in page(published, SPECIAL)


def test_what_is_published_is_confirmed(published: Published, finished: Finished) -> None:
    assert worst(list(verify(published, {published.collections()[0]: finished.dataset}))) == "OK"


def test_without_the_collection_in_the_cache_there_are_ids_alone(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "is_parsed", lambda spec: False)
    publish(finished.suite, select(finished.suite, [finished.records()]), tmp_path)
    systems = read_systems(tmp_path / "tiny")
    assert systems.texts == []
    (moved,) = systems.systems["bm25"].moved
    assert all(not query.text and query.hits for query in moved.queries)
    assert failures(tmp_path / "tiny", finished) == []


def _other_value(folder: Path) -> str:
    data = json.loads((folder / SYSTEMS).read_text())
    data["systems"]["bm25"]["moved"][0]["queries"][0]["value"] = 0.123
    (folder / SYSTEMS).write_text(json.dumps(data))
    return f"{SYSTEMS}: queries of bm25 that moved"


def _other_page(folder: Path) -> str:
    path = folder / page_name("bm25")
    path.write_text(path.read_text().replace("Robertson", "Robertsen"))
    return page_name("bm25")


def _further_page(folder: Path) -> str:
    (folder / "systems" / "best.html").write_text("the best")
    return "systems/best.html"


def _no_systems(folder: Path) -> str:
    (folder / SYSTEMS).unlink()
    return SYSTEMS


@pytest.mark.parametrize("change", [_other_value, _other_page, _further_page, _no_systems])
def test_what_is_changed_is_found(copy: Path, finished: Finished, change: Callable[[Path], str]) -> None:
    assert change(copy) in failures(copy, finished)


def test_no_two_systems_share_a_page() -> None:
    names = ["bm25", "BM25", "bm 25", "bm-25", "bm/25", "..", "検索", "x" * 100, "y" + "x" * 99]
    found = [page_name(name) for name in names]
    assert len({path.lower() for path in found}) == len(names)
    assert all(re.fullmatch(r"systems/[^/\\]+\.html", path) for path in found)
