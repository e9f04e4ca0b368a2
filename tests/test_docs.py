"""What README.md and docs/ say of commands, options, code and files is so."""

import re
import shlex
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import entry_points
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import test_face
from snippets import PAGES, ROOT, TEXTS, blocks, command_lines
from typer.main import get_command

from bench import registry
from bench.cli import app
from bench.collections.cards import cards, read_card
from bench.collections.collection import Rules
from bench.options import Options, option_names
from bench.parts import part_options
from bench.runner.plan import construct
from bench.settings import parse_query
from bench.suite import known_suites, read_suite

OF_THE_PAGES = {"tf-idf", "overlap", "mine", "notes", "titles", "FOLDER", "shop"}
"""Plugins that the pages themselves write, and folders that they stand for."""

KINDS: tuple[registry.Kind, ...] = ("retriever", "source", "task")
PARAMETERS: dict[str, registry.Kind] = {"--retriever": "retriever", "--dataset": "source", "--task": "task"}


def fenced(language: str, page: str) -> list[str]:
    """The code blocks of a language."""
    return [block.text for block in blocks(page, language)]


def code(page: str) -> Iterator[str]:
    """Each line of a block of commands, and each span of code in a sentence."""
    for block in blocks(page, "sh"):
        yield from command_lines(block)
    outside = re.sub(r"^```.*?^```", "", TEXTS[page], flags=re.MULTILINE | re.DOTALL)
    yield from re.findall(r"`([^`\n]+)`", outside)


def commands(page: str) -> Iterator[tuple[str, ...]]:
    """The arguments of each `python -m bench ...`; `COMMAND` stands for any."""
    for line in code(page):
        for part in line.split("&&"):
            if part.strip().startswith("python -m bench ") and "COMMAND" not in part:
                yield tuple(shlex.split(part, comments=True)[3:])


COMMANDS = sorted({words for page in TEXTS for words in commands(page)})


def parsed(words: tuple[str, ...]) -> dict[str, Any]:
    """A command's parameters. Raises what the command line raises for a command or option that does not exist."""
    group: Any = get_command(app)
    with group.make_context("bench", list(words)) as context:
        _, command, rest = group.resolve_command(context, list(words))
        with command.make_context(words[0], rest[:], parent=context) as made:
            return dict(made.params)


@cache
def takes(kind: registry.Kind, name: str) -> set[str]:
    """What may follow the `?` of a retriever, source or task, and after `--set NAME.`."""
    return {*option_names(registry.find(kind, name).load()), *(Rules.model_fields if kind == "source" else ())}


def tables(name: str) -> set[str]:
    """Options of a retriever that are systems, tables whose names the user chooses, or groups that text may name."""
    kind = registry.find("retriever", name).load()
    groups = {
        name: field.annotation for name, field in kind.model_fields.items() if isinstance(field.annotation, type)
    }
    in_short = {name for name, group in groups.items() if issubclass(group, Options) and group.in_short("x")}
    return {*part_options(kind), *(info.name for info in kind.describe_options() if info.kind == "table"), *in_short}


def check_spec(kind: registry.Kind, spec: str) -> None:
    """A name with options, as bm25?k1=0.9 or beir:FOLDER?split=dev."""
    base, options = parse_query(spec)
    name = base.partition(":")[0]
    if kind == "source" and name in cards():
        name = parse_query(cards()[name].source)[0].partition(":")[0]
    if name in OF_THE_PAGES or name.endswith(".toml"):
        return
    assert options.keys() <= takes(kind, name), spec


def test_there_are_commands_to_check() -> None:
    used = {words[0] for words in COMMANDS}
    group: Any = get_command(app)
    assert used == set(group.commands), "a command without an example"


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_parses_and_names_what_there_is(words: tuple[str, ...]) -> None:
    assert parsed(words) is not None
    for option, value in pairwise(words):
        if option in PARAMETERS and words[0] not in ("publish", "verify"):
            check_spec(PARAMETERS[option], value)
        if option == "--suite" and value not in ("NAME", "mine.toml"):
            assert value in known_suites()
    if words[0] == "show" and words[1] in KINDS and words[2] != "NAME":
        assert words[2] in registry.plugins(words[1])


@pytest.mark.parametrize("page", TEXTS)
def test_every_option_that_is_quoted_exists(page: str) -> None:
    known = {name: takes("retriever", name) for name in registry.plugins("retriever")}
    names = "|".join(sorted(known, key=len, reverse=True))
    quoted = re.compile(rf"(?<![\w./-])({names})(?: \w+)?\.([a-z]\w*(?:\.\w+)*)(?![\w/])")
    for span in code(page):
        for name, option in quoted.findall(span):
            assert option in known[name] or option.partition(".")[0] in tables(name), f"{name}.{option}"
        kind = next((kind for kind in KINDS if span.partition("?")[0] in registry.plugins(kind)), None)
        if kind and "?" in span:
            check_spec(kind, span)


def test_an_option_that_is_none_is_found() -> None:
    with pytest.raises(AssertionError, match="bm25"):
        check_spec("retriever", "bm25?k2=1")
    with pytest.raises(Exception, match="(?i)no such option"):
        parsed(("run", "--datasets", "limit"))


@pytest.mark.parametrize("page", TEXTS)
def test_python_compiles_and_suites_can_be_read(page: str, tmp_path: Path) -> None:
    for number, block in enumerate(fenced("python", page)):
        compile(block, f"{page}, block {number + 1}", "exec")
    for block in fenced("toml", page):
        tomllib.loads(block)
        if "[[systems]]" in block:
            (tmp_path / "mine.toml").write_text(block)
            for system in read_suite(str(tmp_path / "mine.toml")).systems:
                assert construct(system, 0).seed == 0, system.label


def test_the_card_that_is_shown_can_be_read(tmp_path: Path) -> None:
    page = (ROOT / "datasets" / "README.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"^```toml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    (tmp_path / "my.toml").write_text(shown)
    card = read_card(tmp_path / "my.toml")
    assert Rules.from_options("card", card.rules) == Rules()


def test_the_snippets_of_the_readme_are_those_that_are_run() -> None:
    plugin, notebook = fenced("python", "README.md")
    assert plugin.split() == (test_face.IMPORTS + test_face.PLUGIN).split()
    assert notebook.strip() == test_face.NOTEBOOK.strip()


@pytest.mark.parametrize("page", [*TEXTS, "datasets/README.md"])
def test_every_relative_link_leads_to_a_file(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        if "://" not in target:
            assert (ROOT / page).parent.joinpath(target).exists(), target


def test_every_page_is_linked_and_the_readme_is_short() -> None:
    readme = TEXTS["README.md"]
    assert len(readme.split()) <= 800
    for page in PAGES[1:]:
        assert f"(docs/{page.name})" in readme


def test_the_table_of_the_readme_is_the_published_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "docs" / "site")
    from main_table import with_table

    readme = TEXTS["README.md"]
    assert readme == with_table(readme), "write it anew: python docs/site/main_table.py"


def test_continuous_integration_runs_the_second_command_as_it_stands() -> None:
    second = "pip install -c constraints.txt -e '.[offline,test]' && pytest"
    assert f"\n{second}\n" in TEXTS["README.md"]
    assert f"\n{second}\n" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_every_suite_and_dataset_is_told_of() -> None:
    assert all(f"`{name}`" in TEXTS["docs/suites.md"] for name in known_suites())
    assert all(f"`{name}`" in TEXTS["docs/data.md"] for name in cards())
    assert all(f"`{name}`" in TEXTS["docs/systems.md"] for name in entry_points(group="bench.retrievers").names)
    assert all(f"`{name}`" in TEXTS["docs/measures.md"] for name in entry_points(group="bench.tasks").names)
