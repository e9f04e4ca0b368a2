"""The leaderboard of one suite as data: every table, page and proof is a view on it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from bench.measures.measure import Count, Instrument, Measure

if TYPE_CHECKING:
    from pydantic import TypeAdapter

FORMAT = 2
NOT_RUN = "not run"

START_CHOSEN, LAST_CHOSEN = "start chosen", "last chosen"
"""The counts of fits whose chosen epoch is the model as it was before training, or the last one that it was given."""

BANDS = ("0", "to 1/4", "to 1/2", "to 3/4", "below 1", "1")
"""Into which a query's value falls: exactly 0, above it up to a bound, exactly 1."""


@dataclass(frozen=True)
class RowFigure:
    """A mean over queries (and seeds), its 95 % interval over queries, and its spread over seeds."""

    value: float
    low: float | None
    high: float | None
    """None, both of them, where the queries are too few for an interval."""

    n: int
    spread: float | None = None
    """Standard deviation over seeds; None with one seed."""

    @property
    def span(self) -> tuple[float, float]:
        """What a chart draws: from bound to bound, or the value alone where there is no interval."""
        return (self.value, self.value) if self.low is None or self.high is None else (self.low, self.high)


@dataclass(frozen=True)
class RowCost:
    """Means over seeds, and of the shares that other work took of the processor the largest; None: not known."""

    fit_seconds: float | None = None
    fit_processor_seconds: float | None = None
    fit_others_share: float | None = None
    index_bytes: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    queries_per_second: float | None = None
    memory_mb: float | None = None
    others_share: float | None = None


@dataclass(frozen=True)
class Row:
    """One system on one task. `problem` is the reason why it has no figures, or not those of all seeds."""

    system: str
    retriever: str
    family: str
    trained: bool
    deterministic: bool
    imported: bool
    seeds: Sequence[int]
    """Those it was run with; the one of a deterministic system stands for all."""

    cells: Sequence[str]
    """Names of the cells, one for each seed, by which run files and manifests are found."""

    problem: str = ""
    shares_weights_with: str = ""
    """The instrument that has the system's own weights: its role and name."""

    hardware: str = ""
    figures: Mapping[str, RowFigure] = field(default_factory=dict)
    """By the measure's name; a measure that says nothing of this system is not there."""

    counts: Mapping[str, Count] = field(default_factory=dict)
    """By name; values are means over seeds."""

    cost: RowCost = RowCost()
    best_rank: int | None = None
    worst_rank: int | None = None
    groups: Sequence[str] = ()
    distribution: Sequence[float] = ()
    """Share of the queries in each of BANDS, by the primary measure."""

    @property
    def done(self) -> bool:
        return bool(self.figures)

    @property
    def among_best(self) -> bool:
        """Whether no system is significantly better."""
        return self.best_rank == 1


@dataclass(frozen=True)
class Reported:
    """Figures of a system that was not run here, by measure; nobody knows its answers, so nothing is tested."""

    system: str
    source: str
    figures: Mapping[str, float]


@dataclass(frozen=True)
class Pair:
    """Two systems of a block by the primary measure: the first minus the second."""

    first: str
    second: str
    difference: float
    low: float | None
    high: float | None
    effect: float | None
    p: float
    corrected: float


@dataclass(frozen=True)
class Block:
    """One task on one collection. Rows run from the best mean on; failed ones are last."""

    task: str
    options: Mapping[str, Any]
    definition: str
    queries: int
    instrument: Instrument | None
    measures: Sequence[Measure]
    """Every measure that some row has; the first is the primary one, by which systems are ranked and tested.

    Empty where no system has answered."""

    columns: Sequence[str]
    """Names of the measures that tables show, the primary one first."""

    timed: bool
    test: str
    """How the groups were found."""

    rows: Sequence[Row]
    pairs: Sequence[Pair]
    second_instrument: Instrument | None = None
    reported: Sequence[Reported] = ()

    @property
    def primary(self) -> Measure:
        """One without a name, of which nobody has a figure, where no system has answered."""
        return self.measures[0] if self.measures else Measure("")

    @property
    def shown(self) -> list[Measure]:
        """The measures of `columns`."""
        by_name = {measure.name: measure for measure in self.measures}
        return [by_name[name] for name in self.columns]


@dataclass(frozen=True)
class CollectionBoard:
    """All tasks of the suite on one collection."""

    name: str
    fingerprint: str
    rules: Mapping[str, Any]
    hardware: Sequence[str]
    """What costs were measured on; they compare only within one."""

    blocks: Sequence[Block]

    @property
    def named_blocks(self) -> list[Block]:
        """The blocks, each with a task of another name: one that is asked twice has the options that differ in it."""
        names = told_apart([(block.task, block.options) for block in self.blocks])
        return [replace(block, task=name) for block, name in zip(self.blocks, names, strict=True)]


def told_apart(tasks: Sequence[tuple[str, Mapping[str, Any]]]) -> list[str]:
    """Names of tasks with these options: those of one name as `NAME?OPTION=VALUE`, by the options that differ."""
    of_name: dict[str, list[Mapping[str, Any]]] = {}
    for task, options in tasks:
        of_name.setdefault(task, []).append(options)
    return [_with_options(task, options, of_name[task]) for task, options in tasks]


def _with_options(task: str, options: Mapping[str, Any], others: Sequence[Mapping[str, Any]]) -> str:
    differing = [name for name in options if any(other.get(name) != options[name] for other in others)]
    return spelled(task, {name: options[name] for name in differing})


def spelled(task: str, options: Mapping[str, Any]) -> str:
    """A task with options, as it is asked for: `NAME?OPTION=VALUE&OPTION=VALUE`."""
    return "?".join(filter(None, [task, "&".join(f"{name}={value}" for name, value in options.items())]))


@dataclass(frozen=True)
class Board:
    """A suite's leaderboard."""

    suite: str
    title: str
    systems: Sequence[Mapping[str, str]]
    tasks: Sequence[Mapping[str, Any]]
    seeds: Sequence[int]
    """What the suite asks for, tasks with all their options; what is missing of it is shown as such."""

    collections: Sequence[CollectionBoard]
    findings: str = ""
    """What people say of the outcome."""

    format: int = FORMAT

    @property
    def cells(self) -> set[str]:
        """Those that it has rows of, by the names of their manifests."""
        blocks = (block for collection in self.collections for block in collection.blocks)
        return {name for block in blocks for row in block.rows for name in row.cells}

    def as_data(self) -> dict[str, Any]:
        """JSON-like data without the pairs, of which there are many."""
        data = asdict(self)
        for collection in data["collections"]:
            for block in collection["blocks"]:
                del block["pairs"]
        return data

    @classmethod
    def from_data(cls, data: Any) -> "Board":
        """What `as_data` gave, without the pairs. Raises ValueError for anything else."""
        found = data.get("format") if isinstance(data, Mapping) else None
        if found != FORMAT:
            raise ValueError(f"it has format {found}, and this version reads {FORMAT}")
        try:
            with_pairs = [
                {**one, "blocks": [{**block, "pairs": []} for block in one["blocks"]]} for one in data["collections"]
            ]
            return _adapter().validate_python({**data, "collections": with_pairs})
        except (TypeError, KeyError) as error:
            raise ValueError(f"{type(error).__name__}: {error}") from None


@cache
def _adapter() -> "TypeAdapter[Board]":
    from pydantic import TypeAdapter

    return TypeAdapter(Board)
