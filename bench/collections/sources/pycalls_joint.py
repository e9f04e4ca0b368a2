"""One catalogue that is searched and recommended from: library functions, their summaries and who calls them."""

from collections.abc import Iterator, Sequence
from inspect import cleandoc
from typing import Any, ClassVar

from pydantic import Field

from bench.collections.sources.protocols import leave_one_out
from bench.collections.sources.pycalls import Pycalls
from bench.collections.sources.pydoc import (
    Docstring,
    alike,
    plainly,
    query_id_of,
    split_of,
    split_summary,
    unambiguous,
)
from bench.collections.sources.sequences import InWords, Item
from bench.collections.writer import CollectionWriter
from bench.progress import Progress


class PycallsJoint(Pycalls):
    """The items and users of pycalls, where the summary of a docstring asks for the function that it documents.

    `search` asks the summaries and `next_item` the users, of one catalogue. A summary becomes a question by the rules
    of pydoc: the item keeps the rest of its docstring, and its name, and summaries or docstrings that two items have
    are none. A summary that stands in the text of any item is no question either. A hash of the item's place puts a
    question into `test` (2 in 10), `dev` (1 in 10) or `train`; users are asked leave-one-out, in `test`, `valid` and
    `train`.
    """

    rules: ClassVar[dict[str, Any]] = {"mixed": True}

    minimum_interactions: int = Field(
        5, ge=4, description="functions and items with fewer calls are left out until none has (k-core)"
    )

    def read(self, writer: CollectionWriter, progress: Progress) -> None:
        """As `Pycalls.read`."""
        calls = self.calls(progress)
        called = {item for sequence in calls.sequences.values() for item in sequence}
        items = [item for item in calls.items if item.document.id in called]
        docstrings = sorted(unambiguous(_docstrings(items)))
        described = _without_summaries(items, docstrings)
        asked = _hidden(docstrings, described)
        in_words = [InWords(split_of(one.name), query_id_of(one.name), one.summary, one.name) for one in asked]
        self.ask(writer, described, leave_one_out(calls.sequences), in_words=in_words)
        self.tell(writer, calls)
        doubled = {asked[place].name for pair in alike(asked) for place in pair.tolist()}
        writer.note("questions in words", len(asked))
        writer.note("summaries left out (they stand in the text of an item)", len(docstrings) - len(asked))
        writer.note("test questions with a near copy", sum(split_of(name) == "test" for name in doubled))


def _docstrings(items: Sequence[Item]) -> Iterator[Docstring]:
    """The docstrings that make a question and a text."""
    for document, _ in items:
        text = cleandoc(document.body)
        parts = split_summary(text, set(document.id.partition(":")[2].split("."))) if text else None
        if parts:
            yield Docstring(document.id, *parts)


def _without_summaries(items: Sequence[Item], docstrings: Sequence[Docstring]) -> list[Item]:
    """The items, each of these with what is left of its docstring."""
    left = {one.name: one.body for one in docstrings}
    return [Item(document._replace(body=left.get(document.id, document.body)), where) for document, where in items]


def _hidden(docstrings: Sequence[Docstring], items: Sequence[Item]) -> list[Docstring]:
    """Those whose summary no item's text gives away."""
    told = "\n".join(plainly(f"{document.title} {document.body}") for document, _ in items)
    return [one for one in docstrings if plainly(one.summary) not in told]
