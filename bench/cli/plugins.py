"""For whoever writes a plugin: a package to begin with, and the check of what was written."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from bench import registry
from bench.cli.common import Plugins, Settings, app, examples


class Kind(StrEnum):
    """What a plugin can be."""

    retriever = "retriever"
    source = "source"
    task = "task"


@app.command(epilog=examples("check bm25", "check tf-idf --plugin mine.py", "check dsi --set dsi.training.epochs=1"))
def check(
    name: Annotated[str, typer.Argument(help="a retriever; see `list retrievers`")],
    settings: Settings = [],
    plugin: Plugins = [],
) -> None:
    """Hold a retriever against its contract, on tiny collections of every kind. Exit status 1 if a clause is broken.

    Options, seeds, batches, depth, saving, odd ids and questions, undeclared weights: what fails is told with what
    was seen and how to mend it. `bench.testing.conformance` does the same in pytest.
    """
    from bench.choice import choose
    from bench.conformance.kit import check_retriever
    from bench.terminal.conformance import print_outcomes

    registry.load_files(plugin)
    system = choose("", ["limit"], [name], settings).systems[0]
    if print_outcomes(system.label, check_retriever(system.retriever, system.options)):
        raise typer.Exit(1)


@app.command(epilog=examples("new retriever tf-idf", "new source notes --to packages", "new task titles"))
def new(
    kind: Annotated[Kind, typer.Argument(help="what to write")],
    name: Annotated[str, typer.Argument(help="how it is called in tables and on the command line, as tf-idf")],
    to: Annotated[
        Path, typer.Option(file_okay=False, help="Folder in which the package's own folder is made.")
    ] = Path(),
) -> None:
    """Write a small package with a plugin that works, registered, with its test; then edit it."""
    from bench.scaffold import write_package
    from bench.terminal import console

    folder = write_package(kind.value, name, to)
    screen = console()
    screen.print(f"{folder} is written. Next:", markup=False)
    screen.print(f"  pip install -e {folder} && pytest {folder}", markup=False, soft_wrap=True)
    if kind is Kind.retriever:
        plugin = folder / f"{name.replace('-', '_')}.py"
        for words in (f"check {name}", f"run --dataset limit --retriever {name} --retriever bm25"):
            screen.print(f"  python -m bench {words} --plugin {plugin}", markup=False, soft_wrap=True)
