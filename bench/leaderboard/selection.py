"""Which finished cells a suite's leaderboard is made of: chooses them, and refuses what cannot share a table."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from bench.cells.record import CellRecord
from bench.collections.catalogue import with_source
from bench.errors import BenchError, UnknownName
from bench.leaderboard.build import Request, record_of
from bench.leaderboard.paths import collection_name, without_paths, without_paths_of
from bench.leaderboard.reported import ReportedFigures
from bench.leaderboard.text import paragraphs
from bench.parts import with_rows
from bench.runner.plan import construct, open_task
from bench.suite import Suite, SystemEntry

_PLACED = ("seed", "device")
"""Options that say where and with which seed a system runs, not which system it is."""

_UNFITTING = "of another system, task or collection, or with other options than the suite's"
_OLDER = "older than an equal cell"
_ELSEWHERE = "imported for other collections, or by other rules"


@dataclass(frozen=True)
class Selection:
    """The suite's cells as they may be published, and how many cells were passed over, by reason."""

    request: Request
    cells: Sequence[CellRecord]
    collections: Sequence[str]
    """Those that have cells, in the order in which they are shown."""

    passed_over: Mapping[str, int]
    specs: Mapping[str, str] = field(default_factory=dict)
    """How each collection was opened where its cells were made."""

    reported: Sequence[ReportedFigures] = ()

    def of(self, collection: str) -> list[CellRecord]:
        """The cells of one collection."""
        return [cell for cell in self.cells if cell.identity.collection == collection]


def request_of(suite: Suite) -> Request:
    """What the suite asks for, its tasks with all their options. Raises BenchError for unknown tasks and options."""
    return Request(
        suite=suite.name,
        title=suite.title,
        systems=[{"retriever": entry.retriever, "name": entry.label} for entry in suite.systems],
        tasks=[
            {"task": entry.task, "options": open_task(entry.task, entry.options).options()} for entry in suite.tasks
        ],
        seeds=list(suite.seeds),
        findings="\n\n".join(paragraphs(suite.findings)),
    )


def select(
    suite: Suite,
    cells: Sequence[Sequence[CellRecord]],
    collections: Sequence[str] = (),
    fingerprints: Sequence[str] = (),
    reported: Sequence[ReportedFigures] = (),
) -> Selection:
    """The cells of the suite's systems and all imported runs, from one list for each folder.

    In a folder the newest of equal cells counts, and of several folders the first that has the cell; one that has no
    answer counts only where none has. `collections` are the ones to publish, by the name or the specification that
    they were run with; by default the suite's. Raises BenchError when a collection has two fingerprints, unless
    `fingerprints` (or their beginnings) choose one. Of the `reported` figures of others, those of a chosen
    collection's fingerprint are shown.
    """
    wanted = list(dict.fromkeys(map(_published_name, collections or suite.datasets)))
    fits = _fits(suite, wanted, fingerprints)
    request = request_of(suite)
    request = replace(request, tasks=without_paths(request.tasks))
    passed_over = {_UNFITTING: 0, _OLDER: 0}
    fitting: list[CellRecord] = []
    for folder in cells:
        own = [_of_tasks(cell, request) for cell in map(without_paths_of, folder) if fits(cell)]
        own = [cell for cell in own if cell.tasks or cell.failure]
        passed_over[_UNFITTING] += len(folder) - len(own)
        newest = {_place(cell): cell for cell in sorted(own, key=lambda cell: (bool(cell.tasks), cell.changed))}
        passed_over[_OLDER] += len(own) - len(newest)
        fitting += sorted(newest.values(), key=lambda cell: cell.changed)
    if not fitting:
        raise BenchError(_nothing_found(suite, cells, wanted))
    chosen: dict[tuple[str, str, int], CellRecord] = {}
    for cell in sorted(fitting, key=lambda cell: not cell.tasks):
        chosen.setdefault(_place(cell), cell)
    present = [name for name in wanted if any(name == collection for collection, _, _ in chosen)]
    for name in present:
        _check_one_fingerprint(name, [cell for cell in fitting if cell.identity.collection == name])
    given = (cell.identity.collection for folder in cells for cell in folder)
    specs = {name: spec for spec in given if (name := collection_name(spec)) in present}
    kept = [chosen[place] for place in sorted(chosen)]
    others = _others(request, kept, reported, passed_over)
    return Selection(request, kept, present, passed_over, specs, others)


def _published_name(spec: str) -> str:
    """As `collection_name`; a bare folder has the name of the source that read it, where that can be told."""
    with suppress(BenchError):
        spec = with_source(spec)
    return collection_name(spec)


def _others(
    request: Request, cells: Sequence[CellRecord], reported: Sequence[ReportedFigures], passed_over: dict[str, int]
) -> list[ReportedFigures]:
    """The figures of others that stand below a table. Raises BenchError for one with the name of a row."""
    shown = {cell.identity.fingerprint for cell in cells}
    found = {(one.fingerprint, one.system): one for one in reported if one.fingerprint in shown}
    taken = {entry["name"] for entry in request.systems} | {cell.identity.system for cell in cells}
    for one in found.values():
        if one.system in taken:
            raise BenchError(f"'{one.system}' is imported, and the name of a row; import it under another --name")
    passed_over[_ELSEWHERE] = sum(one.fingerprint not in shown for one in reported)
    return [
        one.model_copy(update={"collection": collection_name(one.collection)})
        for one in sorted(found.values(), key=lambda one: (one.fingerprint, one.system))
    ]


def _nothing_found(suite: Suite, cells: Sequence[Sequence[CellRecord]], wanted: Sequence[str]) -> str:
    there = sorted({collection_name(cell.identity.collection) for folder in cells for cell in folder} - {*wanted})
    others = f"; name one of {', '.join(there)} with --dataset" if there else ""
    return (
        f"no cell of the suite {suite.name} was found for {', '.join(wanted)} ({sum(map(len, cells))} looked at); "
        f"run `python -m bench run --suite {suite.name}`, or name the folder of its cells with --from{others}"
    )


def _place(cell: CellRecord) -> tuple[str, str, int]:
    return cell.identity.collection, cell.identity.system, cell.identity.seed


def _fits(suite: Suite, collections: Sequence[str], fingerprints: Sequence[str]) -> Callable[[CellRecord], bool]:
    """Tells whether a cell is of a wanted collection, and one of the suite's systems or imported."""
    rows = with_rows(suite.systems, suite.systems)
    expected = {entry.label: (entry.retriever, _options(entry)) for entry in rows}

    def fits(cell: CellRecord) -> bool:
        identity = cell.identity
        if identity.collection not in collections:
            return False
        if fingerprints and not identity.fingerprint.startswith(tuple(fingerprints)):
            return False
        if identity.imported and identity.system in expected:
            raise BenchError(
                f"{cell.folder} is imported as '{identity.system}', the name of one of the suite's systems; "
                "import it again under another --name"
            )
        if identity.imported:
            return True
        retriever, options = expected.get(identity.system, ("", {}))
        if identity.retriever != retriever:
            return False
        own = _completed(retriever, _unplaced(identity.options))
        return all(own.get(name, value) == value for name, value in options.items())

    return fits


def _options(entry: SystemEntry) -> dict[str, Any]:
    """All options of the system, or those that the suite names where its plugin is not installed here."""
    try:
        retriever = construct(entry, seed=0)
    except UnknownName:
        return _unplaced(without_paths(entry.options))
    return _unplaced(without_paths(retriever.options(), [*retriever.weights(), *map(str, retriever.files())]))


def _completed(retriever: str, options: dict[str, Any]) -> dict[str, Any]:
    """The options of an older cell with those that its system, or a part of it, has got since, by their defaults."""
    try:
        return _options(SystemEntry(retriever=retriever, options=options))
    except BenchError:
        return options


def _unplaced(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options, also of parts, without those that say where and with which seed a row's cells run."""
    return {
        name: _unplaced(value) if isinstance(value, Mapping) else value
        for name, value in options.items()
        if name not in _PLACED
    }


def _of_tasks(cell: CellRecord, request: Request) -> CellRecord:
    """The cell with what it left of the suite's tasks alone."""
    found = [record_of(cell, wanted["task"], wanted["options"]) for wanted in request.tasks]
    return replace(cell, tasks=[record for record in found if record is not None])


def _check_one_fingerprint(name: str, cells: Sequence[CellRecord]) -> None:
    """Raise BenchError that names what differs between two cells of one collection with two fingerprints."""
    first = next((cell for cell in cells if cell.identity.fingerprint), cells[0])
    for other in cells:
        ours, theirs = first.identity.fingerprint[:6], other.identity.fingerprint[:6]
        if theirs and other.identity.fingerprint != first.identity.fingerprint:
            raise BenchError(
                f"{name} has two fingerprints: {ours} ({first.folder}) and {theirs} ({other.folder}); what differs: "
                f"{', '.join(_differences(first, other)) or 'the content itself'}; run one of them again, or choose "
                f"one with --fingerprint {ours}"
            )


def _differences(first: CellRecord, other: CellRecord) -> Iterator[str]:
    """Rules and versions that differ, with both values."""
    yield from _differing("rule ", first.identity.rules, other.identity.rules)
    if first.manifest and other.manifest:
        yield from _differing("", first.manifest.environment.versions, other.manifest.environment.versions)


def _differing(kind: str, one: Mapping[str, Any], two: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted({*one, *two}):
        if one.get(name) != two.get(name):
            yield f"{kind}{name} {one.get(name, 'unknown')} against {two.get(name, 'unknown')}"
