"""Zip files of datasets, unpacked into the cache."""

import shutil
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from bench.digests import digest_data
from bench.errors import BenchError
from bench.seals import is_whole, seal
from bench.store import cache_root, is_disk_full, locked, new_folder
from bench.textfiles import file_state

_EXPANSION = 100
"""A text becomes no smaller than this part of itself; what does holds nothing but repetition."""

_SMALL = 2**30
"""Bytes for which nobody asks how far they expand."""

_CONTENT = "content"
_NO_DATA = ("__MACOSX", ".DS_Store")


def is_archive(path: Path) -> bool:
    """Whether it is a file that ends in .zip."""
    return path.suffix.lower() == ".zip" and path.is_file()


def unpacked(archive: Path) -> Path:
    """The folder of data in a zip file, unpacked once and again when the file changes.

    Where all lies in one folder, it is that folder. Raises BenchError for a file that is no whole zip, that names
    places outside of its folder, is encrypted, or expands beyond reason.
    """
    folder = cache_root() / "archives" / f"{archive.stem[:40]}-{digest_data(file_state(archive))[:16]}"
    if not is_whole(folder):
        with locked(folder), new_folder(folder) as draft:
            _unpack(archive, draft / _CONTENT)
            seal(draft)
    inner = list((folder / _CONTENT).iterdir())
    return inner[0] if len(inner) == 1 and inner[0].is_dir() else folder / _CONTENT


def _unpack(archive: Path, target: Path) -> None:
    target.mkdir()
    try:
        with zipfile.ZipFile(archive) as file:
            members = [one for one in file.infolist() if not one.is_dir() and not _is_litter(one.filename)]
            _refuse_expansion(archive, sum(one.file_size for one in members))
            for one in members:
                place = target / _inside(archive, one.filename)
                place.parent.mkdir(parents=True, exist_ok=True)
                with file.open(one) as packed, place.open("xb") as plain:
                    shutil.copyfileobj(packed, plain)
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        OSError,
        NotImplementedError,
        RuntimeError,
        ValueError,
    ) as error:
        if is_disk_full(error):
            raise
        raise BenchError(f"{archive} cannot be unpacked ({error}); fetch it again, or give a folder") from None


def _refuse_expansion(archive: Path, size: int) -> None:
    if size > max(_SMALL, archive.stat().st_size * _EXPANSION):
        raise BenchError(f"{archive} would become {size:,} bytes, more than any text does; give a folder")


def _inside(archive: Path, name: str) -> PurePosixPath:
    """The place of a member below the folder; links are written as the files that name their target."""
    place = PurePosixPath(name.replace("\\", "/"))
    if place.is_absolute() or ".." in place.parts or ":" in name or not place.parts:
        raise BenchError(f"{archive} holds '{name}', which is outside of its folder; give a folder")
    return place


def _is_litter(name: str) -> bool:
    return any(part in _NO_DATA for part in PurePosixPath(name).parts)
