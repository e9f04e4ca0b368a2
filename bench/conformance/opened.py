"""Which files Python code opens: what a plugin reads that it does not declare."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_listening: dict[int, set[Path]] = {}  # by identity: two that heard the same are not one
_hooked: list[bool] = []


@contextmanager
def opened_files() -> Iterator[set[Path]]:
    """The paths that are opened inside the block. Libraries that read by other means than Python's are not seen."""
    if not _hooked:
        sys.addaudithook(_hear)  # for the life of the process: Python knows no way to take it off
        _hooked.append(True)
    found: set[Path] = set()
    _listening[id(found)] = found
    try:
        yield found
    finally:
        del _listening[id(found)]


def _hear(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and _listening and isinstance(arguments[0], str | bytes | os.PathLike):
        for found in list(_listening.values()):
            found.add(Path(os.fsdecode(arguments[0])))
