"""SHA-256 digests of files, of plain data and of the code that a result depends on."""

import ast
import hashlib
import importlib.util
import json
from functools import cache
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any


def digest_data(data: Any) -> str:
    """Digest of JSON-like data; the order of mapping keys does not matter."""
    text = json.dumps(data, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def digest_file(path: Path) -> str:
    """Digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@cache
def digest_code(module: str) -> str:
    """Digest of a module's source and of every module of the same top-level package that it imports.

    A change in a helper that a retriever uses changes the digest; a change in a retriever beside it
    does not. Imports are read from the source, so nothing is imported; those inside functions count.
    """
    package = module.partition(".")[0]
    digests: dict[str, str] = {}
    todo = [module]
    while todo:
        name = todo.pop()
        spec = None if name in digests else _find(name)
        if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
            continue
        source = Path(spec.origin).read_bytes()
        digests[name] = hashlib.sha256(source).hexdigest()
        todo += [found for found in _imports(source, spec.parent) if found.partition(".")[0] == package]
    return digest_data(digests)


def _find(module: str) -> ModuleSpec | None:
    try:
        return importlib.util.find_spec(module)
    except (ModuleNotFoundError, ValueError):
        return None


def _imports(source: bytes, package: str | None) -> list[str]:
    """Names that may be modules: `from a import b` gives both `a` and `a.b`."""
    names: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            names += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    return names
