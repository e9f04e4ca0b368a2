"""What the terminal shows: live progress, lists, cards, hits."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.progress import TaskID

    from bench.collections.cards import Card
    from bench.collections.catalogue import Dataset
    from bench.collections.collection import Collection
    from bench.leaderboard.imported import ImportedRow
    from bench.registry import Plugin
    from bench.runner.asking import Hit, Named
    from bench.runner.plan import Cell
    from bench.suite import Suite

_PIPE_WIDTH = 140


def console() -> Console:
    """Standard output; wide enough for a table when it is a file or a pipe."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH)


class ProgressDisplay:
    """A live line for each cell at work; where there is no terminal, a line for each cell that ends."""

    def __init__(self, screen: Console) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        self._screen = screen
        self._progress = Progress(
            TextColumn("{task.fields[cell]}"),
            BarColumn(bar_width=24),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            console=screen,
            transient=True,
        )
        self._lines: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def started(self, cell: "Cell") -> None:
        self._lines[cell.key] = self._progress.add_task("starting", total=None, cell=_cell_name(cell))

    def progressed(self, cell: "Cell", phase: str, done: int, total: int) -> None:
        countable = total > 1
        description = f"{phase} {done:,}/{total:,}" if countable else phase
        self._progress.update(
            self._lines[cell.key],
            description=description,
            completed=done if countable else 0,
            total=total if countable else None,
        )

    def finished(self, cell: "Cell", seconds: float, problem: str) -> None:
        self._progress.remove_task(self._lines.pop(cell.key))
        outcome = Text(f"failed: {problem}", style="red") if problem else Text("done", style="green")
        self._screen.print(Text(_cell_name(cell)), outcome, Text(f"{seconds:.1f} s", style="dim"))


def _cell_name(cell: "Cell") -> str:
    return f"{cell.system} on {cell.collection}" + (f", seed {cell.seed}" if cell.seed else "")


def print_names(rows: Sequence[tuple[str, str]]) -> None:
    """Names with their summaries, in plain text that a script can cut."""
    width = max((len(name) for name, _ in rows), default=0)
    for name, summary in rows:
        print(f"{name:<{width}}  {summary}")


def dataset_line(dataset: "Dataset") -> Text:
    """What was opened, and by which rules it is read."""
    collection, rules = dataset.collection, dataset.collection.rules
    asked = len(collection.split_queries.get(rules.split, ()))
    line = f"{collection.name}: {len(collection):,} documents, {asked:,} {rules.split} queries, "
    line += f"fingerprint {collection.fingerprint[:6]}"
    if dataset.dropped_judgements:
        line += f", {dataset.dropped_judgements:,} judgements on unknown ids dropped"
    if dataset.card is None:
        defaults = (f"{name} = {value}" for name, value in rules.options().items() if name != "unknown_judgements")
        line += f"\n  no card; read with {', '.join(defaults)}"
    return Text(line, style="dim")


def plan_table(cells: "Sequence[Cell]") -> RenderableType:
    """What a run would do."""
    table = Table(box=None, pad_edge=False, title=f"{len(cells)} cells", title_justify="left")
    for header in ("system", "collection", "seed", "tasks", "state", "key"):
        table.add_column(header)
    for cell in cells:
        state = f"cannot run: {cell.problem}" if cell.problem else "done, reused" if cell.done else "to run"
        tasks = ", ".join(task.name for task in cell.tasks)
        table.add_row(
            escape(cell.system), escape(cell.collection), str(cell.seed), tasks, escape(state), cell.key[:10]
        )
    return table


def options_table(plugin: "Plugin") -> RenderableType:
    """A plugin's description and its options."""
    kind = plugin.load()
    table = Table(box=None, pad_edge=False)
    for header in ("option", "kind", "default", "allowed", "description"):
        table.add_column(header, overflow="fold")
    for option in kind.describe_options():
        table.add_row(*map(escape, option))
    description = Text(f"{plugin.name} ({plugin.target}, {plugin.origin})\n\n{_docstring(kind)}\n")
    return Group(description, table)


def _docstring(kind: type) -> str:
    from inspect import cleandoc

    return cleandoc(kind.__doc__ or "no description")


def card_table(card: "Card") -> RenderableType:
    """A dataset's card."""
    table = Table(box=None, pad_edge=False, show_header=False)
    for name, value in card.model_dump().items():
        if value:
            shown = ", ".join(f"{k} = {v}" for k, v in value.items()) if isinstance(value, dict) else str(value)
            table.add_row(name, escape(shown))
    return table


def suite_table(suite: "Suite") -> RenderableType:
    """A suite's systems, with what it runs them on."""
    table = Table(box=None, pad_edge=False)
    for header in ("system", "retriever", "options"):
        table.add_column(header)
    for entry in suite.systems:
        table.add_row(
            escape(entry.label), entry.retriever, escape(", ".join(f"{k}={v}" for k, v in entry.options.items()))
        )
    tasks = ", ".join(task.task for task in suite.tasks)
    seeds = ", ".join(map(str, suite.seeds))
    head = f"{suite.name}: {suite.title}\ndatasets {', '.join(suite.datasets)}; tasks {tasks}; seeds {seeds}\n"
    return Group(Text(head), table)


def hits_table(hits: "Sequence[Hit]", collection: "Collection") -> RenderableType:
    """Hits with their text, shortened to a paragraph."""
    if not hits:
        return Text(f"nothing in {collection.name} matches")
    parts: list[RenderableType] = []
    for hit in hits:
        parts.append(Text(f"{hit.rank:>3}  {hit.score:.4f}  {hit.document.id}", style="bold"))
        text = " ".join(hit.text.split())
        parts.append(Padding(Text(text[:300] + " ..." if len(text) > 300 else text), (0, 0, 0, 5)))
    return Group(*parts)


def docids_table(found: "Sequence[Named]") -> RenderableType:
    """A document's identifier above those that begin most like it; what they share is set apart."""
    table = Table(box=None, pad_edge=False)
    for header in ("document", "identifier", "shared tokens"):
        table.add_column(header, overflow="fold")
    for one in found:
        docid = Text(" ".join(one.docid[: one.shared]), style="bold")
        docid.append(" " + " ".join(one.docid[one.shared :]), style="not bold")
        table.add_row(escape(one.document.id), docid, f"{one.shared} of {len(one.docid)}")
    return table


def judged_table(row: "ImportedRow") -> RenderableType:
    """The figures of an imported run."""
    title = Text(f"{row.system} on {row.collection}, {row.task_name} (imported)", style="bold")
    table = Table(box=None, pad_edge=False)
    for header in ("measure", "value", "95 % interval", "queries"):
        table.add_column(header, justify="right" if header != "measure" else "left")
    for figure in row.judged.figures:
        numbers = (f"{figure.value:.4f}", f"{figure.low:.4f} to {figure.high:.4f}") if figure.n else ("–", "–")
        table.add_row(figure.measure, *numbers, f"{figure.n:,}")
    counts = ", ".join(_named_counts(row.judged.counts))
    return Group(title, table, Text(f"{counts}\n{row.definition}", style="dim"))


def _named_counts(counts: Mapping[str, Any]) -> Iterator[str]:
    """Facts beside the means, each with its name; a digest says nothing to a reader."""
    from bench.leaderboard.text import count, fraction

    for name, value in counts.items():
        if not name.endswith("_weights"):
            shown = value if isinstance(value, str) else count(value) if isinstance(value, int) else fraction(value)
            yield f"{name.replace('_', ' ')} {shown}"
