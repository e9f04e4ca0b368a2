"""Reads and writes the folder of a cell; the only place that knows its files."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel

from bench.cells.record import CellRecord, Failure, Identity, Manifest, TaskRecord, TaskResult
from bench.cells.sealed import check_file, files_of, read_sealed, write_sealed
from bench.errors import BenchError
from bench.rankings import Rankings
from bench.store import new_folder, slug
from bench.trec import write_run

if TYPE_CHECKING:
    from bench.collections.collection import Documents
    from bench.tasks.exam import Evaluation

_RUN, _RANKINGS, _VALUES = "run.trec.gz", "rankings.parquet", "queries.parquet"
_QUERY, _UNIT = "query", "unit"


def cell_name(identity: Identity) -> str:
    """What a cell's folder is called."""
    if identity.imported:
        return f"imported.{identity.key[:16]}"
    place = (slug(identity.system), slug(identity.collection), f"seed{identity.seed}")
    return ".".join((*place, identity.key[:10]))


def manifest_file(folder: Path) -> Path:
    return folder / "manifest.json"


def failure_file(folder: Path) -> Path:
    return folder / "failure.json"


def index_folder(folder: Path) -> Path:
    """Where the fitted system is kept, if it can be."""
    return folder / "index"


def checkpoints_folder(folder: Path) -> Path:
    """Where a fit keeps what it needs to go on after an interruption."""
    return folder / "checkpoints"


def first_answers_file(folder: Path) -> Path:
    """The fitted system's answers to a few questions, which the loaded one has to repeat."""
    return folder / "first-answers.npz"


def log_file(folder: Path) -> Path:
    """What the cell's processes print."""
    return folder / "log.txt"


_TAIL_LINES, _TAIL_BYTES = 40, 4000


def log_tail(folder: Path, begin: int = 0) -> str:
    """The last lines of the log behind its first `begin` bytes, cut to some thousand bytes."""
    try:
        with log_file(folder).open("rb") as file:
            file.seek(max(begin, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    return "\n".join(lines[-_TAIL_LINES:])


def rankings_file(task: TaskRecord) -> Path:
    """The answers of a task with scores in full: query, document, rank, score, one row a hit."""
    return task.run_file.with_name(_RANKINGS)


def is_cell(folder: Path) -> bool:
    """Whether the folder is a cell that ended, well or not. A draft is none."""
    return not folder.name.startswith(".") and (manifest_file(folder).is_file() or failure_file(folder).is_file())


def read_all(folders: Sequence[Path]) -> list[CellRecord]:
    """Every cell below folders such as `runs` or `runs/cells`, in a stable order.

    A folder without manifest and failure is a cell that is still at work, and left out. Raises BenchError for
    a folder that holds no cell, and for a damaged one.
    """
    found = []
    for folder in folders:
        below = folder / "cells" if (folder / "cells").is_dir() else folder
        records = [read(path) for path in sorted(below.glob("*")) if is_cell(path)]
        if not records:
            raise BenchError(f"{folder} holds no cell; give the --out folder of a `bench run`")
        found += records
    return found


def read(folder: Path) -> CellRecord:
    """One cell. Raises BenchError, with the file's name, for one that is damaged or of another version."""
    manifest = read_manifest(folder) if manifest_file(folder).is_file() else None
    failure = read_sealed(failure_file(folder), Failure) if failure_file(folder).is_file() else None
    known = manifest or failure
    if known is None:
        raise BenchError(f"{folder} holds no cell; give the folder of a cell that ended")
    tasks = [read_task(path) for path in sorted((folder / "tasks").glob("*")) if not path.name.startswith(".")]
    changed = max(path.stat().st_mtime for path in [folder, *folder.rglob("*.json")])
    return CellRecord(known.cell, manifest, failure, tasks, folder, changed)


def read_manifest(folder: Path) -> Manifest:
    """What the fit left. The index is not looked at, see `check_index`."""
    return read_sealed(manifest_file(folder), Manifest, check_files=False)


def check_index(folder: Path) -> None:
    """Raise BenchError unless every file of the index is as it was saved."""
    for name, digest in files_of(manifest_file(folder)).items():
        check_file(folder / name, digest)


def read_task(folder: Path) -> TaskRecord:
    """What a cell left of one task."""
    import pyarrow.parquet as pq

    result = read_sealed(folder / "result.json", TaskResult)
    table = pq.read_table(folder / _VALUES)
    return TaskRecord(
        result=result,
        query_ids=table.column(_QUERY).to_pylist(),
        values={name: table.column(name).to_numpy() for name in table.column_names if name not in (_QUERY, _UNIT)},
        units=table.column(_UNIT).to_pylist() if _UNIT in table.column_names else None,
        name=folder.name,
        run_file=folder / _RUN,
    )


def is_done(task_folder: Path) -> bool:
    """Whether a task's result is there, as it was written."""
    try:
        read_sealed(task_folder / "result.json", TaskResult)
    except BenchError:
        return False
    return True


def is_fitted(folder: Path) -> bool:
    """Whether a fit left its manifest, as it was written."""
    try:
        read_manifest(folder)
    except BenchError:
        return False
    return True


def can_load(folder: Path) -> bool:
    """Whether a fit left its index, as it was saved."""
    if not is_fitted(folder) or not index_folder(folder).is_dir():
        return False
    try:
        check_index(folder)
    except BenchError:
        return False
    return True


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write what the fit left, after its index."""
    index = index_folder(folder)
    files = [str(path.relative_to(folder)) for path in index.rglob("*") if path.is_file()]
    write_sealed(manifest_file(folder), manifest, files)


def write_failure(folder: Path, failure: Failure) -> None:
    write_sealed(failure_file(folder), failure)


def write_task(
    folder: Path, result: TaskResult, evaluation: "Evaluation", documents: "Documents", tag: str = "bench"
) -> None:
    """Write a task's folder, whole or not at all: its result, values by query, rankings in full, and a run file."""
    with new_folder(folder) as draft:
        write_run(draft / _RUN, evaluation.rankings, documents, tag=tag)
        _write_rankings(draft / _RANKINGS, evaluation.rankings, documents)
        _write_values(draft / _VALUES, evaluation)
        write_sealed(draft / "result.json", result, [_RUN, _RANKINGS, _VALUES])


def _write_rankings(path: Path, rankings: Rankings, documents: "Documents") -> None:
    """What the run file holds, with scores in full."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {
        "query": [rankings.query_ids[owner] for owner in rankings.owners],
        "document": documents.ids(rankings.rows),
        "rank": np.arange(len(rankings.rows)) - rankings.offsets[rankings.owners] + 1,
        "score": rankings.scores,
    }
    pq.write_table(pa.table(columns), path)


def _write_values(path: Path, evaluation: "Evaluation") -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    units = {} if evaluation.units is None else {_UNIT: list(evaluation.units)}
    pq.write_table(pa.table({_QUERY: list(evaluation.query_ids), **units, **evaluation.values}), path)


def remove_damaged(folder: Path) -> list[str]:
    """Remove what cannot be read of a cell, so that a run makes it anew; returns what was wrong, in a line each.

    Without its manifest nothing of a cell can be trusted.
    """
    kinds: list[tuple[Path, type[BaseModel], Path]] = [
        (path / "result.json", TaskResult, path)
        for path in sorted((folder / "tasks").glob("*"))
        if not path.name.startswith(".")
    ]
    kinds += [(failure_file(folder), Failure, failure_file(folder)), (manifest_file(folder), Manifest, folder)]
    found = []
    for record, kind, owner in kinds:
        try:
            if record.exists() or (owner.is_dir() and owner != folder):
                read_sealed(record, kind, check_files=kind is TaskResult)
        except BenchError as error:
            found.append(str(error))
            shutil.rmtree(owner) if owner.is_dir() else owner.unlink()
    return found + _remove_damaged_index(folder)


def _remove_damaged_index(folder: Path) -> list[str]:
    try:
        if manifest_file(folder).is_file() and index_folder(folder).is_dir():
            check_index(folder)
    except BenchError as error:
        shutil.rmtree(index_folder(folder))
        return [str(error)]
    return []
