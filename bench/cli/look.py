"""What there is, and a first look at it: list, show, search, sts."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench import registry
from bench.cells.place import open_store
from bench.cells.stores import CellStore
from bench.choice import choose
from bench.cli.common import (
    RUNS,
    DatasetOption,
    Device,
    JsonFile,
    Out,
    Plugins,
    RetrieverOption,
    Seed,
    Settings,
    app,
    examples,
    open_dataset,
)
from bench.errors import UnknownName
from bench.visible import plural

if TYPE_CHECKING:
    from bench.suite import Suite

_LISTS = {
    "retrievers": "systems that answer, with their options at `show retriever NAME`",
    "datasets": "collections with a card, which `show dataset NAME` prints",
    "sources": "where other collections can come from, such as beir:FOLDER",
    "tasks": "what can be asked and measured",
    "suites": "what `run --suite NAME` runs",
}


@app.command(name="list", epilog=examples("list", "list datasets", "list retrievers --plugin mine.py"))
def list_(
    what: Annotated[str, typer.Argument(help="retrievers, datasets, sources, tasks or suites")] = "",
    plugin: Plugins = [],
) -> None:
    """List what is installed; alone, what can be listed."""
    from bench.terminal import print_names

    if plugin:
        registry.load_files(plugin)
    print_names(_listing(what))


@app.command(
    epilog=examples(
        "show retriever bm25",
        "show dataset scifact",
        "show docids dsi --dataset pydoc-1k",
        "show ids sid --dataset pycalls-small --other-seed 1 --to codes.jsonl",
    )
)
def show(
    what: Annotated[str, typer.Argument(help="retriever, source, task, dataset, suite, docids or ids")],
    name: Annotated[str, typer.Argument(help="its name; for docids and ids a system's that generates identifiers")],
    dataset: Annotated[str, typer.Option(help="docids, ids: of this dataset.")] = "pydoc-1k",
    document: Annotated[str, typer.Option(help="docids: of the document with this id; by default the first.")] = "",
    settings: Settings = [],
    seed: Seed = 0,
    other_seed: Annotated[
        list[int], typer.Option(min=0, help="ids: tell what this seed would change (repeatable).")
    ] = [],
    to: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="ids: write them, as .jsonl, .npy or .json (LETTER's index.json)."),
    ] = None,
    json_file: JsonFile = None,
    device: Device = None,
    out: Out = RUNS,
    plugin: Plugins = [],
) -> None:
    """Show one retriever, source or task with its options, or one suite, or one dataset: its card, or what it holds.

    `show docids dsi --document ID` fits or loads the retriever, and shows the document's identifier with those that
    begin most like it. `show ids sid` tells what the identifiers of all documents are like, level by level.
    """
    from bench.suite import read_suite
    from bench.terminal import console, options_table, suite_table

    registry.load_files(plugin)
    if what in ("retriever", "source", "task"):
        console().print(options_table(registry.find(what, name)))  # type: ignore[arg-type]
    elif what == "dataset":
        _show_dataset(name)
    elif what == "suite":
        console().print(suite_table(read_suite(name)))
    elif what == "docids":
        _show_docids(choose("", [dataset], [name], settings, [seed]), document, device, open_store(out), plugin)
    elif what == "ids":
        suites = [choose("", [dataset], [name], settings, [each]) for each in dict.fromkeys((seed, *other_seed))]
        _show_ids(suites, device, open_store(out), plugin, to, json_file)
    else:
        raise UnknownName("thing to show", what, ("retriever", "source", "task", "dataset", "suite", "docids", "ids"))


@app.command(epilog=examples("inspect limit", "inspect FOLDER", "inspect 'scifact?minimum_relevance=2'"))
def inspect(
    dataset: Annotated[str, typer.Argument(help="a card, card file, source, folder or .zip")],
    plugin: Plugins = [],
) -> None:
    """Tell what a dataset holds, and what its rules will do: look before you run."""
    from bench.collections.inspection import inspect as facts_of
    from bench.terminal import console, facts_table

    registry.load_files(plugin)
    screen = console()
    screen.print(facts_table(facts_of(open_dataset(dataset, screen).collection)))


@app.command(epilog=examples("convert pydoc-1k --to FOLDER", "convert trec:FOLDER --to FOLDER"))
def convert(
    dataset: Annotated[str, typer.Argument(help="a card, card file, source, folder or .zip")],
    to: Annotated[Path, typer.Option(file_okay=False, help="A folder that is not there yet.")],
    plugin: Plugins = [],
) -> None:
    """Write a dataset as a BEIR folder, which other tools read too."""
    from bench.collections.beir_folder import write_beir
    from bench.terminal import console

    registry.load_files(plugin)
    screen = console()
    write_beir(open_dataset(dataset, screen).collection, to)
    screen.print(f"wrote {to}", markup=False)


def _show_dataset(spec: str) -> None:
    """The card of that name; what has none is opened."""
    from bench.collections.cards import cards
    from bench.terminal import card_table, console

    screen = console()
    card = cards().get(spec) or open_dataset(spec, screen).card
    if card:
        screen.print(card_table(card))


def _show_docids(suite: "Suite", document: str, device: str | None, store: CellStore, plugin: Sequence[Path]) -> None:
    from bench.runner.asking import neighbours
    from bench.terminal import console, docids_table

    screen = console()
    opened = open_dataset(suite.datasets[0], screen)
    with screen.status("loading or fitting ...") as status:
        found = neighbours(suite, opened, document, 10, store, device, lambda phase, *_: status.update(phase), plugin)
    screen.print(docids_table(found))


def _show_ids(
    suites: "Sequence[Suite]",
    device: str | None,
    store: CellStore,
    plugin: Sequence[Path],
    to: Path | None,
    json_file: Path | None,
) -> None:
    """What the identifiers of the first suite's system are like, and what the seeds of the others change of them."""
    from bench.leaderboard.figures import write_figures
    from bench.mappings import write_mapping
    from bench.measures.identifiers import numbered
    from bench.runner.asking import naming
    from bench.runner.identifiers import report_on
    from bench.terminal import console
    from bench.terminal.identifiers import identifiers_view

    screen = console()
    opened = open_dataset(suites[0].datasets[0], screen)
    with screen.status("loading or fitting ...") as status:
        named = [naming(one, opened, store, device, lambda phase, *_: status.update(phase), plugin) for one in suites]
        status.update("comparing identifiers")
        report = report_on(opened.collection, named)
    screen.print(identifiers_view(report, [one.seeds[0] for one in suites[1:]]))
    if to:
        codes = numbered(named[0].docids)
        ids = opened.collection.documents.ids()
        write_mapping(to, {item: tuple(row[row >= 0].tolist()) for item, row in zip(ids, codes, strict=True)})
        screen.print(f"wrote {plural(len(ids), 'identifier')} to {to}", markup=False)
    if json_file:
        write_figures(json_file, [report.as_data()])


@app.command(
    epilog=examples(
        'search "join two paths" --retriever sbert',
        "search 'who likes apples' --dataset limit --retriever bm25 --set bm25.k1=0.9 -k 10",
        'search "join two paths" --retriever ngram --explain',
    )
)
def search(
    question: Annotated[str, typer.Argument(help="what to ask")],
    dataset: DatasetOption = "pydoc-1k",
    retriever: RetrieverOption = "bm25",
    settings: Settings = [],
    k: Annotated[int, typer.Option("-k", min=1, help="How many hits.")] = 5,
    explain: Annotated[
        bool, typer.Option("--explain", help="Tell what each hit was found by, and what it gave to the score.")
    ] = False,
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
    chosen = choose("", [dataset], [retriever], settings, [seed])
    opened = open_dataset(dataset, screen)
    with screen.status("loading or fitting ...") as status:
        hits = ask(
            chosen,
            opened,
            question,
            k,
            open_store(out),
            device,
            lambda phase, *_: status.update(phase),
            plugin,
            explain,
        )
    screen.print(hits_table(hits, opened.collection))


@app.command(epilog=examples("sts pairs.tsv --retriever sbert"))
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
    chosen = choose("", ["pydoc"], [retriever], settings, [seed])
    found = similarity(chosen.systems[0], pairs_file, seed, device)
    console().print(
        f"{retriever} on {pairs_file.name}, {plural(found.n, 'pair')}, cosine: "
        f"Pearson {found.pearson:.4f}, Spearman {found.spearman:.4f}"
        + (f"; {found.without_vector:,} without a vector counted as 0" if found.without_vector else "")
    )


def _listing(what: str) -> list[tuple[str, str]]:
    if not what:
        return list(_LISTS.items())
    if what not in _LISTS:
        raise UnknownName("list", what, _LISTS)
    if what == "datasets":
        from bench.collections.cards import cards

        return [(name, card.summary()) for name, card in cards().items()]
    if what == "suites":
        from bench.suite import known_suites, suite_title

        return [(name, suite_title(name)) for name in known_suites()]
    plugins = registry.plugins(what.removesuffix("s"))  # type: ignore[arg-type]
    return [(name, plugin.summary()) for name, plugin in plugins.items()]
