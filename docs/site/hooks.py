"""What the site adds to the pages: the README as its start, and a reference made from the code."""

import re
import sys
from collections.abc import Iterator
from inspect import cleandoc
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from bench import registry
from bench.collections.cards import cards
from bench.suite import known_suites, read_suite, suite_title

ROOT = Path(__file__).parents[2]
PICTURE = "results/dsi/overview.svg"
OUTSIDE = re.compile(r"\[([^\]]+)\]\((?:\.\./)?(?:results/[^)]*|CITATION\.cff)\)")
"""Links to what the site does not hold; their text stays."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made here."""
    made = {"index.md": (ROOT / "README.md").read_text(encoding="utf-8").replace("](docs/", "](")}
    for kind in ("retriever", "task", "source"):
        made[f"reference/{kind}s.md"] = "\n".join(plugins_page(kind))
    made["reference/suites.md"] = "\n".join(suites_page())
    made["reference/datasets.md"] = "\n".join(datasets_page())
    made["overview.svg"] = (ROOT / PICTURE).read_text(encoding="utf-8")
    for place, text in made.items():
        files.append(File.generated(config, place, content=text))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Point links at what lies elsewhere in the site."""
    inside = {PICTURE: "overview.svg", "../datasets/README.md": "reference/datasets.md"}
    for target, place in inside.items():
        markdown = markdown.replace(f"]({target})", f"]({place})")
    return OUTSIDE.sub(r"\1", markdown)


def plugins_page(kind: registry.Kind) -> Iterator[str]:
    """Every plugin of a kind, with its docstring and its options."""
    yield f"# {kind.capitalize()}s\n"
    for name, plugin in registry.plugins(kind).items():
        cls = plugin.load()
        yield f"## {name}\n\n{escaped(cleandoc(sys.modules[cls.__module__].__doc__ or ''))}\n"
        yield f"{escaped(cleandoc(cls.__doc__ or ''))}\n"
        yield "| option | kind | default | allowed | what it does |\n|---|---|---|---|---|"
        for option in cls.describe_options():
            cells = (option.kind, f"`{option.default}`" if option.default else "", option.allowed, option.description)
            yield f"| `{option.name}` | {' | '.join(map(cell, cells))} |"
        yield ""


def suites_page() -> Iterator[str]:
    """Every built-in suite: how it is run, what it runs, what was found."""
    yield "# Suites\n"
    for name in known_suites():
        suite = read_suite(name)
        yield f"## {name}\n\n{escaped(suite_title(name))}\n\n    python -m bench run --suite {name}\n"
        yield f"On {', '.join(f'`{dataset}`' for dataset in suite.datasets)}: "
        yield f"{', '.join(f'`{task.task}`' for task in suite.tasks)}.\n"
        yield "| system | retriever | options |\n|---|---|---|"
        for entry in suite.systems:
            options = ", ".join(f"`{option}={value}`" for option, value in entry.options.items())
            yield f"| {cell(entry.label)} | `{entry.retriever}` | {cell(options)} |"
        yield ""
        if suite.findings:
            yield f"{escaped(suite.findings)}\n"


def datasets_page() -> Iterator[str]:
    """Every dataset that has a card."""
    yield "# Datasets\n\n| dataset | what it is |\n|---|---|"
    for name, card in cards().items():
        yield f"| `{name}` | {cell(card.summary())} |"


def cell(text: str) -> str:
    """Text that cannot end its cell of a table."""
    return escaped(text.replace("|", "\\|").replace("\n", " "))


def escaped(text: str) -> str:
    """Text in which nothing is a tag."""
    return text.replace("<", "&lt;")
