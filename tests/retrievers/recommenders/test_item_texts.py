"""What stands in the two parts of an item's text."""

from collections.abc import Callable

from bench.collections.collection import Collection, Document
from retrievers.recommenders.item_texts import described


def test_a_text_has_a_title_and_a_description(make_collection: Callable[..., Collection]) -> None:
    documents = [
        Document("a", "os.rename", "Rename a file."),
        Document("b", "", "Rename a file.\n\nIf it is there, raise an error."),
        Document("c", "posix.stat", ""),
        Document("d", "copy", "copy a file"),
        Document("e", "", ""),
        Document("f", "Cat", "Cats are animals."),
        Document("g", "Cat", "Cat: an animal."),
    ]
    assert described(make_collection(documents)) == [
        ("os.rename", "Rename a file."),
        ("Rename a file.", "If it is there, raise an error."),
        ("posix.stat", ""),
        ("copy", "a file"),
        ("", ""),
        ("Cat", "Cats are animals."),
        ("Cat", ": an animal."),
    ]


def test_what_the_rules_leave_out_is_not_read(make_collection: Callable[..., Collection]) -> None:
    document = Document("a", "os.rename", "Rename a file.\nOr a folder.")
    assert described(make_collection([document], text="{title}")) == [("os.rename", "")]
    assert described(make_collection([document], text="{text}")) == [("Rename a file.", "Or a folder.")]
