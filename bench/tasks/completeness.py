"""Does a key sentence from anywhere in a document bring that document back? (Chen et al. 2023)"""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from bench.collections.collection import Collection, Query
from bench.errors import BenchError
from bench.measures.measure import Instrument
from bench.models import MINILM, find_weights
from bench.tasks.chunks import THIRDS, Chunk, chunks, documents_with
from bench.tasks.probes import Asked, Draw, OwnDocument
from bench.tasks.selectors import SELECTORS, SelectorName

_WORDS = {
    "tf-idf": "highest mean tf-idf",
    "textrank": "highest TextRank",
    "attention": "most attention in all-MiniLM-L6-v2's last layer",
}


class Completeness(OwnDocument):
    """The key sentence of each third of a document has to bring that document back.

    The same documents are asked for by all three thirds. Titles are never part of a question. Chen et al. choose by
    attention; what is asked depends on what chooses, so that a second way stands beside.
    """

    selector: SelectorName = Field("attention", description="what chooses the key sentence of each third")
    second_selector: SelectorName | Literal["none"] = Field(
        "tf-idf", description="what chooses others, which have figures of their own"
    )
    shortest: int = Field(5, ge=2, description="words that a sentence has at least")
    longest: int = Field(32, ge=2, description="words after which a sentence is cut into windows")

    @model_validator(mode="after")
    def _shortest_first(self) -> "Completeness":
        if self.shortest > self.longest:
            raise ValueError("shortest must not exceed longest")
        return self

    @property
    def _selectors(self) -> dict[str, SelectorName]:
        """By what stands behind the names of their figures, the one that systems are ranked by first."""
        second = self.second_selector
        if second == "none" or second == self.selector:
            return {"": self.selector}
        return {"": self.selector, f" {second}": second}

    def weights(self) -> list[str]:
        return [MINILM] if "attention" in self._selectors.values() else []

    def groups(self) -> Sequence[str]:
        return [f"{third}{behind}".strip() for behind in self._selectors for third in ("", *THIRDS)]

    def columns(self) -> Sequence[str]:
        thirds = [f"Hits@1 {third}" for third in THIRDS]
        others = [f"Hits@1{behind}" for behind in self._selectors if behind]
        return ["Hits@1", "Hits@10", "MRR@10", *others, *thirds]

    def instruments(self) -> Sequence[Instrument | None]:
        found = [
            Instrument("selector", "all-MiniLM-L6-v2's attention", find_weights(MINILM).digest)
            if selector == "attention"
            else None
            for selector in self._selectors.values()
        ]
        return [*found, None][:2]

    def draw(self, collection: Collection) -> Draw:
        if "{text}" not in collection.rules.text:
            raise BenchError(f"{collection.name} is read without its {{text}}, of which completeness asks sentences")
        documents, looked_at = self._sample(collection)
        chosen = self._chosen(collection, documents)
        elsewhere = _held_elsewhere(list(chosen), collection)
        facts = {
            "documents": len(documents),
            "without a sentence in each third": looked_at - len(documents),
            "in another document too": sum(
                "" in groups for groups, left_out in zip(chosen.values(), elsewhere, strict=True) if left_out
            ),
        }
        asked = [
            Asked(Query(f"{groups[-1]} {collection.documents[row].id}", chunk.text), row, groups)
            for ((row, chunk), groups), left_out in zip(chosen.items(), elsewhere, strict=True)
            if not left_out
        ]
        if not asked:
            raise BenchError(f"{collection.name}: every key sentence occurs in two documents; none can be asked")
        return Draw(asked, facts)

    def _chosen(
        self, collection: Collection, documents: Mapping[int, Sequence[Chunk]]
    ) -> dict[tuple[int, Chunk], tuple[str, ...]]:
        """The key sentences with their documents' rows, each with its groups; one that two choose is one."""
        found: dict[tuple[int, Chunk], tuple[str, ...]] = {}
        texts = [[chunk.text for chunk in parts] for parts in documents.values()]
        for behind, selector in self._selectors.items():
            scores = SELECTORS[selector](collection, texts)
            for (row, parts), values in zip(documents.items(), scores, strict=True):
                for third in THIRDS:
                    key = (row, _best(parts, values, third))
                    found[key] = (*found.get(key, ()), behind.strip(), f"{third}{behind}")
        return dict(sorted(found.items(), key=lambda one: one[0][0]))

    def _sample(self, collection: Collection) -> tuple[dict[int, list[Chunk]], int]:
        """The chunks of the documents drawn, by row, and how many documents were looked at to find them."""
        found: dict[int, list[Chunk]] = {}
        looked_at = 0
        for row in np.random.default_rng(self.seed).permutation(len(collection)).tolist():
            if len(found) == self.sample:
                break
            looked_at += 1
            parts = chunks(collection.documents[row], self.shortest, self.longest)
            if {chunk.third for chunk in parts} == set(THIRDS):
                found[row] = parts
        if not found:
            raise BenchError(
                f"{collection.name}: no document has a sentence of {self.shortest} words in each third; "
                "choose a smaller `shortest` for the task completeness"
            )
        return dict(sorted(found.items())), looked_at

    def definition(self, collection: Collection, draw: Draw) -> str:  # noqa: ARG002
        first, *others = self._selectors.values()
        second = "".join(f"; columns of '{other}': those with the {_WORDS[other]}" for other in others)
        facts, asked = draw.facts, [one for one in draw.asked if "" in one.groups]
        return (
            f"the sentence (or {self.longest}-word window) with the {_WORDS[first]} of each third of a "
            f"document has to bring it back, the title's words left out; mean over "
            f"{len(asked)} sentences of {len({one.row for one in asked})} documents (seed "
            f"{self.seed}){second}; left out: {facts['in another document too']} sentences that occur in another "
            f"document too, {facts['without a sentence in each third']} documents drawn that lack one of "
            f"{self.shortest} words in some third"
        )


def _best(found: Sequence[Chunk], scores: np.ndarray, third: str) -> Chunk:
    """The best chunk of a third; of equals, the first."""
    inside = [place for place, chunk in enumerate(found) if chunk.third == third]
    return found[inside[int(np.argmax(scores[inside]))]]


def _held_elsewhere(asked: Sequence[tuple[int, Chunk]], collection: Collection) -> np.ndarray:
    """Mask of the chunks that occur in a document beside their own."""
    wanted = [chunk.words for _, chunk in asked]
    own = np.array([documents_with([chunk.words], [collection.texts()[row]])[0] for row, chunk in asked])
    return documents_with(wanted, collection.texts()) > own
