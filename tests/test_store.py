"""Folders are whole or absent."""

from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.store import folder_bytes, locked, new_folder, write_text


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


def test_a_file_is_replaced_in_one_step(tmp_path: Path) -> None:
    write_text(tmp_path / "deep" / "note", "first")
    write_text(tmp_path / "deep" / "note", "second")
    assert (tmp_path / "deep" / "note").read_text() == "second"
    assert len(list((tmp_path / "deep").iterdir())) == 1


def test_a_held_lock_is_reported_with_what_to_do(tmp_path: Path) -> None:
    again = locked(tmp_path / "cells", timeout=0.05)
    with locked(tmp_path / "cells"), pytest.raises(BenchError, match="another run is writing.*--out"), again:
        pass
