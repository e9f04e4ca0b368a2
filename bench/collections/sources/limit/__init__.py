"""LIMIT: every pair of 46 people shares something that they like, and a query asks for it.

Weller et al. 2025, "On the Theoretical Limitations of Embedding-Based Retrieval" (arXiv 2508.21038). With
nearly all pairs of documents as answers, a single vector per text has too few dimensions to tell them apart,
while a system that compares words finds each pair at once.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import combinations
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from pydantic import Field

from bench.collections.collection import Document
from bench.collections.sources import Source
from bench.collections.writer import CollectionWriter
from bench.digests import digest_file
from bench.progress import Progress

RELEVANT_DOCUMENTS = 46
QUERIES = 1000

_FOLDER = Path(__file__).parent
_LISTS = ("attributes", "first_names", "last_names")


class Limit(Source):
    """People and what they like: "Who likes quokkas?" has exactly two right answers.

    The 1,000 queries ask for 1,000 attributes, each liked by one of 1,000 distinct pairs out of the 1,035
    that 46 people form, and by nobody else. Attributes that no query asks for fill every document up to
    `likes` and make up the documents beyond the 46. No two attributes share a word or a stem. Names and attributes
    are lists of this project, so figures resemble those of the published data set without being comparable
    to them. All queries are in the split `test`; a document's id is the person's name.
    """

    documents: int = Field(
        RELEVANT_DOCUMENTS,
        ge=RELEVANT_DOCUMENTS,
        le=50_000,
        description="number of people; those beyond 46 are never an answer",
    )
    likes: int = Field(50, ge=RELEVANT_DOCUMENTS - 1, le=500, description="number of attributes in a document")
    seed: int = Field(0, ge=0, lt=2**31, description="feeds every random choice")

    def state(self) -> dict[str, Any]:
        """Digests of the word lists."""
        return {name: digest_file(_FOLDER / f"{name}.txt") for name in _LISTS}

    def read(self, writer: CollectionWriter, progress: Progress) -> None:
        """Write the people in the order of their names, then the queries with two judgements each."""
        world = self.world()
        for done, (person, liked) in enumerate(world.likes):
            writer.document(Document(person, "", describe(person, liked)), person)
            if done % 5000 == 0:
                progress("writing people", done, self.documents)
        world.ask(writer, {person: person for pair in world.pairs for person in pair})

    def world(self) -> "World":
        """Who likes what, and what is asked."""
        random = Random(self.seed)
        attributes = random.sample(words("attributes"), len(words("attributes")))
        queried, others = attributes[:QUERIES], attributes[QUERIES:]
        people = self._people(random)
        pairs = random.sample(list(combinations(people[:RELEVANT_DOCUMENTS], 2)), QUERIES)
        asked_of: dict[str, list[str]] = {person: [] for person in people}
        for attribute, pair in zip(queried, pairs, strict=True):
            for person in pair:
                asked_of[person].append(attribute)
        return World(queried, pairs, self._likes(asked_of, others, random))

    def _likes(
        self, asked_of: Mapping[str, list[str]], others: Sequence[str], random: Random
    ) -> Iterator[tuple[str, list[str]]]:
        for person in sorted(asked_of):
            liked = asked_of[person] + random.sample(others, self.likes - len(asked_of[person]))
            random.shuffle(liked)
            yield person, liked

    def _people(self, random: Random) -> list[str]:
        """Distinct full names in random order; the first 46 are those that queries ask for."""
        first, last = words("first_names"), words("last_names")
        chosen = random.sample(range(len(first) * len(last)), self.documents)
        return [f"{first[number % len(first)]} {last[number // len(first)]}" for number in chosen]


class World(NamedTuple):
    """People and what they like.

    queried: the attributes that are asked for
    pairs: the two people who like each of them
    likes: each person with all that this person likes, in the order of names; can be read once
    """

    queried: Sequence[str]
    pairs: Sequence[tuple[str, str]]
    likes: Iterator[tuple[str, list[str]]]

    def ask(self, writer: CollectionWriter, ids: Mapping[str, str]) -> None:
        """Write the queries, and that the documents of two people, which have these ids, are the answers."""
        for number, attribute in enumerate(self.queried):
            writer.query("test", f"query_{number}", f"Who likes {attribute}?", attribute)
        for number, pair in enumerate(self.pairs):
            for person in pair:
                writer.judgement("test", f"query_{number}", ids[person], 1, self.queried[number])


@cache
def words(name: str) -> tuple[str, ...]:
    """One of the word lists: "attributes", "first_names" or "last_names"."""
    lines = (_FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return tuple(line for line in lines if not line.startswith("#"))


def describe(person: str, liked: list[str]) -> str:
    """The text of a document: `Ada Durben likes figs, yaks and judo.`"""
    return f"{person} likes {enumerated(liked)}."


def enumerated(things: list[str]) -> str:
    """`figs, yaks and judo`."""
    return f"{', '.join(things[:-1])} and {things[-1]}"
