"""Cells of composed systems: parts are fitted once, charged in full, timed apart, and fail as what they are."""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from conftest import PLUGINS, ledger_of, run

from bench.cells.folder import index_folder, read
from bench.cells.key import cell_key_parts
from bench.collections.catalogue import open_dataset
from bench.collections.collection import Collection, Query
from bench.errors import BenchError
from bench.rankings import Rankings
from bench.retriever import Retriever
from bench.runner.cost import Stopwatch
from bench.runner.parts import CellWorkplace
from bench.runner.plan import Cell, make_plan
from bench.runner.problems import problem_of
from bench.seals import seal
from bench.store import cache_root
from bench.suite import Suite, SystemEntry
from retrievers.composed.hybrid import Hybrid


def cells_of(folder: Path, out: Path, *systems: SystemEntry) -> list[Cell]:
    suite = Suite(name="test", datasets=[f"beir:{folder}"], systems=list(systems))
    return make_plan(suite, [open_dataset(suite.datasets[0])], out, plugin_files=[PLUGINS])


def entry(retriever: str, name: str = "", **options: Any) -> SystemEntry:
    return SystemEntry(retriever=retriever, name=name, options=options)


def saved(ledger: Path) -> dict[str, Any]:
    return {"retriever": "saved", "ledger": str(ledger)}


def pretend_it_took(folder: Path, seconds: float) -> None:
    """As if the shared fit of a part had taken so long."""
    (folder / "fit_seconds").write_text(f"{seconds}")
    seal(folder)


def test_a_part_is_fitted_once_for_a_row_and_for_all_that_have_it(beir_folder: Path, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    cells = cells_of(
        beir_folder,
        tmp_path / "out",
        entry("saved", "alone", ledger=str(ledger)),
        entry("hybrid", "first", parts=["bm25", "alone"]),
        entry("rerank", "second", first="alone", second="bm25", depth=5),
    )
    records, _ = run(cells)
    assert [record.problem for record in records] == [""] * 3
    assert ledger_of(ledger) == "fit\n"
    alone, first, second = (record.manifest for record in records)
    assert alone
    assert first
    assert second
    for whole, name in ((first, "alone"), (second, "first")):
        assert whole.cost.parts_seconds[name] == pytest.approx(alone.cost.seconds, abs=1e-9)
        assert whole.cost.seconds >= sum(whole.cost.parts_seconds.values()) - 0.05
        assert whole.cost.reused_seconds


def test_combinations_share_a_part_that_no_row_has_and_are_charged_for_it(beir_folder: Path, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    cells = cells_of(
        beir_folder,
        tmp_path / "out",
        entry("hybrid", "first", parts=["bm25", saved(ledger)]),
        entry("rerank", "second", first=saved(ledger), second="bm25"),
    )
    run(cells[:1])
    (shared,) = [path.parent.parent for path in cache_root().glob("shared/*/*/index/order.npy")][-1:]
    pretend_it_took(shared, 1000)
    (record,), _ = run(cells[1:])
    assert ledger_of(ledger) == "fit\n"
    assert record.manifest
    assert record.manifest.cost.parts_seconds["first"] == pytest.approx(1000, abs=5)
    assert record.manifest.cost.seconds == pytest.approx(1000, abs=20)


class _SlowToKeep(Retriever):
    """Is fitted at once, and takes its time to be saved and loaded."""

    def fit(self, collection: Collection) -> None:
        self.size = len(collection)

    def retrieve(self, queries: Sequence[Query], k: int) -> Rankings:
        return Rankings.from_hits(queries, [([0], [1.0])] * len(queries))

    def save(self, folder: Path) -> None:
        time.sleep(0.5)
        (folder / "size").write_text(f"{self.size}")

    def load(self, folder: Path) -> None:
        time.sleep(0.5)
        self.size = int((folder / "size").read_text())


def test_a_part_is_charged_its_fit_and_neither_its_save_nor_its_load(
    make_collection: Callable[..., Collection], tmp_path: Path
) -> None:
    """As a row is; also where it is a part of a part, and where another fit has made it."""
    view = make_collection({"a": "cat", "b": "dog"}).training_view()
    for _ in range(2):
        whole = Hybrid(parts={"made": _SlowToKeep(), "there": _SlowToKeep()})
        cell_key_parts(whole, "view")  # reads all code, once
        workplace = CellWorkplace(tmp_path / "checkpoints", tmp_path / "common", cells=tmp_path, fingerprint="view")
        watch = Stopwatch()
        fitted = workplace.fit_part("whole", whole, view)
        assert watch.seconds > 0.9
        assert fitted.seconds < 0.3
        charged = watch.seconds + workplace.reused_seconds - workplace.keeping_seconds
        assert charged == pytest.approx(fitted.seconds, abs=0.1)


def test_the_key_holds_the_parts_and_is_that_of_no_other(beir_folder: Path, tmp_path: Path) -> None:
    rows = [entry("bm25"), entry("rerank", second="bm25"), entry("rerank", "b", first="bm25?k1=2", second="bm25")]
    alone, rerank, other = cells_of(beir_folder, tmp_path / "out", *rows)
    parts = rerank.identity.key_parts["components"]
    assert [part["options"] for part in parts] == [alone.identity.options] * 2
    assert [part["code"] for part in parts] == [alone.identity.key_parts["code"]] * 2
    assert rerank.identity.key != other.identity.key
    assert rerank.identity.deterministic


def test_latencies_of_parts_and_the_ceiling_stand_beside_the_figures(beir_folder: Path, tmp_path: Path) -> None:
    cells = cells_of(beir_folder, tmp_path / "out", entry("bm25"), entry("rerank", second="bm25?k1=0.1", depth=3))
    (first, rerank), _ = run(cells)
    result = rerank.tasks[0].result
    assert set(result.cost.parts_p50_ms) == {"first", "second"}
    assert sum(result.cost.parts_p50_ms.values()) <= result.cost.p50_ms * 1.5
    counts = {one.name: one for one in result.counts}
    assert "{value} ms of a query are second's" in counts["ms in second"].note
    assert counts["ceiling"].header == "ceiling"
    assert 0 < counts["ceiling"].value <= first.tasks[0].values["Recall@100"].mean()
    assert not {"ceiling", "ms in second"} & {one.name for one in first.tasks[0].result.counts}


def test_parts_lie_inside_the_index_and_a_shared_one_takes_no_room_twice(beir_folder: Path, tmp_path: Path) -> None:
    cells = cells_of(beir_folder, tmp_path / "out", entry("bm25"), entry("rerank", second="bm25"))
    run(cells)
    alone, whole = (index_folder(cell.folder) for cell in cells)
    names = sorted(path.name for path in alone.iterdir())
    for part in ("first", "second"):
        assert sorted(path.name for path in (whole / part).iterdir()) == names
        assert (whole / part / "terms.json").stat().st_ino == (alone / "terms.json").stat().st_ino


@pytest.mark.parametrize(
    ("part", "kind", "reason"),
    [
        ("raises", "error", "ValueError: the soufflé collapsed"),
        ("lacks-package", "missing dependency", "No module named 'no_such_package'"),
        ("gives-nan", "invalid output", "not a finite number"),
        ("peeks-at-test", "bad input", "has no split 'test'"),
    ],
)
def test_a_part_that_fails_is_a_failure_of_its_kind(
    beir_folder: Path, tmp_path: Path, part: str, kind: str, reason: str
) -> None:
    (cell,) = cells_of(beir_folder, tmp_path / "out", entry("hybrid", parts=["bm25", part]))
    (record,), _ = run([cell])
    assert record.failure is not None
    assert (record.failure.kind, reason in record.failure.reason) == (kind, True)


def test_weights_of_a_part_that_are_not_there_are_a_missing_dependency(beir_folder: Path, tmp_path: Path) -> None:
    second = {"retriever": "sbert", "model": str(tmp_path / "no-model")}
    (cell,) = cells_of(beir_folder, tmp_path / "out", entry("rerank", second=second))
    assert cell.problem
    assert cell.problem.kind == "missing dependency"


def test_a_plugin_that_cannot_be_imported_is_a_missing_dependency_as_a_part_too(
    beir_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bench import registry

    broken = registry.Plugin("retriever", "broken", "no_such_module:Broken", "the package broken")
    monkeypatch.setattr(registry, "_from_files", [*registry._from_files, broken])
    rows = [entry("broken"), entry("hybrid", parts=["bm25", "broken"])]
    for cell in cells_of(beir_folder, tmp_path / "out", *rows):
        assert cell.problem
        assert cell.problem.kind == "missing dependency"
        assert "no_such_module" in cell.problem.reason
    with pytest.raises(BenchError) as error:
        broken.load()
    assert problem_of(error.value).kind == "missing dependency"


def test_a_server_that_does_not_answer_is_a_failure_and_no_figure(beir_folder: Path, tmp_path: Path) -> None:
    server = entry("http", url="http://127.0.0.1:9", retries=0)
    (cell,) = cells_of(beir_folder, tmp_path / "out", server)
    (record,), _ = run([cell])
    assert record.failure is not None
    assert record.failure.kind == "remote failure"
    assert not record.tasks


def test_a_run_file_is_measured_without_costs(beir_folder: Path, tmp_path: Path) -> None:
    (made,), _ = run(cells_of(beir_folder, tmp_path / "out", entry("bm25")))
    path = made.tasks[0].run_file
    (record,), _ = run(cells_of(beir_folder, tmp_path / "out", entry("run-file", path=str(path))))
    assert record.problem == ""
    before, after = (one.tasks[0].result for one in (made, record))
    assert [one.value for one in after.figures] == pytest.approx([one.value for one in before.figures])
    cost = after.cost
    assert (cost.p50_ms, cost.queries_per_second, cost.memory_mb) == (None, None, None)
    assert str(tmp_path) not in json.dumps(read(record.folder).identity.key_parts)
