"""Cells on an object store: one that was put is the same wherever it is fetched, and damage is found."""

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from finished_cells import Finished

from bench.cells import lease
from bench.cells.folder import index_folder, read, remove_damaged
from bench.cells.lease import leased
from bench.cells.place import fetched, open_store
from bench.cells.remote import RemoteStore
from bench.cells.stores import FolderStore
from bench.errors import BenchError, Busy


@pytest.fixture
def memory() -> Iterator[Any]:
    files = fsspec.filesystem("memory")
    yield files
    files.rm("/bucket", recursive=True) if files.exists("/bucket") else None


class Machine:
    """A store as one machine sees it, with a cache of its own."""

    def __init__(self, cache: Path, monkeypatch: pytest.MonkeyPatch, address: str = "memory://bucket/runs") -> None:
        monkeypatch.setenv("BENCH_CACHE", str(cache))
        self.store = RemoteStore(address)
        self.cell = self.store.folder / "cells" / "one"


@pytest.fixture
def machines(memory: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Machine, Machine]:
    return Machine(tmp_path / "a", monkeypatch), Machine(tmp_path / "b", monkeypatch)


def _content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def put(machines: tuple[Machine, Machine], finished: Finished) -> tuple[Machine, Machine]:
    first, _ = machines
    shutil.copytree(finished.cell("bm25").folder, first.cell)
    (first.cell / "checkpoints").mkdir()
    (first.cell / "checkpoints" / "state").write_text("half a training")
    first.store.put(first.cell)
    return machines


def test_a_path_is_a_folder_and_an_address_is_a_store(tmp_path: Path) -> None:
    assert open_store(tmp_path) == FolderStore(tmp_path)
    assert isinstance(open_store("memory://bucket"), RemoteStore)
    with pytest.raises(BenchError, match="is no place for cells"):
        open_store("a b://c")
    with pytest.raises(BenchError, match="nowhere://x"):
        open_store("nowhere://x").fetch()


def test_what_one_machine_puts_another_fetches(put: tuple[Machine, Machine]) -> None:
    first, second = put
    assert second.store.fetch(whole=True) == []
    assert read(second.cell).tasks[0].result == read(first.cell).tasks[0].result
    assert _content(index_folder(second.cell)) == _content(index_folder(first.cell))
    assert not (second.cell / "checkpoints").exists()
    assert first.store.holds(first.cell)
    assert second.store.holds(second.cell)
    assert remove_damaged(second.cell) == []


def test_the_index_is_fetched_for_those_alone_who_need_it(put: tuple[Machine, Machine]) -> None:
    first, second = put
    second.store.fetch(["one"])
    assert not index_folder(second.cell).exists()
    assert read(second.cell).done
    second.store.put(second.cell)  # as after a further task
    shutil.rmtree(second.cell)
    second.store.fetch(["one"], whole=True)
    assert _content(index_folder(second.cell)) == _content(index_folder(first.cell))


def test_what_was_added_is_not_held_until_it_is_put(put: tuple[Machine, Machine], memory: Any) -> None:
    first, second = put
    second.store.fetch()
    result = next(first.cell.glob("tasks/*/result.json"))
    shutil.copytree(result.parent, first.cell / "tasks" / "another.1")
    assert not first.store.holds(first.cell)
    before = set(memory.find("/bucket"))
    first.store.put(first.cell)
    assert first.store.holds(first.cell)
    assert {path.split("/")[-2] for path in set(memory.find("/bucket")) - before} == {"another.1"}
    second.store.fetch()
    assert len(read(second.cell).tasks) == len(read(first.cell).tasks)


def test_nothing_is_fetched_from_a_store_that_is_empty(machines: tuple[Machine, Machine]) -> None:
    first, _ = machines
    assert first.store.fetch() == []
    assert first.store.fetch(["one"]) == []
    assert not first.cell.exists()


@pytest.mark.parametrize("name", ["manifest.json", "tasks/*/rankings.parquet", "index/*"])
@pytest.mark.parametrize("how", ["changed", "cut", "gone"])
def test_a_damaged_object_is_named_and_not_brought(
    put: tuple[Machine, Machine], memory: Any, name: str, how: str
) -> None:
    _, second = put
    path = memory.glob(f"/bucket/runs/cells/one/{name}.*")[0]
    content = memory.cat_file(path)
    memory.rm_file(path)
    if how != "gone":
        memory.pipe_file(path, content[:-1] + (b"" if how == "cut" else bytes([content[-1] ^ 1])))
    (line,) = second.store.fetch(whole=True)
    assert line.startswith(f"memory://bucket/runs/cells/one/{name.partition('*')[0]}")
    assert line.endswith("is not as it was written; run the cell again")
    assert not second.cell.exists()


def test_who_publishes_or_compares_is_told_of_damage(put: tuple[Machine, Machine], memory: Any) -> None:
    _, second = put
    memory.pipe_file(memory.glob("/bucket/runs/cells/one/manifest.json.*")[0], b"{}")
    with pytest.raises(BenchError, match=r"memory://bucket/runs/cells/one/manifest.json is not as it was written"):
        fetched(second.store.address)


@pytest.mark.parametrize("text", ["", "[]", '{"files": {"../x": "0"}}', "half a li"])
def test_a_damaged_list_is_named_and_nothing_leaves_the_folder(
    put: tuple[Machine, Machine], memory: Any, text: str
) -> None:
    _, second = put
    memory.pipe_file("/bucket/runs/cells/one/files.json", text.encode())
    assert second.store.fetch() == [
        "memory://bucket/runs/cells/one/files.json is not as it was written; run the cell again"
    ]


def test_one_machine_at_a_time_works_on_a_cell(machines: tuple[Machine, Machine]) -> None:
    first, second = machines
    with first.store.claim(first.cell):
        with pytest.raises(Busy, match="another run works on"), second.store.claim(second.cell):
            pass
        with second.store.claim(second.cell.with_name("other")):
            pass
    with second.store.claim(second.cell):
        pass


def test_two_runs_of_one_machine_do_not_share_a_cell_either(memory: Any, tmp_path: Path) -> None:
    first, second = (RemoteStore("memory://bucket/runs") for _ in range(2))
    cell = first.folder / "cells" / "two"
    with first.claim(cell), pytest.raises(Busy), second.claim(cell):
        pass


def test_the_lease_of_an_owner_that_died_is_taken_over_by_one_alone(memory: Any) -> None:
    place = "/bucket/leases/one"
    memory.pipe_file(f"{place}/000004", json.dumps({"owner": "dead", "until": time.time() - 1}).encode())
    with leased(memory, place):
        assert [path.rpartition("/")[2] for path in memory.ls(place, detail=False)] == ["000004", "000005"]
        with pytest.raises(Busy), leased(memory, place):
            pass
    with leased(memory, place):
        pass


def test_who_is_a_moment_late_does_not_get_the_lease(memory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    place = "/bucket/leases/one"
    monkeypatch.setattr(lease, "_highest", lambda *_: (0, None))  # both have looked before either has written
    with leased(memory, place), pytest.raises(Busy, match="just begun"), leased(memory, place):
        pass


def test_an_owner_at_work_renews_its_lease(memory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "SECONDS", 0.4)
    place = "/bucket/leases/one"
    with leased(memory, place):
        time.sleep(1.0)
        with pytest.raises(Busy), leased(memory, place):
            pass
