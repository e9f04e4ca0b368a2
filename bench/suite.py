"""A suite: systems x datasets x tasks x seeds, in a TOML file. `bench.choice` changes one from the command line."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from bench import registry
from bench.durations import DAY, TimeLimit
from bench.errors import BenchError, UnknownName
from bench.needs import Needs
from bench.options import known_part, option_names, plain
from bench.settings import merge, nest, unnest
from bench.textfiles import read_toml

if TYPE_CHECKING:
    from bench.collections.collection import Collection

_FOLDER = Path(__file__).parent / "suites"
_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")

Seed = Annotated[int, Field(ge=0, lt=2**31)]
M = TypeVar("M", bound=BaseModel)


class SystemEntry(BaseModel):
    """A retriever with its options, under the name that tables show.

    needs_split: leave the system out of collections that have no such split to learn from
    time_limit: of this system, in place of the suite's
    needs: cores, accelerators and memory of each of its cells, before the suite's
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    retriever: str
    name: str = Field("", pattern=r"^[^\x00-\x1f]*$")
    options: dict[str, Any] = Field(default_factory=dict)
    needs_split: str = ""
    time_limit: TimeLimit | None = None
    needs: Needs = Needs()

    @property
    def label(self) -> str:
        return self.name or self.retriever


class TaskEntry(BaseModel):
    """A task with its options. `assumed` when nobody named it, so that another may suit a collection better."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: str
    options: dict[str, Any] = Field(default_factory=dict)
    assumed: bool = Field(False, exclude=True, repr=False)

    def on(self, collection: "Collection") -> "list[TaskEntry]":
        """The same, but for a task that nobody named: what comes next, where the collection has histories, beside
        search where it has both."""
        if not (self.assumed and collection.sequential):
            return [self]
        next_item = self.model_copy(update={"task": "next_item"})
        return [self, next_item] if collection.rules.mixed else [next_item]


def assumed_tasks(collection: "Collection") -> list[TaskEntry]:
    """What a collection is asked where nobody names a task."""
    return TaskEntry(task="search", assumed=True).on(collection)


class _Content(BaseModel):
    """What a suite's file may say."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    extends: str = ""
    title: str = ""
    findings: str = ""
    defaults: dict[str, Any] = Field(default_factory=dict)
    datasets: list[str] = Field(default_factory=list)
    systems: list[SystemEntry] = Field(default_factory=list)
    tasks: list[TaskEntry] = Field(default_factory=list)
    seeds: list[Seed] = Field(default_factory=list)
    time_limit: TimeLimit | None = None
    needs: Needs | None = None
    tune: dict[str, dict[str, str]] = Field(default_factory=dict)

    @field_validator("tune", mode="before")
    @classmethod
    def _by_dotted_name(cls, given: Any) -> Any:
        """TOML reads `training.epochs`, written without quotes, as a table of its own."""
        if not isinstance(given, Mapping):
            return given
        return {name: unnest(space) if isinstance(space, Mapping) else space for name, space in given.items()}


class Suite(BaseModel):
    """What is to be run.

    findings: what its published page says of the outcome
    time_limit: seconds that a fit, and each task of a cell, may take
    needs: cores, accelerators and memory of a cell whose system does not say
    tune: what `bench tune` searches, by system or retriever: values by option, as in `bench.tuning.space`
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    title: str = ""
    findings: str = ""
    datasets: list[str] = Field(min_length=1)
    systems: list[SystemEntry] = Field(min_length=1)
    tasks: list[TaskEntry] = Field(default_factory=lambda: [TaskEntry(task="search", assumed=True)], min_length=1)
    seeds: list[Seed] = Field(default_factory=lambda: [0], min_length=1)
    time_limit: TimeLimit = DAY
    needs: Needs = Needs()
    tune: dict[str, dict[str, str]] = Field(default_factory=dict)

    def on(self, collection: "Collection") -> "Suite":
        """With the tasks that this collection is asked."""
        return self.model_copy(update={"tasks": [one for task in self.tasks for one in task.on(collection)]})

    def named(self, name: str) -> list[SystemEntry]:
        """The system of that name, or else all of the retriever of that name; none if there is neither."""
        by_name = [entry for entry in self.systems if entry.label == name]
        return by_name or [entry for entry in self.systems if entry.retriever == name]

    @property
    def names(self) -> set[str]:
        """What `named` finds something for."""
        return {name for entry in self.systems for name in (entry.label, entry.retriever)}

    def check(self) -> "Suite":
        """The suite itself. Raises BenchError when something is named twice."""
        named = {
            "system": [system.label for system in self.systems],
            "dataset": self.datasets,
            "seed": list(map(str, self.seeds)),
            "task": [f"{task.task} {task.options or ''}".strip() for task in self.tasks],
        }
        for kind, names in named.items():
            for name in names:
                if names.count(name) > 1:
                    remedy = "give one a `name`" if kind == "system" else "name it once"
                    raise BenchError(f"suite {self.name}: {names.count(name)} {kind}s are called '{name}'; {remedy}")
        return self


def known_suites() -> dict[str, Path]:
    """The built-in suites by name."""
    return {path.stem: path for path in sorted(_FOLDER.glob("*.toml"))}


def suite_title(name: str) -> str:
    """The title of a built-in suite, without importing what it runs."""
    return _content(known_suites()[name], ()).title


def read_suite(name: str) -> Suite:
    """A built-in suite by name, or one's own by path. Raises BenchError with the field at fault.

    A file that `extends` another has its systems, tasks, datasets and seeds. Of its own, datasets and seeds stand
    in place of the other's; a system or task takes the place of the one with the same name, or is added.
    `defaults` are options for every system that has them; what a system sets itself goes before.
    """
    path = _located(name, Path())
    check_suite_file(path)
    content = _content(path, ())
    given = {key: value for key, value in content if value and key not in ("extends", "defaults")}
    suite = _valid(Suite, path, given | {"name": path.stem, "systems": _with_defaults(content, path)})
    tuned = {system.label for system in suite.systems} | registry.plugins("retriever").keys()
    for name in suite.tune:
        if name not in tuned:
            raise UnknownName(f"system in [tune] of {path}:", name, tuned)
    return suite.check()


def check_suite_file(path: Path) -> None:
    """Raise BenchError for a file whose name no suite can have."""
    if not path.name.endswith(".toml"):
        raise BenchError(f"{path} is no suite file; give a name that ends in .toml")
    if not _SAFE_NAME.fullmatch(path.stem):
        raise BenchError(
            f"{path}: a suite is called as its file; use letters, digits, - and _ alone, as in mine.toml"
        )


def _located(name: str, folder: Path) -> Path:
    path = folder / name if name.endswith(".toml") else known_suites().get(name)
    if path is None:
        raise UnknownName("suite", name, known_suites(), "(or give the path of a .toml file)")
    if not path.is_file():
        raise BenchError(f"there is no suite file {path}")
    return path


def _content(path: Path, extending: Sequence[Path]) -> _Content:
    """What a file says together with what it extends; `extending` are the files that led here."""
    data = read_toml(path)
    if "name" in data:
        raise BenchError(f"{path}: a suite is called as its file, '{path.stem}'; leave the key `name` out")
    own = _valid(_Content, path, data)
    if not own.extends:
        return own
    other = _located(own.extends, path.parent)
    if other.resolve() in [one.resolve() for one in (*extending, path)]:
        raise BenchError(f'{path}: extends = "{own.extends}" leads back to itself; extend another suite')
    base = _content(other, (*extending, path))
    return own.model_copy(
        update={
            "title": own.title or base.title,
            "defaults": merge(nest(base.defaults), nest(own.defaults)),
            "datasets": own.datasets or base.datasets,
            "systems": _replaced(base.systems, own.systems, lambda system: system.label),
            "tasks": _replaced(base.tasks, own.tasks, lambda task: task.task),
            "seeds": own.seeds or base.seeds,
            "time_limit": own.time_limit or base.time_limit,
            "needs": own.needs or base.needs,
            "tune": base.tune | own.tune,
        }
    )


def _replaced(base: Sequence[M], own: Sequence[M], name: Callable[[M], str]) -> list[M]:
    """Entries of `base` in their order, each replaced by those of `own` with its name; then the rest of `own`."""
    names = dict.fromkeys(map(name, [*base, *own]))
    mine = set(map(name, own))
    return [entry for one in names for entry in (own if one in mine else base) if name(entry) == one]


def _with_defaults(content: _Content, path: Path) -> list[SystemEntry]:
    if not content.defaults:
        return content.systems
    used: dict[str, Any] = {}
    options: list[str] = []
    systems = []
    for entry in content.systems:
        kind = registry.find("retriever", entry.retriever).load()
        options += option_names(kind)
        known = known_part(kind, content.defaults)
        used = merge(used, known)
        systems.append(entry.model_copy(update={"options": merge(known, nest(entry.options))}))
    if unused := _names(content.defaults) - _names(used):
        raise UnknownName(f"option in [defaults] of {path}:", min(unused), set(options))
    return systems


def _names(values: Mapping[str, Any]) -> set[str]:
    """All that is set, by dotted name."""
    return {
        f"{name}.{inner}" if inner else name
        for name, value in nest(values).items()
        for inner in (_names(value) if isinstance(value, Mapping) else {""})
    }


def _valid(kind: type[M], path: Path, data: Mapping[str, Any]) -> M:
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        raise BenchError(f"{path}: {plain(error.errors()[0])}; see the suites of `bench list suites`") from None
