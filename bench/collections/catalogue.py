"""Opens a dataset by card name, card file or source specification, building it on first use.

A specification is `NAME`, `card.toml` or `SOURCE:ARGUMENT`, each with options: `beir:folder?split=dev`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from bench import registry
from bench.collections.cards import Card, cards, find_card, read_card
from bench.collections.collection import Collection, Rules, read_collection
from bench.collections.sources import Source
from bench.collections.writer import CollectionWriter
from bench.digests import digest_data
from bench.errors import BenchError
from bench.progress import Progress, no_progress
from bench.store import cache_root, locked, new_folder, write_text


@dataclass(frozen=True, repr=False)
class Dataset:
    """An opened dataset: its collection, the folder that holds it, and its card if it has one."""

    spec: str
    collection: Collection
    folder: Path
    card: Card | None
    dropped_judgements: int = 0

    def __repr__(self) -> str:
        return repr(self.collection)


@dataclass(frozen=True)
class _Request:
    """A parsed specification. `altered` when it gives options of the source on top of a card."""

    source_name: str
    source: Source
    rules: dict[str, Any]
    card: Card | None
    altered: bool


def open_dataset(spec: str, progress: Progress = no_progress) -> Dataset:
    """Open a dataset, parsing it into the cache if it is not there yet.

    A folder whose content is that of a known card is read by that card's rules. Raises BenchError for an
    unknown name, bad input, or content that differs from its card's digest.
    """
    request = _parse(spec)
    rules = Rules.from_options(f"dataset {spec}", {**request.source.rules, **request.rules})
    folder = _built(request, rules, progress)
    digest = (folder / "digest").read_text().strip()
    card = request.card
    if card is None:
        card = next((c for c in cards().values() if c.digests.get(request.source_name) == digest), None)
        known = card.rules if card else {}
        rules = Rules.from_options(f"dataset {spec}", {**request.source.rules, **known, **request.rules})
    elif not request.altered and card.digests.get(request.source_name, digest) != digest:
        raise BenchError(
            f"{spec}: the content has digest {digest[:12]}, its card says "
            f"{card.digests[request.source_name][:12]}: another version of the dataset; get the one that the "
            "card describes, or name the source itself instead of the card"
        )
    return Dataset(
        spec=spec,
        collection=read_collection(folder, card.name if card and not request.altered else spec, rules),
        folder=folder,
        card=card,
        dropped_judgements=int((folder / "dropped").read_text()),
    )


def _parse(spec: str) -> _Request:
    base, given = _split(spec)
    card = _card(base)
    source_base, preset = _split(card.source) if card else (base, {})
    name, _, argument = source_base.partition(":")
    kind = registry.find("source", name).load()
    options = {key: value for key, value in {**preset, **given}.items() if key not in Rules.model_fields}
    if argument and not kind.argument:
        raise BenchError(f"the source '{name}' takes no argument ('{argument}'); its options follow a '?'")
    if argument:
        options[kind.argument] = argument
    chosen = {key: value for key, value in {**preset, **given}.items() if key in Rules.model_fields}
    return _Request(
        source_name=name,
        source=kind.from_options(f"source {name}", options),
        rules={**(card.rules if card else {}), **chosen},
        card=card,
        altered=any(key not in Rules.model_fields for key in given),
    )


def _split(spec: str) -> tuple[str, dict[str, str]]:
    base, mark, query = spec.partition("?")
    try:
        return base, dict(parse_qsl(query, keep_blank_values=True, strict_parsing=bool(mark)))
    except ValueError:
        raise BenchError(f"'{spec}': options are written ?name=value&name=value") from None


def _card(base: str) -> Card | None:
    if base.endswith(".toml"):
        return read_card(Path(base))
    is_source = ":" in base or base in registry.plugins("source")
    return find_card(base) if base in cards() or not is_source else None


def _built(request: _Request, rules: Rules, progress: Progress) -> Path:
    plugin = registry.find("source", request.source_name)
    key = digest_data(
        {
            "source": request.source_name,
            "options": request.source.options(),
            "state": request.source.state(),
            "code": plugin.code_digest(),
            "unknown": rules.unknown_judgements,
        }
    )
    folder = cache_root() / "collections" / f"{request.source_name}-{key[:16]}"
    with locked(folder):
        if not folder.exists():
            with new_folder(folder) as draft:
                with CollectionWriter(draft, drop_unknown=rules.unknown_judgements == "drop") as writer:
                    request.source.read(writer, progress)
                write_text(draft / "dropped", str(writer.dropped))
    return folder
