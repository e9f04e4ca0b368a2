"""A suite's leaderboard from finished cells alone: chooses the cells, refuses mixes, writes the folder."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.digests import digest_file
from bench.errors import BenchError, UnknownName
from bench.leaderboard.assemble import make_board, record_of
from bench.leaderboard.board import Board
from bench.leaderboard.cells import CellRecord, published_id, without_paths
from bench.leaderboard.formats import as_csv, as_json, as_latex, as_markdown, pairs_as_csv
from bench.leaderboard.overview import write_overview
from bench.leaderboard.page import as_page
from bench.leaderboard.picture import as_picture
from bench.runner.plan import construct, open_task
from bench.store import new_folder, write_text
from bench.suite import Suite, SystemEntry

_PLACED = ("seed", "device")
"""Options that say where and with which seed a system runs, not which system it is."""


_UNFITTING = "of another system, task or collection, or with other options than the suite's"
_OLDER = "older than an equal cell"


@dataclass(frozen=True)
class Selection:
    """The suite's cells by collection, and how many cells were passed over, by reason."""

    cells: Mapping[str, Sequence[CellRecord]]
    passed_over: Mapping[str, int]


def publish(suite: Suite, selection: Selection, results: Path) -> Board:
    """Write `results/SUITE` whole or not at all, then the overview of all suites in `results`.

    Raises BenchError when a folder that no one published is in the way.
    """
    target = results / suite.name
    if target.exists() and not (target / "leaderboard.json").is_file():
        raise BenchError(f"{target} is not a published leaderboard and would be replaced; choose another --to")
    board = make_board(suite, selection.cells)
    manifests = {published_id(cell): published_manifest(cell) for found in selection.cells.values() for cell in found}
    with new_folder(target) as draft:
        for cell in (cell for found in selection.cells.values() for cell in found):
            _copy_runs(cell, draft / "runs")
        for name, manifest in manifests.items():
            write_text(draft / "manifests" / f"{name}.json", as_json(manifest))
        for name, text in views(board, manifests).items():
            write_text(draft / name, text)
    write_overview(results)
    return board


def views(board: Board, manifests: Mapping[str, Any]) -> dict[str, str]:
    """Every file that is made of the board, by name; equal boards give equal text."""
    return {
        "leaderboard.json": as_json(board.as_data()),
        "pairs.csv": pairs_as_csv(board),
        "table.csv": as_csv(board),
        "table.tex": as_latex(board),
        "README.md": as_markdown(board),
        "index.html": as_page(board, manifests),
        "overview.svg": as_picture(board),
    }


def published_manifest(cell: CellRecord) -> dict[str, Any]:
    """What the cell depends on and what it gave, without any machine's paths."""
    record: dict[str, Any] = {"cell": cell.identity, **{k: v for k, v in cell.manifest.items() if k != "cell"}}
    if cell.problem:
        record["problem"] = cell.problem
    record["tasks"] = [
        {
            "task": task.task,
            "options": task.options,
            "definition": task.definition,
            "queries": task.queries,
            "counts": task.counts,
            "cost": task.cost,
            "machine": task.machine,
            "run": run_name(cell, task.folder),
            "sha256": digest_file(task.run_file),
        }
        for task in cell.tasks
    ]
    return dict(without_paths(record))


def run_name(cell: CellRecord, task_folder: str) -> str:
    """The published name of a cell's run file."""
    return f"{published_id(cell)}.{task_folder}.trec.gz"


def _copy_runs(cell: CellRecord, runs: Path) -> None:
    runs.mkdir(exist_ok=True)
    for task in cell.tasks:
        shutil.copyfile(task.run_file, runs / run_name(cell, task.folder))


def select(
    suite: Suite,
    cells: Sequence[Sequence[CellRecord]],
    collections: Sequence[str] = (),
    fingerprints: Sequence[str] = (),
) -> Selection:
    """The cells of the suite's systems and all imported runs, from one list for each folder.

    In a folder the newest of equal cells counts, and of several folders the first that has the cell. Raises
    BenchError when a collection has two fingerprints, unless `fingerprints` (or their beginnings) choose one.
    `collections` are the only ones to publish, if any are named.
    """
    passed_over = {_UNFITTING: 0, _OLDER: 0}
    fitting: list[CellRecord] = []
    matching = _matcher(suite)
    for folder in cells:
        own = [_of_suite(cell, suite) for cell in folder if matching(cell)]
        own = [cell for cell in own if cell.tasks or cell.problem]
        own = [cell for cell in own if not collections or cell.collection in collections]
        own = [cell for cell in own if not fingerprints or cell.fingerprint.startswith(tuple(fingerprints))]
        passed_over[_UNFITTING] += len(folder) - len(own)
        newest = {_place(cell): cell for cell in sorted(own, key=lambda cell: cell.changed)}
        passed_over[_OLDER] += len(own) - len(newest)
        fitting += newest.values()
    if not fitting:
        raise BenchError(
            f"no cell of the suite {suite.name} was found ({sum(map(len, cells))} looked at); run `python -m bench "
            f"run --suite {suite.name}`, or name the folder of its cells with --from"
        )
    chosen: dict[str, dict[Any, CellRecord]] = {}
    for cell in fitting:
        chosen.setdefault(cell.collection, {}).setdefault(_place(cell), cell)
    for name in chosen:
        _check_one_fingerprint(name, [cell for cell in fitting if cell.collection == name])
    ordered = sorted(chosen, key=lambda name: (name not in suite.datasets, name))
    return Selection({name: _sorted(chosen[name]) for name in ordered}, passed_over)


def _place(cell: CellRecord) -> tuple[str, str, int]:
    return cell.collection, cell.system, cell.seed


def _sorted(cells: Mapping[Any, CellRecord]) -> list[CellRecord]:
    return [cells[place] for place in sorted(cells)]


def _matcher(suite: Suite) -> Any:
    """Tells whether a cell is one of the suite's systems, or imported."""
    expected = {entry.label: (entry.retriever, _options(entry)) for entry in suite.systems}

    def matching(cell: CellRecord) -> bool:
        if cell.imported and cell.system in expected:
            raise BenchError(
                f"{cell.folder} is imported as '{cell.system}', the name of one of the suite's systems; "
                "import it again under another --name"
            )
        if cell.imported:
            return True
        retriever, options = expected.get(cell.system, ("", {}))
        given = without_paths(cell.identity["options"])
        return cell.identity["retriever"] == retriever and all(
            given.get(name, value) == value for name, value in options.items() if name not in _PLACED
        )

    return matching


def _options(entry: SystemEntry) -> dict[str, Any]:
    """All options of the system, or those that the suite names where its plugin is not installed here."""
    try:
        return dict(without_paths(construct(entry, seed=0).options()))
    except UnknownName:
        return dict(without_paths(entry.options))


def _of_suite(cell: CellRecord, suite: Suite) -> CellRecord:
    """The cell with what it left of the suite's tasks alone."""
    found = []
    for wanted in suite.tasks:
        options = open_task(wanted.task, wanted.options).options()
        found.append(record_of(cell, wanted.task, without_paths(options)))
    return replace(cell, tasks=[record for record in found if record is not None])


def _check_one_fingerprint(name: str, cells: Sequence[CellRecord]) -> None:
    """Raise BenchError that names what differs between two cells of one collection with two fingerprints."""
    first = cells[0]
    for other in cells[1:]:
        if other.fingerprint != first.fingerprint:
            differing = [*_differences("rule", first, other, "rules"), *_differences("", first, other, "versions")]
            raise BenchError(
                f"{name} has two fingerprints: {first.fingerprint[:6]} ({first.folder}) and "
                f"{other.fingerprint[:6]} ({other.folder}); what differs: "
                f"{', '.join(differing) or 'the content itself'}; run one of them again, or choose one with "
                f"--fingerprint {first.fingerprint[:6]}"
            )


def _differences(kind: str, first: CellRecord, other: CellRecord, part: str) -> Iterator[str]:
    """Names whose values differ in a part of the identities or manifests, with both values."""
    one, two = ({**cell.manifest.get(part, {}), **cell.identity.get(part, {})} for cell in (first, other))
    for name in sorted({*one, *two}):
        if one.get(name) != two.get(name):
            yield f"{kind} {name} {one.get(name, 'unknown')} against {two.get(name, 'unknown')}".strip()
