"""What keeps the cells of a run, and the store that is a folder."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench.store import locked

CELLS = "cells"
"""Below the folder of a store."""


class CellStore(Protocol):
    """Keeps cells for all that run or read them.

    A cell is worked on in `folder / "cells" / NAME` on the machine of whoever holds its claim. It counts once it is
    put, whole.
    """

    @property
    def folder(self) -> Path:
        """Where cells lie on this machine."""

    @property
    def address(self) -> str:
        """What `open_store` takes on another machine."""

    def claim(self, cell: Path) -> AbstractContextManager[None]:
        """Be the only one that works on a cell, on any machine. Raises Busy at once if another run does."""

    def holds(self, cell: Path) -> bool:
        """Whether what lies in the folder was put."""

    def fetch(self, names: Sequence[str] = (), whole: bool = False) -> list[str]:
        """Bring cells that were put to the folder: those named, or all; their indexes too if `whole`.

        Returns what is damaged, in a line each; that is not brought.
        """

    def put(self, cell: Path) -> None:
        """Keep the cell as it now lies in its folder. Raises BenchError where that cannot be done."""


@dataclass(frozen=True)
class FolderStore:
    """Cells in a folder; one on a file system that several machines share has to know locks (NFS 4, Lustre)."""

    folder: Path

    @property
    def address(self) -> str:
        return str(self.folder.absolute())

    def claim(self, cell: Path) -> AbstractContextManager[None]:
        return claimed_here(cell)

    def holds(self, cell: Path) -> bool:  # noqa: ARG002
        return True

    def fetch(self, names: Sequence[str] = (), whole: bool = False) -> list[str]:  # noqa: ARG002
        return []

    def put(self, cell: Path) -> None: ...


def claimed_here(cell: Path) -> AbstractContextManager[None]:
    """Be the only one on this file system that works on the cell; its processes lock the folder itself in turn."""
    return locked(cell.with_name(f"{cell.name}.claim"), timeout=0)
