"""The digests of a collection's files, kept beside them: what is read is what was written, or it is not read."""

import json
from functools import cache
from pathlib import Path

from bench.digests import digest_file
from bench.errors import BenchError

_SEAL = "files.json"


def seal(folder: Path) -> None:
    """Write down the digest of every other file in the folder."""
    digests = {path.name: digest_file(path) for path in sorted(folder.iterdir()) if path.name != _SEAL}
    (folder / _SEAL).write_text(json.dumps(digests, indent=1) + "\n", encoding="utf-8")


def check_seal(folder: Path) -> None:
    """Raise BenchError unless every file is as it was sealed."""
    problem = damage(folder)
    if problem:
        raise BenchError(f"the parsed collection in {folder} is damaged: {problem}; delete the folder and run again")


def damage(folder: Path) -> str:
    """Which file is not as it was sealed, if any. Files are read once in a process (1.5 GB/s)."""
    try:
        return _damage(folder, (folder / _SEAL).stat().st_mtime_ns)
    except FileNotFoundError:
        return f"{_SEAL} is missing"


@cache
def _damage(folder: Path, sealed: int) -> str:  # noqa: ARG001  a folder that is sealed again is another one
    try:
        digests: dict[str, str] = json.loads((folder / _SEAL).read_bytes())
        return next(
            (f"{name} has changed" for name, digest in digests.items() if _differs(folder / name, digest)), ""
        )
    except (ValueError, AttributeError):
        return f"{_SEAL} has changed"


def _differs(path: Path, digest: str) -> bool:
    return not path.is_file() or digest_file(path) != digest
