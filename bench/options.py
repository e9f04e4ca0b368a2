"""Options as data: typed fields with a default, a range and a one-line description."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from bench.errors import BenchError, UnknownName


class OptionInfo(NamedTuple):
    """One option, as `bench show` prints it."""

    name: str
    kind: str
    default: str
    allowed: str
    description: str


class Options(BaseModel):
    """Base of everything that a person configures: retrievers, sources, tasks.

    Annotated class attributes are options and are validated. Any other attribute may be set freely,
    so that `self.index = ...` in a method works as in an ordinary class.
    """

    model_config = ConfigDict(extra="forbid", validate_default=True, protected_namespaces=())

    def __setattr__(self, name: str, value: Any) -> None:
        if name in type(self).model_fields or name in self.__private_attributes__:
            super().__setattr__(name, value)
        else:
            object.__setattr__(self, name, value)

    def options(self) -> dict[str, Any]:
        """Every option with its value, as JSON-like data."""
        return self.model_dump(mode="json", include=set(type(self).model_fields))

    @classmethod
    def from_options(cls, owner: str, values: Mapping[str, Any]) -> Self:
        """Construct from text or data, e.g. of the command line or a suite file.

        Raises BenchError with one line that names the option and what it accepts.
        """
        for name in values:
            if name not in cls.model_fields:
                raise UnknownName(f"option of {owner}", name, cls.model_fields)
        try:
            return cls(**values)
        except ValidationError as error:
            raise BenchError(_explain(owner, error)) from None

    @classmethod
    def describe_options(cls) -> list[OptionInfo]:
        """All options in the order of their declaration."""
        properties = cls.model_json_schema()["properties"]
        return [
            OptionInfo(
                name=name,
                kind=_kind(properties[name]),
                default="required" if field.is_required() else str(field.default),
                allowed=_allowed(properties[name]),
                description=field.description or "",
            )
            for name, field in cls.model_fields.items()
        ]


def _explain(owner: str, error: ValidationError) -> str:
    problems = []
    for item in error.errors():
        name = ".".join(str(part) for part in item["loc"]) or "options"
        given = "" if item["type"] == "missing" else f" (given {item['input']!r})"
        problems.append(f"{owner}.{name}: {item['msg'][0].lower()}{item['msg'][1:]}{given}")
    return f"{'; '.join(problems)}; see `bench show`"


def _kind(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return "choice"
    if "anyOf" in schema:
        return " or ".join(_kind(part) for part in schema["anyOf"])
    return {"null": "none", "string": "text"}.get(schema.get("type", ""), schema.get("type", "any"))


def _allowed(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"]))
    if "anyOf" in schema:
        return ", ".join(filter(None, (_allowed(part) for part in schema["anyOf"])))
    signs = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    return " and ".join(f"{sign} {schema[key]:g}" for key, sign in signs.items() if key in schema)
