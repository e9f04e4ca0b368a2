"""Dataset cards: what is known of a dataset, as a TOML file."""

from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bench.errors import BenchError, UnknownName
from bench.options import plain
from bench.textfiles import read_toml


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
    size: str = Field("", description="how much there is, e.g. 5,183 documents")
    needs: str = Field("", description="what must be there or is fetched on first use; empty: nothing")
    mteb: str = Field("", description="task of MTEB with these documents, queries and judgements")
    rules: dict[str, Any] = Field(default_factory=dict, description="see bench.collections.collection.Rules")
    digests: dict[str, str] = Field(
        default_factory=dict, description="SHA-256 of the content, by the source that it was read through"
    )

    def summary(self) -> str:
        """The title, with what one asks before opening it: size, language, and what it needs."""
        from bench.collections.collection import Rules

        language = str(self.rules.get("language", Rules.model_fields["language"].default))
        facts = [self.size, language, f"needs {self.needs}" if self.needs else ""]
        return f"{self.title} ({', '.join(filter(None, facts))})"


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
        raise UnknownName("dataset", name, cards(), "(or give a folder, a .zip, or a source, as beir:FOLDER)")
    return cards()[name]


def read_card(path: Path) -> Card:
    """Read a card; its name is the file's. Raises BenchError with the file and the field at fault."""
    data = read_toml(path)
    if "name" in data:
        raise BenchError(f"{path}: a dataset is called as its card's file; leave the key `name` out")
    try:
        return Card.model_validate({**data, "name": path.stem})
    except ValidationError as error:
        raise BenchError(f"{path}: {plain(error.errors()[0])}; see the cards in {cards_folder()}") from None
