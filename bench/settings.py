"""NAME=VALUE, the one way in which options are written: after `--set`, and after the `?` of a name.

A value stays text until the option that it is for is known: `123` is a number to one and a model's name to
another (`bench.options`).
"""

import json
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from bench.errors import BenchError

_WORDS: dict[str, Any] = {"none": None, "null": None, "true": True, "false": False}


def parse_value(text: str) -> Any:
    """What a value is if it need not be text: a number, true, false, none, a list `["a", 1]` or a table `{ a = 1 }`.

    Whatever is none of these is text. Lists and tables are JSON or TOML.
    """
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    try:
        return json.loads(text, parse_constant=str)
    except (ValueError, RecursionError):
        pass
    if text[:1] in "[{\"'" and "\n" not in text:
        try:
            return tomllib.loads(f"value = {text}")["value"]
        except (ValueError, RecursionError):
            pass
    return text


def parse_setting(setting: str, example: str, flag: str = "--set") -> tuple[str, str]:
    """Name and value of `NAME=VALUE`. Raises BenchError, which shows the flag and the example."""
    name, equals, value = setting.partition("=")
    if not (name.strip() and equals):
        raise BenchError(f"{flag} {setting}: write {example}")
    return name.strip(), value


def parse_settings(settings: list[str], example: str, flag: str = "--set") -> dict[str, str]:
    """Several of them. Raises BenchError for a name that is given twice."""
    return _unique([parse_setting(setting, example, flag) for setting in settings], flag)


def parse_query(spec: str) -> tuple[str, dict[str, str]]:
    """`NAME?OPTION=VALUE&OPTION=VALUE`: the name, and the options with their values as text.

    `%26` stands for `&` and so on, as in an address. Raises BenchError for an option without `=` or given twice.
    """
    base, mark, query = spec.partition("?")
    if not mark:
        return base, {}
    pairs = [tuple(map(unquote, part.split("=", 1))) for part in query.split("&")]
    if not all(len(pair) == 2 and pair[0] for pair in pairs):
        raise BenchError(f"'{spec}': options are written ?name=value&name=value")
    return base, _unique([(pair[0], pair[1]) for pair in pairs], f"'{spec}'")


def _unique(pairs: list[tuple[str, str]], where: str) -> dict[str, str]:
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise BenchError(f"{where}: '{name}' is given {names.count(name)} times; give it once")
    return dict(pairs)


def nest(values: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted names as tables: {"training.epochs": 3} is {"training": {"epochs": 3}}."""
    nested: dict[str, Any] = {}
    for name, value in values.items():
        head, dot, rest = str(name).partition(".")
        nested = merge(nested, {head: nest({rest: value}) if dot else value})
    return nested


def unnest(values: Mapping[str, Any]) -> dict[str, Any]:
    """Tables as dotted names, which `nest` takes apart again."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        parts = unnest(value) if isinstance(value, Mapping) else {"": value}
        flat |= {f"{name}.{rest}" if rest else name: part for rest, part in parts.items()}
    return flat


def merge(base: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Both, where `more` wins; tables are merged name by name, and into the systems that text or a list names."""
    merged = dict(base)
    for name, value in more.items():
        old = merged.get(name)
        new = parse_value(value) if isinstance(old, Mapping) and isinstance(value, str) else value
        merged[name] = merge(as_table(old), new) if isinstance(new, Mapping) else value
    return merged


RETRIEVER = "retriever"
"""The key of a table that names a system; every other one is an option of it."""


def as_table(value: Any) -> dict[str, Any]:
    """What more settings can be merged into.

    `bm25` is the table of that system, and `["bm25", "sbert"]` has a table for each by its name. What is neither a
    table nor names systems is an empty one. Raises BenchError for a list that names one twice.
    """
    given = parse_value(value) if isinstance(value, str) else value
    if isinstance(given, Mapping):
        return dict(given)
    if isinstance(given, str):
        return {RETRIEVER: given}
    if not isinstance(given, list | tuple):
        return {}
    tables = [as_table(one) for one in given]
    named = by_name([str(table.get(RETRIEVER, "")).partition("?")[0] for table in tables], tables)
    return named if all(named) else {}


def by_name(names: Sequence[str], parts: Sequence[Any]) -> dict[str, Any]:
    """Parts by their names. Raises BenchError for a name that two of them have."""
    for name in names:
        if names.count(name) > 1:
            raise BenchError(f"two parts are called '{name}'; name them, as {{ first = \"{name}\", second = ... }}")
    return dict(zip(names, parts, strict=True))
