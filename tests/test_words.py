import re
import sys
import unicodedata

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from bench.words import WORD, fold, pieces, splitter


def words(text: str, language: str = "") -> list[str]:
    return regex.findall(WORD, fold(text, language))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("தமிழ் மொழி", ["தமிழ்", "மொழி"]),
        ("বাংলা ভাষা", ["বাংলা", "ভাষা"]),
        ("ქართული ენა", ["ქართული", "ენა"]),
        ("Cafe\u0301 Zu\u0308rich", ["café", "zürich"]),
        ("Wieder\u00adholung", ["wiederholung"]),
        ("می\u200cخواهم", ["میخواهم"]),
        ("zero\u200bwidth", ["zero", "width"]),
        ("كَتَبَ كتـاب", ["كتب", "كتاب"]),
        ("שָׁלוֹם", ["שלום"]),
        ("ＡＢＣ１２", ["abc12"]),
        ("ﬁnal", ["final"]),
        ("STRASSE Straße", ["strasse", "strasse"]),
        ("ΣΊΣΥΦΟΣ Σίσυφος", ["σίσυφοσ", "σίσυφοσ"]),
        ("m² of Lipitor™", ["m²", "of", "lipitor"]),
        ("don't x_1", ["don", "t", "x_1"]),
    ],
)
def test_a_word_is_whole_in_any_script_and_one_however_it_is_written(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("turkish", ["ısparta", "istanbul"]),
        ("azerbaijani", ["ısparta", "istanbul"]),
        ("english", ["isparta", "i̇stanbul"]),
    ],
)
def test_the_case_of_letters_is_that_of_the_language(language: str, expected: list[str]) -> None:
    assert words("ISPARTA İSTANBUL", language) == expected
    assert words("ISPARTA I\u0307STANBUL", language) == expected


@given(st.text())
def test_texts_that_read_alike_are_written_alike(text: str) -> None:
    folded = fold(text)
    assert fold(unicodedata.normalize("NFD", text)) == folded
    assert unicodedata.is_normalized("NFC", folded) or "\u0640" in text


@given(st.text(st.characters(max_codepoint=0x17F, exclude_characters="ſŉ\u00ad")))
def test_latin_words_are_those_that_re_finds(text: str) -> None:
    assert regex.findall(WORD, text) == re.findall(r"\w+", text)


@given(st.text(st.characters(max_codepoint=0x7F)))
def test_the_fast_way_through_plain_text_finds_the_same(text: str) -> None:
    assert splitter()(text) == regex.findall(WORD, text) == splitter(f"(?:{WORD})")(text)


def test_letters_and_digits_are_those_of_re_as_far_as_python_knows_them() -> None:
    known = (chr(code) for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)) != "Cn")
    differing = [c for c in known if bool(regex.fullmatch(WORD, c)) != bool(re.fullmatch(r"\w", c))]
    assert differing == []


@pytest.mark.parametrize(
    ("word", "longest", "expected"),
    [
        ("harbour", 2, ["harbour"]),
        ("हिन्दी", 2, ["हिन्दी"]),
        ("한국어", 2, ["한국어"]),
        ("明月光", 2, ["明", "明月", "月", "月光", "光"]),
        ("明月光", 1, ["明", "月", "光"]),
        ("iphone手机", 2, ["iphone", "手", "手机", "机"]),
        ("がか", 1, ["が", "か"]),
        ("น้ำ", 2, ["น้", "น้ำ", "ำ"]),
    ],
)
def test_what_no_blanks_part_is_cut_into_runs_of_characters(word: str, longest: int, expected: list[str]) -> None:
    assert list(pieces(word, longest)) == expected
