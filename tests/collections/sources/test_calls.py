"""Names in Python source: which functions are called, and where what they name is defined."""

import ast
import sysconfig
from pathlib import Path

import pytest

from bench.collections.sources.calls import Library, Module, read_module
from bench.collections.sources.packages import module_name, parse_module, python_files


def module(name: str, source: str, is_package: bool = False) -> Module:
    return read_module(ast.parse(source), name, is_package)


def calls(source: str) -> dict[str, list[str]]:
    return module("shop.till", source).calls


def test_calls_are_named_as_other_modules_would_name_them() -> None:
    source = """
import math, os.path
import collections.abc as shapes
from json import dumps as write
from . import prices
from .stock import count
def total():
    write(math.floor(os.path.getsize(prices.find("saw"))))
    shapes.Sized(); count(); helper(); len([])
"""
    assert calls(source)["total"] == [
        "shop.prices.find",
        "os.path.getsize",
        "math.floor",
        "json.dumps",
        "collections.abc.Sized",
        "shop.stock.count",
        "shop.till.helper",
        "shop.till.len",
    ]


def test_arguments_come_before_the_call_that_they_are_for() -> None:
    assert calls("import a\ndef f():\n    a.x(a.y(a.z()), key=a.w())")["f"] == ["a.z", "a.y", "a.w", "a.x"]


@pytest.mark.parametrize(
    "body",
    [
        "def f(math): math.floor(1)",
        "def f(*math): math.floor(1)",
        "def f():\n    math = g()\n    math.floor(1)",
        "def f():\n    for math in (): math.floor(1)",
        "def f():\n    def math(): pass\n    math.floor(1)",
        "def f(math):\n    def g(): math.floor(1)\n    return g",
        "def f(): g().floor(1)",
        "def f(): ''.join(())",
    ],
)
def test_a_local_variable_is_no_library(body: str) -> None:
    found = calls(f"import math\n{body}")
    assert not [name for names in found.values() for name in names if "floor" in name or "join" in name]


def test_functions_in_functions_and_methods_are_functions_of_their_own() -> None:
    source = """
import a
def outer():
    import b
    @a.decorate
    def inner():
        b.call()
    a.call()
class Shop:
    a.at_class_level()
    async def open(self, door=a.default()):
        self.door = await a.door()
if a.fast():
    def behind_if(): a.call()
"""
    assert calls(source) == {
        "outer": ["a.call"],
        "outer.<locals>.inner": ["b.call"],
        "Shop.open": ["a.door"],
        "behind_if": ["a.call"],
    }


LIBRARY = [
    module(
        "shop",
        "from .stock import *\nfrom .till import pay as settle\nfrom . import fast\nrefund = settle",
        is_package=True,
    ),
    module("shop.stock", 'from ._c import *\nfrom shop import settle\ndef count():\n    """How many are left."""'),
    module(
        "shop.till",
        'class Till:\n    """Holds cash."""\n    def open(self):\n        """Open it."""\n'
        'def pay(): pass\ntill = Till()\nx = x.y\nadd_newdoc("shop.stock", "weigh", "The weight in grams.")',
    ),
]


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("shop.stock.count", "shop.stock:count"),
        ("shop.count", "shop.stock:count"),  # through a star
        ("shop.settle", "shop.till:pay"),  # under another name
        ("shop.refund", "shop.till:pay"),  # by assignment
        ("shop.stock.settle", "shop.till:pay"),  # by way of a circle
        ("shop.till.Till.open", "shop.till:Till.open"),
        ("shop.till.till.open", "shop.till:till.open"),
        ("shop.weigh", "shop._c:weigh"),  # written in C
        ("shop.fast.sort", "shop.fast:sort"),  # a submodule without source
        ("math.floor", "math:floor"),
        ("shop.len", ""),  # a builtin
        ("shop.till", ""),  # a module
        ("shop.till.nothing", ""),
        ("shop.till.x", ""),  # without end
        ("len", ""),
    ],
)
def test_names_are_followed_to_where_they_are_defined(name: str, place: str) -> None:
    assert Library(LIBRARY).place(name) == place


def test_docstrings_come_from_the_definition_or_are_given_elsewhere() -> None:
    library = Library(LIBRARY)
    assert library.docstring("shop.stock:count") == "How many are left."
    assert library.docstring(library.place("shop.weigh")) == "The weight in grams."
    assert library.docstring("shop.till:pay") == library.docstring("math:floor") == ""


def test_a_variable_is_no_definition() -> None:
    library = Library(LIBRARY)
    assert library.is_definition("shop.till:Till.open")
    assert not library.is_definition("shop.till:till.open")


def test_a_relative_import_beyond_the_package_is_ignored() -> None:
    assert module("shop", "from ...above import thing").bindings == {}


def test_of_the_real_json_module_the_way_and_the_docstrings_are_found() -> None:
    root = Path(sysconfig.get_path("stdlib"))
    modules = []
    for path in python_files(root / "json", set()):
        tree = parse_module(path)
        assert tree is not None
        modules.append(read_module(tree, module_name(path, root / "json", "json"), path.name == "__init__.py"))
    library = Library(modules)
    assert library.place("json.JSONDecoder.decode") == "json.decoder:JSONDecoder.decode"
    assert library.docstring("json.decoder:JSONDecoder").startswith("Simple JSON")
    main = next(m for m in modules if m.name == "json.tool")
    assert {"argparse.ArgumentParser", "json.dump"} <= set(main.calls["main"])
