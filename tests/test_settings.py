"""NAME=VALUE is read the same everywhere."""

from typing import Any

import pytest

from bench.errors import BenchError
from bench.settings import merge, nest, parse_query, parse_setting, parse_settings, parse_value, unnest


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("-0.5", -0.5),
        ("1e-3", 1e-3),
        ("none", None),
        ("null", None),
        ("true", True),
        ("False", False),
        ('["first", 2]', ["first", 2]),
        ("['first']", ["first"]),
        ("{a = 1}", {"a": 1}),
        ('{"a": [null]}', {"a": [None]}),
        ('"3"', "3"),
        ("first", "first"),
        ("{title} {text}", "{title} {text}"),
        ("[a-z]+", "[a-z]+"),
        ("NaN", "NaN"),
        ("", ""),
        ("2020-01-01", "2020-01-01"),
        ("9" * 5000, "9" * 5000),
        ("[" * 5000, "[" * 5000),
    ],
)
def test_a_value_is_a_number_a_word_a_list_or_a_table_or_else_text(text: str, value: Any) -> None:
    assert parse_value(text) == value


@pytest.mark.parametrize(
    ("spec", "parsed"),
    [
        ("bm25", ("bm25", {})),
        ("bm25?k1=0.9&b=0.4", ("bm25", {"k1": "0.9", "b": "0.4"})),
        ("beir:a b?text={title} {text}", ("beir:a b", {"text": "{title} {text}"})),
        ("x?pattern=a%26b=c?", ("x", {"pattern": "a&b=c?"})),
        ("x?empty=", ("x", {"empty": ""})),
    ],
)
def test_options_follow_a_name(spec: str, parsed: tuple[str, dict[str, str]]) -> None:
    assert parse_query(spec) == parsed


@pytest.mark.parametrize("spec", ["x?", "x?a", "x?a=1&", "x?=1"])
def test_a_malformed_option_is_refused(spec: str) -> None:
    with pytest.raises(BenchError, match="options are written"):
        parse_query(spec)


def test_an_option_given_twice_is_refused() -> None:
    with pytest.raises(BenchError, match="'gains' is given 2 times; give it once"):
        parse_query("beir:x?gains=exponential&gains=linear")
    with pytest.raises(BenchError, match="--set: 'sample' is given 2 times"):
        parse_settings(["sample=1", "sample=2"], "OPTION=VALUE")


def test_a_setting_without_a_name_or_a_value_shows_an_example() -> None:
    assert parse_setting("bm25.k1 = 3", "") == ("bm25.k1", " 3")
    for text in ("k1", "=3"):
        with pytest.raises(BenchError, match="write OPTION=VALUE, as in sample=40"):
            parse_setting(text, "OPTION=VALUE, as in sample=40")


def test_dotted_names_are_tables_and_tables_are_merged() -> None:
    assert nest({"a.b.c": 1, "a": {"d": 2}, "e": 3}) == {"a": {"b": {"c": 1}, "d": 2}, "e": 3}
    assert unnest({"a": {"b": {"c": 1}, "d": 2}, "e": 3}) == {"a.b.c": 1, "a.d": 2, "e": 3}
    assert merge({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}}) == {"a": {"b": 3, "c": 2}}
    assert merge({"a": {"b": 1, "c": 2}}, {"a": "{b = 3}"}) == {"a": {"b": 3, "c": 2}}
