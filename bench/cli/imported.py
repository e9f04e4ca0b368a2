"""Systems that answer elsewhere: questions go out, runs come in."""

from pathlib import Path
from typing import Annotated

import typer

from bench import registry
from bench.cli.common import DatasetOption, JsonFile, Plugins, TaskSettings, app, examples, open_dataset, task_words


@app.command(epilog=examples("questions 'exclusivity?sample=40' --dataset pydoc-1k --to questions.jsonl"))
def questions(
    task: Annotated[str, typer.Argument(help="Whose questions; see `list tasks`.")],
    dataset: DatasetOption,
    to: Annotated[Path, typer.Option(dir_okay=False, help="File of JSON lines, as BEIR's queries.jsonl.")],
    settings: TaskSettings = [],
    plugin: Plugins = [],
) -> None:
    """Write a task's questions, for a system elsewhere to answer; `score` takes its run.

    Each line has `_id`, as the run has to write it, and `text`; for a recommender also `history`, oldest item first.
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
        "score mine.trec --dataset pydoc-1k --task 'exclusivity?sample=40' --name mine --keep runs",
    )
)
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
    plugin: Plugins = [],
) -> None:
    """Score a TREC run made elsewhere by the same rules as every other row.

    A probe's questions are drawn anew by its seed, the same wherever the collection has the same fingerprint.
    """
    from bench.leaderboard.figures import imported_figures, write_figures
    from bench.leaderboard.imported import keep_run, score_run
    from bench.runner.plan import open_task
    from bench.terminal import console, judged_table

    registry.load_files(plugin)
    screen = console()
    task, options = task_words(task, settings)
    open_task(task, options)
    opened = open_dataset(dataset, screen)
    row = score_run(run_file, opened.collection, name or run_file.name, task, options)
    screen.print(judged_table(row))
    if keep:
        screen.print(f"kept in {keep_run(row, opened.collection, keep)}", style="dim", markup=False)
    if json_file:
        write_figures(json_file, imported_figures(row))
