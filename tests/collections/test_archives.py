"""Zip files of datasets."""

import zipfile
from pathlib import Path

import pytest

from bench.collections.archives import unpacked
from bench.collections.catalogue import open_dataset
from bench.errors import BenchError


def zipped(folder: Path, archive: Path, within: str = "") -> Path:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for path in sorted(folder.rglob("*")):
            file.write(path, Path(within) / path.relative_to(folder))
    return archive


@pytest.mark.parametrize("within", ["", "docstrings"])
@pytest.mark.parametrize("prefix", ["", "beir:"])
def test_a_zip_is_opened_like_its_folder(beir_folder: Path, tmp_path: Path, within: str, prefix: str) -> None:
    archive = zipped(beir_folder, tmp_path / "mine.zip", within)
    opened = open_dataset(f"{prefix}{archive}")
    assert opened.collection.digest == open_dataset(f"beir:{beir_folder}").collection.digest
    assert opened.collection.name == f"beir:{archive}"


def test_it_is_unpacked_once_and_again_when_it_changes(beir_folder: Path, tmp_path: Path) -> None:
    archive = zipped(beir_folder, tmp_path / "mine.zip")
    first = unpacked(archive)
    assert unpacked(archive) == first
    assert unpacked(zipped(beir_folder, archive, "other")) != first


@pytest.mark.parametrize("name", ["../evil.txt", "/evil.txt", "a/../../evil.txt", "..\\evil.txt", "C:\\evil.txt"])
def test_nothing_is_written_outside_of_its_folder(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as file:
        file.writestr(name, "evil")
    with pytest.raises(BenchError, match="which is outside of its folder"):
        unpacked(tmp_path / "evil.zip")
    assert not list(tmp_path.parent.rglob("evil.txt"))


def test_what_expands_beyond_reason_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.collections.archives._SMALL", 2**16)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("corpus.jsonl", b"0" * 2**24)
    with pytest.raises(BenchError, match="would become 16,777,216 bytes"):
        unpacked(tmp_path / "bomb.zip")


def test_what_is_no_zip_is_refused(tmp_path: Path) -> None:
    (tmp_path / "half.zip").write_bytes(b"PK\x03\x04 and then nothing")
    with pytest.raises(BenchError, match=r"half\.zip cannot be unpacked"):
        open_dataset(str(tmp_path / "half.zip"))
