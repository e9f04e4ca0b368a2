"""What there is and what a run would do: names, cards, options, suites, the plan."""

from collections.abc import Iterable, Sequence
from inspect import cleandoc
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bench.terminal.console import add, make_printable, table, text
from bench.visible import plural, visible

if TYPE_CHECKING:
    from bench.collections.cards import Card
    from bench.collections.catalogue import Dataset
    from bench.collections.inspection import Fact
    from bench.options import Options
    from bench.registry import Plugin
    from bench.runner.plan import Cell
    from bench.suite import Suite


def print_names(rows: Sequence[tuple[str, str]]) -> None:
    """Names with their summaries, in plain text that a script can cut."""
    import sys

    make_printable(sys.stdout)
    width = max((len(name) for name, _ in rows), default=0)
    for name, summary in rows:
        print(f"{visible(name):<{width}}  {visible(summary)}")


def dataset_line(dataset: "Dataset") -> Text:
    """What was opened, and by which rules it is read."""
    collection, rules = dataset.collection, dataset.collection.rules
    asked = len(collection.split_queries.get(rules.split, ()))
    line = f"{collection.name}: {plural(len(collection), 'document')}, {plural(asked, f'{rules.split} query')}, "
    line += f"fingerprint {collection.fingerprint[:6]}"
    if dataset.dropped_judgements:
        line += f", {plural(dataset.dropped_judgements, 'judgement')} on unknown ids dropped"
    if dataset.card is None:
        told = {
            name: value for name, value in rules.options().items() if value != "" and name != "unknown_judgements"
        }
        line += f"\n  no card; read with {', '.join(f'{name} = {value}' for name, value in told.items())}"
    return text(line, style="dim")


def plan_table(cells: "Sequence[Cell]") -> RenderableType:
    """What a run would do."""
    made = table(("system", "collection", "seed", "tasks", "state", "key"))
    made.title, made.title_justify = plural(len(cells), "cell"), "left"
    for cell in cells:
        state = f"cannot run: {cell.problem}" if cell.problem else "done, reused" if cell.done else "to run"
        tasks = ", ".join(task.name for task in cell.tasks)
        add(made, cell.system, cell.collection, cell.seed, tasks, state, cell.identity.key[:10])
    return made


def options_table(plugin: "Plugin") -> RenderableType:
    """A plugin's description and its options; for a source also the rules that every dataset takes."""
    kind = plugin.load()
    description = cleandoc(kind.__doc__ or "no description")
    shown: list[RenderableType] = [
        text(f"{plugin.name} ({plugin.target}, {plugin.origin})\n\n{description}\n"),
        _options(kind),
    ]
    if plugin.kind == "source":
        from bench.collections.collection import Rules

        shown += [text("\nrules, which a dataset of any source takes in the same way, as in ?split=dev:\n")]
        shown += [_options(Rules)]
    return Group(*shown)


def _options(kind: "type[Options]") -> Table:
    made = table(("option", "kind", "default", "allowed", "description"))
    for option in kind.describe_options():
        add(made, *option)
    return made


def facts_table(facts: "Iterable[Fact]") -> Table:
    """What a collection holds; each part is named once."""
    made = table(("", "", ""))
    made.show_header = False
    last = ""
    for fact in facts:
        add(made, fact.part if fact.part != last else "", fact.name, fact.value)
        last = fact.part
    return made


def card_table(card: "Card") -> RenderableType:
    """A dataset's card."""
    made = Table(box=None, pad_edge=False, show_header=False)
    for name, value in card.model_dump().items():
        if value:
            shown = ", ".join(f"{k} = {v}" for k, v in value.items()) if isinstance(value, dict) else value
            add(made, name, shown)
    return made


def suite_table(suite: "Suite") -> RenderableType:
    """A suite's systems, with what it runs them on."""
    made = table(("system", "retriever", "options"))
    for entry in suite.systems:
        add(made, entry.label, entry.retriever, ", ".join(f"{k}={v}" for k, v in entry.options.items()))
    tasks = ", ".join(task.task for task in suite.tasks)
    seeds = ", ".join(map(str, suite.seeds))
    head = f"{suite.name}: {suite.title}\ndatasets {', '.join(suite.datasets)}; tasks {tasks}; seeds {seeds}\n"
    return Group(text(head), made)
