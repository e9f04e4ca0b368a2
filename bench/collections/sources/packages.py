"""The installed Python packages as text: where their files lie, what their modules are called, what they parse to."""

import ast
import hashlib
import importlib.util
import os
import warnings
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

DISTRIBUTIONS = {
    "numpy": "numpy",
    "scipy": "scipy",
    "sklearn": "scikit-learn",
    "pandas": "pandas",
    "torch": "torch",
    "transformers": "transformers",
}
"""Distribution by top-level package."""

NOT_THE_LIBRARY = {
    *("site-packages", "dist-packages"),  # packages beside the standard library
    *("idlelib", "turtledemo"),  # applications
    *("distutils", "lib2to3"),  # gone from later versions of Python
}
"""Folders that a collection made of the standard library and of packages leaves out."""


def package_root(package: str) -> Path | None:
    """Folder of a top-level package, found without importing it; None if it is not installed."""
    spec = importlib.util.find_spec(package)
    return Path(spec.origin).parent if spec and spec.origin else None


def installed_versions(packages: Iterable[str]) -> dict[str, str | None]:
    """Version of each package; None for one that is not installed."""
    return {name: version(DISTRIBUTIONS[name]) if package_root(name) else None for name in packages}


def python_files(root: Path, skipped: set[str]) -> list[Path]:
    """The Python files below a folder, sorted, but for those with a skipped name on their way."""
    found: list[Path] = []
    for folder, subfolders, files in os.walk(root):
        subfolders[:] = [name for name in subfolders if name not in skipped]
        found += [Path(folder, name) for name in files if name.endswith(".py") and name not in skipped]
    return sorted(found)


def module_name(path: Path, root: Path, package: str) -> str:
    """Dotted name of the module in a file; `root` is the folder of `package`, or of the standard library if empty."""
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(part for part in (package, *parts) if part not in ("", "__init__"))


def parse_module(path: Path) -> ast.Module | None:
    """What a file says, without running it; None if it is written for another version of Python."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # invalid escapes in other people's strings
        try:
            return ast.parse(path.read_bytes(), str(path))
        except SyntaxError:
            return None


def stable_hash(name: str) -> int:
    """A number of 64 bits that is the same for a name on every machine, to draw samples and splits by."""
    return int.from_bytes(hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest())
