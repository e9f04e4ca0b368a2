"""LIMIT with hard negatives: for each answer, texts that hold its words and say that it is not so.

A construction of this project. After Weller et al. 2025 (arXiv 2508.21038), whose collection a system that compares
words solves; 2604.05764 reports that lexical distractors change that, and this is not its data set.
"""

from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from pydantic import Field

from bench.collections.collection import Document
from bench.collections.sources.limit import Limit, describe, enumerated
from bench.collections.writer import CollectionWriter
from bench.progress import Progress


class Form(NamedTuple):
    """A sentence with places for a person and things, and two words: one makes it true, the other false."""

    sentence: str
    true: str
    false: str

    def says(self, word: str, person: str, things: list[str]) -> str:
        """The sentence with one of the two words."""
        return self.sentence.format(word=word, person=person, things=enumerated(things))


FORMS = (
    Form("It is {word} that {person} likes {things}.", "true", "false"),
    Form("It is a {word} that {person} likes {things}.", "fact", "myth"),
    Form("{person} {word} likes {things}.", "always", "never"),
    Form("Those who say that {person} likes {things} are {word}.", "right", "wrong"),
)


class LimitNegations(Limit):
    """LIMIT in which each of the 46 people has distractors too: the same name and the same things, and a negation.

    Each distractor is of one of four forms, "It is false that Ada likes ...", "It is a myth that Ada likes ...",
    "Ada never likes ...", "Those who say that Ada likes ... are wrong.", and the answer is of one of them too, with
    `true`, `fact`, `always` or `right`. So neither length nor any word but that one tells the 2 right documents from
    the 2 * `negations` others that hold what is asked for. Ids are numbers in random order, so that ties are broken
    at random too.
    """

    negations: int = Field(4, ge=1, le=len(FORMS), description="distractors of each of the 46 people")

    def read(self, writer: CollectionWriter, progress: Progress) -> None:
        """Write the documents in the order of their ids, then the queries with two judgements each."""
        world, random = self.world(), Random(f"negations {self.seed}")
        answers = {person for pair in world.pairs for person in pair}
        written: list[tuple[str, str]] = []
        for person, liked in world.likes:
            if person in answers:
                form = random.choice(FORMS)
                written.append((person, form.says(form.true, person, liked)))
                written += [("", text) for text in self._distractors(person, liked, random)]
            else:
                written.append((person, describe(person, liked)))
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
            yield form.says(form.false, person, random.sample(liked, len(liked)))
