"""The answer to one question as a person reads it: documents with their text."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from bench.collections.collection import Collection
from bench.rankings import Rankings
from bench.showing import html_table, plain, text_table

if TYPE_CHECKING:
    import pandas as pd

_SHOWN = 80  # characters of a text


class Evidence(NamedTuple):
    """A part of what a document was found by.

    what: a word, an n-gram, a pair of tokens, a step of an identifier
    weight: what it gives to the score
    note: what else is to be known of it
    """

    what: str
    weight: float
    note: str = ""


class Hit(NamedTuple):
    """A document that was found, with the text that the system read of it, and what it was found by where asked."""

    rank: int
    document: str
    score: float
    text: str
    evidence: Sequence[Evidence] = ()


@dataclass(frozen=True, repr=False)
class Hits:
    """What was found for a question, the best first. Shows itself as a table; `frame()` is pandas'."""

    question: str
    hits: Sequence[Hit]

    @classmethod
    def of(
        cls, question: str, ranked: Rankings, collection: Collection, evidence: Sequence[Sequence[Evidence]] = ()
    ) -> "Hits":
        """From canonical rankings of one query, and from the evidence of each hit where it was asked for."""
        rows, scores = ranked.of(0)
        texts = [collection.texts()[row] for row in rows.tolist()]
        found = zip(collection.documents.ids(rows), scores.tolist(), texts, evidence or [()] * len(rows), strict=True)
        return cls(question, [Hit(rank, *one) for rank, one in enumerate(found, 1)])

    def __len__(self) -> int:
        return len(self.hits)

    def __getitem__(self, place: int) -> Hit:
        return self.hits[place]

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.hits)

    def frame(self) -> "pd.DataFrame":
        """A pandas frame with the columns rank, document, score and text."""
        import pandas as pd

        return pd.DataFrame([hit[:4] for hit in self.hits], columns=list(Hit._fields[:4]))

    def __repr__(self) -> str:
        if not self.hits:
            return f"nothing was found for: {plain(self.question)}"
        lines = [(str(hit.rank), f"{hit.score:.3f}", hit.document, plain(hit.text, _SHOWN)) for hit in self.hits]
        return text_table(("", "score", "document", plain(self.question, _SHOWN)), lines, left=4)

    def _repr_html_(self) -> str:
        lines = [(str(hit.rank), hit.document, plain(hit.text, 4 * _SHOWN), f"{hit.score:.3f}") for hit in self.hits]
        return html_table(("", "document", "text", "score"), lines, left=3, caption=self.question)
