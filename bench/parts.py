"""Options that are systems: a composed system names its parts by registry name, with options of their own."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, get_args

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from bench import registry
from bench.errors import BenchError
from bench.retriever import Retriever, construct
from bench.settings import RETRIEVER, as_table, by_name, merge, nest, parse_query
from bench.suite import SystemEntry


def make_part(given: Any) -> Retriever:
    """A part from what people write: `bm25`, `bm25?k1=0.9`, `{ retriever = "bm25", k1 = 0.9 }`, or a retriever.

    Raises BenchError for an unknown retriever or option, and ValueError for what names none.
    """
    if isinstance(given, Retriever):
        return given
    if isinstance(given, type) and issubclass(given, Retriever):
        return given()
    name, options = _read(given)
    if not name:
        raise ValueError("no retriever is named")
    return construct(name, options)


def _read(given: Any) -> tuple[str, dict[str, Any]]:
    """The name of a part's system, "" where none is named, and its options."""
    table = nest(as_table(given))
    name, options = parse_query(str(table.pop(RETRIEVER, "")))
    return name, merge(nest(options), table)


def _said(part: Retriever) -> dict[str, Any]:
    return {RETRIEVER: registry.name_of(type(part)), **part.options()}


_MADE = BeforeValidator(make_part)

Part = Annotated[Any, _MADE, PlainSerializer(_said), WithJsonSchema({"type": "system"})]
"""The type of an option that is a Retriever; which protocols it has depends on the one that is named."""


def part_options(kind: type[Retriever]) -> dict[str, bool]:
    """The options of a class that are systems, and of each whether it is several by name."""
    found = {}
    for name, field in kind.model_fields.items():
        if Part in get_args(field.annotation):
            found[name] = True
        elif _MADE in field.metadata:
            found[name] = False
    return found


def with_default(given: Any, default: Any) -> Any:
    """A part as it is given; options without a name are those of the default's system."""
    unnamed = isinstance(given, Mapping) and RETRIEVER not in given
    return merge({"": default}, {"": given})[""] if unnamed else given


def named_parts(given: Any, defaults: Mapping[str, str]) -> dict[str, Any]:
    """Several parts by name, each a table or a retriever; what names no system is called as its own.

    Options alone, of parts that are all among the defaults, change those and leave the others as they are. Raises
    BenchError for a name that two of a list have.
    """
    named = _by_name(given)
    parts = {name: one if isinstance(one, Retriever | type) else as_table(one) for name, one in named.items()}
    if all(name in defaults and isinstance(one, dict) and RETRIEVER not in one for name, one in parts.items()):
        parts = merge(defaults, parts)
    return {name: {RETRIEVER: name} | one if isinstance(one, dict) else one for name, one in parts.items()}


def _by_name(given: Any) -> dict[str, Any]:
    if isinstance(given, list | tuple) and any(isinstance(one, Retriever | type) for one in given):
        return by_name([_name(one) for one in given], given)
    return as_table(given)


def _name(one: Any) -> str:
    if isinstance(one, Retriever | type):
        return registry.name_of(one if isinstance(one, type) else type(one))
    return _read(one)[0]


def with_rows(entries: Sequence[SystemEntry], rows: Sequence[SystemEntry]) -> list[SystemEntry]:
    """Systems whose parts name rows of a suite, with what those rows say in place of their names.

    A row goes before a registered retriever of its name; what a part says beside that name changes it there alone.
    Raises BenchError for rows that lead back to themselves.
    """
    by_label = {row.label: row for row in rows}
    return [_with_rows(entry, by_label, (entry.label,)) for entry in entries]


def _with_rows(entry: SystemEntry, rows: Mapping[str, SystemEntry], path: tuple[str, ...]) -> SystemEntry:
    plugin = registry.plugins("retriever").get(entry.retriever)
    if plugin is None:
        return entry
    try:
        kind: type[Retriever] = plugin.load()
    except BenchError:  # its own cell tells
        return entry
    options = nest(entry.options)
    for option, several in part_options(kind).items():
        default = kind.model_fields[option].default
        given = options.get(option, default)
        if several:
            parts = named_parts(given, default)
            options[option] = {name: _resolved(one, rows, path) for name, one in parts.items()}
        else:
            options[option] = _resolved(with_default(given, default), rows, path)
    return entry.model_copy(update={"options": options})


def _resolved(given: Any, rows: Mapping[str, SystemEntry], path: tuple[str, ...]) -> Any:
    label, options = _read(given)
    if label not in rows or label == path[-1]:
        return given
    if label in path:
        raise BenchError(f"the system '{path[0]}' is a part of itself ({' > '.join([*path, label])}); name another")
    row = _with_rows(rows[label], rows, (*path, label))
    return {RETRIEVER: row.retriever, **merge(nest(row.options), options)}
