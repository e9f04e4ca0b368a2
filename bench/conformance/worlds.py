"""Tiny collections of every kind, on which a plugin is checked."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.collections.collection import Collection, Document, Rules, read_collection
from bench.collections.sources.sequences import Item, SequenceSource
from bench.collections.writer import CollectionWriter
from bench.progress import Progress

TEXTS = {
    "join": "Join two or more path components, inserting a slash where needed. An absolute part drops the rest.",
    "split": "Split a path into its head and its tail. The tail never holds a slash; the head is all before it.",
    "exists": "Whether a path refers to a file or folder that exists. Broken links count as absent.",
    "mean": "The arithmetic mean of numbers: their sum divided by how many there are.",
    "median": "The middle value of sorted numbers; of an even count, the mean of the two in the middle.",
    "deviation": "The square root of the sample variance: how far numbers lie from their mean.",
    "sleep": "Suspend the calling thread for a number of seconds. A signal may wake it earlier.",
    "monotonic": "Seconds of a clock that never goes backwards, whatever happens to the time of day.",
    "compress": "Compress bytes with the deflate algorithm. A higher level is slower and gives fewer bytes.",
    "inflate": "Restore bytes that were compressed, and raise an error if they are damaged or cut short.",
    "encode": "Turn a text into bytes by an encoding such as UTF-8; what it lacks raises an error.",
    "decode": "Turn bytes into a text by an encoding; bytes that it cannot read raise an error.",
    "queue": "Take the oldest entry from the queue, waiting until there is one or the time is over.",
    "thread": "Start a thread of control that calls a function and ends when the function returns.",
    "lock": "Hold a lock, so that one thread at a time enters the block that follows.",
    "search": "Scan a text for the first place where a regular expression matches, and give the match.",
}
"""Short texts as a library's documentation has them."""

QUESTIONS = {
    "join": "put path components together with a slash",
    "median": "which value is in the middle of sorted numbers",
    "sleep": "wait for some seconds",
    "compress": "make bytes fewer with deflate",
    "decode": "read bytes as a text",
    "search": "find the first match of a regular expression",
    "lock": "let one thread at a time enter a block",
    "exists": "is there a file at a path",
}
"""A question for some of the texts."""

SPLIT_OF = {"join": "train", "median": "train", "sleep": "train", "lock": "dev", "exists": "dev"}
"""Questions that are not of the split `test`."""

ODD_IDS = (
    "with two  blanks",
    "../up",
    "naïve",
    "nai\N{COMBINING DIAERESIS}ve",  # the same letters, decomposed
    "日本語",
    "עברית",
    "🙂",
    "a,b",
    "'quoted'",
    '"double"',
    "#1",
    "%20",
    "[bold]",
    "-1",
    "x" * 300,
    "0",
)
"""Ids that a table, a path or a shell could trip over."""


def search_world(folder: Path) -> Collection:
    """Texts and questions, in the splits train, dev and test."""
    return _written(folder, "tiny-search", _documents(), QUESTIONS, {})


def rejudged_world(folder: Path) -> Collection:
    """The same, but other texts answer the questions of the split `test`."""
    wrong = {name: "queue" for name in QUESTIONS if name not in SPLIT_OF}
    return _written(folder, "tiny-rejudged", _documents(), QUESTIONS, wrong)


def unlearnt_world(folder: Path) -> Collection:
    """The same with the questions of the split `test` alone, so that there is nothing to learn from."""
    asked = {name: text for name, text in QUESTIONS.items() if name not in SPLIT_OF}
    return _written(folder, "tiny-unlearnt", _documents(), asked, {})


def renamed_world(folder: Path) -> Collection:
    """The same texts and questions under ids that are hard to carry."""
    documents = [Document(ODD_IDS[row], "", text) for row, text in enumerate(TEXTS.values())]
    names = dict(zip(TEXTS, ODD_IDS, strict=True))
    return _written(folder, "tiny-ids", documents, QUESTIONS, {name: names[name] for name in QUESTIONS})


def one_document_world(folder: Path) -> Collection:
    """A collection of one text."""
    return _written(folder, "tiny-single", [Document("join", "", TEXTS["join"])], {"join": QUESTIONS["join"]}, {})


def duplicates_world(folder: Path) -> Collection:
    """The same text many times, a text without a word, and one that is empty."""
    repeated = [Document(f"copy {number}", "", TEXTS["join"]) for number in range(5)]
    documents = [
        *repeated,
        Document("signs", "", "?! ... --"),
        Document("empty", "", ""),
        Document("join", "", "join"),
    ]
    return _written(folder, "tiny-copies", documents, {"join": QUESTIONS["join"]}, {})


def sequence_world(folder: Path) -> Collection:
    """Users who call one function after another; the items are the texts."""
    names = list(TEXTS)
    sequences = {
        f"user {user}": [names[(user + step * (1 + user % 3)) % len(names)] for step in range(4 + user % 4)]
        for user in range(12)
    }
    with CollectionWriter(folder) as writer:
        items = [Item(Document(name, name, text), name) for name, text in TEXTS.items()]
        _Sequences().write(writer, items, sequences)
    return read_collection(folder, "tiny-sequences", Rules())


KINDS: Mapping[str, Callable[[Path], Collection]] = {"search": search_world, "sequences": sequence_world}
"""What a retriever may be asked: to search, or what comes next."""


class _Sequences(SequenceSource):
    def state(self) -> dict[str, Any]:
        return {}

    def read(self, writer: CollectionWriter, progress: Progress) -> None:
        raise NotImplementedError


def _documents() -> list[Document]:
    return [Document(name, "", text) for name, text in TEXTS.items()]


def _written(
    folder: Path, name: str, documents: Sequence[Document], questions: Mapping[str, str], judged: Mapping[str, str]
) -> Collection:
    """A collection in which every question has one relevant document, its own unless `judged` names another."""
    with CollectionWriter(folder) as writer:
        for document in documents:
            writer.document(document, document.id)
        for question, text in questions.items():
            writer.query(_split(question, questions), question, text, question)
        for question in questions:
            writer.judgement(_split(question, questions), question, judged.get(question, question), 1, question)
    return read_collection(folder, name, Rules())


def _split(question: str, questions: Mapping[str, str]) -> str:
    return SPLIT_OF.get(question, "test") if len(questions) > 1 else "test"
