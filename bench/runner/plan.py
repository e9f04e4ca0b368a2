"""Turns a suite into cells: one system on one collection with one seed, each with a key of all that it depends on."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bench import registry
from bench.cells.folder import cell_name, failure_file, is_done, is_fitted
from bench.cells.key import cell_key_parts, task_key_parts, weights_of
from bench.cells.record import Identity, OfCell, Problem
from bench.cells.stores import CELLS
from bench.collections.catalogue import Dataset
from bench.digests import digest_data
from bench.durations import DAY
from bench.errors import BenchError, CannotImport, UnusableClass
from bench.models import check_device
from bench.needs import Needs
from bench.parts import with_rows
from bench.retriever import Retriever
from bench.runner.problems import explain, problem_of
from bench.store import slug
from bench.suite import Suite, SystemEntry, TaskEntry
from bench.tasks import Task


@dataclass(frozen=True)
class Unopened:
    """A dataset that could not be opened: each of its cells fails with the reason, and the others run."""

    spec: str
    problem: str


@dataclass(frozen=True)
class PlannedTask:
    """A task that a cell answers; `folder` holds its result once it is done."""

    name: str
    options: dict[str, Any]
    folder: Path

    @property
    def done(self) -> bool:
        return is_done(self.folder)


@dataclass(frozen=True)
class Cell(OfCell):
    """The unit of caching, failure and parallelism: fit once, then answer all tasks.

    dataset: what opens the collection, on a machine that does not have its folder
    problem: why it cannot run, if that is known before it starts
    time_limit: seconds that the fit, and each task, may take
    needs: what it is to have of the machine
    """

    folder: Path
    tasks: tuple[PlannedTask, ...]
    collection_folder: Path
    dataset: str = ""
    plugin_files: tuple[Path, ...] = ()
    problem: Problem | None = field(default=None, compare=False)
    time_limit: float = field(default=DAY, compare=False)
    needs: Needs = field(default=Needs(), compare=False)

    @property
    def done(self) -> bool:
        """Whether everything is there as it was written, and nothing went wrong."""
        whole = is_fitted(self.folder) and all(task.done for task in self.tasks)
        return whole and not failure_file(self.folder).is_file()

    def below(self, cells: Path) -> "Cell":
        """The same cell in another folder of cells."""
        folder = cells / self.folder.name
        tasks = (replace(task, folder=folder / task.folder.relative_to(self.folder)) for task in self.tasks)
        return replace(self, folder=folder, tasks=tuple(tasks))


def make_plan(
    suite: Suite,
    datasets: Sequence[Dataset | Unopened],
    out: Path,
    device: str | None = None,
    plugin_files: Sequence[Path] = (),
) -> list[Cell]:
    """All cells of the suite on its datasets, in the order of the suite, without what is `left_out`.

    What is given twice is planned once, and a deterministic system with the first seed alone. Raises BenchError if
    nothing is left to run, for two systems or collections that would share a row, for unknown retrievers, tasks and
    options, for a system that is a part of itself, and for a task's weights that cannot be found. A retriever that
    cannot be constructed or whose weights cannot be found, and a dataset that could not be opened, are the problem of
    their own cells.
    """
    tasks = [planned_task(entry) for entry in _once(suite.tasks)]
    systems = with_rows(list(_once(suite.systems)), suite.systems)
    cells = [
        cell
        for dataset in _distinct(datasets)
        for entry in systems
        if _can_learn(entry, dataset)
        for cell in _cells(entry, dataset, suite, tasks, out, device, tuple(plugin_files))
    ]
    if not cells:
        raise BenchError(f"nothing to run: {'; '.join(left_out(suite, datasets))}; choose a dataset that has it")
    _check_rows(suite, cells)
    return cells


def left_out(suite: Suite, datasets: Sequence[Dataset | Unopened]) -> list[str]:
    """Which systems are left out of which collections, and why."""
    return [
        f"{entry.label} is left out of {dataset.collection.name}, which has no split '{entry.needs_split}'"
        for dataset in datasets
        for entry in suite.systems
        if isinstance(dataset, Dataset) and not _can_learn(entry, dataset)
    ]


def _can_learn(entry: SystemEntry, dataset: Dataset | Unopened) -> bool:
    if not entry.needs_split or isinstance(dataset, Unopened):
        return True
    return entry.needs_split in dataset.collection.training_view().splits


def _once(given: Sequence[Any]) -> Iterator[Any]:
    """Each of equal things once, in their order."""
    return (one for position, one in enumerate(given) if one not in given[:position])


def _check_rows(suite: Suite, cells: Sequence[Cell]) -> None:
    labels = [entry.label for entry in _once(suite.systems)]
    for label in labels:
        if labels.count(label) > 1:
            raise BenchError(f"two systems are called '{label}' and would share a row; give one a `name`")
    owners: dict[Path, str] = {}
    for cell in cells:
        other = owners.setdefault(cell.folder, cell.system)
        if other != cell.system:
            raise BenchError(f"'{other}' and '{cell.system}' would share {cell.folder}; give one another `name`")


def _distinct(datasets: Sequence[Dataset | Unopened]) -> list[Dataset | Unopened]:
    """Each collection once. Raises BenchError for one content under two names."""
    found: dict[str, Dataset | Unopened] = {}
    for dataset in datasets:
        if isinstance(dataset, Unopened):
            found.setdefault(dataset.spec, dataset)
            continue
        other = found.setdefault(dataset.collection.fingerprint, dataset)
        if isinstance(other, Dataset) and other.collection.name != dataset.collection.name:
            raise BenchError(
                f"{other.collection.name} and {dataset.collection.name} are the same content, which would count "
                "twice; name one of them"
            )
    return list(found.values())


def construct(entry: SystemEntry, seed: int, device: str | None = None) -> Retriever:
    """The retriever of a suite's entry, validated and not yet fitted. Raises whatever its class raises.

    Raises BenchError for what names no device.
    """
    kind: type[Retriever] = registry.find("retriever", entry.retriever).load()
    owner = entry.retriever if "=" in entry.label else entry.label  # options in its name would blur which is meant
    retriever = kind.from_options(owner, {"seed": seed, **entry.options})
    if device:
        check_device(device)
        _place(retriever, device)
    return retriever


def _place(retriever: Retriever, device: str) -> None:
    """Have a system and its parts compute there, but those that say where themselves."""
    if "device" in type(retriever).model_fields and "device" not in retriever.model_fields_set:
        setattr(retriever, "device", device)  # noqa: B010
    for part in retriever.components():
        _place(part, device)


def open_task(name: str, options: Mapping[str, Any]) -> Task:
    """A task with its options, validated. Raises BenchError for an unknown task or option."""
    kind: type[Task] = registry.find("task", name).load()
    return kind.from_options(f"task {name}", options)


def planned_task(entry: TaskEntry) -> PlannedTask:
    """The task with its folder inside any cell's. Raises BenchError for an unknown task, option or weights."""
    task = open_task(entry.task, entry.options)
    key = digest_data(task_key_parts(entry.task, task))
    return PlannedTask(entry.task, task.options(), Path("tasks") / f"{slug(entry.task)}.{key[:10]}")


def _cells(
    entry: SystemEntry,
    dataset: Dataset | Unopened,
    suite: Suite,
    tasks: Sequence[PlannedTask],
    out: Path,
    device: str | None,
    plugin_files: tuple[Path, ...],
) -> Iterator[Cell]:
    for seed in _once(suite.seeds):
        identity, problem = _identify(entry, dataset, seed, device)
        folder = out / CELLS / cell_name(identity)
        yield Cell(
            identity=identity,
            folder=folder,
            tasks=tuple(PlannedTask(task.name, task.options, folder / task.folder) for task in tasks),
            collection_folder=Path() if isinstance(dataset, Unopened) else dataset.folder,
            dataset=dataset.spec,
            plugin_files=plugin_files,
            problem=problem,
            time_limit=entry.time_limit or suite.time_limit,
            needs=entry.needs.over(suite.needs),
        )
        if identity.deterministic:
            break


def _identify(
    entry: SystemEntry, dataset: Dataset | Unopened, seed: int, device: str | None
) -> tuple[Identity, Problem | None]:
    """Which cell it is and why it cannot run, if it cannot; what is not known of it is left empty."""
    known: dict[str, Any] = {"system": entry.label, "retriever": entry.retriever, "seed": seed}
    if isinstance(dataset, Unopened):
        known |= {"collection": dataset.spec, "fingerprint": "", "rules": {}}
    else:
        collection = dataset.collection
        known |= {
            "collection": collection.name,
            "fingerprint": collection.fingerprint,
            "rules": collection.rules.options(),
        }
    retriever, problem = _constructed(entry, seed, device)
    if retriever is None:
        return _unknown(known | {"options": entry.options}), problem
    known |= {"family": retriever.family, "options": retriever.options()}
    if isinstance(dataset, Unopened):
        return _unknown(known), Problem("bad input", dataset.problem)
    try:
        parts = cell_key_parts(retriever, known["fingerprint"])
        return Identity(
            **known,
            trained=retriever.trained,
            deterministic=retriever.deterministic,
            weights=weights_of(retriever),
            key=digest_data(parts),
            key_parts=parts,
        ), None
    except BenchError as error:  # of the weights
        return _unknown(known), Problem("missing dependency", str(error))
    except Exception as error:
        return _unknown(known), problem_of(error)


def uses_weights(suite: Suite) -> bool:
    """Whether some system of the suite uses weights, as far as can be told before its datasets are opened."""
    for entry in with_rows(list(_once(suite.systems)), suite.systems):
        with suppress(BenchError):
            retriever, _ = _constructed(entry, 0, None)
            if retriever and weights_of(retriever):
                return True
    return False


def _constructed(entry: SystemEntry, seed: int, device: str | None) -> tuple[Retriever | None, Problem | None]:
    """The retriever, or why its class gives none. Raises BenchError for an unknown retriever or option."""
    plugin = registry.find("retriever", entry.retriever)
    try:
        plugin.load()
    except BenchError as error:
        return None, problem_of(error)
    try:
        return construct(entry, seed, device), None
    except UnusableClass as error:
        return None, Problem("error", f"'{entry.retriever}' cannot be constructed: {error}")
    except CannotImport as error:  # of a part
        return None, problem_of(error)
    except BenchError:
        raise
    except Exception as error:
        return None, Problem(
            problem_of(error).kind,
            f"'{entry.retriever}' cannot be constructed: {explain(error)}; constructing a retriever does no work: "
            "leave it to fit",
        )


def _unknown(known: Mapping[str, Any]) -> Identity:
    """The identity of a cell that cannot run."""
    given = {"family": "other", "trained": False, "weights": {}, **known}
    return Identity(**given, key=digest_data({name: given[name] for name in ("system", "collection", "seed")}))
