"""Cells of a published leaderboard again, measured anew from its answers, so that others can stand beside them."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from bench.cells.folder import cell_name, write_failure, write_manifest, write_task
from bench.cells.stores import CELLS
from bench.collections.catalogue import Dataset
from bench.errors import BenchError
from bench.leaderboard.published import Published, PublishedCell
from bench.leaderboard.reported import keep_reported, read_reported
from bench.runner.plan import planned_task
from bench.store import new_folder
from bench.suite import TaskEntry
from bench.verification.recompute import Exams, measured, recompute
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
    _refuse_unproved(published, datasets)
    for one in read_reported([published.folder]):
        keep_reported(one, out)
    return [_restore(published, name, dataset, out) for name, dataset in datasets.items()]


def _refuse_unproved(published: Published, datasets: Mapping[str, Dataset]) -> None:
    checks = list(check_files(published))
    for name, dataset in datasets.items():
        if not any(check.verdict == "FAIL" for check in checks):
            checks += recompute(published, name, dataset).checks
    for check in checks:
        if check.verdict == "FAIL":
            raise BenchError(
                f"{published.folder}: {check.what}: {check.detail}; nothing was restored, and `python -m bench "
                f"verify {published.folder}` says what else is wrong"
            )


def _restore(published: Published, name: str, dataset: Dataset, out: Path) -> Restored:
    exams = Exams(dataset)
    cells = [_named_here(cell, dataset) for cell in published.cells.values() if cell.cell.collection == name]
    places = {out / CELLS / cell_name(cell.cell): cell for cell in cells}
    absent = [folder for folder in places if not folder.exists()]
    for folder in absent:
        with new_folder(folder) as draft:
            _write_cell(published, places[folder], exams, draft)
    return Restored(name, len(absent), len(places) - len(absent))


def _named_here(cell: PublishedCell, dataset: Dataset) -> PublishedCell:
    """The cell as a run on this machine would name it: a collection's published name holds no folder."""
    identity = cell.cell.model_copy(update={"collection": dataset.collection.name})
    return cell.model_copy(update={"cell": identity})


def _write_cell(published: Published, cell: PublishedCell, exams: Exams, folder: Path) -> None:
    for task in cell.tasks:
        exam = exams.of(task)
        result, evaluation = measured(published, cell, task, exam)
        place = planned_task(TaskEntry(task=task.task, options=task.options)).folder
        write_task(folder / place, result, evaluation, exam.collection.documents)
    if cell.manifest:
        write_manifest(folder, cell.manifest)
    if cell.failure:
        write_failure(folder, cell.failure)
