"""Folders on disk that are whole or absent: atomic writes, locks, and where the cache lies."""

import ctypes
import errno
import os
import re
import secrets
import shutil
import sys
import tempfile
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout
from platformdirs import user_cache_path

from bench.errors import BenchError, Busy, DiskFull

_DRAFT = ".draft"
_YOUNG = 60.0
"""Seconds in which a draft without a lock may be one that is just begun."""

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_WORDS_OF_FULL = re.compile(
    "|".join([*(re.escape(os.strerror(one)) for one in _FULL), r"\d+ requested and \d+ written"])
)
"""Of libraries that do not pass the system's number on; the last are numpy's."""

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # of Linux's renameat2


def cache_root() -> Path:
    """Where parsed collections are kept: $BENCH_CACHE, or the user's cache folder."""
    chosen = os.environ.get("BENCH_CACHE")
    return Path(chosen) if chosen else user_cache_path("retrieval-bench")


def is_disk_full(error: BaseException) -> bool:
    """Whether something could not be written because no room is left for it, whoever tells."""
    if isinstance(error, BenchError):
        return isinstance(error, DiskFull)
    return (isinstance(error, OSError) and error.errno in _FULL) or bool(_WORDS_OF_FULL.search(str(error)))


@contextmanager
def _told_when_full(target: Path) -> Iterator[None]:
    """Raise DiskFull, with the target's name, for any error that means it."""
    try:
        yield
    except Exception as error:
        if is_disk_full(error) and not isinstance(error, DiskFull):
            raise DiskFull(target) from error
        raise


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A fresh folder that takes `target`'s place when the block ends well and vanishes when it does not.

    Killed at any moment, either the old folder or the new one is there, whole. Raises BenchError for a target that
    is no folder of its own, such as `..`, or a link, and DiskFull where there is no room.
    """
    if target.name in ("", "..") or target.is_symlink() or (target.exists() and not target.is_dir()):
        raise BenchError(f"{target} cannot be replaced by a folder; choose another name")
    with _told_when_full(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        remove_drafts(target.parent)
        draft = Path(tempfile.mkdtemp(prefix=f".{_short(target.name)}-", suffix=_DRAFT, dir=target.parent))
        try:
            with _claimed(draft):
                yield draft
                draft.chmod(0o755)
                _take_the_place(draft, target)
        finally:
            shutil.rmtree(draft, ignore_errors=True)


def _take_the_place(draft: Path, target: Path) -> None:
    """Exchange the two in one step where the system can, so that `draft` holds what was there before."""
    if not target.exists():
        draft.rename(target)
    elif not _exchanged(draft, target):
        aside = target.with_name(f".{_short(target.name)}-{secrets.token_hex(4)}.old")
        target.rename(aside)
        draft.rename(target)
        shutil.rmtree(aside)


def _exchanged(first: Path, second: Path) -> bool:
    if sys.platform != "linux":
        return False
    try:
        rename = ctypes.CDLL(None).renameat2
    except AttributeError:  # an old C library
        return False
    return not rename(_AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second), _RENAME_EXCHANGE)


@contextmanager
def _claimed(draft: Path) -> Iterator[None]:
    """Hold a draft as one at work; the system lets go of it with this process, however that ends."""
    claim = _claim(draft)
    try:
        yield
    finally:
        if claim is not None:
            os.close(claim)


def _claim(path: Path, shared: bool = False) -> int | None:
    """A descriptor that holds the lock of a file or folder, None if another process has it or nobody can.

    A shared one waits until nobody holds it alone.
    """
    if os.name != "posix":
        return None
    import fcntl

    claim = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(claim, fcntl.LOCK_SH if shared else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(claim)
        return None
    return claim


def remove_drafts(folder: Path, youngest: float = _YOUNG) -> None:
    """Remove what writers that died have left in a folder; one that is at work keeps its own.

    youngest: seconds since a draft changed; 0 where no other writer can be in the folder
    """
    for path in folder.glob(f".*{_DRAFT}"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime < youngest:
                continue
            claim = _claim(path)
            if claim is not None:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
                os.close(claim)


@contextmanager
def new_file(target: Path) -> Iterator[Path]:
    """A path to write to; that file takes `target`'s place when the block ends well and vanishes when it does not.

    Raises DiskFull where there is no room.
    """
    with _told_when_full(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f".{_short(target.name)}-{secrets.token_hex(4)}{_DRAFT}")
        try:
            yield draft
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Replace a file's content in one step. Raises DiskFull where there is no room."""
    with new_file(path) as draft:
        draft.write_text(text, encoding="utf-8")


@contextmanager
def locked(target: Path, timeout: float = -1) -> Iterator[None]:
    """Hold the lock that belongs to `target`, so that two runs never write it at once."""
    target.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(target.with_name(f".{target.name}.lock"), timeout=timeout)
    try:
        with lock:
            yield
    except Timeout:
        raise Busy(f"another run is writing {target}; wait for it or choose another --out") from None


class Hold:
    """Keeps a folder of the cache from being pruned as long as the object lives, and marks it as used now."""

    def __init__(self, folder: Path) -> None:
        with suppress(OSError):
            claim = _claim(folder, shared=True)
            if claim is not None:
                weakref.finalize(self, os.close, claim)
        with suppress(OSError):  # of a disk that cannot be written
            os.utime(folder)


def remove_unused(folder: Path) -> bool:
    """Remove a folder of the cache unless some process writes or holds it; whether it is gone."""
    try:
        with locked(folder, timeout=0):
            claim = _claim(folder)
            if claim is None and os.name == "posix":
                return False
            try:
                shutil.rmtree(folder)
            finally:
                if claim is not None:
                    os.close(claim)
    except BenchError:
        return False
    return True


def slug(name: str, most: int = 80) -> str:
    """A part of a file's name that is safe in any file system and names no path, of at most so many bytes.

    Letters and digits of any language stay, and the end of a long name, which tells more than its beginning.
    """
    safe = "".join(c if c.isalnum() or c in "-_" else "-" for c in name)
    return safe.encode()[-most:].decode(errors="ignore") or "-"


def _short(name: str) -> str:
    return name.encode()[:200].decode(errors="ignore")


def folder_bytes(folder: Path) -> int:
    """Size of all files below a folder, in bytes."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
