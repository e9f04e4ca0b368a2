"""A suite: systems x datasets x tasks x seeds, in a TOML file."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bench.errors import BenchError, UnknownName

_FOLDER = Path(__file__).parent / "suites"


class SystemEntry(BaseModel):
    """A retriever with its options, under the name that tables show.

    needs_split: leave the system out of collections that have no such split to learn from
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    retriever: str
    name: str = ""
    options: dict[str, Any] = Field(default_factory=dict)
    needs_split: str = ""

    @property
    def label(self) -> str:
        return self.name or self.retriever


class TaskEntry(BaseModel):
    """A task with its options."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: str
    options: dict[str, Any] = Field(default_factory=dict)


class Suite(BaseModel):
    """What is to be run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    title: str = ""
    datasets: list[str] = Field(min_length=1)
    systems: list[SystemEntry] = Field(min_length=1)
    tasks: list[TaskEntry] = Field(default_factory=lambda: [TaskEntry(task="search")], min_length=1)
    seeds: list[int] = Field(default_factory=lambda: [0], min_length=1)

    def check_labels(self) -> None:
        """Raise BenchError when two systems would share a row."""
        labels = [system.label for system in self.systems]
        for label in labels:
            if labels.count(label) > 1:
                raise BenchError(f"suite {self.name}: two systems are called '{label}'; give one a `name`")


def known_suites() -> dict[str, Path]:
    """The built-in suites by name."""
    return {path.stem: path for path in sorted(_FOLDER.glob("*.toml"))}


def read_suite(name: str) -> Suite:
    """A built-in suite by name, or one's own by path. Raises BenchError with the field at fault."""
    path = Path(name) if name.endswith(".toml") else known_suites().get(name)
    if path is None:
        raise UnknownName("suite", name, known_suites(), "(or give the path of a .toml file)")
    if not path.is_file():
        raise BenchError(f"there is no suite file {path}")
    try:
        suite = Suite(name=path.stem, **tomllib.loads(path.read_text(encoding="utf-8")))
    except tomllib.TOMLDecodeError as error:
        raise BenchError(f"{path}: not TOML: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        raise BenchError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg'].lower()}") from None
    suite.check_labels()
    return suite


def with_settings(suite: Suite, settings: Sequence[str]) -> Suite:
    """The suite with options changed by `SYSTEM.OPTION=VALUE`, where SYSTEM is a label or a retriever.

    Raises BenchError for a malformed setting or one that fits no system.
    """
    systems = list(suite.systems)
    for setting in settings:
        target, equals, value = setting.partition("=")
        system, dot, option = target.partition(".")
        if not (equals and dot and option):
            raise BenchError(f"--set {setting}: write SYSTEM.OPTION=VALUE, as in bm25.k1=0.9")
        fitting = [i for i, entry in enumerate(systems) if system in (entry.label, entry.retriever)]
        if not fitting:
            raise UnknownName("system", system, [entry.label for entry in systems], f"(in --set {setting})")
        for i in fitting:
            systems[i] = systems[i].model_copy(update={"options": {**systems[i].options, option: value}})
    return suite.model_copy(update={"systems": systems})
