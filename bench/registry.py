"""Finds plugins by entry point and imports one only when it is used."""

import ast
import hashlib
import importlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Literal

from pydantic.errors import PydanticUserError

from bench.digests import digest_code, digest_file
from bench.errors import BenchError, CannotImport, UnknownName

Kind = Literal["retriever", "source", "task"]

_BASES: dict[tuple[str, str], Kind] = {
    ("bench.retriever", "Retriever"): "retriever",
    ("bench.collections.sources", "Source"): "source",
    ("bench.tasks", "Task"): "task",
}
"""The class that plugins of a kind derive from: its package and its name. Nothing is imported to tell."""


@dataclass(frozen=True)
class Plugin:
    """A registered class, not yet imported. `target` is "module:Class"; `file` is set for `--plugin`."""

    kind: Kind
    name: str
    target: str
    origin: str
    file: Path | None = None

    def load(self) -> Any:
        """The class itself. Raises CannotImport when its module cannot be, and BenchError when it is none."""
        module, _, attribute = self.target.partition(":")
        try:
            return getattr(importlib.import_module(module), attribute)
        except (ImportError, AttributeError) as error:
            raise CannotImport(
                f"{self.kind} '{self.name}' of {self.origin} cannot be imported: {error}; "
                f"install what it needs, or correct its entry point ({self.target})"
            ) from error
        except Exception as error:
            raise BenchError(f"{self.kind} '{self.name}' of {self.origin}: {_reason(error)}") from error

    def code_digest(self) -> str:
        """Digest of the source that the class depends on."""
        return digest_file(self.file) if self.file else digest_code(self.target.partition(":")[0])

    def summary(self) -> str:
        """First line of the class's docstring, read from the source without importing it."""
        module, _, attribute = self.target.partition(":")
        try:
            spec = importlib.util.find_spec(module)
        except ModuleNotFoundError:
            spec = None
        if spec is None or spec.origin is None:
            return "(not importable)"
        for node in ast.parse(Path(spec.origin).read_bytes()).body:
            if isinstance(node, ast.ClassDef) and node.name == attribute:
                return (ast.get_docstring(node) or "").partition("\n")[0]
        return ""


_from_files: list[Plugin] = []


def plugins(kind: Kind) -> dict[str, Plugin]:
    """All plugins of a kind by name. Raises BenchError when two claim one name."""
    found: dict[str, Plugin] = {}
    for plugin in sorted([*_installed(kind), *(p for p in _from_files if p.kind == kind)], key=lambda p: p.name):
        other = found.setdefault(plugin.name, plugin)
        if other.target != plugin.target:
            raise BenchError(
                f"two {kind}s are called '{plugin.name}': {other.target} of {other.origin} and "
                f"{plugin.target} of {plugin.origin}; rename or uninstall one"
            )
    return found


def find(kind: Kind, name: str) -> Plugin:
    """The plugin of that name. Raises UnknownName with the nearest names."""
    known = plugins(kind)
    if name not in known:
        raise UnknownName(kind, name, known, "(a file of your own is loaded with --plugin FILE)")
    return known[name]


@cache
def _installed(kind: Kind) -> tuple[Plugin, ...]:
    return tuple(
        Plugin(kind, point.name, point.value, f"the package {point.dist.name}" if point.dist else "no package")
        for point in entry_points(group=f"bench.{kind}s")
    )


def load_files(paths: Iterable[Path]) -> None:
    """Register the retrievers, sources and tasks defined in single files, for a quick try without packaging.

    Raises BenchError for a file that cannot be loaded or defines none. A class whose name begins with `_` is none.
    """
    for path in paths:
        module = _import_file(path.resolve())
        classes = [
            value for value in vars(module).values() if _is_plugin(value) and value.__module__ == module.__name__
        ]
        if not classes:
            raise BenchError(f"{path} defines no retriever, source or task; derive a class from bench.Retriever")
        for cls in classes:
            target = f"{module.__name__}:{cls.__name__}"
            plugin = Plugin(_kind(cls), own_name(cls), target, str(path), path.resolve())
            if plugin not in _from_files:
                _from_files.append(plugin)


def own_name(cls: type) -> str:
    """What a class calls itself: by its `name` if it declares one, else its class name in kebab case."""
    return getattr(cls, "name", "") or re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", cls.__name__).lower()


def name_of(cls: type) -> str:
    """The name by which a class is registered, or else what it calls itself."""
    target = f"{cls.__module__}:{cls.__name__}"
    registered = (plugin.name for plugin in plugins(_kind(cls)).values() if plugin.target == target)
    return next(registered, own_name(cls))


def _is_plugin(value: Any) -> bool:
    return inspect.isclass(value) and not value.__name__.startswith("_") and any(map(_base_kind, value.__mro__))


def _kind(cls: type) -> Kind:
    return next(kind for base in cls.__mro__ if (kind := _base_kind(base)))


def _base_kind(base: type) -> Kind | None:
    for (package, name), kind in _BASES.items():
        if base.__name__ == name and f"{base.__module__}.".startswith(f"{package}."):
            return kind
    return None


def _import_file(path: Path) -> Any:
    name = f"bench_plugin_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise BenchError(f"{path} is not a Python file; --plugin takes the path of one")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise BenchError(f"{path}: {_reason(error)}") from error
    return module


def _reason(error: BaseException) -> str:
    """Why a module cannot be imported, in one line."""
    first = str(error).partition("\n")[0]
    if isinstance(error, PydanticUserError) and error.code == "model-field-missing-annotation":
        assigned = re.search(r"`(\w+) = (.*?)`", first)
        name, value = assigned.groups() if assigned else ("name", "...")
        return (
            f"`{name} = {value}` has no type; write `{name}: TYPE = {value}` for an option, "
            f"`{name}: ClassVar[TYPE] = {value}` for a constant"
        )
    return first if isinstance(error, BenchError) else f"cannot be loaded: {type(error).__name__}: {first}"
