"""Systems that answer elsewhere: questions go out, runs come in."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench import registry
from bench.cli.common import DatasetOption, JsonFile, Plugins, TaskSettings, app, examples, open_dataset, task_words
from bench.errors import BenchError
from bench.settings import parse_query

if TYPE_CHECKING:
    from bench.collections.collection import Collection
    from bench.terminal.console import Console


class Repeats(StrEnum):
    """What is done with a document that a run repeats for a query."""

    refuse = "refuse"
    first = "first"


@app.command(epilog=examples("questions 'exclusivity?sample=40' --dataset pydoc-1k --to questions.jsonl"))
def questions(
    task: Annotated[str, typer.Argument(help="Whose questions; see `list tasks`.")],
    dataset: DatasetOption,
    to: Annotated[Path, typer.Option(dir_okay=False, help="File of JSON lines, as BEIR's queries.jsonl.")],
    settings: TaskSettings = [],
    plugin: Plugins = [],
) -> None:
    """Write a task's questions, for a system elsewhere to answer; `score` takes its run.

    Each line has `_id`, as the run has to write it, and `text`; for a recommender also `history`, oldest item first,
    and `user` where a user is asked more than once.
    """
    from bench.leaderboard.imported import write_questions
    from bench.runner.plan import open_task
    from bench.terminal import console

    registry.load_files(plugin)
    screen = console()
    name, options = task_words(task, settings)
    asked = open_task(name, options)
    collection = open_dataset(dataset, screen).collection
    number = write_questions(to, asked, collection)
    screen.print(f"{number:,} questions of {name} on {collection.name} in {to}", markup=False)
    screen.print(asked.on(collection).definition, style="dim", markup=False)


@app.command(
    epilog=examples(
        "score mine.trec.gz --dataset scifact",
        "score runs/*.run --dataset scifact",
        "score mine.json --qrels qrels.txt",
        "score SciFact.json --dataset scifact --keep runs",
        "score mine.trec --dataset pydoc-1k --task 'exclusivity?sample=40' --name mine --keep runs",
    )
)
def score(
    run_files: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN...",
            help="Runs: TREC's (query Q0 document rank score tag), MS MARCO's (query document rank or score), each "
            "also as .gz; .json {query: {document: score}}; ranx's .lz4; MTEB's predictions. %20 is a blank in ids.",
        ),
    ],
    dataset: Annotated[str, typer.Option(help="Card, card file, source or folder.")] = "",
    qrels: Annotated[
        str,
        typer.Option(help="In place of --dataset: a file of judgements, with rules, as 'FILE?gains=exponential'."),
    ] = "",
    task: Annotated[
        str,
        typer.Option(help="The task that they answer; see `list tasks` (default: what the dataset is for)."),
    ] = "",
    settings: TaskSettings = [],
    name: Annotated[
        str,
        typer.Option(help="The row's name, for one run; by default the file's, with its folder where two share one."),
    ] = "",
    repeats: Annotated[
        Repeats,
        typer.Option(help="Of a document that a run repeats for a query, keep the first, and count the others."),
    ] = Repeats.refuse,
    keep: Annotated[
        Path | None,
        typer.Option(
            file_okay=False, help="Folder of cells to keep them in, for `publish` to show them as imported."
        ),
    ] = None,
    json_file: JsonFile = None,
    plugin: Plugins = [],
) -> None:
    """Score runs made elsewhere by the same rules as every other row.

    A result file of MTEB holds figures and no answers: they are shown, and with --keep published, as imported.

    A question that a run does not answer counts 0, and the foot says how many; answers to other queries of the
    collection, of any split, are ignored and counted, and those to unknown ones refused. A probe's questions are
    drawn anew by its seed, the same wherever the collection has the same fingerprint.
    """
    from bench.leaderboard.figures import imported_figures, write_figures
    from bench.leaderboard.imported import keep_run, run_names, score_run
    from bench.leaderboard.reported import TASK, is_mteb_result
    from bench.runner.plan import open_task
    from bench.suite import assumed_tasks
    from bench.terminal import console, judged_table, judged_tables

    registry.load_files(plugin)
    screen = console()
    task, options = task_words(task, settings)
    if task:
        open_task(task, options)
    if name and len(run_files) > 1:
        raise BenchError(f"--name {name} names one run, and {len(run_files)} are given; rename the files")
    results = [path for path in run_files if is_mteb_result(path)]
    if results:
        if len(results) < len(run_files):
            raise BenchError(
                f"{results[0]} holds MTEB's figures, and others are runs; score them one after the other"
            )
        if not dataset or task not in ("", TASK):
            raise BenchError(
                f"{results[0]} holds MTEB's figures of {TASK}; name their collection with --dataset alone"
            )
        _report(results, dataset, name, keep, json_file, screen)
        return
    names = [name] if name else run_names(run_files)
    collection = _judged(dataset, qrels, run_files, screen)
    asked = task or assumed_tasks(collection)[0].task
    rows = [
        score_run(path, collection, system, asked, options, repeats.value)
        for path, system in zip(run_files, names, strict=True)
    ]
    screen.print(judged_table(rows[0]) if len(rows) == 1 else judged_tables(rows))
    if keep:
        for row in rows:
            folder, replaces = keep_run(row, collection, keep)
            told = f", in place of what was kept there as {row.system}" if replaces else ""
            screen.print(f"kept in {folder}{told}", style="yellow" if replaces else "dim", markup=False)
    if json_file:
        write_figures(json_file, [figure for row in rows for figure in imported_figures(row)])


def _report(
    results: list[Path], dataset: str, name: str, keep: Path | None, json_file: Path | None, screen: "Console"
) -> None:
    """Show MTEB's figures, and keep them where that is asked for."""
    from bench.leaderboard.figures import reported_figures, write_figures
    from bench.leaderboard.reported import keep_reported, read_mteb
    from bench.terminal import reported_table

    collection = open_dataset(dataset, screen).collection
    found = [read_mteb(path, collection, name) for path in results]
    systems = [one.system for one in found]
    for path, system in zip(results, systems, strict=True):
        if systems.count(system) > 1:
            raise BenchError(
                f"{path} and another result are of '{system}'; score them one by one, each with a --name"
            )
    screen.print(reported_table(found))
    if keep:
        for one in found:
            screen.print(f"kept in {keep_reported(one, keep)}", style="dim", markup=False)
    if json_file:
        write_figures(json_file, [figure for one in found for figure in reported_figures(one)])


def _judged(dataset: str, qrels: str, runs: list[Path], screen: "Console") -> "Collection":
    """The collection to score on: a dataset, or what judgements and runs name. Raises BenchError for both or none."""
    if bool(dataset) == bool(qrels):
        raise BenchError("say what the runs are scored on: --dataset NAME, or --qrels FILE for judgements alone")
    if dataset:
        return open_dataset(dataset, screen).collection
    from bench.collections.bare import bare_collection
    from bench.collections.collection import Rules

    path, rules = parse_query(qrels)
    collection = bare_collection(Path(path), runs, Rules.from_options("--qrels", rules))
    screen.print(repr(collection), style="dim", markup=False)
    return collection
