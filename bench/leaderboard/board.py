"""The leaderboard of one suite as data: every table, page and proof is a view on it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from bench.errors import MissingExtra

FORMAT = 1
NOT_RUN = "not run"
BANDS = ("0", "to 1/4", "to 1/2", "to 3/4", "below 1", "1")
"""Into which a query's value falls: exactly 0, above it up to a bound, exactly 1."""

_DRAWN_WITH = ("itables", "jinja2", "matplotlib")


@dataclass(frozen=True)
class RowFigure:
    """A mean over queries (and seeds), its 95 % bootstrap interval over queries, and its spread over seeds."""

    value: float
    low: float
    high: float
    n: int
    spread: float | None = None
    """Standard deviation over seeds; None with one seed."""


@dataclass(frozen=True)
class Row:
    """One system on one task. `problem` is the reason why it has no figures, or not those of all seeds."""

    system: str
    retriever: str
    family: str
    trained: bool
    imported: bool
    seeds: Sequence[int]
    cells: Sequence[str]
    """Names of the cells, one for each seed, by which run files and manifests are found."""

    problem: str = ""
    shares_weights_with: str = ""
    hardware: str = ""
    figures: Mapping[str, RowFigure] = field(default_factory=dict)
    counts: Mapping[str, float] = field(default_factory=dict)
    cost: Mapping[str, float | None] = field(default_factory=dict)
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
class Pair:
    """Two systems of a block by the primary measure: the first minus the second."""

    first: str
    second: str
    difference: float
    low: float
    high: float
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
    judge: str
    primary: str
    columns: Sequence[str]
    """The measures that tables show, the primary one first."""

    count_columns: Mapping[str, str]
    """Count by header."""

    timed: bool
    lower_is_better: bool
    test: str
    """How the groups were found."""

    rows: Sequence[Row]
    pairs: Sequence[Pair]


@dataclass(frozen=True)
class CollectionBoard:
    """All tasks of the suite on one collection."""

    name: str
    fingerprint: str
    rules: Mapping[str, Any]
    hardware: Sequence[str]
    """What costs were measured on; they compare only within one."""

    blocks: Sequence[Block]


@dataclass(frozen=True)
class Board:
    """A suite's leaderboard."""

    suite: str
    title: str
    systems: Sequence[Mapping[str, str]]
    tasks: Sequence[Mapping[str, Any]]
    seeds: Sequence[int]
    """What the suite asks for; a system or seed that is missing is shown as such."""

    collections: Sequence[CollectionBoard]
    made_with: Mapping[str, str]
    """Versions of the libraries that draw the page, by which its bytes may differ."""

    format: int = FORMAT

    def as_data(self) -> dict[str, Any]:
        """JSON-like data without the pairs, of which there are many; what is not a number is None."""
        data = asdict(self)
        for collection in data["collections"]:
            for block in collection["blocks"]:
                del block["pairs"]
        return data

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> "Board":
        """What `as_data` gave, without the pairs. Raises ValueError for anything else."""
        from pydantic import TypeAdapter

        collections = [
            {**one, "blocks": [{**block, "pairs": []} for block in one["blocks"]]} for one in data["collections"]
        ]
        return TypeAdapter(cls).validate_python({**data, "collections": collections})


def made_with() -> dict[str, str]:
    """Versions of the libraries that draw the page here. Raises MissingExtra without them."""
    try:
        return {name: version(name) for name in _DRAWN_WITH}
    except PackageNotFoundError:
        raise MissingExtra("publishing", "publish") from None
