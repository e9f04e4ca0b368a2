"""Does a key sentence from anywhere in a document bring that document back? (Chen et al. 2023)"""

from collections.abc import Sequence

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

    The same documents are asked for by all three thirds. Titles are never part of a question.
    """

    selector: SelectorName = Field("tf-idf", description="what chooses the key sentence of each third")
    shortest: int = Field(5, ge=2, description="words that a sentence has at least")
    longest: int = Field(32, ge=2, description="words after which a sentence is cut into windows")

    @model_validator(mode="after")
    def _shortest_first(self) -> "Completeness":
        if self.shortest > self.longest:
            raise ValueError("shortest must not exceed longest")
        return self

    def weights(self) -> list[str]:
        return [MINILM] if self.selector == "attention" else []

    def groups(self) -> Sequence[str]:
        return ["", *THIRDS]

    def columns(self) -> Sequence[str]:
        return ["Hits@1", "Hits@10", "MRR@10", *(f"Hits@1 {third}" for third in THIRDS)]

    def instrument(self) -> Instrument | None:
        if self.selector != "attention":
            return None
        return Instrument("selector", "all-MiniLM-L6-v2's attention", find_weights(MINILM).digest)

    def draw(self, collection: Collection) -> Draw:
        if "{text}" not in collection.rules.text:
            raise BenchError(f"{collection.name} is read without its {{text}}, of which completeness asks sentences")
        documents, looked_at = self._sample(collection)
        parts = list(documents.values())
        scores = SELECTORS[self.selector](collection, [[chunk.text for chunk in found] for found in parts])
        asked = [
            (row, _best(found, values, third))
            for (row, found), values in zip(documents.items(), scores, strict=True)
            for third in THIRDS
        ]
        elsewhere = _held_elsewhere(asked, collection)
        facts = {
            "documents": len(documents),
            "without a sentence in each third": looked_at - len(documents),
            "in another document too": int(elsewhere.sum()),
        }
        kept = [one for one, left_out in zip(asked, elsewhere, strict=True) if not left_out]
        if not kept:
            raise BenchError(f"{collection.name}: every key sentence occurs in two documents; none can be asked")
        questions = [
            Asked(Query(f"{chunk.third} {collection.documents[row].id}", chunk.text), row, chunk.third)
            for row, chunk in kept
        ]
        return Draw(questions, facts)

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
        return (
            f"the sentence (or {self.longest}-word window) with the {_WORDS[self.selector]} of each third of a "
            f"document has to bring it back, the title's words left out; mean over {len(draw.asked)} sentences of "
            f"{draw.facts['documents']} documents (seed {self.seed}); left out: "
            f"{draw.facts['in another document too']} sentences that occur in another document too, "
            f"{draw.facts['without a sentence in each third']} documents drawn that lack one of {self.shortest} "
            "words in some third"
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
