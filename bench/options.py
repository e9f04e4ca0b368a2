"""Options as data: typed fields with a default, a range and a one-line description, gathered in groups."""

import json
from abc import ABC
from collections.abc import Iterator, Mapping
from functools import cache
from reprlib import repr as short
from typing import Annotated, Any, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from bench.errors import BenchError, UnknownName, UnusableClass
from bench.settings import merge, nest, parse_value

PathText = Annotated[str, Field(json_schema_extra={"path": True})]
"""Text that names a place on this machine; nobody else is told it."""


class OptionInfo(NamedTuple):
    """One option, as `bench show` prints it."""

    name: str
    kind: str
    default: str
    allowed: str
    description: str


class Options(BaseModel):
    """Base of everything that a person configures: retrievers, sources, tasks, and groups of options.

    Annotated class attributes are options; they are validated, also when one is assigned later. A field whose type
    is a subclass of Options is a group: its options are named `group.option`. A class that implements an interface
    may keep other attributes, so that `self.index = ...` in a method works as in an ordinary class.
    """

    model_config = ConfigDict(
        extra="forbid",
        validate_default=True,
        validate_assignment=True,
        allow_inf_nan=False,
        protected_namespaces=(),
    )

    def __new__(cls, *_: Any, **__: Any) -> Self:
        """Raises UnusableClass for a class that lacks methods of its interface or constructs itself."""
        if cls.__abstractmethods__:
            lacking = " and no ".join(sorted(cls.__abstractmethods__))
            raise UnusableClass(f"{cls.__name__} has no {lacking}; define it")
        if any("__init__" in vars(base) for base in cls.__mro__[: cls.__mro__.index(Options)]):
            raise UnusableClass(
                f"{cls.__name__} has an __init__ of its own: declare its options as fields, and leave the work to "
                "the methods"
            )
        return super().__new__(cls)

    def __init__(self, /, **values: Any) -> None:
        """Raises BenchError for an unknown option, or a value that it does not accept."""
        self._fill(type(self).__name__, values)

    def __setattr__(self, name: str, value: Any) -> None:
        fields = type(self).model_fields
        if name in fields:
            self._assign(name, value)
        elif name in self.__private_attributes__:
            super().__setattr__(name, value)
        elif name.startswith("_") or isinstance(self, ABC):
            object.__setattr__(self, name, value)
        else:
            raise UnknownName(f"option of {type(self).__name__}", name, fields)

    def _assign(self, name: str, value: Any) -> None:
        old = self.__dict__.get(name)
        try:
            super().__setattr__(name, value)
        except ValidationError as error:
            self.__dict__[name] = old  # a check of several options together runs after the assignment
            raise BenchError(_explain(type(self).__name__, type(self), error)) from None

    def options(self) -> dict[str, Any]:
        """Every option with its value, as JSON-like data; a group is a mapping."""
        return self.model_dump(mode="json", include=set(type(self).model_fields))

    @classmethod
    def from_options(cls, owner: str, values: Mapping[str, Any]) -> Self:
        """Construct from text or data, e.g. of the command line or a suite file.

        Options of a group are nested or have dotted names. Text for an option that takes none is read as a number,
        a list or whatever else `bench.settings.parse_value` knows. Raises BenchError with one line that names the
        option and what it accepts.
        """
        made = cls.__new__(cls)
        made._fill(owner, values)
        return made

    def _fill(self, owner: str, values: Mapping[str, Any]) -> None:
        given = _resolved(type(self), owner, nest(values))
        try:
            self.__pydantic_validator__.validate_python(given, self_instance=self)
        except ValidationError as error:
            raise BenchError(_explain(owner, type(self), error)) from None

    @classmethod
    def in_short(cls, text: str) -> Mapping[str, Any] | None:  # noqa: ARG003
        """The options that text in place of a group stands for; None where the group has no short form."""
        return None

    @classmethod
    def describe_options(cls) -> list[OptionInfo]:
        """All options in the order of their declaration, those of a group as `group.option`."""
        return list(_described(cls, None, ""))


def option_names(cls: type[Options]) -> list[str]:
    """All options, those of a group as `group.option`."""
    groups = _groups(cls)
    return [
        dotted
        for name in cls.model_fields
        for dotted in ([f"{name}.{inner}" for inner in option_names(groups[name])] if name in groups else [name])
    ]


def path_options(cls: type[Options]) -> set[str]:
    """The options that name a place on this machine: of the type `PathText` or `pathlib.Path`."""
    groups = _groups(cls)
    inner = {f"{name}.{dotted}" for name, group in groups.items() for dotted in path_options(group)}
    properties = _properties(cls)
    return inner | {name for name in cls.model_fields if name not in groups and _names_a_path(properties[name])}


def known_part(cls: type[Options], values: Mapping[str, Any]) -> dict[str, Any]:
    """Of some options, nested or with dotted names, those that a class has."""
    groups = _groups(cls)
    known: dict[str, Any] = {}
    for name, value in nest(values).items():
        if name in groups and isinstance(value, Mapping):
            known |= {name: part} if (part := known_part(groups[name], value)) else {}
        elif name in cls.model_fields:
            known[name] = value
    return known


def check_option(cls: type[Options], owner: str, option: str, value: Any) -> None:
    """Raise BenchError if an option, by its dotted name, does not accept a value, whatever the others are."""
    *groups, name = option.split(".")
    for group in groups:
        cls, owner = _groups(cls)[group], f"{owner}.{group}"
    given = _typed(cls, name, value) if isinstance(value, str) else value
    try:
        cls.__pydantic_validator__.validate_python({name: given}, self_instance=cls.__new__(cls))
    except ValidationError as error:
        for item in error.errors():
            if item["loc"][:1] == (name,):
                raise BenchError(_problem(owner, _properties(cls), item)) from None


def plain(problem: ErrorDetails) -> str:
    """What is wrong with a field of a file, in plain words."""
    where = ".".join(str(part) for part in problem["loc"])
    words = {
        "missing": "is missing",
        "extra_forbidden": "is not a known key",
        "string_type": "must be text",
        "list_type": 'must be a list, as ["a", "b"]',
        "tuple_type": 'must be a list, as ["a", "b"]',
        "dict_type": "must be a table, as { a = 1 }",
        "model_type": "must be a table, as { a = 1 }",
        "too_short": "must not be empty",
    }
    text = words.get(problem["type"], f"is not right: {problem['msg'][:1].lower()}{problem['msg'][1:]}")
    return f"{where} {text}".strip()


def _groups(cls: type[Options]) -> dict[str, type[Options]]:
    kinds = ((name, field.annotation) for name, field in cls.model_fields.items())
    return {name: kind for name, kind in kinds if isinstance(kind, type) and issubclass(kind, Options)}


def _default(cls: type[Options], name: str) -> Any:
    field = cls.model_fields[name]
    return None if field.is_required() else field.get_default(call_default_factory=True)


def _resolved(cls: type[Options], owner: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Nested values with groups constructed, and with text read as its option's type asks."""
    groups = _groups(cls)
    found: dict[str, Any] = {}
    for name, value in values.items():
        if name not in cls.model_fields:
            raise UnknownName(f"option of {owner}", name, option_names(cls))
        if name in groups:
            found[name] = _group(groups[name], f"{owner}.{name}", value, _default(cls, name))
        else:
            found[name] = _typed(cls, name, value) if isinstance(value, str) else value
    return found


def _group(kind: type[Options], owner: str, value: Any, default: Options | None) -> Options:
    given = parse_value(value) if isinstance(value, str) else value
    if isinstance(given, str):
        given = kind.in_short(given)
    if isinstance(given, Options):
        return given
    if not isinstance(given, Mapping):
        raise BenchError(f"{owner} is a group of options: write {owner}.{option_names(kind)[0]}=VALUE")
    return kind.from_options(owner, merge(default.options() if default else {}, nest(given)))


def _typed(cls: type[Options], name: str, text: str) -> Any:
    """Text where the option takes text, otherwise the value that the text stands for."""
    adapter, value = _adapter(cls, name), parse_value(text)
    if not (value is None and _accepts(adapter, None)) and _accepts(adapter, text, as_text=True):
        return text
    return value if _accepts(adapter, value) else text


@cache
def _adapter(cls: type[Options], name: str) -> TypeAdapter[Any]:
    field = cls.model_fields[name]
    kind: Any = field.annotation
    return TypeAdapter(Annotated[(kind, *field.metadata)] if field.metadata else kind)


def _accepts(adapter: TypeAdapter[Any], value: Any, as_text: bool = False) -> bool:
    try:
        found = adapter.validate_json(json.dumps(value, default=str), strict=True)
    except (ValidationError, RecursionError):
        return False
    return not as_text or isinstance(found, str)


def _properties(cls: type[Options]) -> dict[str, Any]:
    return cls.model_json_schema()["properties"] if cls.model_fields else {}


def _described(cls: type[Options], made: Options | None, prefix: str) -> Iterator[OptionInfo]:
    """The options of a class; the defaults of a group are those of the instance that its owner makes."""
    properties, groups = _properties(cls), _groups(cls)
    for name, field in cls.model_fields.items():
        default = getattr(made, name) if made else _default(cls, name)
        if name in groups:
            yield from _described(groups[name], default, f"{prefix}{name}.")
            continue
        yield OptionInfo(
            name=prefix + name,
            kind=_kind(properties[name]),
            default="required" if field.is_required() and made is None else str(default),
            allowed=_allowed(properties[name], _SIGNS),
            description=field.description or "",
        )


def _explain(owner: str, cls: type[Options], error: ValidationError) -> str:
    properties = _properties(cls)
    return f"{'; '.join(_problem(owner, properties, item) for item in error.errors())}; see `bench show`"


def _problem(owner: str, properties: Mapping[str, Any], item: ErrorDetails) -> str:
    name = str(item["loc"][0]) if item["loc"] else ""
    place = f"{owner}.{name}" if name else owner
    if item["type"] == "missing":
        return f"{place} is required; give {_wanted(properties[name])}"
    given = f" (given {short(item['input'])})"
    if item["type"] == "value_error":
        return f"{place}: {item['ctx']['error']}{given if name else ''}"
    if item["type"] == "finite_number":
        return f"{place}: give a finite number{given}"
    return f"{place}: give {_wanted(properties.get(name, {}))}{given}"


_SIGNS = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
_WORDS = {
    "minimum": "greater than or equal to",
    "exclusiveMinimum": "greater than",
    "maximum": "less than or equal to",
    "exclusiveMaximum": "less than",
}
_NOUNS = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "none",
    "object": "a table, as { name = 1 }",
    "system": 'a retriever, as bm25 or { retriever = "bm25", k1 = 0.9 }',
}


def _wanted(schema: Mapping[str, Any]) -> str:
    """What an option takes, for a complaint."""
    if "anyOf" in schema:
        return " or ".join(_wanted(part) for part in schema["anyOf"])
    if "enum" in schema:
        return f"one of {', '.join(map(str, schema['enum']))}"
    if "const" in schema:
        return str(schema["const"])
    if schema.get("type") == "array":
        return _wanted_list(schema)
    wanted = " ".join(filter(None, (_NOUNS.get(schema.get("type", ""), "another value"), _allowed(schema, _WORDS))))
    return f"{wanted} that matches {schema['pattern']}" if "pattern" in schema else wanted


def _wanted_list(schema: Mapping[str, Any]) -> str:
    items: Mapping[str, Any] = schema.get("items") or next(iter(schema.get("prefixItems", ())), {})
    examples = {"integer": "[1, 2]", "number": "[0.1, 0.2]", "string": '["a", "b"]'}
    if "enum" in items:
        return f"a list of {', '.join(map(str, items['enum']))}, as {json.dumps(items['enum'][:2])}"
    return f"a list, as {examples.get(str(items.get('type')), '[...]')}"


def _kind(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return "choice"
    if "anyOf" in schema:
        return " or ".join(_kind(part) for part in schema["anyOf"])
    kind = schema.get("type", "any")
    return {"null": "none", "string": "text", "array": "list", "object": "table"}.get(kind, kind)


def _allowed(schema: Mapping[str, Any], signs: Mapping[str, str]) -> str:
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"]))
    if "anyOf" in schema:
        return ", ".join(filter(None, (_allowed(part, signs) for part in schema["anyOf"])))
    return " and ".join(f"{sign} {schema[key]:g}" for key, sign in signs.items() if key in schema)


def _names_a_path(schema: Mapping[str, Any]) -> bool:
    parts = [*schema.get("anyOf", ()), *([schema["items"]] if "items" in schema else ())]
    return bool(schema.get("path")) or schema.get("format") == "path" or any(map(_names_a_path, parts))
