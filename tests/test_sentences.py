"""Where sentences end, in scripts of several kinds, and which of them say most."""

import numpy as np
import pytest

from bench.errors import BenchError
from bench.sentences import sentences, textrank

ENGLISH = "The port opens at dawn. Ships wait outside! Who lets them in? The harbour master:\nshe has the list."


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (ENGLISH, 5),
        ("港口在黎明开放。船在外面等候！谁让他们进来？", 3),
        ("港は夜明けに開く。船は外で待つ。", 2),
        ("बंदरगाह भोर में खुलता है। जहाज़ बाहर रुकते हैं। सूची किसके पास है?", 3),
        ("بندرگاہ صبح کھلتی ہے۔ جہاز باہر رکتے ہیں؟ فہرست", 3),
        ("version 3.11 of v1.2:3 at https://example.org/a?b=c", 1),
        ("one\n\ntwo", 2),
        ("", 0),
    ],
)
def test_a_sentence_ends_as_its_script_ends_one(text: str, number: int) -> None:
    found = sentences(text)
    assert len(found) == number
    assert "".join("".join(found).split()) == "".join(text.split())


def test_without_a_language_all_words_count() -> None:
    parts = ["the ship and the quay", "the ship at sea", "a list"]
    assert textrank(parts, "none").shape == (3,)
    assert not np.allclose(textrank(parts, "none"), textrank(parts, "english"))


def test_a_language_without_stop_words_names_the_remedy() -> None:
    with pytest.raises(BenchError, match=r"no stop words for 'klingon'; give the collection \?language=none"):
        textrank(["one", "two"], "klingon")
