"""Chunks of a document: sentences, their thirds, the title, and where else they occur."""

from hypothesis import given
from hypothesis import strategies as st

from bench.collections.collection import Document
from bench.tasks.chunks import chunks, documents_with

WORDS = st.lists(st.sampled_from(["salt", "oil", "leek", "rye"]), max_size=8)

BREAD = """Rye bread. Mix rye flour, water and salt in a bowl; rye bread needs no yeast.

Leave it for a day where it is warm. Bake it until the crust is dark and firm!"""


def test_sentences_carry_their_third_and_short_ones_are_no_chunks() -> None:
    found = chunks(Document("d", "", BREAD), shortest=5, longest=32)
    assert [chunk.third for chunk in found] == ["start", "middle", "end"]
    assert found[1].text == "Leave it for a day where it is warm."
    assert "Rye bread." not in [chunk.text for chunk in found]


def test_the_title_is_cut_out_whatever_its_case() -> None:
    found = chunks(Document("d", "Rye Bread", BREAD), shortest=2, longest=32)
    assert found[0].text == "Mix rye flour, water and salt in a bowl; needs no yeast."
    assert len(found) == 3


def test_cutting_the_title_out_does_not_make_it_anew() -> None:
    found = chunks(Document("d", "a b", "a a b b c d e"), shortest=1, longest=32)
    assert found[0].words == ("c", "d", "e")


def test_a_long_sentence_becomes_windows_without_losing_a_word() -> None:
    words = [f"w{i}" for i in range(70)]
    found = chunks(Document("d", "", " ".join(words)), shortest=5, longest=32)
    assert [len(chunk.words) for chunk in found] == [23, 23, 24]
    assert [word for chunk in found for word in chunk.words] == words
    assert [chunk.third for chunk in found] == ["start", "middle", "end"]


def test_an_empty_body_has_no_chunks() -> None:
    assert chunks(Document("d", "title", " \n"), shortest=1, longest=3) == []


@given(st.lists(WORDS.filter(bool), max_size=4), st.lists(WORDS, max_size=5))
def test_occurrences_equal_a_plain_search_for_whole_words(wanted: list[list[str]], texts: list[list[str]]) -> None:
    found = documents_with(wanted, [" ".join(words) for words in texts])
    expected = [sum(f" {' '.join(one)} " in f" {' '.join(words)} " for words in texts) for one in wanted]
    assert found.tolist() == expected
