"""Folders are whole or absent."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import save_file

import bench.store
from bench.errors import BenchError, DiskFull
from bench.store import folder_bytes, locked, new_folder, remove_drafts, slug, write_text


def test_a_folder_appears_whole(tmp_path: Path) -> None:
    with new_folder(tmp_path / "result") as draft:
        (draft / "figures").write_text("12345")
        assert not (tmp_path / "result").exists()
    assert folder_bytes(tmp_path / "result") == 5
    assert [path.name for path in tmp_path.iterdir()] == ["result"]


def test_after_a_failure_nothing_is_left_and_the_old_folder_stays(tmp_path: Path) -> None:
    with new_folder(tmp_path / "result") as draft:
        (draft / "figures").write_text("old")
    with pytest.raises(ZeroDivisionError), new_folder(tmp_path / "result") as draft:
        (draft / "figures").write_text("new")
        raise ZeroDivisionError
    assert (tmp_path / "result" / "figures").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["result"]


@pytest.mark.parametrize("exchange", [True, False])
def test_a_new_folder_takes_the_place_of_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exchange: bool
) -> None:
    if not exchange:
        monkeypatch.setattr(bench.store, "_exchanged", lambda *_: False)
    for text in ("old", "new"):
        with new_folder(tmp_path / "result") as draft:
            (draft / text).write_text(text)
    assert [path.name for path in (tmp_path / "result").iterdir()] == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["result"]


REPLACE = """
import os, signal, sys
from pathlib import Path
import bench.store as store

die = lambda: os.kill(os.getpid(), signal.SIGKILL)
store.shutil.rmtree = lambda *_, **__: die()
with store.new_folder(Path(sys.argv[1])) as draft:
    (draft / "figures").write_text("new")
"""


def test_killed_while_it_replaces_a_folder_the_old_or_the_new_one_is_there(tmp_path: Path) -> None:
    target = tmp_path / "result"
    with new_folder(target) as draft:
        (draft / "figures").write_text("old")
    done = subprocess.run([sys.executable, "-c", REPLACE, str(target)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert (target / "figures").read_text() in ("old", "new")


def test_no_name_becomes_the_folder_above(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(BenchError, match="cannot be replaced"), new_folder(tmp_path / "results" / ".."):
        pass
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_a_link_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BenchError, match="cannot be replaced"), new_folder(tmp_path / "link"):
        pass


def test_drafts_of_dead_writers_are_removed_and_nothing_else_is(tmp_path: Path) -> None:
    old = time.time() - 3600
    (tmp_path / ".result-abcd.draft").mkdir()
    (tmp_path / ".note-abcd.draft").write_text("half")
    (tmp_path / ".config").mkdir()
    (tmp_path / "mine.draft").write_text("mine")
    for path in tmp_path.iterdir():
        os.utime(path, (old, old))
    with new_folder(tmp_path / "at-work") as draft:
        os.utime(draft, (old, old))
        remove_drafts(tmp_path)
        assert draft.is_dir()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".config", "at-work", "mine.draft"]


def test_a_file_is_replaced_in_one_step(tmp_path: Path) -> None:
    write_text(tmp_path / "deep" / "note", "first")
    write_text(tmp_path / "deep" / "note", "second")
    assert (tmp_path / "deep" / "note").read_text() == "second"
    assert len(list((tmp_path / "deep").iterdir())) == 1


def test_a_held_lock_is_reported_with_what_to_do(tmp_path: Path) -> None:
    again = locked(tmp_path / "cells", timeout=0.05)
    with locked(tmp_path / "cells"), pytest.raises(BenchError, match="another run is writing.*--out"), again:
        pass


@pytest.mark.parametrize("name", ["../x", "..", ".", "", "a/b\\c", "漢字" * 20, "x" * 1000, "nul\0l", "C:", "~"])
def test_any_name_becomes_a_short_one_that_is_no_path(name: str, tmp_path: Path) -> None:
    made = slug(name)
    assert 0 < len(made.encode()) <= 80
    assert Path(made).name == made
    assert made not in (".", "..")
    (tmp_path / f"{made}.{made}.seed0.0123456789").mkdir()


def test_a_plain_name_stays_as_it_is() -> None:
    assert slug("se_dsi-2") == "se_dsi-2"
    assert slug("漢字") == "漢字"


LittleRoom = Callable[[int], AbstractContextManager[None]]

NUMBERS = np.random.default_rng(0).random(100_000)


def test_a_file_that_has_no_room_is_named_and_the_old_one_stays(tmp_path: Path, little_room: LittleRoom) -> None:
    write_text(tmp_path / "figures.json", "old")
    with little_room(10_000), pytest.raises(DiskFull, match=r"figures\.json cannot be written: the disk is full"):
        write_text(tmp_path / "figures.json", "new" * 10_000)
    assert (tmp_path / "figures.json").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["figures.json"]


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(lambda path: (path / "x").write_bytes(NUMBERS.tobytes()), id="python"),
        pytest.param(lambda path: np.save(path / "x.npy", NUMBERS), id="numpy"),
        pytest.param(lambda path: np.savez(path / "x.npz", numbers=NUMBERS), id="numpy archive"),
        pytest.param(lambda path: pq.write_table(pa.table({"x": NUMBERS}), path / "x"), id="parquet"),
        pytest.param(lambda path: save_file({"x": NUMBERS}, path / "x"), id="safetensors"),
    ],
)
def test_a_folder_that_has_no_room_is_named_whichever_library_writes(
    tmp_path: Path, little_room: LittleRoom, write: Callable[[Path], object]
) -> None:
    full = pytest.raises(DiskFull, match="index cannot be written: the disk is full")
    with little_room(10_000), full, new_folder(tmp_path / "index") as draft:
        write(draft)
    assert list(tmp_path.iterdir()) == []


def test_other_errors_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError), new_folder(tmp_path / "index") as draft:
        draft.write_text("x")


HOLD = """
import sys, time
from pathlib import Path
from bench.store import locked

with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(1000)
"""


def test_the_lock_of_one_that_was_killed_is_taken_over(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path / "cells")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "held\n"
        with pytest.raises(BenchError, match="another run is writing"), locked(tmp_path / "cells", timeout=0.05):
            pass
        owner.kill()
    with locked(tmp_path / "cells", timeout=5):
        pass
