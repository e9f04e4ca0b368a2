"""Writes a package to begin a plugin with: it works, is registered, and brings its test."""

import importlib.util
import keyword
import re
from pathlib import Path
from string import Template

from bench import registry
from bench.errors import BenchError
from bench.store import new_folder

_TEMPLATES = Path(__file__).parent / "templates"
_NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")


def write_package(kind: registry.Kind, name: str, to: Path) -> Path:
    """Write the package of a new `retriever`, `source` or `task` into a folder of its name below `to`.

    Raises BenchError for a name that cannot be one of a plugin and a module, or a folder that exists.
    """
    words = {"kind": kind, "name": name, "module": name.replace("-", "_"), "cls": _class_name(name)}
    _refuse(name, words["module"])
    known = registry.plugins(kind).get(name)
    if known and not known.file:
        raise BenchError(f"there is a {kind} '{name}' of {known.origin} already; choose another name, as my-{name}")
    target = to / name
    if target.exists():
        raise BenchError(f"{target} exists already; choose another name, or another folder with --to")
    with new_folder(target) as draft:
        for template, place in {
            "pyproject.txt": "pyproject.toml",
            "readme.txt": "README.md",
            f"{kind}.txt": f"{words['module']}.py",
            f"{kind}_test.txt": f"test_{words['module']}.py",
        }.items():
            text = Template((_TEMPLATES / template).read_text(encoding="utf-8")).substitute(words)
            (draft / place).write_text(text, encoding="utf-8")
    return target


def _class_name(name: str) -> str:
    return "".join(part.capitalize() for part in re.split("[-_]", name))


def _refuse(name: str, module: str) -> None:
    if not _NAME.fullmatch(name):
        raise BenchError(f"'{name}' cannot be the name; write small letters and digits with hyphens, as tf-idf")
    if keyword.iskeyword(module):
        raise BenchError(f"'{name}' is a word of Python's; choose another name")
    if importlib.util.find_spec(module) is not None:
        raise BenchError(f"a module '{module}' is installed already; choose another name, as my-{name}")
