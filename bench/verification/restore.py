"""Cells of a published leaderboard again, measured anew from its answers, so that others can stand beside them."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from bench.cells.folder import cell_name, write_failure, write_manifest, write_task
from bench.cells.record import CellRecord, Identity
from bench.cells.stores import CELLS
from bench.collections.catalogue import Dataset
from bench.errors import BenchError
from bench.leaderboard.published import Published
from bench.leaderboard.reported import keep_reported, read_reported
from bench.runner.plan import planned_task
from bench.store import new_folder
from bench.suite import TaskEntry
from bench.tasks.exam import Evaluation
from bench.verification.check import Check
from bench.verification.recompute import Recomputed, recompute
from bench.verification.verify import check_files


class Restored(NamedTuple):
    """How many cells of a collection were written, and how many lay there already and were left as they are."""

    collection: str
    written: int
    present: int


def restore(published: Published, datasets: Mapping[str, Dataset], out: Path) -> list[Restored]:
    """Write the cells of the collections in `datasets` below `out`, and the figures of others that the board shows.

    A task keeps what it cost and what its answers were; everything that follows from them is computed by the code of
    today, and the folder is named by it. An index is not published, so a cell of which more is asked is fitted again.
    Raises BenchError, before anything is written, where the board does not prove what it says.
    """
    found = _proved(published, datasets)
    for one in read_reported([published.folder]):
        keep_reported(one, out)
    return [_restore(name, datasets[name], recomputed, out) for name, recomputed in found.items()]


def _proved(published: Published, datasets: Mapping[str, Dataset]) -> dict[str, Recomputed]:
    """The collections' cells, measured anew. Raises BenchError for what does not fit."""
    _refuse(published, check_files(published))
    found = {name: recompute(published, name, dataset) for name, dataset in datasets.items()}
    for one in found.values():
        _refuse(published, one.checks)
    return found


def _refuse(published: Published, checks: Iterable[Check]) -> None:
    for check in checks:
        if check.verdict == "FAIL":
            raise BenchError(
                f"{published.folder}: {check.what}: {check.detail}; nothing was restored, and `python -m bench "
                f"verify {published.folder}` says what else is wrong"
            )


def _restore(name: str, dataset: Dataset, found: Recomputed, out: Path) -> Restored:
    written = 0
    for cell, evaluations in zip(found.cells, found.evaluations, strict=True):
        identity = cell.identity.model_copy(
            update={"collection": dataset.collection.name}
        )  # published without folder
        folder = out / CELLS / cell_name(identity)
        if not folder.exists():
            with new_folder(folder) as draft:
                _write_cell(cell, identity, evaluations, dataset, draft)
            written += 1
    return Restored(name, written, len(found.cells) - written)


def _write_cell(
    cell: CellRecord, identity: Identity, evaluations: Sequence[Evaluation], dataset: Dataset, folder: Path
) -> None:
    for task, evaluation in zip(cell.tasks, evaluations, strict=True):
        place = planned_task(TaskEntry(task=task.result.task, options=task.result.options)).folder
        write_task(folder / place, task.result, evaluation, dataset.collection.documents)
    if cell.manifest:
        write_manifest(folder, cell.manifest.model_copy(update={"cell": identity}))
    if cell.failure:
        write_failure(folder, cell.failure.model_copy(update={"cell": identity}))
