"""Which library functions Python code calls, read from its source: nothing is imported or run.

A file tells its functions' calls by the names that it imports them under; `Library` follows these names through
re-exports to where they are defined.
"""

import ast
import builtins
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.util import resolve_name

_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_Function = ast.FunctionDef | ast.AsyncFunctionDef

_HERE = ""
"""What a name stands for that the module, or the function, makes itself."""

_MOST_HOPS = 30


@dataclass
class Module:
    """What a file says of names.

    `bindings` has the dotted name that each of the module's names stands for, or nothing if it is made here. `stars`
    are the modules of which everything is imported. `docstrings` has those of classes, functions and methods by
    qualified name, empty where there is none; `added` has docstrings that are given to names elsewhere (numpy's
    `add_newdoc`). `calls` has what each function calls, in the order of the text, arguments before the call.
    """

    name: str
    bindings: dict[str, str] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)
    docstrings: dict[str, str] = field(default_factory=dict)
    added: dict[str, str] = field(default_factory=dict)
    calls: dict[str, list[str]] = field(default_factory=dict)


def read_module(tree: ast.Module, name: str, is_package: bool) -> Module:
    """What a parsed file says; relative imports are resolved by the module's `name`."""
    module = Module(name)
    package = name if is_package else name.rpartition(".")[0]
    for node in _statements(tree):
        if isinstance(node, _Definition):
            module.bindings.setdefault(node.name, _HERE)
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            same = _dotted(node.value)
            module.bindings.setdefault(node.targets[0].id, f"{name}.{same}" if same else _HERE)
        elif isinstance(node, ast.Expr):
            module.added |= _added_docstring(node.value)
        for bound, target in _imports(node, package):
            if bound == "*":
                module.stars.append(target.removesuffix(".*"))
            else:
                module.bindings.setdefault(bound, target)
    _read_definitions(_statements(tree), "", {}, module, package)
    return module


def _statements(parent: ast.AST) -> Iterator[ast.AST]:
    """The statements of a body, those behind `if`, `try` and `with` too, but not those of definitions."""
    for node in ast.iter_child_nodes(parent):
        yield node
        if isinstance(node, ast.If | ast.Try | ast.TryStar | ast.With | ast.ExceptHandler):
            yield from _statements(node)


def _imports(node: ast.AST, package: str) -> Iterator[tuple[str, str]]:
    """The names that an import binds, and the dotted name that each stands for."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield (alias.asname, alias.name) if alias.asname else (alias.name.partition(".")[0],) * 2
    elif isinstance(node, ast.ImportFrom):
        try:
            base = resolve_name("." * node.level + (node.module or ""), package)
        except ImportError:  # more dots than packages
            return
        for alias in node.names:
            yield alias.asname or alias.name, f"{base}.{alias.name}"


def _dotted(node: ast.AST) -> str:
    """`a.b.c` of an expression that is nothing but attributes of a name, else nothing."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


def _added_docstring(node: ast.expr) -> dict[str, str]:
    if not (isinstance(node, ast.Call) and _dotted(node.func) == "add_newdoc"):
        return {}
    match [argument.value for argument in node.args if isinstance(argument, ast.Constant)]:
        case [str(place), str(name), str(text)]:
            return {f"{place}.{name}": text}
    return {}


def _read_definitions(
    nodes: Iterable[ast.AST], owner: str, scope: Mapping[str, str], module: Module, package: str
) -> None:
    """Docstrings and calls of what is defined among `nodes`; `scope` has what enclosing functions bind."""
    for node in nodes:
        if not isinstance(node, _Definition):
            continue
        name = f"{owner}.{node.name}".lstrip(".")
        module.docstrings[name] = module.docstrings.get(name) or ast.get_docstring(node) or ""
        if isinstance(node, ast.ClassDef):
            _read_definitions(_statements(node), name, scope, module, package)
        else:
            body = _Body(node, package)
            inner = {**scope, **body.names}
            module.calls[name] = [known for call in body.calls if (known := _known(call, inner, module))]
            _read_definitions(body.definitions, f"{name}.<locals>", inner, module, package)


class _Body:
    """What a function's own statements bind and call, and the definitions among them, which are not entered."""

    def __init__(self, function: _Function, package: str) -> None:
        arguments = function.args
        named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
        self.names = {argument.arg: _HERE for argument in named if argument}
        self.calls: list[str] = []
        self.definitions: list[ast.AST] = []
        self._package = package
        for statement in function.body:
            self._visit(statement)

    def _visit(self, node: ast.AST) -> None:
        if isinstance(node, _Definition):
            self.names[node.name] = _HERE
            self.definitions.append(node)
            return
        if isinstance(node, ast.Name):
            if not isinstance(node.ctx, ast.Load):
                self.names.setdefault(node.id, _HERE)
            return
        for child in ast.iter_child_nodes(node):
            self._visit(child)
        if isinstance(node, ast.Call):
            self.calls.append(_dotted(node.func))
        elif isinstance(node, ast.Import | ast.ImportFrom):
            self.names.update(_imports(node, self._package))


def _known(call: str, scope: Mapping[str, str], module: Module) -> str:
    """A called name as other modules would write it; nothing for what a function binds itself."""
    root, dot, rest = call.partition(".")
    target = scope.get(root, module.bindings.get(root) or f"{module.name}.{root}")
    return f"{target}{dot}{rest}" if root and target else ""


class Library:
    """Many modules, and where what they name is defined."""

    def __init__(self, modules: Iterable[Module]) -> None:
        self._modules = {module.name: module for module in modules}
        self._places: dict[str, str] = {}
        self._added = {
            self.place(name): text for module in self._modules.values() for name, text in module.added.items()
        }

    def place(self, dotted: str, hops: int = 0) -> str:
        """`module:name` of the definition that a dotted name leads to; nothing for a module, a builtin or a riddle.

        A name whose way leads out of the modules, as to one written in C, is placed in the first one outside. `hops`
        counts the steps of the way so far; names that are made of themselves (`a = a.b`) have no end.
        """
        if dotted not in self._places:
            self._places[dotted] = ""  # of a name that leads back to itself
            self._places[dotted] = self._follow(dotted, hops + 1) if hops < _MOST_HOPS else ""
        return self._places[dotted]

    def docstring(self, place: str) -> str:
        """The docstring of what is defined at a place; empty if it has none or if its source is not at hand."""
        module, _, name = place.partition(":")
        own = self._modules[module].docstrings.get(name, "") if module in self._modules else ""
        return own or self._added.get(place, "")

    def is_definition(self, place: str) -> bool:
        """Whether a class, function or method is defined there, not a variable."""
        module, _, name = place.partition(":")
        return module not in self._modules or name in self._modules[module].docstrings

    def _follow(self, dotted: str, hops: int) -> str:
        module, rest = self._split(dotted)
        if module is None:
            outside, _, name = dotted.rpartition(".")
            return f"{outside}:{name}" if outside else ""
        if not rest:
            return ""
        first, dot, more = rest.partition(".")
        target = module.bindings.get(first)
        if target is None:
            return self._behind_star(module, rest, hops)
        if target == _HERE:
            return f"{module.name}:{rest}"
        if target == f"{module.name}.{first}":  # a submodule without source
            return f"{target}:{more}" if more else ""
        return self.place(f"{target}{dot}{more}", hops)

    def _split(self, dotted: str) -> tuple[Module | None, str]:
        """The longest part of a dotted name that is a module, and the rest."""
        head, rest = dotted, ""
        while head:
            if head in self._modules:
                return self._modules[head], rest
            head, _, last = head.rpartition(".")
            rest = f"{last}.{rest}".rstrip(".")
        return None, rest

    def _behind_star(self, module: Module, name: str, hops: int) -> str:
        """The place of a name that the module does not bind, if it imports all of another module."""
        inside = [star for star in module.stars if star in self._modules]
        for star in inside:
            place = self.place(f"{star}.{name}", hops)
            if place:
                return place
        outside = [star for star in module.stars if star not in self._modules]
        return f"{outside[0]}:{name}" if outside and not hasattr(builtins, name.partition(".")[0]) else ""
