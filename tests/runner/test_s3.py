"""Runs whose cells are kept on S3, served by a server on this machine."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import PLUGINS, Notes, ledger_of, suite_of

from bench.cells.folder import read, read_all
from bench.cells.place import fetched, open_store
from bench.cells.stores import CellStore
from bench.collections.catalogue import open_dataset
from bench.runner.plan import Cell, make_plan
from bench.runner.run import run_cells

pytest.importorskip("s3fs")
pytest.importorskip("flask", reason="of moto[server]")

PLACE = "s3://bucket/runs"

RUN = """
import sys
from pathlib import Path
from bench import registry
from bench.cells.place import open_store
from bench.collections.catalogue import open_dataset
from bench.runner.events import Unwatched
from bench.runner.plan import make_plan
from bench.runner.run import run_cells
from bench.suite import Suite, SystemEntry

folder, out, plugins, ledger = sys.argv[1:]

if __name__ == "__main__":
    registry.load_files([Path(plugins)])
    systems = [SystemEntry(retriever="learns-in-steps", options={"ledger": ledger})]
    suite, store = Suite(name="t", datasets=[f"beir:{folder}"], systems=systems), open_store(out)
    cells = make_plan(suite, [open_dataset(suite.datasets[0])], store.folder, plugin_files=[Path(plugins)])
    run_cells(cells, Unwatched(), store=store)
"""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    made = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    made.start()
    host, port = made.get_host_and_port()
    yield f"http://{host}:{port}"
    made.stop()


@pytest.fixture
def bucket(server: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The file system of an empty bucket."""
    import fsspec

    names = {"AWS_ENDPOINT_URL": server, "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y"}
    for name, value in names.items():
        monkeypatch.setenv(name, value)
    files = fsspec.filesystem("s3", use_listings_cache=False, skip_instance_cache=True)
    if files.exists("bucket"):
        files.rm("bucket", recursive=True)
    files.mkdir("bucket")
    return files


@pytest.fixture
def on_another_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The store as a machine sees it that has read nothing of it yet."""

    def store(name: str) -> CellStore:
        monkeypatch.setenv("BENCH_CACHE", str(tmp_path / name))
        return open_store(PLACE)

    return store


def _cells(beir_folder: Path, store: CellStore, *systems: str, **given: Any) -> list[Cell]:
    suite = suite_of(beir_folder, *systems, **given)
    return make_plan(suite, [open_dataset(suite.datasets[0])], store.folder, plugin_files=[PLUGINS])


def test_what_one_machine_has_made_another_reuses_reads_and_adds_to(
    bucket: Any, on_another_machine: Any, beir_folder: Path, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger"
    store = on_another_machine("first")
    cells = _cells(beir_folder, store, "counts-fits", ledger=str(ledger))
    run_cells([*cells, *_cells(beir_folder, store, "raises")], Notes(), store=store)
    first = read(cells[0].folder)

    other = on_another_machine("second")
    again = _cells(beir_folder, other, "counts-fits", ledger=str(ledger), tasks={"search": {}, "exclusivity": {}})
    assert not again[0].folder.exists()
    notes = Notes()
    assert run_cells(again, notes, store=other) == []
    assert "search: answering" not in notes.heard
    assert "exclusivity: answering" in notes.heard
    assert ledger_of(ledger) == "fit\n"
    second = read(again[0].folder)
    assert second.done
    assert second.tasks[-1].run_file.read_bytes() == first.tasks[0].run_file.read_bytes()

    third = read_all([fetched(PLACE)])
    assert {(record.system, record.done) for record in third} == {("counts-fits", True), ("raises", False)}
    assert [record.failure.reason for record in third if record.failure] == ["ValueError: the soufflé collapsed"]


def test_a_damaged_object_is_told_and_its_cell_made_again(
    bucket: Any, on_another_machine: Any, beir_folder: Path, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger"
    store = on_another_machine("first")
    cells = _cells(beir_folder, store, "counts-fits", ledger=str(ledger))
    run_cells(cells, Notes(), store=store)
    (path,) = bucket.glob("bucket/runs/cells/*/tasks/*/run.trec.gz.*")
    bucket.pipe_file(path, bucket.cat_file(path)[:-1])
    other = on_another_machine("second")
    again = _cells(beir_folder, other, "counts-fits", ledger=str(ledger))
    (line,) = run_cells(again, Notes(), store=other)
    assert line.startswith(f"{PLACE}/cells/{again[0].folder.name}/tasks/")
    assert line.endswith("run.trec.gz is not as it was written; run the cell again")
    assert ledger_of(ledger) == "fit\nfit\n"
    assert on_another_machine("third").fetch() == []


def test_two_machines_at_once_make_each_cell_once(bucket: Any, beir_folder: Path, tmp_path: Path) -> None:
    script, ledger = tmp_path / "run.py", tmp_path / "ledger"
    script.write_text(RUN)
    command = [sys.executable, str(script), str(beir_folder), PLACE, str(PLUGINS), str(ledger)]
    caches = [{"BENCH_CACHE": str(tmp_path / name)} for name in ("a", "b")]
    runs = [subprocess.Popen(command, env=os.environ | cache) for cache in caches]
    assert [run.wait(timeout=120) for run in runs] == [0, 0]
    assert len(ledger.read_text().split()) == 40
    assert bucket.find("bucket/runs/leases") == []
