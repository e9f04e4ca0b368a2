"""Where there is no room, one line says what could not be written, and nothing is half there."""

import resource
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from bench.collections.catalogue import open_dataset
from bench.errors import DiskFull


def test_a_collection_that_has_no_room_in_the_cache(
    beir_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    little_room: Callable[[int], AbstractContextManager[None]],
) -> None:
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path))
    with little_room(20_000), pytest.raises(DiskFull, match=f"{tmp_path}/collections/beir-.* cannot be written"):
        open_dataset(f"beir:{beir_folder}")
    assert [path for path in (tmp_path / "collections").iterdir() if path.suffix != ".lock"] == []
    assert len(open_dataset(f"beir:{beir_folder}").collection) > 10


def test_figures_that_have_no_room_are_one_line_and_exit_status_2(beir_folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bench", "run", "--dataset", f"beir:{beir_folder}", "--retriever", "bm25"]
    command += ["--out", str(tmp_path / "runs")]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    figures = tmp_path / "figures.json"
    done = subprocess.run(
        [*command, "--json", str(figures)],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY)),
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {figures} cannot be written: the disk is full")
    assert done.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]
