"""Cells that really ran, and the leaderboard that was published of them."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from finished_cells import SPECIAL, Finished, finished

from bench.leaderboard import overview as overviews
from bench.leaderboard import publish as publishing
from bench.leaderboard.board import Board
from bench.leaderboard.publish import publish
from bench.leaderboard.selection import select
from bench.leaderboard.writers.json import as_json
from bench.suite import Suite

__all__ = ["finished"]


@pytest.fixture(scope="module", autouse=True)
def plain_page() -> Iterator[None]:
    """A page and a picture that are made quickly; the real ones have tests of their own."""

    def plain(board: Board) -> str:
        return as_json(board.as_data())

    with pytest.MonkeyPatch.context() as patch:
        writers = {**publishing._WRITERS, "index.html": plain, "overview.svg": plain}
        patch.setattr(publishing, "_WRITERS", writers)
        patch.setattr(overviews, "as_overview_page", lambda boards: "\n".join(map(plain, boards)))
        yield


@pytest.fixture(scope="module")
def suite(finished: Finished) -> Suite:
    systems = [entry for entry in finished.suite.systems if entry.label != SPECIAL]
    return finished.suite.model_copy(update={"systems": systems, "tasks": finished.suite.tasks[:2]})


@pytest.fixture(scope="module")
def original(suite: Suite, finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = tmp_path_factory.mktemp("results")
    publish(suite, select(suite, [finished.records()]), results)
    return results / "tiny"


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "tiny"))
