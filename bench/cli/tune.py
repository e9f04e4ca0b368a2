"""`bench tune`: from a system and the values that its options may take, to the best of them."""

from pathlib import Path
from typing import Annotated

import typer

from bench import registry
from bench.cli.common import RUNS, Device, Plugins, Seed, Settings, app, examples, open_dataset


@app.command(
    epilog=examples(
        "tune bm25 --dataset pydoc-1k --space k1=0.4..3 --space b=0..1 --trials 20",
        "tune sasrec --suite sid --trials 10 --time 2h",
        "tune sbert --dataset pydoc-1k --set sbert.finetuning.method=in-batch --space "
        "finetuning.learning_rate=1e-5..1e-3:log --to mine.toml",
    )
)
def tune(
    system: Annotated[str, typer.Argument(help="A retriever, as bm25 or 'bm25?b=0.4', or a system of the suite.")],
    dataset: Annotated[str, typer.Option(help="What to tune on (default: the suite's first dataset).")] = "",
    space: Annotated[
        list[str],
        typer.Option(
            help="An option and its values (repeatable): OPTION=LOW..HIGH, "
            "OPTION=LOW..HIGH:log, or OPTION=ONE,OTHER. Default: what the suite's table `tune` has."
        ),
    ] = [],
    suite: Annotated[str, typer.Option(help="Built-in suite or the path of one that has the system.")] = "",
    settings: Settings = [],
    trials: Annotated[
        int, typer.Option(min=1, help="How many are tried; the first is the system as it stands.")
    ] = 20,
    time: Annotated[str, typer.Option(help="How long they may take together: 90s, 15m, 2h.")] = "1h",
    seed: Seed = 0,
    split: Annotated[
        str, typer.Option(help="The split that judges (default: valid, or else dev); never the one that is asked.")
    ] = "",
    task: Annotated[
        str, typer.Option(help="What is asked, e.g. search (default: the suite's first, or what the dataset is for).")
    ] = "",
    measure: Annotated[
        str, typer.Option(help="What decides, e.g. Recall@10 (default: the task's primary one).")
    ] = "",
    device: Device = None,
    jobs: Annotated[int, typer.Option(min=1, help="Trials at a time; above 1 they share the cores.")] = 1,
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder of the trials.")] = Path(RUNS),
    to: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Suite file of the winner (default: beside the trials).")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget the trials of earlier searches.")] = False,
    plugin: Plugins = [],
) -> None:
    """Choose a system's options on a split that no figure is published of, within a budget.

    Tries the system as it stands, then options that are spread evenly over the space, and judges each on `valid` or
    `dev`. All trials are kept: the same command continues an interrupted search, and one with more --trials or --time
    goes on with it. The winner is written as a suite, beside the system as it stood, for `bench run --suite FILE`.
    """
    from bench.face.tuning import dataset_of
    from bench.face.tuning import tune as search
    from bench.terminal import console
    from bench.terminal.trials import TrialsDisplay, trials_table

    registry.load_files(plugin)
    screen = console()
    opened = open_dataset(dataset_of(system, dataset, suite), screen)
    try:
        with TrialsDisplay(screen, system, trials) as display:
            tuned = search(
                system,
                opened,
                space,
                suite=suite,
                settings=settings,
                trials=trials,
                time=time,
                seed=seed,
                split=split,
                task=task,
                measure=measure,
                device=device,
                jobs=jobs,
                out=out,
                to=to,
                fresh=fresh,
                plugins=plugin,
                watcher=display,
            )
    except KeyboardInterrupt:
        screen.print("interrupted; finished trials are kept, and the same command continues with the rest")
        raise typer.Exit(130) from None
    screen.print(trials_table(tuned.ranked, tuned.measure))
    screen.print(tuned.told)
    screen.print(f"trials in {tuned.record}, winner in {tuned.suite}", style="dim")
