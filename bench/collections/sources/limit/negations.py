"""LIMIT with hard negatives: for each answer, texts that hold its words and say that it is not so.

A construction of this project. After Weller et al. 2025 (arXiv 2508.21038), whose collection a system that compares
words solves; 2604.05764 reports that lexical distractors change that, and this is not its data set.
"""

from collections.abc import Callable, Iterator
from random import Random

from pydantic import Field

from bench.collections.collection import Document
from bench.collections.sources.limit import Limit, describe, enumerated
from bench.collections.writer import CollectionWriter
from bench.progress import Progress

FORMS: tuple[Callable[[str, str], str], ...] = (
    lambda person, things: f"{person} does not like {things}.",
    lambda person, things: f"It is not true that {person} likes {things}.",
    lambda person, things: f"Nobody whom {person} knows likes {things}.",
    lambda person, things: f"{person} has never liked {things}.",
)
"""What a distractor says of a person and of the things that this person likes."""


class LimitNegations(Limit):
    """LIMIT in which each of the 46 people has distractors too: the same name and the same things, and a negation.

    Each is of one of four forms: "Ada does not like ...", "It is not true that Ada likes ...", "Nobody whom Ada knows
    likes ...", "Ada has never liked ...". So 2 of the 2 + 2 * `negations` documents that hold what is asked for are
    right, and order among them is chance for a system that only compares words. Ids are numbers in random order, so
    that ties are broken at random too.
    """

    negations: int = Field(4, ge=1, le=len(FORMS), description="distractors of each of the 46 people")

    def read(self, writer: CollectionWriter, progress: Progress) -> None:
        """Write the documents in the order of their ids, then the queries with two judgements each."""
        world, random = self.world(), Random(f"negations {self.seed}")
        answers = {person for pair in world.pairs for person in pair}
        written: list[tuple[str, str]] = []
        for person, liked in world.likes:
            written.append((person, describe(person, liked)))
            if person in answers:
                written += [("", text) for text in self._distractors(person, liked, random)]
        random.shuffle(written)
        ids = {}
        for number, (person, text) in enumerate(written):
            ids[person] = f"text_{number:06}"
            writer.document(Document(ids[person], "", text), person)
            if number % 5000 == 0:
                progress("writing texts", number, len(written))
        world.ask(writer, ids)

    def _distractors(self, person: str, liked: list[str], random: Random) -> Iterator[str]:
        for form in random.sample(FORMS, self.negations):
            yield form(person, enumerated(random.sample(liked, len(liked))))
