"""A function of one's own as a system."""

import importlib
import importlib.util
import sys
from collections.abc import Callable, Sequence
from functools import cached_property
from inspect import getsourcefile, isclass, isroutine, signature, unwrap
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import Field, field_validator

from bench.collections.collection import Query
from bench.errors import BenchError
from bench.rankings import Rankings
from retrievers.outside.outside import Kept


class Function(Kept):
    """`f(text, k)`, which gives ids from the best on, (id, score) pairs, or {id: score}.

    In Python the function itself may be given. The content of its file is part of the cell's key.
    """

    function: str = Field(pattern=r".+:.+", description="module:function, or file.py:function")
    batch: bool = Field(False, description="the function takes all texts in a list, and gives a list of answers")

    @field_validator("function", mode="before")
    @classmethod
    def _by_its_name(cls, given: Any) -> Any:
        if not callable(given):
            return given
        name = f"{given.__module__}:{given.__qualname__}"
        try:
            found = _found(name)
        except BenchError:
            found = None
        if found is not given:
            raise ValueError(f"{name} cannot be found by its name; define the function at the top of a module")
        return name

    @cached_property
    def _call(self) -> Callable[..., Any]:
        found = _found(self.function)
        try:
            signature(found).bind("text", 1)
        except TypeError as error:
            takes = "texts and k, all texts in a list" if self.batch else "a text and k"
            raise BenchError(f"{self.function} does not take {takes} ({error}); let it take these two") from None
        except ValueError:  # some functions of C tell nothing of their arguments
            pass
        return found

    def files(self) -> list[Path]:
        call = unwrap(self._call)
        source = getsourcefile(call if isroutine(call) or isclass(call) else type(call))
        return [Path(source)] if source and Path(source).is_file() else []

    def retrieve(self, queries: Sequence[Query], k: int) -> Rankings:
        texts = [query.text for query in queries]
        answers = self._call(texts, k) if self.batch else [self._call(text, k) for text in texts]
        return self.ranked(queries, answers)


def _found(name: str) -> Callable[..., Any]:
    """The function of a module or of a file. Raises BenchError if there is none."""
    place, _, attribute = name.rpartition(":")
    found: Any = _module(place)
    for part in attribute.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        raise BenchError(f"{place} has no function '{attribute}'; give module:function or file.py:function")
    function: Callable[..., Any] = found
    return function


def _module(place: str) -> ModuleType:
    try:
        return _of_file(Path(place).resolve()) if place.endswith(".py") else importlib.import_module(place)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise BenchError(
            f"{place} cannot be imported ({reason}); give module:function or file.py:function"
        ) from error


def _of_file(path: Path) -> ModuleType:
    name = f"bench_function_{path.stem}_{abs(hash(path))}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise ImportError(f"{path} is no Python file")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        sys.modules[name] = module
    return sys.modules[name]
