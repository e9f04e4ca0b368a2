"""From finished cells to what others read: publish, verify, export, compare."""

from pathlib import Path
from typing import Annotated

import typer

from bench import registry
from bench.cli.common import INTERRUPTED, RUNS, Out, Plugins, Seed, app, examples, open_dataset, task_words
from bench.errors import BenchError, UnknownName
from bench.visible import plural

PublishedPlaces = Annotated[
    list[str],
    typer.Option(
        "--dataset", help="Where a collection lies here: NAME=SOURCE, e.g. scifact=beir:FOLDER (repeatable)."
    ),
]


@app.command(
    epilog=examples(
        "publish --suite dsi --to results/", "publish --suite mine.toml --from runs --from other-machine/runs"
    )
)
def publish(
    suite: Annotated[str, typer.Option(help="Built-in suite or the path of one; see `list suites`.")],
    to: Annotated[Path, typer.Option(file_okay=False, help="Folder of all published suites.")] = Path("results"),
    cells: Annotated[
        list[str],
        typer.Option("--from", metavar="PLACE", help="Places of cells (repeatable), e.g. the --out of two machines."),
    ] = [RUNS],
    dataset: Annotated[list[str], typer.Option(help="Only these collections (repeatable); by default all.")] = [],
    fingerprint: Annotated[
        list[str],
        typer.Option(help="Only cells whose collection has this fingerprint, or its beginning (repeatable)."),
    ] = [],
    plugin: Plugins = [],
) -> None:
    """Write a suite's leaderboard from finished cells alone: tables, page, run files and manifests. Runs nothing.

    A missing cell is a row with its reason, and so is one that failed, where no other answered. Of equal cells the
    newest counts, and of several folders the first that has it. Two fingerprints of one collection are refused.
    """
    from bench.cells.folder import read_all
    from bench.cells.place import fetched
    from bench.leaderboard.publish import publish as write_leaderboard
    from bench.leaderboard.reported import read_reported
    from bench.leaderboard.selection import select
    from bench.suite import read_suite
    from bench.terminal import console

    registry.load_files(plugin)
    chosen = read_suite(suite)
    places = [fetched(place) for place in cells]
    found = [read_all([place]) for place in places]
    selection = select(chosen, found, dataset, fingerprint, read_reported(places))
    write_leaderboard(chosen, selection, to)
    screen = console()
    for name in selection.collections:
        cells_of = selection.of(name)
        failed = sum(cell.failure is not None for cell in cells_of)
        screen.print(f"{name}: cells {len(cells_of)}" + (f", failed {failed}" if failed else ""), markup=False)
    for reason, count in selection.passed_over.items():
        if count:
            screen.print(f"passed over {plural(count, 'cell')} {reason}", style="dim")
    screen.print(f"published {to / chosen.name}; open {to / chosen.name / 'index.html'}", markup=False)


@app.command(
    epilog=examples(
        "verify results/dsi", "verify results/dsi --dataset scifact=beir:FOLDER", "verify --published --data FOLDER"
    )
)
def verify(
    folder: Annotated[Path | None, typer.Argument(help="a published leaderboard, such as results/dsi")] = None,
    dataset: PublishedPlaces = [],
    published: Annotated[
        bool, typer.Option("--published", help="Run the systems whose figures others published, and compare.")
    ] = False,
    references: Annotated[
        Path | None, typer.Option(dir_okay=False, help="With --published: a TOML file of references of your own.")
    ] = None,
    data: Annotated[
        Path, typer.Option(envvar="BENCH_DATA", help="With --published: folder of local copies of the data.")
    ] = Path("data"),
    out: Out = RUNS,
    everything: Annotated[bool, typer.Option("--all", help="Print what is OK too, line by line.")] = False,
    plugin: Plugins = [],
) -> None:
    """Compute every figure of a published leaderboard again from its run files, or hold others' figures against ours.

    Each is OK, near (rounding of another version or processor) or FAIL; the exit status is 1 if anything fails.
    """
    from bench.cells.place import open_store
    from bench.terminal.checks import print_checks, print_references

    registry.load_files(plugin)
    if published == bool(folder):
        raise BenchError("give the folder of a published leaderboard, or --published (see `bench verify --help`)")
    try:
        failed = (
            print_checks(folder, dataset, everything)
            if folder
            else print_references(references, data, open_store(out))
        )
    except KeyboardInterrupt:
        print(INTERRUPTED)
        raise typer.Exit(130) from None
    if failed:
        raise typer.Exit(1)


@app.command(epilog=examples("restore results/dsi", "restore results/generative --dataset scifact=beir:FOLDER"))
def restore(
    folder: Annotated[Path, typer.Argument(help="a published leaderboard, such as results/dsi")],
    dataset: PublishedPlaces = [],
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder for the cells.")] = Path("restored"),
    plugin: Plugins = [],
) -> None:
    """Make cells of a published leaderboard again, so that seeds, systems or collections can be added to it.

    Every figure is computed from the published answers by the code of today; what the fits and the answers cost stays
    as it was. A cell that lies there already is left as it is. Indexes are not published: who asks more of a restored
    cell fits it again. Then `run --out` adds cells, and `publish --from` writes the leaderboard of all.
    """
    from bench.terminal.checks import print_restored

    registry.load_files(plugin)
    print_restored(folder, dataset, out)


@app.command(epilog=examples("export results/dsi mteb --to FOLDER"))
def export(
    folder: Annotated[Path, typer.Argument(help="a published leaderboard, such as results/dsi")],
    form: Annotated[
        str, typer.Argument(help="mteb: result files; trec: run files; ir-metadata: the same with a header")
    ],
    to: Annotated[Path, typer.Option(file_okay=False, help="Folder to write to.")],
) -> None:
    """Write a published leaderboard in another tool's form."""
    from bench.leaderboard.export import FORMS
    from bench.leaderboard.published import read_published

    if form not in FORMS:
        raise UnknownName("form", form, FORMS)
    print(f"wrote {plural(FORMS[form](read_published(folder), to), 'result')} to {to}")


@app.command(
    epilog=examples(
        "compare bm25 sbert --dataset pydoc-1k",
        "compare runs/cells/CELL runs/cells/CELL --measure nDCG@10",
        "compare mine.trec theirs.trec.gz --dataset scifact",
        "compare mine.trec bm25 sbert --dataset pydoc-1k",
    )
)
def compare(
    runs: Annotated[
        list[str],
        typer.Argument(metavar="RUN RUN...", help="names of systems, folders of cells, or run files; two or more"),
    ],
    dataset: Annotated[str, typer.Option(help="What they ran on; by default what the first cell says.")] = "",
    task: Annotated[
        str,
        typer.Option(
            help="Which of the cells' tasks, as search or 'exclusivity?sample=40' (default: what the dataset is "
            "for, or the one that all cells share)."
        ),
    ] = "",
    measure: Annotated[str, typer.Option(help="The measure to test; by default the task's first.")] = "",
    cells: Annotated[
        str, typer.Option("--from", metavar="PLACE", help="Place of cells, where systems are looked up by name.")
    ] = RUNS,
    moved: Annotated[int, typer.Option(min=0, help="How many of the queries that moved most to show.")] = 5,
    seed: Seed = 0,
    plugin: Plugins = [],
) -> None:
    """Compare systems query by query: difference, interval, p, wins and losses; of two, what moved most.

    Of more than two every pair is tested on one measure, p is corrected for all pairs (Holm), and ranks follow.
    """
    from bench.cells.place import fetched
    from bench.leaderboard.compare import compare as compare_sides
    from bench.leaderboard.compare import dataset_of, locate, read_side, task_of
    from bench.leaderboard.compare_many import compare_many
    from bench.terminal import console
    from bench.terminal.comparison import comparison_view, pairs_view

    registry.load_files(plugin)
    if len(runs) < 2:
        raise BenchError(f"{plural(len(runs), 'run')} given; `bench compare` takes two or more")
    folder = fetched(cells)
    paths = [locate(name, folder, dataset) for name in runs]
    spec = dataset or dataset_of(paths)
    if not spec:
        raise BenchError("run files say nothing of their collection; name it with --dataset")
    screen = console()
    opened = open_dataset(spec, screen)
    name, options = task_words(task or task_of(paths, opened.collection), [])
    sides = [read_side(path, name, opened, options) for path in paths]
    if len(sides) > 2:
        screen.print(pairs_view(compare_many(sides, measure, seed)))
    else:
        first, second = sides
        screen.print(comparison_view(compare_sides(first, second, measure, moved, seed)))
