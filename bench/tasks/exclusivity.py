"""Does the beginning of a document bring that document back? (Chen et al. 2023)"""

import hashlib
from collections.abc import Sequence
from typing import Annotated

import numpy as np
from pydantic import Field, field_validator

from bench.collections.collection import Collection, Query
from bench.errors import BenchError
from bench.tasks.probes import Asked, Draw, OwnDocument


class Exclusivity(OwnDocument):
    """The first N words of a document have to bring that document back.

    Words are separated by white space, so that N means the same to every system. The same documents are
    asked for with every N: those that have so many words and share none of these beginnings with another.
    The control asks with the middle N.
    """

    lengths: tuple[Annotated[int, Field(ge=2)], ...] = Field(
        (16, 32, 64), min_length=1, description="numbers N of words asked, e.g. [16, 32]"
    )
    dropped: float = Field(
        0.15, ge=0, lt=1, description="share of the words left out at random in the control; 0: no control"
    )

    @field_validator("lengths")
    @classmethod
    def _in_order(cls, lengths: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(sorted(set(lengths)))

    def groups(self) -> Sequence[str]:
        control = [f"N={self._middle} dropped"] if self.dropped else []
        return [*(f"N={length}" for length in self.lengths), *control]

    def columns(self) -> Sequence[str]:
        control = [f"Hits@1 N={self._middle} dropped"] if self.dropped else []
        others = [f"Hits@1 N={length}" for length in self.lengths if length != self._middle]
        return [f"Hits@1 N={self._middle}", f"MRR@10 N={self._middle}", *control, *others]

    @property
    def _middle(self) -> int:
        return self.lengths[len(self.lengths) // 2]

    def draw(self, collection: Collection) -> Draw:
        facts: dict[str, int] = {}
        eligible = np.ones(len(collection), dtype=bool)
        for length in self.lengths:
            beginnings = _beginnings(collection.texts(), length)
            short = beginnings == b""
            shared = _repeated(beginnings) & ~short
            facts |= {f"shorter N={length}": int(short.sum()), f"not unique N={length}": int(shared.sum())}
            eligible &= ~short & ~shared
        rows = np.flatnonzero(eligible)
        if not len(rows):
            raise BenchError(
                f"{collection.name}: no document has {self.lengths[-1]} words and a beginning of its own; "
                "choose smaller `lengths` for the task exclusivity"
            )
        generator = np.random.default_rng(self.seed)
        chosen = np.sort(generator.choice(rows, min(self.sample, len(rows)), replace=False))
        asked = [one for row in chosen for one in self._questions_of(collection, int(row))]
        return Draw(asked, {"documents": len(chosen), "eligible": len(rows)} | facts)

    def _questions_of(self, collection: Collection, row: int) -> list[Asked]:
        words, document_id = collection.texts()[row].split(), collection.documents[row].id
        asked = []
        for length in self.lengths:
            kept = words[:length]
            asked.append(Asked(Query(f"N={length} whole {document_id}", " ".join(kept)), row, (f"N={length}",)))
            if self.dropped and length == self._middle:
                fewer = _drop(kept, self.dropped, np.random.default_rng([self.seed, row, length]))
                query = Query(f"N={length} dropped {document_id}", " ".join(fewer))
                asked.append(Asked(query, row, (f"N={length} dropped",)))
        return asked

    def definition(self, collection: Collection, draw: Draw) -> str:
        facts = draw.facts
        lengths = "/".join(map(str, self.lengths))
        short = "/".join(str(facts[f"shorter N={length}"]) for length in self.lengths)
        shared = "/".join(str(facts[f"not unique N={length}"]) for length in self.lengths)
        control = f"; dropped: {self.dropped:.0%} of {self._middle} left out at random" if self.dropped else ""
        return (
            f"the first N words of a document's text have to bring it back; mean over {facts['documents']} of the "
            f"{facts['eligible']:,} documents that qualify for every N (seed {self.seed}); of {len(collection):,}, "
            f"shorter than {lengths} words: {short}, longer but with the same first words as another: {shared}"
            f"{control}; a lexical index holds every word, so bm25's row says what is there to be found"
        )


def _beginnings(texts: Sequence[str], length: int) -> np.ndarray:
    """Shape [documents]: a digest of each text's first `length` words, empty for a text that has fewer."""
    digests = np.zeros(len(texts), dtype="S16")
    for row, text in enumerate(texts):
        words = text.split(None, length)[:length]
        if len(words) == length:
            data = " ".join(words).encode("utf-8", "surrogatepass")
            digests[row] = hashlib.blake2b(data, digest_size=16).digest()
    return digests


def _repeated(values: np.ndarray) -> np.ndarray:
    """Mask of the values that occur more than once."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return counts[place] > 1


def _drop(words: Sequence[str], share: float, generator: np.random.Generator) -> list[str]:
    """The words without a share of them, but at least one, chosen at random."""
    number = min(max(round(share * len(words)), 1), len(words) - 1)
    left_out = set(generator.choice(len(words), number, replace=False).tolist())
    return [word for position, word in enumerate(words) if position not in left_out]
