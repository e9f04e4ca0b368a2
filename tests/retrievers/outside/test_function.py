"""A function is a system: by its name, from a file, or as it is."""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from bench.collections.collection import Collection
from bench.errors import BenchError
from retrievers.outside.function import Function


@pytest.fixture
def small(make_collection: Callable[..., Collection]) -> Collection:
    return make_collection({"a": "join paths", "b": "read files", "7": "close a file"})


def ids(text: str, k: int) -> list[Any]:
    return ["b", "a", 7][:k]


def pairs(text: str, k: int) -> list[tuple[str, float]]:
    return [("b", 0.5), ("a", len(text))]


def mapping(text: str, k: int) -> dict[str, float]:
    return {"a": 2.0, "7": 1.0}


def together(texts: list[str], k: int) -> list[list[str]]:
    return [["a"], ["b"]][: len(texts)]


@pytest.mark.parametrize(
    ("function", "batch", "expected"),
    [
        (ids, False, [["b", "a"], ["b", "a"]]),
        (pairs, False, [["a", "b"], ["a", "b"]]),
        (mapping, False, [["a", "7"], ["a", "7"]]),
        (together, True, [["a"], ["b"]]),
    ],
)
def test_answers_are_ids_pairs_or_mappings(function: Any, batch: bool, expected: Any, small: Collection) -> None:
    system = Function(function=function, batch=batch).fit(small)
    found = system.rankings(["one two", "three four"], 2)
    assert [small.documents.ids(rows) for _, rows, _ in found] == expected
    assert system.options()["function"] == f"{__name__}:{function.__name__}"
    assert [path.name for path in system.files()] == [Path(__file__).name]


def test_a_function_of_a_file_is_found_and_its_content_is_part_of_the_key(small: Collection, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("def search(text, k):\n    return ['a']\n")
    system = Function(function=f"{path}:search").fit(small)
    assert system.rankings(["x"]).rows.tolist() == [0]
    assert system.files() == [path]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("no_such_module:f", "no_such_module cannot be imported \\(ModuleNotFoundError"),
        ("json:dump_all", "json has no function 'dump_all'"),
        ("json:__name__", "json has no function '__name__'"),
        ("nowhere.py:f", "nowhere.py cannot be imported \\(FileNotFoundError"),
    ],
)
def test_what_is_no_function_is_told(name: str, told: str) -> None:
    with pytest.raises(BenchError, match=told):
        Function(function=name).files()


def test_a_function_without_a_name_is_refused() -> None:
    with pytest.raises(BenchError, match="define the function at the top of a module"):
        Function(function=lambda text, k: [])
    with pytest.raises(BenchError, match="function"):
        Function(function="json")


@lru_cache
def cached(text: str, k: int) -> tuple[str, ...]:
    return ("a",)


class Engine:
    def __call__(self, text: str, k: int) -> list[str]:
        return ["b"]


engine = Engine()


@pytest.mark.parametrize(("name", "expected"), [("cached", "a"), ("engine", "b")])
def test_what_is_called_like_a_function_is_one(name: str, expected: str, small: Collection) -> None:
    system = Function(function=f"{__name__}:{name}").fit(small)
    assert [small.documents.ids(rows) for _, rows, _ in system.rankings(["x"], 1)] == [[expected]]
    assert [path.name for path in system.files()] == [Path(__file__).name]


def one_text(text: str) -> list[str]:
    return ["a"]


@pytest.mark.parametrize(("batch", "told"), [(False, "a text and k"), (True, "all texts in a list")])
def test_a_function_of_other_arguments_is_told_before_it_is_asked(batch: bool, told: str, small: Collection) -> None:
    with pytest.raises(BenchError, match=f"one_text does not take .*{told}.*too many positional arguments"):
        Function(function=one_text, batch=batch).fit(small).rankings(["x"])


def wrong(text: str, k: int) -> Any:
    return "a"


def unknown(text: str, k: int) -> Any:
    return ["nowhere"]


def test_what_is_no_answer_is_refused(small: Collection) -> None:
    with pytest.raises(BenchError, match="the answer is the text 'a'"):
        Function(function=wrong).fit(small).rankings(["x"])
    with pytest.raises(BenchError, match="the unknown document 'nowhere'"):
        Function(function=unknown).fit(small).rankings(["x"])
