"""SHA-256 digests of files, of plain data and of the code that a result depends on."""

import ast
import hashlib
import importlib.util
import json
import sysconfig
from collections.abc import Iterator
from functools import cache
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

_NO_FIGURE = frozenset(
    f"bench{name}"
    for name in (
        *(
            "",
            ".digests",
            ".errors",
            ".hits",
            ".machine",
            ".options",
            ".progress",
            ".registry",
            ".seals",
            ".store",
            ".workplace",
        ),
        *(".collections.cards", ".collections.catalogue", ".face"),
    )
)
"""Modules of the harness, and packages with all that they hold, that decide no figure: they name, find, keep, check
and show what others compute. What a collection holds, however it was opened, is in its fingerprint; what options say
is in the key itself."""

_PLUGINS = ("bench.retrievers", "bench.sources", "bench.tasks")


def digest_data(data: Any) -> str:
    """Digest of JSON-like data; the order of mapping keys does not matter."""
    text = json.dumps(data, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def digest_file(path: Path) -> str:
    """Digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@cache
def digest_code(start: str | Path) -> str:
    """Digest of a module, by name or file, and of all first-party code that it imports, directly or not.

    First-party is what no version number covers: the harness, every package that holds plugins, the module's own
    package, whatever lies outside the folders of installed libraries, and what lies beside a file. Code is compared
    as a syntax tree without comments, docstrings and descriptions of options. Imports are read from the source, so
    that nothing is imported; those inside functions count, those for a type checker alone do not.
    """
    digests: dict[str, str] = {}
    beside = start.resolve().parent if isinstance(start, Path) else None
    own = start.partition(".")[0] if isinstance(start, str) else ""
    todo: list[str | Path] = [start]
    while todo:
        this = todo.pop()
        name = this if isinstance(this, str) else this.name
        if name in digests or name in _NO_FIGURE or name.rpartition(".")[0] in _NO_FIGURE - {"bench"}:
            continue
        source, package = _source(this, own, beside)
        if source is not None:
            digests[name], imports = _read(source.read_bytes(), package)
            todo += imports
    return digest_data(digests)


@cache
def _read(source: bytes, package: str) -> tuple[str, tuple[str, ...]]:
    """Digest of a module's code, and names that it imports; many retrievers share a module."""
    tree = _Essence().visit(ast.parse(source))
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest(), tuple(_imports(tree, package))


def _source(module: str | Path, own: str, beside: Path | None) -> tuple[Path | None, str]:
    """The file of a first-party module, None for any other, and the package that its relative imports start from."""
    if isinstance(module, Path):
        return module, ""
    spec = _find(module, beside)
    if spec is None or not (spec.origin or "").endswith(".py"):
        return None, ""
    path = Path(str(spec.origin))
    first = module.partition(".")[0] in {own, *_plugin_packages()} or not _installed(path)
    return (path if first else None), spec.parent or ""


def _find(module: str, beside: Path | None) -> ModuleSpec | None:
    """Where a module is, found without importing it or the packages around it."""
    top, *rest = module.split(".")
    spec = PathFinder.find_spec(top, [str(beside)]) if beside else None
    if spec is None or spec.origin is None:
        try:
            spec = importlib.util.find_spec(top)
        except (ImportError, ValueError):
            return None
    name, folders = top, list((spec and spec.submodule_search_locations) or [])
    for part in rest:
        name = f"{name}.{part}"
        try:
            spec = PathFinder.find_spec(name, folders)
            folders = list((spec and spec.submodule_search_locations) or [])
        except KeyError:  # where a package without `__init__.py` lies, Python asks its parent, which is not loaded
            spec, folders = None, [str(Path(folder) / part) for folder in folders]
    return spec


@cache
def _plugin_packages() -> frozenset[str]:
    targets = [point.value for group in _PLUGINS for point in entry_points(group=group)]
    return frozenset({"bench", *(target.partition(":")[0].partition(".")[0] for target in targets)})


def _installed(path: Path) -> bool:
    """Whether the file belongs to Python or to a library that some installer put there."""
    standard = (Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib"))
    installer = {"site-packages", "dist-packages"} & set(path.parts)
    return (
        bool(installer) or any(map(_has_records, path.parents)) or any(map(path.resolve().is_relative_to, standard))
    )


@cache
def _has_records(folder: Path) -> bool:
    """Whether an installer keeps its records there, as `pip install --target` does in any folder."""
    return any(folder.glob("*.dist-info"))


class _Essence(ast.NodeTransformer):
    """Drops what changes no result: docstrings, descriptions of options, what only a type checker reads."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        bare_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if bare_text else self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if isinstance(node.func, ast.Name) and node.func.id == "Field":
            node.keywords = [keyword for keyword in node.keywords if keyword.arg != "description"]
        return self.generic_visit(node)

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.AST] | None:
        name = getattr(node.test, "id", getattr(node.test, "attr", ""))
        if name == "TYPE_CHECKING":
            return [self.visit(child) for child in node.orelse]
        return self.generic_visit(node)


def _imports(tree: ast.AST, package: str) -> Iterator[str]:
    """Names that may be modules: `from a import b` gives both `a` and `a.b`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (package or not node.level):
            base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)
