"""The digests of what lies in a folder, kept beside it: what is read is what was written, or it is not read."""

import json
import logging
from functools import cache
from pathlib import Path

from bench.digests import digest_file

SEAL = "files.json"

_log = logging.getLogger(__name__)


def seal(folder: Path) -> None:
    """Write down the digest of every other file in the folder and below it."""
    digests = {name: digest_file(folder / name) for name in _files(folder)}
    (folder / SEAL).write_text(json.dumps(digests, indent=1) + "\n", encoding="utf-8")


def is_whole(folder: Path) -> bool:
    """Whether the folder is there and as it was sealed. That a damaged one is made again is told in the log."""
    problem = damage(folder) if folder.is_dir() else ""
    if problem:
        _log.warning("%s was damaged (%s) and is made again", folder, problem)
    return folder.is_dir() and not problem


def damage(folder: Path) -> str:
    """Which file is not as it was sealed, if any.

    Files are read once in a process (1.5 GB/s), and again where their size or time of change is another.
    """
    if not (folder / SEAL).is_file():
        return f"{SEAL} is missing"
    found = []
    for name in (SEAL, *_files(folder)):
        status = (folder / name).stat()
        found.append((name, status.st_size, status.st_mtime_ns))
    return _damage(folder, tuple(found))


@cache
def _damage(folder: Path, found: tuple[tuple[str, int, int], ...]) -> str:
    try:
        digests: dict[str, str] = json.loads((folder / SEAL).read_bytes())
        names = sorted({*digests, *(name for name, *_ in found)} - {SEAL})
        return next((f"{name} has changed" for name in names if differs(folder / name, digests.get(name, ""))), "")
    except (ValueError, AttributeError, TypeError, RecursionError):
        return f"{SEAL} has changed"


def differs(path: Path, digest: str) -> bool:
    """Whether the file is absent or has another SHA-256."""
    return not path.is_file() or digest_file(path) != digest


def _files(folder: Path) -> list[str]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return sorted(name for path in paths if (name := path.relative_to(folder).as_posix()) != SEAL)
