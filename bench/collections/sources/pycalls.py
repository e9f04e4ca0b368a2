"""A recommendation collection that every machine has: which library function comes next in a function's body."""

import gc
import platform
import sys
import sysconfig
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import groupby
from multiprocessing import get_all_start_methods, get_context
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import Field

from bench.collections.collection import Document
from bench.collections.sources.calls import Library, Module, read_module
from bench.collections.sources.packages import (
    NOT_THE_LIBRARY,
    installed_versions,
    module_name,
    package_root,
    parse_module,
    python_files,
    stable_hash,
)
from bench.collections.sources.protocols import SPLITS
from bench.collections.sources.sequences import Item, SequenceSource, core_of
from bench.collections.writer import CollectionWriter
from bench.errors import BenchError
from bench.machine import usable_cores
from bench.progress import Progress

_PACKAGES = ("numpy", "scipy", "sklearn", "pandas")
_ROOTS = sys.stdlib_module_names | set(_PACKAGES)

_FOR_TESTS = (
    *("unittest", "doctest", "warnings", "test"),
    *("numpy.testing", "numpy.ma.testutils", "pandas._testing", "sklearn.utils._testing"),
)
_TEST_SUITES = {"test", "tests", "conftest"}


class _File(NamedTuple):
    path: Path
    module: str


class Calls(NamedTuple):
    """What functions call.

    items: everything that is called, sorted by place
    sequences: the places that each function calls, in their order; only of the functions that are asked
    functions: how many functions these were drawn from
    """

    items: Sequence[Item]
    sequences: Mapping[str, Sequence[str]]
    functions: int


class Pycalls(SequenceSource):
    """Calls of library functions in the order of each function's body: what is called next?

    A user is a function or method of the standard library, numpy, scipy, scikit-learn or pandas, their test
    suites included; its sequence is what it calls of these libraries, arguments before the call that they are for.
    An item is a called function or class, at the place of its definition, whatever name it is imported by; its
    title is the name by which it is called most and its text the docstring, if Python source or numpy has one. Left
    out are calls of methods of objects, whose class is not known without running the code, builtins, and what test
    frameworks offer: unittest, warnings, numpy.testing, pandas._testing, whatever has `assert` in its name.

    Sources are parsed, never imported or run. The content depends on the installed versions, so figures compare
    only under one fingerprint.
    """

    minimum_interactions: int = Field(
        5, ge=0, description="functions and items with fewer calls are left out until none has (k-core); 0: none is"
    )
    runs: Literal["once", "keep"] = Field(
        "once", description="a call that follows itself: counted once, or kept (then a third of the answers repeat)"
    )
    sample: int = Field(0, ge=0, description="number of functions, chosen by a hash of their names; 0 for all")

    def state(self) -> dict[str, Any]:
        """Versions of Python, with its build, and of the packages; null for one that is not installed."""
        return {"python": sys.version, **installed_versions(_PACKAGES)}

    def read(self, writer: CollectionWriter, progress: Progress) -> None:
        """Parse the packages' files. Raises BenchError when `sample` asks for more functions than there are."""
        calls = self.calls(progress)
        self.write(writer, calls.items, calls.sequences)
        self.tell(writer, calls)

    def calls(self, progress: Progress) -> "Calls":
        """What the packages' files say. Raises BenchError when `sample` asks for more functions than there are."""
        modules = list(_parsed(_files(), progress))
        library = Library(modules)
        names: dict[str, Counter[str]] = {}
        sessions = dict(_sessions(modules, library, names))
        if self.runs == "once":
            sessions = {session: [place for place, _ in groupby(places)] for session, places in sessions.items()}
        sessions = {session: places for session, places in sessions.items() if len(places) >= len(SPLITS)}
        sequences = core_of(sessions, self.minimum_interactions)
        return Calls(list(_items(library, names)), self._sampled(sequences), len(sequences))

    def tell(self, writer: CollectionWriter, calls: "Calls") -> None:
        """Note how the sequences were made."""
        if self.sample:
            writer.note("users drawn by a hash of their ids from", calls.functions)
        versions = {"Python": platform.python_version(), **installed_versions(_PACKAGES)}
        writer.note("made of", ", ".join(f"{name} {version}" for name, version in versions.items() if version))
        writer.note("a call that follows itself", {"once": "counts once", "keep": "is kept"}[self.runs])

    def _sampled(self, sequences: Mapping[str, Sequence[str]]) -> Mapping[str, Sequence[str]]:
        if self.sample > len(sequences):
            raise BenchError(
                f"pycalls has {len(sequences)} functions here, fewer than the sample of {self.sample}; choose a "
                "smaller ?sample= or ?minimum_interactions="
            )
        if not self.sample:
            return sequences
        return {session: sequences[session] for session in sorted(sequences, key=stable_hash)[: self.sample]}


def _files() -> list[_File]:
    roots = [("", Path(sysconfig.get_path("stdlib")))]
    roots += [(name, root) for name in _PACKAGES if (root := package_root(name))]
    return [
        _File(path, module_name(path, root, package))
        for package, root in roots
        for path in python_files(root, NOT_THE_LIBRARY)
    ]


def _parsed(files: Sequence[_File], progress: Progress) -> Iterator[Module]:
    """What each file says, in the order of `files`, read on all cores."""
    # Forked processes do not run the caller's script again, as others would if it has no `if __name__` guard.
    context = get_context("fork" if "fork" in get_all_start_methods() else None)
    workers = min(len(usable_cores()), 8)
    # Syntax trees are large and without cycles: looking for some is a fifth of the work.
    with ProcessPoolExecutor(workers, mp_context=context, initializer=gc.disable) as pool:
        for done, module in enumerate(pool.map(_read, files, chunksize=25)):
            if done % 50 == 0:
                progress("parsing", done, len(files))
            if module is not None:
                yield module
    progress("parsing", len(files), len(files))


def _read(file: _File) -> Module | None:
    tree = parse_module(file.path)
    return None if tree is None else read_module(tree, file.module, file.path.name == "__init__.py")


def _sessions(
    modules: Sequence[Module], library: Library, names: dict[str, Counter[str]]
) -> Iterator[tuple[str, list[str]]]:
    """The places that each function calls; counts in `names` under which name each place is called."""
    for module in modules:
        for function, calls in module.calls.items():
            found = []
            for call in calls:
                place = library.place(call)
                if place and _is_item(place, module, library):
                    found.append(place)
                    names.setdefault(place, Counter())[call] += 1
            yield f"{module.name}:{function}", found


def _is_item(place: str, caller: Module, library: Library) -> bool:
    """Whether it belongs to the libraries, and neither to a test framework nor to the caller's own variables."""
    module, _, name = place.partition(":")
    return (
        module.partition(".")[0] in _ROOTS
        and _TEST_SUITES.isdisjoint(module.split("."))
        and not any(f"{module}.".startswith(f"{framework}.") for framework in _FOR_TESTS)
        and "assert" not in name
        and (module != caller.name or library.is_definition(place))
    )


def _items(library: Library, names: Mapping[str, Counter[str]]) -> Iterator[Item]:
    for place in sorted(names):
        title = min(names[place], key=lambda name: (-names[place][name], len(name), name))
        yield Item(Document(place, title, library.docstring(place)), place)
