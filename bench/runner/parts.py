"""Where the parts of a composed system come from: fitted once for all rows and compositions that have them."""

from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from bench.cells.folder import can_load, index_folder, read_manifest
from bench.cells.key import cell_key_parts
from bench.cells.record import Machine
from bench.digests import digest_data
from bench.protocols import can_be_saved
from bench.retriever import Retriever
from bench.runner.fitting import load
from bench.workplace import FittedPart, Workplace


@dataclass
class CellWorkplace(Workplace):
    """The folders of a cell's fit, which takes a part from the cell of a row, or from another composition's fit.

    Either way the part has the key that it would have as a row, and what it cost to fit is charged in full.

    cells: where the other cells of the run lie
    fingerprint: of the collection
    machine: that costs are measured on; a part that was fitted on another one is fitted again
    """

    cells: Path = Path()
    fingerprint: str = ""
    machine: Machine | None = None

    def fit_part(self, name: str, part: Retriever, view: Any) -> FittedPart:
        if not can_be_saved(part):
            return super().fit_part(name, part, view)
        key = digest_data(cell_key_parts(part, self.fingerprint))
        return self._from_row(key, part) or self._from_common(key, name, part, view)

    def _from_row(self, key: str, part: Retriever) -> FittedPart | None:
        """Load the index of the finished cell that has this key, if there is one."""
        start = perf_counter()
        for folder in sorted(self.cells.glob(f"*.{key[:10]}")):
            if not can_load(folder):
                continue
            manifest = read_manifest(folder)
            seconds = manifest.cost.seconds
            if manifest.cell.key == key and manifest.environment.machine == self.machine and seconds is not None:
                load(part, index_folder(folder))
                self.reused_seconds += seconds - (perf_counter() - start)
                return FittedPart(seconds, index_folder(folder))
        return None

    def _from_common(self, key: str, name: str, part: Any, view: Any) -> FittedPart:
        """Load what another composition fitted, or fit it and keep it; the fit alone is charged either way."""
        start, reused, keeping, made = perf_counter(), self.reused_seconds, self.keeping_seconds, False

        def make(folder: Path) -> None:
            nonlocal made
            fitted = super(CellWorkplace, self).fit_part(name, part, view)
            (folder / _SECONDS).write_text(f"{fitted.seconds}")
            (folder / _INDEX).mkdir()
            part.save(folder / _INDEX)
            made = True

        folder = self.shared({"fitted part": key}, make)
        seconds = float((folder / _SECONDS).read_text())
        if made:
            self.keeping_seconds = keeping + perf_counter() - start + self.reused_seconds - reused - seconds
        else:
            load(part, folder / _INDEX)
            self.reused_seconds = reused + seconds - (perf_counter() - start)
        return FittedPart(seconds, folder / _INDEX)


_INDEX = "index"
_SECONDS = "fit_seconds"
