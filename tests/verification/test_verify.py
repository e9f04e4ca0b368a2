"""A published leaderboard held against its proof; each test spoils one thing and sees it caught."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from finished_cells import HOSTILE, SPECIAL, Finished

from bench.collections.catalogue import Dataset, open_dataset
from bench.errors import BenchError
from bench.leaderboard import publish as publishing
from bench.leaderboard.cells import read_cells
from bench.leaderboard.formats import as_json
from bench.leaderboard.publish import publish, select
from bench.leaderboard.verify import Check, read_published, verify, worst


@pytest.fixture(scope="module", autouse=True)
def plain_page() -> Iterator[None]:
    """A page and a picture that are made quickly; the real ones have tests of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(publishing, "as_page", lambda board, manifests: as_json([board.as_data(), manifests]))
        patch.setattr(publishing, "as_picture", lambda board: as_json(board.as_data()))
        yield


@pytest.fixture(scope="module")
def original(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = tmp_path_factory.mktemp("results")
    systems = [entry for entry in finished.suite.systems if entry.label != SPECIAL]
    suite = finished.suite.model_copy(update={"systems": systems, "tasks": finished.suite.tasks[:2]})
    publish(suite, select(suite, [read_cells([finished.out])]), results)
    return results / "tiny"


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "tiny"))


def checked(folder: Path, dataset: Dataset | BenchError) -> list[Check]:
    published = read_published(folder)
    return list(verify(published, dict.fromkeys(published.collections(), dataset)))


def failures(folder: Path, dataset: Dataset) -> dict[str, str]:
    return {check.what: check.detail for check in checked(folder, dataset) if check.verdict == "FAIL"}


def edit(path: Path, change: Any) -> None:
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n")


def manifest_of(folder: Path, name: str) -> Path:
    return next(folder.glob(f"manifests/{name}.*seed0*.json"))


def test_what_was_published_is_confirmed(original: Path, finished: Finished) -> None:
    checks = checked(original, finished.dataset)
    assert [check for check in checks if check.verdict != "OK"] == []
    assert worst(checks) == "OK"
    whats = {check.what for check in checks}
    assert any(what.endswith("search, bm25: nDCG@10") for what in whats)
    assert any(what.endswith(f"exclusivity, {HOSTILE}: Hits@1 N=16") for what in whats)
    assert {"README.md", "table.tex", "table.csv", "index.html", "overview.svg"} <= whats


@pytest.mark.parametrize("name", ["README.md", "table.tex", "table.csv", "pairs.csv", "index.html", "overview.svg"])
def test_a_changed_digit_of_a_table_is_caught(folder: Path, finished: Finished, name: str) -> None:
    text = (folder / name).read_text()
    place = next(i for i in range(len(text) * 2 // 3, len(text)) if text[i] == "." and text[i + 1].isdigit())
    digit = "1" if text[place + 1] != "1" else "2"
    (folder / name).write_text(text[: place + 1] + digit + text[place + 2 :])
    assert any(what.startswith(name) for what in failures(folder, finished.dataset))


def test_a_changed_digit_of_a_figure_is_caught_in_every_place(folder: Path, finished: Finished) -> None:
    def change(data: dict[str, Any]) -> None:
        row = next(row for row in data["collections"][0]["blocks"][0]["rows"] if row["system"] == "bm25")
        row["figures"]["MRR@10"]["value"] += 0.0001

    edit(folder / "leaderboard.json", change)
    found = failures(folder, finished.dataset)
    assert any(what.endswith("search, bm25: MRR@10") for what in found)
    assert "README.md" in found or "table.csv" in found


def test_a_rounding_of_another_machine_is_near(folder: Path, finished: Finished) -> None:
    def change(data: dict[str, Any]) -> None:
        data["collections"][0]["blocks"][0]["rows"][0]["figures"]["MAP"]["value"] += 1e-8

    edit(folder / "leaderboard.json", change)
    near = [check.what for check in checked(folder, finished.dataset) if check.verdict == "near"]
    assert len(near) == 1
    assert near[0].endswith("MAP")


def test_a_swapped_run_file_is_caught(folder: Path, finished: Finished) -> None:
    one, other = (next(folder.glob(f"runs/{name}.*seed0*.search.*")) for name in ("bm25", "tf-idf"))
    shutil.copyfile(other, one)
    found = failures(folder, finished.dataset)
    assert found[f"runs/{one.name}"] == "the run file is not the one that its manifest names"
    assert any(what.endswith("search, bm25: nDCG@10") for what in found)


def test_a_run_file_that_is_missing_or_too_many_is_caught(folder: Path, finished: Finished) -> None:
    one = next(folder.glob("runs/bm25.*seed0*.search.*"))
    one.rename(one.with_name("stray.trec.gz"))
    found = failures(folder, finished.dataset)
    assert found[f"runs/{one.name}"] == "the run file is missing"
    assert found["runs/stray.trec.gz"] == "no manifest names this run file"


def test_another_fingerprint_is_caught(folder: Path, finished: Finished, beir_folder: Path) -> None:
    found = failures(folder, open_dataset(f"beir:{beir_folder}?gains=exponential"))
    assert [what for what in found if what.endswith("fingerprint")]
    assert "other content or rules" in next(iter(found.values()))


def test_a_mixed_table_is_caught(folder: Path, finished: Finished) -> None:
    edit(manifest_of(folder, "tf-idf"), lambda data: data["cell"].update(fingerprint="e" * 64))
    assert any(
        "a row of another fingerprint, eeee" in detail for detail in failures(folder, finished.dataset).values()
    )


def test_a_row_that_is_left_out_or_renamed_is_caught(folder: Path, finished: Finished) -> None:
    def change(data: dict[str, Any]) -> None:
        rows = data["collections"][0]["blocks"][0]["rows"]
        rows[:] = [row for row in rows if row["system"] != "raises"]

    edit(folder / "leaderboard.json", change)
    assert any("the rows or their order" in detail for detail in failures(folder, finished.dataset).values())


def test_a_cost_that_the_manifest_does_not_give_is_caught(folder: Path, finished: Finished) -> None:
    def change(data: dict[str, Any]) -> None:
        data["tasks"][0]["cost"]["p50_ms"] /= 2
        data["cost"]["fit_seconds"] /= 2

    edit(manifest_of(folder, "bm25"), change)
    assert any(what.endswith("search, bm25: cost") for what in failures(folder, finished.dataset))


def test_a_rank_that_the_tests_do_not_give_is_caught(folder: Path, finished: Finished) -> None:
    def change(data: dict[str, Any]) -> None:
        data["collections"][0]["blocks"][0]["rows"][-2]["best_rank"] = 1

    edit(folder / "leaderboard.json", change)
    assert any(what.endswith("best_rank") for what in failures(folder, finished.dataset))


def test_a_collection_that_cannot_be_opened_is_a_failure_that_says_what_to_do(folder: Path) -> None:
    found = checked(folder, BenchError("there is no folder x"))
    failed = [check for check in found if check.verdict == "FAIL"]
    assert len(failed) == 1
    assert "there is no folder x; name it with --dataset 'beir:" in failed[0].detail


def test_a_folder_that_was_not_published_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="give a folder that `bench publish` wrote"):
        read_published(tmp_path)
