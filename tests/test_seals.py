"""A sealed folder tells when a file of it is not as it was."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

import bench.seals
from bench.seals import damage, is_whole, seal


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "below").mkdir()
    (tmp_path / "states").write_bytes(bytes(range(256)) * 40)
    (tmp_path / "below" / "names.json").write_text("[]")
    seal(tmp_path)
    return tmp_path


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a bit": (lambda folder: _flip(folder / "states"), "states has changed"),
    "cut": (lambda folder: os.truncate(folder / "states", 99), "states has changed"),
    "zeros": (lambda folder: (folder / "states").write_bytes(bytes(256 * 40)), "states has changed"),
    "absent": (lambda folder: (folder / "below" / "names.json").unlink(), "below/names.json has changed"),
    "one more": (lambda folder: (folder / "below" / "more").touch(), "below/more has changed"),
    "no seal": (lambda folder: (folder / "files.json").unlink(), "files.json is missing"),
    "seal cut": (lambda folder: os.truncate(folder / "files.json", 30), "files.json has changed"),
    "seal of nothing": (lambda folder: (folder / "files.json").write_text("{}"), "has changed"),
    "seal of another kind": (lambda folder: (folder / "files.json").write_text("[1]"), "files.json has changed"),
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_damage_is_found_and_named(kind: str, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert damage(folder) == ""
    assert is_whole(folder)
    hurt, problem = DAMAGES[kind]
    hurt(folder)
    assert problem in damage(folder)
    assert not is_whole(folder)
    assert caplog.messages == [f"{folder} was damaged ({damage(folder)}) and is made again"]


def test_a_folder_that_is_not_there_is_not_whole_and_nothing_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert not is_whole(tmp_path / "absent")
    assert caplog.messages == []


def test_every_bit_is_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "vectors.npy"
    path.write_bytes(b"\x93NUMPY 1 2 3")
    seal(tmp_path)
    whole = path.read_bytes()
    for place in range(8 * len(whole)):
        content = bytearray(whole)
        content[place // 8] ^= 1 << place % 8
        path.write_bytes(content)
        os.utime(path, ns=(place, place))
        assert damage(tmp_path) == "vectors.npy has changed"


def test_a_process_reads_what_did_not_change_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []
    digest = bench.seals.digest_file
    monkeypatch.setattr(bench.seals, "digest_file", lambda path: read.append(path) or digest(path))
    assert damage(folder) == damage(folder) == ""
    assert len(read) == len(json.loads((folder / "files.json").read_text())) == 2
