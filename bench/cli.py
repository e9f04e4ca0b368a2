"""The command line: parses, delegates, prints. Heavy modules are imported by the command that needs them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench import registry
from bench.errors import BenchError, UnknownName

if TYPE_CHECKING:
    from rich.console import Console
    from rich.status import Status

    from bench.collections.catalogue import Dataset
    from bench.suite import Suite

app = typer.Typer(
    help="Benchmark retrieval systems on shared collections: quality, its uncertainty and its cost.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Plugins = Annotated[
    list[Path], typer.Option("--plugin", help="Python file whose retrievers are used too (repeatable).")
]
Settings = Annotated[list[str], typer.Option("--set", help="Change an option: SYSTEM.OPTION=VALUE (repeatable).")]
Out = Annotated[
    Path, typer.Option(file_okay=False, help="Folder for cells: run files, figures, manifests, logs, indexes.")
]
Device = Annotated[
    str | None, typer.Option(help="auto, cpu, cuda, cuda:N or mps, for every system that has a device.")
]
Seed = Annotated[int, typer.Option(min=0, help="Seed of every random choice.")]
DatasetOption = Annotated[str, typer.Option(help="Card, card file or source, e.g. scifact or beir:FOLDER?split=dev.")]
RetrieverOption = Annotated[str, typer.Option(help="A retriever; see `list retrievers`.")]
TaskSettings = Annotated[
    list[str], typer.Option("--set", help="Change an option of the task: OPTION=VALUE (repeatable).")
]
JsonFile = Annotated[
    Path | None,
    typer.Option("--json", dir_okay=False, help="Write every figure: a JSON array, or lines if it ends in .jsonl."),
]

RUNS = Path("runs")
INTERRUPTED = "interrupted; finished cells are kept, and the same command continues with the rest"


@app.command()
def run(
    suite: Annotated[str, typer.Option(help="Built-in suite or the path of one; see `list suites`.")] = "",
    dataset: Annotated[list[str], typer.Option(help="In place of the suite's datasets (repeatable).")] = [],
    retriever: Annotated[list[str], typer.Option(help="Only these systems or retrievers (repeatable).")] = [],
    settings: Settings = [],
    seed: Annotated[list[int], typer.Option(help="In place of the suite's seeds (repeatable).")] = [],
    device: Device = None,
    jobs: Annotated[
        int, typer.Option(min=1, help="Cells at a time; above 1 they share the cores and cost more.")
    ] = 1,
    out: Out = RUNS,
    fresh: Annotated[bool, typer.Option("--fresh", help="Run finished cells again.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop.")] = False,
    json_file: JsonFile = None,
    plugin: Plugins = [],
) -> None:
    """Run a suite, or any retrievers on any datasets, and print the table.

    Finished cells are reused, so an interrupted run continues where it stopped. The exit status is 0
    only when every cell is done.
    """
    from bench.leaderboard.figures import figures, write_figures
    from bench.leaderboard.table import tables
    from bench.results import read_result
    from bench.runner.plan import left_out, make_plan
    from bench.terminal import ProgressDisplay, console, plan_table

    registry.load_files(plugin)
    chosen = _suite(suite, dataset, retriever, settings, seed)
    screen = console()
    datasets = _open(chosen.datasets, screen)
    cells = make_plan(chosen, datasets, out, device, plugin)
    for line in left_out(chosen, datasets):
        screen.print(line, markup=False)
    if dry_run:
        screen.print(plan_table(cells))
        return
    reused = 0 if fresh else sum(cell.done for cell in cells)
    if fresh or reused < len(cells):
        from bench.runner.local import run_cells

        try:
            with ProgressDisplay(screen) as display:
                run_cells(cells, display, jobs, fresh)
        except KeyboardInterrupt:
            screen.print(INTERRUPTED)
            raise typer.Exit(130) from None
    results = [read_result(cell) for cell in cells]
    screen.print(tables(results))
    screen.print(f"run files and manifests in {out / 'cells'}", style="dim")
    if reused:
        screen.print(f"reused {reused} of {len(cells)} cells (--fresh runs them again)", style="dim")
    if json_file:
        write_figures(json_file, figures(results))
    failed = sum(bool(result.problem) for result in results)
    if failed:
        screen.print(f"{failed} of {len(cells)} cells failed", style="red")
        raise typer.Exit(1)


@app.command(name="list")
def list_(
    what: Annotated[str, typer.Argument(help="retrievers, datasets, sources, tasks or suites")],
    plugin: Plugins = [],
) -> None:
    """List what is installed."""
    from bench.terminal import print_names

    if plugin:
        registry.load_files(plugin)
    print_names(_listing(what))


@app.command()
def show(
    what: Annotated[str, typer.Argument(help="retriever, source, task, dataset, suite or docids")],
    name: Annotated[str, typer.Argument(help="its name; for docids a generative retriever's")],
    dataset: Annotated[str, typer.Option(help="docids: of this dataset.")] = "pydoc-1k",
    document: Annotated[str, typer.Option(help="docids: of the document with this id; by default the first.")] = "",
    settings: Settings = [],
    seed: Seed = 0,
    device: Device = None,
    out: Out = RUNS,
    plugin: Plugins = [],
) -> None:
    """Show one retriever, source or task with its options, or one dataset's card, or one suite.

    `show docids dsi --document ID` fits or loads the retriever, and shows the document's identifier with those that
    begin most like it.
    """
    from bench.collections.cards import find_card
    from bench.suite import read_suite
    from bench.terminal import card_table, console, options_table, suite_table

    registry.load_files(plugin)
    if what in ("retriever", "source", "task"):
        console().print(options_table(registry.find(what, name)))  # type: ignore[arg-type]
    elif what == "dataset":
        console().print(card_table(find_card(name)))
    elif what == "suite":
        console().print(suite_table(read_suite(name)))
    elif what == "docids":
        _show_docids(_suite("", [dataset], [name], settings, [seed]), document, device, out)
    else:
        raise UnknownName("thing to show", what, ("retriever", "source", "task", "dataset", "suite", "docids"))


def _show_docids(suite: "Suite", document: str, device: str | None, out: Path) -> None:
    from bench.runner.asking import neighbours
    from bench.terminal import console, docids_table

    screen = console()
    opened = _open(suite.datasets, screen)[0]
    with screen.status("loading or fitting ...") as status:
        found = neighbours(suite, opened, document, 10, out, device, lambda phase, *_: status.update(phase))
    screen.print(docids_table(found))


@app.command()
def search(
    question: Annotated[str, typer.Argument(help="what to ask")],
    dataset: DatasetOption = "pydoc-1k",
    retriever: RetrieverOption = "bm25",
    settings: Settings = [],
    k: Annotated[int, typer.Option("-k", min=1, help="How many hits.")] = 5,
    seed: Seed = 0,
    device: Device = None,
    out: Out = RUNS,
    plugin: Plugins = [],
) -> None:
    """Ask one retriever one question and read the hits with their text."""
    from bench.runner.asking import ask
    from bench.terminal import console, hits_table

    registry.load_files(plugin)
    screen = console()
    chosen = _suite("", [dataset], [retriever], settings, [seed])
    opened = _open([dataset], screen)[0]
    with screen.status("loading or fitting ...") as status:
        hits = ask(chosen, opened, question, k, out, device, lambda phase, *_: status.update(phase))
    screen.print(hits_table(hits, opened.collection))


@app.command()
def questions(
    task: Annotated[str, typer.Argument(help="Whose questions; see `list tasks`.")],
    dataset: DatasetOption,
    to: Annotated[Path, typer.Option(dir_okay=False, help="File of JSON lines, as BEIR's queries.jsonl.")],
    settings: TaskSettings = [],
) -> None:
    """Write a task's questions, for a system elsewhere to answer; `score` takes its run.

    Each line has `_id`, as the run has to write it, and `text`; for a recommender also `history`, oldest item first.
    """
    from bench.leaderboard.imported import write_questions
    from bench.runner.plan import open_task
    from bench.terminal import console

    screen = console()
    asked = open_task(task, _task_options(settings))
    collection = _open([dataset], screen)[0].collection
    number = write_questions(to, asked, collection)
    screen.print(f"{number:,} questions of {task} on {collection.name} in {to}", markup=False)
    screen.print(asked.definition(collection), style="dim", markup=False)


@app.command()
def score(
    run_file: Annotated[Path, typer.Argument(help="TREC run: query Q0 document rank score tag; .gz is read too")],
    dataset: DatasetOption,
    task: Annotated[str, typer.Option(help="The task that it answers; see `list tasks`.")] = "search",
    settings: TaskSettings = [],
    name: Annotated[str, typer.Option(help="The row's name; by default the file's.")] = "",
    keep: Annotated[
        Path | None,
        typer.Option(file_okay=False, help="Folder of cells to keep it in, for `publish` to show it as imported."),
    ] = None,
    json_file: JsonFile = None,
) -> None:
    """Score a TREC run made elsewhere by the same rules as every other row.

    A probe's questions are drawn anew by its seed, the same wherever the collection has the same fingerprint.
    """
    from bench.leaderboard.figures import write_figures
    from bench.leaderboard.imported import keep_run, score_run
    from bench.runner.plan import open_task
    from bench.terminal import console, judged_table

    screen = console()
    options = _task_options(settings)
    open_task(task, options)
    opened = _open([dataset], screen)[0]
    row = score_run(run_file, opened.collection, name or run_file.name, task, options)
    screen.print(judged_table(row))
    if keep:
        screen.print(f"kept in {keep_run(row, opened.collection, keep)}", style="dim", markup=False)
    if json_file:
        write_figures(json_file, row.figures())


def _task_options(settings: Sequence[str]) -> dict[str, Any]:
    return dict(_task_option(setting) for setting in settings)


def _task_option(setting: str) -> tuple[str, Any]:
    """OPTION=VALUE, where the value is JSON or else text."""
    name, equals, value = setting.partition("=")
    if not (name and equals):
        raise BenchError(f"--set {setting}: write OPTION=VALUE, as in sample=40")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


@app.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN RUN", help="two folders of cells, or TREC run files")],
    dataset: Annotated[str, typer.Option(help="What they ran on; by default what the first cell says.")] = "",
    task: Annotated[str, typer.Option(help="Which of the cells' tasks.")] = "search",
    measure: Annotated[str, typer.Option(help="The measure to test; by default the task's first.")] = "",
    moved: Annotated[int, typer.Option(min=0, help="How many of the queries that moved most to show.")] = 5,
    seed: Seed = 0,
) -> None:
    """Compare two systems query by query: difference, interval, p, wins and losses, and what moved most."""
    from bench.leaderboard.compare import compare as compare_sides
    from bench.leaderboard.compare import comparison_view, dataset_of, read_side
    from bench.terminal import console

    if len(runs) != 2:
        raise BenchError(f"{len(runs)} runs given; `bench compare` takes exactly two")
    spec = dataset or dataset_of(runs)
    if not spec:
        raise BenchError("two run files say nothing of their collection; name it with --dataset")
    screen = console()
    opened = _open([spec], screen)[0]
    first, second = (read_side(path, task, opened) for path in runs)
    screen.print(comparison_view(compare_sides(first, second, opened, measure, moved, seed)))


@app.command()
def publish(
    suite: Annotated[str, typer.Option(help="Built-in suite or the path of one; see `list suites`.")],
    to: Annotated[Path, typer.Option(file_okay=False, help="Folder of all published suites.")] = Path("results"),
    cells: Annotated[
        list[Path], typer.Option("--from", help="Folders of cells (repeatable), e.g. the --out of two machines.")
    ] = [RUNS],
    dataset: Annotated[list[str], typer.Option(help="Only these collections (repeatable); by default all.")] = [],
    fingerprint: Annotated[
        list[str],
        typer.Option(help="Only cells whose collection has this fingerprint, or its beginning (repeatable)."),
    ] = [],
    plugin: Plugins = [],
) -> None:
    """Write a suite's leaderboard from finished cells alone: tables, page, run files and manifests. Runs nothing.

    A failed or missing cell is a row with its reason. Of equal cells the newest counts, and of several folders
    the first that has it. Two fingerprints of one collection are refused.
    """
    from bench.leaderboard.cells import read_cells
    from bench.leaderboard.publish import publish as write_leaderboard
    from bench.leaderboard.publish import select
    from bench.suite import read_suite
    from bench.terminal import console

    registry.load_files(plugin)
    chosen = read_suite(suite)
    selection = select(chosen, [read_cells([folder]) for folder in cells], dataset, fingerprint)
    write_leaderboard(chosen, selection, to)
    screen = console()
    for name, found in selection.cells.items():
        failed = sum(bool(cell.problem) for cell in found)
        screen.print(f"{name}: cells {len(found)}" + (f", failed {failed}" if failed else ""), markup=False)
    for reason, count in selection.passed_over.items():
        if count:
            screen.print(f"passed over {count} cells {reason}", style="dim")
    screen.print(f"published {to / chosen.name}; open {to / chosen.name / 'index.html'}", markup=False)


@app.command()
def verify(
    folder: Annotated[Path | None, typer.Argument(help="a published leaderboard, such as results/dsi")] = None,
    dataset: Annotated[
        list[str],
        typer.Option(help="Where a collection lies here: NAME=SOURCE, e.g. scifact=beir:FOLDER (repeatable)."),
    ] = [],
    published: Annotated[
        bool, typer.Option("--published", help="Run the systems whose figures others published, and compare.")
    ] = False,
    references: Annotated[
        Path | None, typer.Option(dir_okay=False, help="With --published: a TOML file of references of your own.")
    ] = None,
    data: Annotated[
        Path, typer.Option(envvar="BENCH_DATA", help="With --published: folder of local copies of the data.")
    ] = Path("../shared/data"),
    out: Out = RUNS,
    everything: Annotated[bool, typer.Option("--all", help="Print what is OK too, line by line.")] = False,
    plugin: Plugins = [],
) -> None:
    """Compute every figure of a published leaderboard again from its run files, or hold others' figures against ours.

    Each is OK, near (rounding of another version or processor) or FAIL; the exit status is 1 if anything fails.
    """
    from bench.leaderboard.checks import print_checks, print_references

    registry.load_files(plugin)
    if published == bool(folder):
        raise BenchError("give the folder of a published leaderboard, or --published (see `bench verify --help`)")
    try:
        failed = print_checks(folder, dataset, everything) if folder else print_references(references, data, out)
    except KeyboardInterrupt:
        print(INTERRUPTED)
        raise typer.Exit(130) from None
    if failed:
        raise typer.Exit(1)


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="a published leaderboard, such as results/dsi")],
    form: Annotated[str, typer.Argument(help="mteb: result files; ir-metadata: run files with a header")],
    to: Annotated[Path, typer.Option(file_okay=False, help="Folder to write to.")],
) -> None:
    """Write a published leaderboard in another tool's form."""
    from bench.leaderboard.export import export_ir_metadata, export_mteb
    from bench.leaderboard.verify import read_published

    forms = {"mteb": export_mteb, "ir-metadata": export_ir_metadata}
    if form not in forms:
        raise UnknownName("form", form, forms)
    print(f"wrote {forms[form](read_published(folder), to):,} results to {to}")


@app.command()
def sts(
    pairs_file: Annotated[Path, typer.Argument(help="TSV with the header score, sentence1, sentence2")],
    retriever: RetrieverOption = "sbert",
    settings: Settings = [],
    seed: Seed = 0,
    device: Device = None,
    plugin: Plugins = [],
) -> None:
    """Score sentence-pair similarity of a retriever that embeds text: Pearson and Spearman."""
    from bench.runner.asking import similarity
    from bench.terminal import console

    registry.load_files(plugin)
    chosen = _suite("", ["pydoc"], [retriever], settings, [seed])
    found = similarity(chosen.systems[0], pairs_file, seed, device)
    console().print(
        f"{retriever} on {pairs_file.name}, {found.n:,} pairs, cosine: "
        f"Pearson {found.pearson:.4f}, Spearman {found.spearman:.4f}"
    )


def _suite(
    name: str, datasets: Sequence[str], retrievers: Sequence[str], settings: Sequence[str], seeds: Sequence[int]
) -> "Suite":
    from bench.suite import Suite, SystemEntry, read_suite, with_settings

    if name:
        suite = read_suite(name)
        if retrievers:
            labels = {entry.label for entry in suite.systems} | {entry.retriever for entry in suite.systems}
            for wanted in retrievers:
                if wanted not in labels:
                    raise UnknownName(f"system of suite {name}", wanted, labels)
            kept = [entry for entry in suite.systems if {entry.label, entry.retriever} & set(retrievers)]
            suite = suite.model_copy(update={"systems": kept})
    elif datasets and retrievers:
        suite = Suite(
            name="custom", datasets=list(datasets), systems=[SystemEntry(retriever=name) for name in retrievers]
        )
    else:
        raise BenchError("nothing to run: give --suite NAME, or --dataset and --retriever (see `bench run --help`)")
    changes = {name: list(given) for name, given in (("datasets", datasets), ("seeds", seeds)) if given}
    return with_settings(suite.model_copy(update=changes), settings)


def _open(specs: Sequence[str], screen: "Console") -> "list[Dataset]":
    from bench.collections.catalogue import open_dataset
    from bench.terminal import dataset_line

    opened = []
    for spec in specs:
        with screen.status(f"opening {spec} ...") as status:

            def tell(phase: str, done: int, _total: int, spec: str = spec, status: "Status" = status) -> None:
                status.update(f"{spec}: {phase} {done:,}")

            dataset = open_dataset(spec, tell)
        screen.print(dataset_line(dataset))
        opened.append(dataset)
    return opened


def _listing(what: str) -> list[tuple[str, str]]:
    kinds = {"retrievers": "retriever", "sources": "source", "tasks": "task"}
    if what in kinds:
        return [(name, plugin.summary()) for name, plugin in registry.plugins(kinds[what]).items()]  # type: ignore[arg-type]
    if what == "datasets":
        from bench.collections.cards import cards

        return [(name, card.title) for name, card in cards().items()]
    if what == "suites":
        from bench.suite import known_suites, read_suite

        return [(name, read_suite(name).title) for name in known_suites()]
    raise UnknownName("list", what, (*kinds, "datasets", "suites"))
