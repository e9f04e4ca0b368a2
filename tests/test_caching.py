"""The cache: what lies in it, whether it is as it was written, and how it is made smaller."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from bench.caching import entries, parse_bytes, parse_days, prune, to_prune
from bench.cli import app
from bench.collections.catalogue import open_dataset
from bench.errors import BenchError
from bench.store import locked
from bench.tasks.kept import KeptVectors
from bench.workplace import Workplace

DAY = 86_400


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def make_states(root: Path, tmp_path: Path) -> Callable[[str, int, float], Path]:
    """Makes shared work of a name, a size in bytes, and last used so many days ago, that no one holds."""

    def make(name: str, size: int, days: float) -> Path:
        workplace = Workplace(tmp_path / "checkpoints", root / "shared" / "machine")
        key = {"states": "MiniLM", "of": name}
        folder = workplace.shared(key, lambda folder: (folder / "states").write_bytes(bytes(size)) and None)
        del workplace
        os.utime(folder, (time.time() - days * DAY,) * 2)
        return folder

    return make


def _invoke(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["cache", *arguments])
    if isinstance(done.exception, BenchError):
        raise done.exception
    return done.exit_code, done.output


def test_all_that_is_kept_is_listed_with_its_kind_origin_size_and_age(
    root: Path, beir_folder: Path, make_states: Callable[..., Path]
) -> None:
    make_states("f00dface", 5000, 3)
    vectors = KeptVectors(root / "judges" / "abcdefgh" / "queries", lambda texts: [np.ones((2, 3))] * len(texts))
    vectors.of(["who waits"])
    dataset = open_dataset(f"beir:{beir_folder}")
    found = {entry.kind: entry for entry in entries()}
    assert set(found) == {"collection", "states", "judge's vectors"}
    assert str(beir_folder) in found["collection"].of
    assert found["collection"].folder == dataset.folder
    assert found["states"].of == "f00dfac"
    assert found["states"].bytes >= 5000
    assert found["states"].days == pytest.approx(3, abs=0.01)
    assert found["collection"].days < 0.01
    assert [entry.kind for entry in entries()][-1] == "states"
    assert all(entry.damage() == "" for entry in found.values())


def test_opening_marks_as_used(root: Path, beir_folder: Path) -> None:
    folder = open_dataset(f"beir:{beir_folder}").folder
    os.utime(folder, (time.time() - 40 * DAY,) * 2)
    assert entries()[0].days > 39
    open_dataset(f"beir:{beir_folder}")
    assert entries()[0].days < 1


def test_damage_is_found_where_it_is_looked_for_and_is_the_exit_status(
    root: Path, make_states: Callable[..., Path]
) -> None:
    make_states("sound", 50_000, 1)
    folder = make_states("hurt", 50_000, 2)
    with (folder / "states").open("r+b") as file:
        file.write(b"\1")
    code, output = _invoke("list")
    assert (code, "damaged" in output) == (0, False)
    code, output = _invoke("check")
    assert code == 1
    assert "damaged: states has changed" in output
    assert output.count("whole") == 1


def test_where_the_cache_is_is_said_even_of_an_empty_one(root: Path) -> None:
    code, output = _invoke()
    assert code == 0
    assert f"{root}: 0 entries, 0.0 MB" in output.replace("\n", "")


def test_what_was_not_used_for_long_goes_and_then_the_least_recently_used(make_states: Callable[..., Path]) -> None:
    sizes = {"a": 1000, "b": 100_000, "c": 100_000, "d": 100_000}
    days = dict(zip(sizes, (40, 20, 10, 1), strict=True))
    folders = {name: make_states(name, size, days[name]) for name, size in sizes.items()}

    def chosen(older: float | None, above: float | None) -> list[str]:
        names = {folder: name for name, folder in folders.items()}
        return [names[entry.folder] for entry in to_prune(entries(), older, above)]

    assert chosen(30, None) == ["a"]
    assert chosen(15, None) == ["a", "b"]
    assert chosen(None, 1e9) == []
    assert chosen(None, 250_000) == ["a", "b"]
    assert chosen(30, 150_000) == ["a", "b", "c"]
    assert chosen(None, 0) == ["a", "b", "c", "d"]
    assert chosen(None, None) == []


def test_a_dry_run_removes_nothing(make_states: Callable[..., Path]) -> None:
    old, new = make_states("old", 1000, 40), make_states("new", 1000, 1)
    code, output = _invoke("prune", "--older", "30d", "--dry-run")
    assert code == 0
    assert "would be removed" in output
    assert old.is_dir()
    _, output = _invoke("prune", "--older", "30d")
    assert "1 entry" in output
    assert not old.exists()
    assert new.is_dir()


HOLD = """
import sys, time
from pathlib import Path
from bench.store import Hold
hold = Hold(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


def test_what_another_process_uses_stays_until_it_ends(make_states: Callable[..., Path]) -> None:
    folder = make_states("used", 1000, 0)
    with subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE) as user:
        assert user.stdout is not None
        user.stdout.readline()
        assert [gone for _, gone in prune(to_prune(entries(), None, 0))] == [False]
        assert "in use" in _invoke("prune", "--above", "0")[1]
        assert folder.is_dir()
        user.kill()
    assert [gone for _, gone in prune(to_prune(entries(), None, 0))] == [True]
    assert not folder.exists()


def test_what_is_being_written_stays(make_states: Callable[..., Path]) -> None:
    folder = make_states("written", 1000, 9)
    with locked(folder):
        assert [gone for _, gone in prune(entries())] == [False]
    assert folder.is_dir()


def test_an_open_collection_stays_readable(root: Path, beir_folder: Path) -> None:
    dataset = open_dataset(f"beir:{beir_folder}")
    assert [gone for _, gone in prune(entries())] == [False]
    del dataset
    assert [gone for _, gone in prune(entries())] == [True]
    assert len(open_dataset(f"beir:{beir_folder}").collection) > 0


def test_what_is_not_of_the_cache_is_left_alone(root: Path, make_states: Callable[..., Path]) -> None:
    make_states("old", 10, 99)
    (root / "notes.txt").write_text("mine")
    (root / "collections").mkdir()
    (root / "collections" / "link").symlink_to(root.parent)
    list(prune(to_prune(entries(), None, 0)))
    assert entries() == []
    assert (root / "notes.txt").is_file()
    assert (root / "collections" / "link").is_symlink()


@pytest.mark.parametrize(("text", "days"), [("30d", 30), ("12h", 0.5), ("1.5w", 10.5)])
def test_an_age_is_read(text: str, days: float) -> None:
    assert parse_days(text) == days


@pytest.mark.parametrize(("text", "size"), [("5GB", 5e9), ("500 mb", 5e8), ("0", 0), ("1.5k", 1500)])
def test_a_size_is_read(text: str, size: float) -> None:
    assert parse_bytes(text) == size


def test_what_is_no_age_or_size_is_refused_with_the_remedy(root: Path) -> None:
    with pytest.raises(BenchError, match="'soon' is none: an age is a number with h, d or w, as in 30d"):
        _invoke("prune", "--older", "soon")
    with pytest.raises(BenchError, match="'-5GB' is none: a size"):
        _invoke("prune", "--above=-5GB")
    with pytest.raises(BenchError, match="give --older 30d or --above 5GB"):
        _invoke("prune")


def test_copies_of_cells_of_an_object_store_are_listed_and_pruned(root: Path) -> None:
    cell = root / "stores" / "0123456789abcdef" / "cells" / "bm25.limit.seed0.abc"
    cell.mkdir(parents=True)
    (cell / "manifest.json").write_text("{}")
    (entry,) = entries()
    assert (entry.kind, entry.of, entry.damage()) == ("copy of a cell", cell.name, "")
    assert [gone for _, gone in prune([entry])] == [True]
    assert not cell.exists()
