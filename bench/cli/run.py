"""`bench run`: from a suite, or from datasets and retrievers, to a table."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench import registry
from bench.cli.common import (
    INTERRUPTED,
    RUNS,
    Device,
    JsonFile,
    Out,
    Plugins,
    Settings,
    any_to_parse,
    app,
    examples,
    open_each,
)
from bench.visible import plural

if TYPE_CHECKING:
    from bench.face.suites import Part
    from bench.runner.events import Executor, Order
    from bench.runner.executors.slurm import SlurmExecutor
    from bench.runner.plan import Cell
    from bench.terminal.console import Console


@app.command(
    epilog=examples(
        "run --dataset pydoc-1k --retriever bm25 --retriever sbert",
        "run --suite dsi --dry-run",
        "run --suite baselines --retriever 'bm25?k1=0.9&b=0.4'",
        "run --dataset limit --retriever bm25 --measure Recall@2 --measure nDCG@10",
        "run --dataset 'beir:FOLDER?split=dev' --retriever mine --plugin mine.py --task search --depth 1000",
    )
)
def run(
    suite: Annotated[str, typer.Option(help="Built-in suite or the path of one; see `list suites`.")] = "",
    dataset: Annotated[
        list[str],
        typer.Option(help="In place of the suite's datasets: card, card file, source or folder (repeatable)."),
    ] = [],
    retriever: Annotated[
        list[str],
        typer.Option(
            help="A system or retriever (repeatable). One that the suite has is selected, the system before all of "
            "the retriever, and the suite's others are left out; one that it lacks, or one with options as in "
            "'bm25?k1=0.9', is added. If all are new, the suite's own all stay."
        ),
    ] = [],
    settings: Settings = [],
    task: Annotated[
        list[str],
        typer.Option(help="In place of the suite's tasks, e.g. search or 'exclusivity?sample=40' (repeatable)."),
    ] = [],
    measure: Annotated[
        list[str],
        typer.Option(help="A measure beside the usual ones, e.g. P@5 (repeatable); the first ranks."),
    ] = [],
    depth: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Documents asked of a system for each question: at least as many as the measures need. The foot of "
            "the table says how many.",
        ),
    ] = None,
    seed: Annotated[list[int], typer.Option(help="In place of the suite's seeds (repeatable).")] = [],
    device: Device = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Cells at a time; above 1 they share the cores and cost more (default: 1; elsewhere what has room).",
        ),
    ] = None,
    executor: Annotated[
        str,
        typer.Option(
            metavar="local|ray|slurm",
            help="Where cells run: on this machine, on a Ray cluster, or as the job array of Slurm.",
        ),
    ] = "local",
    ray_address: Annotated[
        str,
        typer.Option(help="A Ray cluster that runs, e.g. auto on its nodes, or HOST:6379; else one is started here."),
    ] = "",
    needs: Annotated[
        list[str],
        typer.Option(help="Of each cell whose system does not say: cpus=4, gpus=1, memory_gb=16 (repeatable)."),
    ] = [],
    cell: Annotated[
        list[str], typer.Option(help="Only the cell whose name or key begins so (repeatable); see --dry-run.")
    ] = [],
    time_limit: Annotated[
        str,
        typer.Option(help="How long a fit, and each task, may take: 90s, 15m, 2h (default: the suite's, or 24h)."),
    ] = "",
    out: Out = RUNS,
    fresh: Annotated[bool, typer.Option("--fresh", help="Run finished cells again.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop.")] = False,
    json_file: JsonFile = None,
    plugin: Plugins = [],
) -> None:
    """Run a suite, or any retrievers on any datasets, and print the table.

    Without a task, collections of sequences are asked what comes next, and all others search. Finished cells are
    reused, so an interrupted run continues where it stopped. The exit status is 0 only when every cell is done.
    """
    from bench.cells.place import open_store
    from bench.choice import choose
    from bench.face.suites import Choice, command_words, only, plan
    from bench.runner.events import Order
    from bench.runner.executors import make_executor
    from bench.runner.executors.local import LocalExecutor
    from bench.runner.executors.slurm import SlurmExecutor
    from bench.runner.plan import left_out, uses_weights
    from bench.runner.worker import start_server
    from bench.terminal import console, plan_table

    registry.load_files(plugin)
    choice: Choice = {
        "suite": suite,
        "datasets": dataset,
        "retrievers": retriever,
        "settings": settings,
        "seeds": seed,
        "tasks": task,
        "measures": measure,
        "depth": depth,
        "time_limit": time_limit,
        "needs": needs,
    }
    executing = make_executor(executor, jobs, ray_address, command_words(choice, device, out, plugin))
    chosen, store, screen = choose(**choice), open_store(out), console()
    if isinstance(executing, LocalExecutor) and not dry_run and any_to_parse(chosen.datasets):
        start_server(uses_weights(chosen))
    datasets, unopened = open_each(chosen.datasets, screen)
    parts = only(plan(chosen, datasets, store.folder, device, plugin), cell)
    for line in left_out(chosen, datasets):
        screen.print(line, markup=False)
    cells = [cell for part in parts for cell in part.cells]
    if isinstance(executing, SlurmExecutor):
        _submit(cells, executing, Order(store, fresh), dry_run, screen)
    elif dry_run:
        screen.print(plan_table(cells))
    else:
        unopened += _run(parts, executing, Order(store, fresh, tuple(sys.argv[1:])), json_file, screen)
    if unopened:
        raise typer.Exit(1)


def _submit(
    cells: "Sequence[Cell]", executor: "SlurmExecutor", order: "Order", dry_run: bool, screen: "Console"
) -> None:
    """Hand what is not finished to Slurm, or write down what would be handed over."""
    from bench.runner.events import Unwatched
    from bench.runner.run import run_cells, unfinished

    order.store.fetch([cell.folder.name for cell in cells])
    todo = cells if order.fresh else unfinished(cells, order.store)
    if dry_run:
        lines = [
            f"sbatch {shlex.quote(str(path))}  # {len(found)} cells" for path, found in executor.write(todo, order)
        ]
    else:
        lines = run_cells(todo, Unwatched(), executor, order.store, order.fresh)
    for line in lines:
        screen.print(line, markup=False, soft_wrap=True)
    screen.print(
        f"{plural(len(todo), 'cell')} to run; the same command without --executor shows what is done", style="dim"
    )


def _run(
    parts: "Sequence[Part]", executor: "Executor", order: "Order", json_file: Path | None, screen: "Console"
) -> int:
    """Run what is not finished, print the table, and return how many cells failed."""
    from bench.face.suites import table_of
    from bench.leaderboard.figures import figures, write_figures
    from bench.leaderboard.selection import request_of
    from bench.runner.run import run_cells, unfinished
    from bench.terminal import BoardView, ProgressDisplay

    cells, store = [cell for part in parts for cell in part.cells], order.store
    remarks = store.fetch([cell.folder.name for cell in cells])
    reused = 0 if order.fresh else len(cells) - len(unfinished(cells, store))
    if reused < len(cells):
        try:
            with ProgressDisplay(screen) as display:
                remarks += run_cells(cells, display, executor, store, order.fresh, order.argv)
        except KeyboardInterrupt:
            screen.print(INTERRUPTED)
            raise typer.Exit(130) from None
    for remark in dict.fromkeys(remarks):
        screen.print(remark, style="yellow", markup=False)
    if json_file:  # before the screen, which may not take every sign
        numbers = [one for part in parts for one in figures(request_of(part.suite), part.records())]
        write_figures(json_file, numbers)
    table = table_of(parts)
    screen.print(BoardView(table.board, cells[0].folder.parent))
    screen.print(f"run files and manifests in {cells[0].folder.parent}", style="dim")
    if reused:
        screen.print(f"reused {reused} of {plural(len(cells), 'cell')} (--fresh runs them again)", style="dim")
    failed = sum(result.cell.failure is not None for result in table)
    if failed:
        screen.print(f"{failed} of {plural(len(cells), 'cell')} failed", style="red")
    return failed
