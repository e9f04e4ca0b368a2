"""A search collection that every machine has: the docstrings of the installed Python packages."""

import ast
import re
import sys
import sysconfig
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from pydantic import Field

from bench.collections.collection import Document
from bench.collections.sources import Source
from bench.collections.sources.near_copies import near_copies
from bench.collections.sources.packages import (
    DISTRIBUTIONS,
    NOT_THE_LIBRARY,
    installed_versions,
    module_name,
    package_root,
    parse_module,
    python_files,
    stable_hash,
)
from bench.collections.writer import CollectionWriter
from bench.errors import BenchError
from bench.progress import Progress

_SKIPPED = NOT_THE_LIBRARY | {
    *("test", "tests", "conftest.py"),  # test suites
    *("_lib", "_vendor"),  # copies of other projects, internals
}

_CORE = ("numpy", "scipy")

_MINIMUM_SUMMARY_WORDS = 3
_MAXIMUM_SUMMARY_WORDS = 50
_MINIMUM_BODY_WORDS = 30

# A sentence ends at a full stop before a capital or a literal, but not after an initial or "e.g.".
_SENTENCE_END = re.compile(r"(?<=[.!?])(?<!\b[A-Z]\.)(?<!\.\w\.)\s+(?=[A-Z`*(])")
_RULER = re.compile(r"[=\-~*#^_]{3,}\s*")
_NOT_PROSE = re.compile(r"\s|>>>|\.\. |[-*+•] |[:@]\w+[ :]|\d+\. ")


class Docstring(NamedTuple):
    """A docstring in two parts. `name` is the qualified name of what it documents: `json.decoder:JSONDecoder`."""

    name: str
    summary: str
    body: str


class Pydoc(Source):
    """Docstrings of the standard library, numpy and scipy: a summary line asks for the rest of its docstring.

    A document is a docstring without its summary and without the line that shows the call; it has no title,
    since the documented name would give it away. A query is a summary, and its one relevant document
    (grade 1) is the docstring that it was taken from. For that to be true, every docstring whose summary or whose
    body occurs a second time is left out: aliases, deprecated copies, "Return a string representation". So
    is one whose body repeats its summary, whose summary has fewer than 3 words or more than 50 or ends in a
    colon, or whose body has fewer than 30 words, and whatever has a private name.

    Sources are parsed, never imported or run. The content depends on the installed versions, so figures
    compare only under one fingerprint. Near copies stay unless they are left out; how many queries of `test` have
    one, which may answer them as well, is told. A hash of the document's name puts a query into `test` (2 in 10),
    `dev` (1 in 10) or `train`, whatever else is in the collection.
    """

    packages: Literal["core", "large"] = Field(
        "core",
        description="core: standard library, numpy, scipy; large: also scikit-learn, pandas, torch and transformers, "
        "those that are installed",
    )
    near_copies: Literal["keep", "leave-out"] = Field(
        "keep",
        description="docstrings that share 7 in 10 of their words, in summary and body, with an earlier one by name",
    )
    sample: int = Field(0, ge=0, description="number of documents, chosen by a hash of their names; 0 for all")

    def state(self) -> dict[str, Any]:
        """Versions of Python, with its build, and of the packages; null for one that is not installed."""
        return {"python": sys.version, **installed_versions(self._package_names())}

    def read(self, writer: CollectionWriter, progress: Progress) -> None:
        """Parse the packages' files and write one document, one query and one judgement per docstring.

        Raises BenchError when `sample` asks for more documents than there are.
        """
        docstrings = unambiguous(self._parsed(progress))
        if self.near_copies == "leave-out":
            docstrings = sorted(docstrings)
            copies = {int(later) for _, later in alike(docstrings)}
            docstrings = [one for place, one in enumerate(docstrings) if place not in copies]
            writer.note("near copies left out", len(copies))
        docstrings = self._sampled(docstrings)
        if self.near_copies == "keep":
            doubled = {docstrings[place].name for pair in alike(docstrings) for place in pair.tolist()}
            writer.note("test queries with a near copy", sum(split_of(name) == "test" for name in doubled))
        for docstring in docstrings:
            writer.document(Document(docstring.name, "", docstring.body), docstring.name)
        queries = [(split_of(d.name), query_id_of(d.name), d) for d in docstrings]
        for split, query_id, docstring in queries:
            writer.query(split, query_id, docstring.summary, docstring.name)
        for split, query_id, docstring in queries:
            writer.judgement(split, query_id, docstring.name, 1, docstring.name)

    def _package_names(self) -> Iterable[str]:
        return _CORE if self.packages == "core" else DISTRIBUTIONS

    def _parsed(self, progress: Progress) -> Iterator[Docstring]:
        roots = [("", Path(sysconfig.get_path("stdlib")))]
        roots += [(name, root) for name in self._package_names() if (root := package_root(name))]
        files = [(package, root, path) for package, root in roots for path in source_files(root)]
        for done, (package, root, path) in enumerate(files):
            if done % 50 == 0:
                progress("parsing", done, len(files))
            yield from parse_docstrings(path, module_name(path, root, package))
        progress("parsing", len(files), len(files))

    def _sampled(self, docstrings: list[Docstring]) -> list[Docstring]:
        if self.sample > len(docstrings):
            raise BenchError(
                f"pydoc has {len(docstrings)} documents here, fewer than the sample of {self.sample}; "
                "choose a smaller ?sample= or ?packages=large"
            )
        if self.sample:
            docstrings = sorted(docstrings, key=lambda d: stable_hash(d.name))[: self.sample]
        return sorted(docstrings)


def source_files(root: Path) -> list[Path]:
    """The Python files below a folder, sorted, without test suites, demonstrations and other people's packages."""
    return python_files(root, _SKIPPED)


def parse_docstrings(path: Path, module: str) -> Iterator[Docstring]:
    """The usable docstrings of a file, in order; of several definitions of one name the first that has one."""
    seen: set[str] = set()
    for name, node in _documented(path):
        text = ast.get_docstring(node)
        if text is None or name in seen:
            continue
        seen.add(name)
        parts = split_summary(text, set(name.split(".")))  # the call in __init__ bears the class's name
        if parts is not None:
            yield Docstring(f"{module}:{name}" if name else module, *parts)


_Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def _documented(path: Path) -> list[tuple[str, _Documented]]:
    """The module in a file (no name) and what it defines; nothing if it is written for another version of Python."""
    tree = parse_module(path)
    return [] if tree is None else [("", tree), *_public_definitions(tree, "")]


def _public_definitions(parent: ast.AST, owner: str) -> Iterator[tuple[str, _Documented]]:
    """Qualified names and nodes of classes, functions and methods, those behind `if` and `try` too."""
    for node in ast.iter_child_nodes(parent):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if node.name.startswith("_") and not node.name.endswith("__"):
                continue
            name = f"{owner}.{node.name}".lstrip(".")
            yield name, node
            if isinstance(node, ast.ClassDef):
                yield from _public_definitions(node, name)
        elif isinstance(node, ast.If | ast.Try | ast.With | ast.ExceptHandler):
            yield from _public_definitions(node, owner)


def split_summary(text: str, names: set[str]) -> tuple[str, str] | None:
    """Summary, on one line, and body of a cleaned docstring; None if they make no query and document.

    The summary is the first sentence of the first paragraph (PEP 257), after a line that shows a call
    of one of `names`, which is dropped.
    """
    lines = _without_call(text.splitlines(), names)
    while lines and (not lines[0].strip() or _RULER.fullmatch(lines[0])):
        del lines[0]
    length = next((i for i, line in enumerate(lines) if _ends_paragraph(line)), len(lines))
    first, *others = _SENTENCE_END.split(" ".join(" ".join(lines[:length]).split()), maxsplit=1)
    body = "\n".join([*others, *lines[length:]]).strip()
    while _RULER.fullmatch(body.partition("\n")[0]):
        body = body.partition("\n")[2].strip()
    usable = (
        _MINIMUM_SUMMARY_WORDS <= len(first.split()) <= _MAXIMUM_SUMMARY_WORDS
        and not first.endswith(":")
        and len(body.split()) >= _MINIMUM_BODY_WORDS
        and plainly(first) not in plainly(body)
    )
    return (first, body) if usable else None


def unambiguous(docstrings: Iterable[Docstring]) -> list[Docstring]:
    """Those whose summary and whose body, but for case, blanks and a full stop, are nobody else's."""
    everything = list(docstrings)
    summaries = Counter(plainly(d.summary) for d in everything)
    bodies = Counter(plainly(d.body) for d in everything)
    return [d for d in everything if summaries[plainly(d.summary)] == bodies[plainly(d.body)] == 1]


def alike(docstrings: Sequence[Docstring]) -> np.ndarray:
    """Shape [pairs, 2]: places of docstrings that share most of their words."""
    return near_copies([one.body for one in docstrings], [one.summary for one in docstrings])


def _without_call(lines: list[str], names: set[str]) -> list[str]:
    """Drop a call such as `svd(a, full_matrices=True)` at the start, up to the end of the line that closes it."""
    called = re.match(r"[\w.]*?(\w+)\(", lines[0]) if lines else None
    if called is None or called[1] not in names:
        return lines
    depth = 0
    for i, line in enumerate(lines):
        depth += line.count("(") - line.count(")")
        if depth <= 0:
            return lines[i + 1 :]
    return lines


def _ends_paragraph(line: str) -> bool:
    return not line or bool(_NOT_PROSE.match(line) or _RULER.fullmatch(line))


def plainly(text: str) -> str:
    """A text but for what is no difference: case, blanks and a full stop at its end."""
    return " ".join(text.casefold().split()).rstrip(".")


def query_id_of(name: str) -> str:
    """The id of the query for what has this name: another one, lest a query's id be its answer."""
    return f"q{stable_hash(name):016x}"


def split_of(name: str) -> str:
    """The split of that query, whatever else is in the collection."""
    return {0: "test", 1: "test", 2: "dev"}.get(stable_hash(name) % 10, "train")
