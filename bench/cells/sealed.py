"""JSON files that are whole or absent, and that tell when they or the files beside them were changed."""

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from pydantic import BaseModel, ValidationError

from bench.cells.record import FORMAT
from bench.digests import digest_data, digest_file
from bench.errors import BenchError
from bench.seals import differs
from bench.store import write_text

M = TypeVar("M", bound=BaseModel)


def write_sealed(path: Path, model: BaseModel, beside: Iterable[str] = ()) -> None:
    """Write a record with its own digest and those of files beside it, named relative to its folder."""
    content = model.model_dump(mode="json")
    content["files"] = {name: digest_file(path.parent / name) for name in sorted(beside)}
    content = plain(content)
    text = json.dumps(content | {"digest": digest_data(content)}, indent=2, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def read_sealed(path: Path, kind: type[M], check_files: bool = True) -> M:
    """Read a record. Raises BenchError, with the file's name, for one of another version or one that was changed."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(path, f"cannot be read ({type(error).__name__})") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise BenchError(f"{path} was made by another version; run the cell again")
    if not _is_as_written(content):
        raise _damaged(path, "is not as it was written")
    files: dict[str, str] = content.pop("files")
    if check_files:
        for name, digest in files.items():
            check_file(path.parent / name, digest)
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        raise _damaged(path, f"has no good {'.'.join(map(str, first['loc']))}") from None


def _is_as_written(content: dict[str, Any]) -> bool:
    """Whether the record has its own digest, which is taken off, and those of files beside it."""
    try:
        same = content.pop("digest", "") == digest_data(content)
    except UnicodeEncodeError:  # half a character
        return False
    files = content.get("files")
    return same and isinstance(files, dict) and all(_is_below(name) and files[name] for name in files)


def _is_below(name: str) -> bool:
    path = Path(name)
    return bool(name) and not path.is_absolute() and ".." not in path.parts


def files_of(path: Path) -> dict[str, str]:
    """Digests of the files beside a record that was read, by name."""
    return dict(json.loads(path.read_text(encoding="utf-8"))["files"])


def check_file(path: Path, digest: str) -> None:
    """Raise BenchError unless the file is there with this SHA-256."""
    if differs(path, digest):
        raise _damaged(path, "is not as it was written" if path.is_file() else "is missing")


def _damaged(path: Path, how: str) -> BenchError:
    return BenchError(f"{path} {how}; run the cell again, which writes it anew")


def plain(data: Any) -> Any:
    """JSON-like data: what is not a number becomes null, never 0."""
    if isinstance(data, dict):
        return {str(key): plain(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [plain(value) for value in data]
    if isinstance(data, np.ndarray):
        return plain(data.tolist())
    if isinstance(data, np.generic):
        data = data.item()
    if isinstance(data, float) and not math.isfinite(data):
        return None
    return data if isinstance(data, str | int | float | bool | None) else str(data)
