"""What several commands share: their options, and how collections are opened and named on the screen."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.errors import BenchError
from bench.settings import parse_query, parse_settings

if TYPE_CHECKING:
    from bench.collections.catalogue import Dataset
    from bench.terminal.console import Console

app = typer.Typer(
    help="Benchmark retrieval systems on shared collections: quality, its uncertainty and its cost.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Plugins = Annotated[
    list[Path],
    typer.Option("--plugin", help="Python file whose retrievers, sources and tasks are used too (repeatable)."),
]
Settings = Annotated[
    list[str],
    typer.Option(
        "--set",
        help="Change an option: SYSTEM.OPTION=VALUE (repeatable). A value is a number, true, false, none, "
        "a list, a table, or text, as the option's type asks.",
    ),
]
Out = Annotated[
    str,
    typer.Option(
        metavar="PLACE",
        help="Folder for cells: run files, figures, manifests, logs, indexes; or s3://bucket/prefix and the like.",
    ),
]
Device = Annotated[
    str | None, typer.Option(help="auto, cpu, cuda, cuda:N or mps, for every system that has a device.")
]
Seed = Annotated[int, typer.Option(min=0, help="Seed of every random choice.")]
DatasetOption = Annotated[
    str, typer.Option(help="Card, card file, source or folder, e.g. scifact or beir:FOLDER?split=dev.")
]
RetrieverOption = Annotated[str, typer.Option(help="A retriever, as bm25 or 'bm25?k1=0.9'; see `list retrievers`.")]
TaskSettings = Annotated[
    list[str], typer.Option("--set", help="Change an option of the task: OPTION=VALUE (repeatable).")
]
JsonFile = Annotated[
    Path | None,
    typer.Option("--json", dir_okay=False, help="Write every figure: a JSON array, or lines if it ends in .jsonl."),
]

RUNS = "runs"
INTERRUPTED = "interrupted; finished cells are kept, and the same command continues with the rest"


def examples(*commands: str) -> str:
    """The end of a command's help."""
    return "\n\n".join(["Examples:", *(f"python -m bench {command}" for command in commands)])


def open_dataset(spec: str, screen: "Console") -> "Dataset":
    """Open a collection, with progress, and tell what was opened."""
    from bench.collections.catalogue import open_dataset as opened
    from bench.terminal import dataset_line

    with screen.status(f"opening {spec} ...") as status:

        def tell(phase: str, done: int, _total: int, status: Any = status) -> None:
            status.update(f"{spec}: {phase} {done:,}")

        dataset = opened(spec, tell)
    for remark in dataset.remarks:
        screen.print(remark, style="dim", markup=False)
    screen.print(dataset_line(dataset))
    return dataset


def any_to_parse(specs: Sequence[str]) -> bool:
    """Whether opening takes a while: some collection is not in the cache. What cannot be opened is told later."""
    from bench.collections.catalogue import is_parsed

    with suppress(BenchError):
        return not all(map(is_parsed, specs))
    return False


def open_each(specs: Sequence[str], screen: "Console") -> "tuple[list[Dataset], int]":
    """All collections that can be opened, each content once, and how many cannot; why is told.

    Raises the BenchError of the last one if none can.
    """
    datasets: list[Dataset] = []
    unopened = 0
    for place, spec in enumerate(specs, 1):
        try:
            dataset = open_dataset(spec, screen)
        except BenchError as error:
            if place == len(specs) and not datasets:
                raise
            unopened += 1
            screen.print(f"{spec} is left out: {error}", style="red", markup=False)
            continue
        same = [other for other in datasets if other.collection.fingerprint == dataset.collection.fingerprint]
        if same:
            screen.print(f"{spec} is left out: it has the content and the rules of {same[0].spec}", markup=False)
        else:
            datasets.append(dataset)
    return datasets, unopened


def task_words(task: str, settings: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """A task and its options, from `NAME?OPTION=VALUE` and from --set. Raises BenchError for one given twice."""
    name, options = parse_query(task)
    more = parse_settings(list(settings), "OPTION=VALUE, as in sample=40")
    for option in more.keys() & options.keys():
        raise BenchError(f"--set {option}={more[option]}: {task} sets it too; set it once")
    return name, {**options, **more}
