"""Runs what is not finished of a plan, with any executor, and tells a watcher."""

from collections.abc import Sequence
from contextlib import closing

from bench.cells.stores import CellStore, FolderStore
from bench.runner.events import Begun, Ended, Event, Executor, Order, Progressed, Remarked, Watcher
from bench.runner.executors.local import LocalExecutor
from bench.runner.plan import Cell
from bench.store import remove_drafts


def run_cells(
    cells: Sequence[Cell],
    watcher: Watcher,
    executor: Executor | None = None,
    store: CellStore | None = None,
    fresh: bool = False,
    argv: Sequence[str] = (),
) -> list[str]:
    """Run every cell that is not done; `fresh` runs all of them again.

    A cell that fails leaves its reason and the others go on; a task that fails leaves the others of its cell. What is
    damaged or of another version is removed and made again; the lines returned say what. Interrupted, what is
    finished stays and the same call continues with the rest. Two runs at once make each cell once: what the other
    works on is waited for.

    executor: by default one cell after the other in processes of this machine; store: by default the cells' folder
    argv: the command line's, for the record
    """
    for cell in cells:
        remove_drafts(cell.folder)
    kept: CellStore = store or FolderStore(cells[0].folder.parents[1])
    todo = list(cells) if fresh else unfinished(cells, kept)
    if not todo:
        return []
    remove_drafts(todo[0].folder.parent)
    remarks = []
    with closing((executor or LocalExecutor()).run(todo, Order(kept, fresh, tuple(argv)))) as events:
        for cell, event in events:
            if isinstance(event, Remarked):
                remarks.append(event.text)
            else:
                _tell(watcher, cell, event)
    damaged = kept.fetch([cell.folder.name for cell in todo])
    return list(dict.fromkeys([*remarks, *damaged]))


def unfinished(cells: Sequence[Cell], store: CellStore) -> list[Cell]:
    """Those that are not done, or that the store does not have as they lie in its folder."""
    return [cell for cell in cells if not (cell.done and store.holds(cell.folder))]


def _tell(watcher: Watcher, cell: Cell, event: Event) -> None:
    match event:
        case Begun():
            watcher.started(cell)
        case Progressed(phase, done, total):
            watcher.progressed(cell, phase, done, total)
        case Ended(seconds, problem):
            watcher.finished(cell, seconds, problem)
