"""Folders on disk that are whole or absent: atomic writes, locks, and where the cache lies."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from platformdirs import user_cache_path

from bench.errors import BenchError


def cache_root() -> Path:
    """Where parsed collections are kept: $BENCH_CACHE, or the user's cache folder."""
    chosen = os.environ.get("BENCH_CACHE")
    return Path(chosen) if chosen else user_cache_path("retrieval-bench")


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A fresh folder that takes `target`'s place when the block ends well and vanishes when it does not."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        yield draft
        draft.chmod(0o755)
        if target.exists():
            shutil.rmtree(target)
        draft.rename(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Replace a file's content in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}-{os.getpid()}")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


@contextmanager
def locked(target: Path, timeout: float = -1) -> Iterator[None]:
    """Hold the lock that belongs to `target`, so that two runs never write it at once."""
    target.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(target.with_name(f".{target.name}.lock"), timeout=timeout)
    try:
        with lock:
            yield
    except Timeout:
        raise BenchError(f"another run is writing {target}; wait for it or choose another --out") from None


def folder_bytes(folder: Path) -> int:
    """Size of all files below a folder, in bytes."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
