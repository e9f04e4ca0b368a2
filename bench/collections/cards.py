"""Dataset cards: what is known of a dataset, as a TOML file."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bench.errors import BenchError, UnknownName


class Card(BaseModel):
    """One dataset: where it comes from, how it is read and judged, and whom to cite."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    title: str
    source: str = Field(description="source specification, as --dataset takes it")
    description: str
    licence: str
    citation: str
    url: str = ""
    rules: dict[str, Any] = Field(default_factory=dict, description="see bench.collections.collection.Rules")
    digests: dict[str, str] = Field(
        default_factory=dict, description="SHA-256 of the content, by the source that it was read through"
    )


def cards_folder() -> Path:
    """The cards inside an installed wheel, or at the top of a checkout."""
    packaged = Path(__file__).parents[1] / "cards"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "datasets"


@cache
def cards() -> dict[str, Card]:
    """All known cards by name."""
    return {path.stem: read_card(path) for path in sorted(cards_folder().glob("*.toml"), key=lambda path: path.stem)}


def find_card(name: str) -> Card:
    """The card of that name. Raises UnknownName with the nearest names."""
    if name not in cards():
        raise UnknownName("dataset", name, cards(), "(or give a source: beir:FOLDER, trec:FOLDER, irds:ID)")
    return cards()[name]


def read_card(path: Path) -> Card:
    """Read a card; its name is the file's. Raises BenchError with the file and the field at fault."""
    try:
        return Card(name=path.stem, **tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise BenchError(f"{path} cannot be read: {error.strerror}; check the path of the card") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BenchError(f"{path}: not TOML: {error}") from None
    except (ValidationError, TypeError) as error:
        problem = error.errors()[0] if isinstance(error, ValidationError) else None
        where = f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" if problem else str(error)
        raise BenchError(f"{path}: {where}; see the cards in {cards_folder()}") from None
