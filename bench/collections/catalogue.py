"""Opens a dataset by card name, card file or source specification, building it on first use.

A specification is `NAME`, `card.toml`, `SOURCE:ARGUMENT` or a folder (or .zip) that a source recognises, each with
options: `beir:folder?split=dev`.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import registry
from bench.collections.archives import is_archive, unpacked
from bench.collections.cards import Card, cards, find_card, read_card
from bench.collections.collection import Collection, Rules, read_collection
from bench.collections.sources import Source
from bench.collections.writer import FORMAT, CollectionWriter
from bench.digests import digest_data
from bench.errors import BenchError, UnknownName
from bench.options import option_names
from bench.progress import Progress, no_progress
from bench.seals import damage
from bench.settings import parse_query
from bench.store import Hold, cache_root, locked, new_folder

SOURCE = "source.json"
"""What a parsed collection was read from."""


@dataclass(frozen=True, repr=False)
class Dataset:
    """An opened dataset: its collection, the folder that holds it, and its card if it has one."""

    spec: str
    collection: Collection
    folder: Path
    card: Card | None
    dropped_judgements: int = 0
    remarks: tuple[str, ...] = ()
    """What whoever opens it should know of how it was found."""

    hold: Hold | None = field(default=None, compare=False)
    """So that nobody removes the folder meanwhile."""

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
    found = with_source(spec)
    remarks = [f"{spec} is read as {found}"] if found != spec else []
    spec, request = found, _parse(found)
    owner = f"dataset {spec.partition('?')[0]}"
    rules = Rules.from_options(owner, {**request.source.rules, **request.rules})
    folder, hold, rebuilt = _built(request, rules, progress)
    remarks += [f"the parsed copy of {spec} was damaged ({rebuilt}) and has been made again"] if rebuilt else []
    digest = (folder / "digest").read_text().strip()
    card = request.card
    if card is None:
        card = next((c for c in cards().values() if c.digests.get(request.source_name) == digest), None)
        known = card.rules if card else {}
        rules = Rules.from_options(owner, {**request.source.rules, **known, **request.rules})
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
        remarks=tuple(remarks),
        hold=hold,
    )


def is_parsed(spec: str) -> bool:
    """Whether the parsed copy is in the cache, so that opening fetches nothing. Raises as `open_dataset` does."""
    request = _parse(with_source(spec))
    rules = Rules.from_options(spec, {**request.source.rules, **request.rules})
    return _place(request, rules).is_dir()


def with_source(spec: str) -> str:
    """The specification; that of a bare folder with the name of the source that recognises it.

    Raises BenchError for a folder that is not there, or that no source, or more than one, can read.
    """
    base, mark, query = spec.partition("?")
    if base in cards() or _is_source(base) or base.endswith(".toml"):
        return spec
    if Path(base).is_file() and not is_archive(Path(base)):
        raise BenchError(
            f"{base} is a file; give the folder of a dataset, a .zip of one, or a card, NAME.toml; files of your own "
            f"with columns are 'table?documents={base}&queries=FILE&qrels=FILE'"
        )
    if not Path(base).exists():
        if "/" in base and ":" not in base:
            raise BenchError(f"there is no folder {base}; correct the path, or take a name of `bench list datasets`")
        return spec
    kinds = {name: plugin.load() for name, plugin in registry.plugins("source").items()}
    folder = unpacked(Path(base)) if is_archive(Path(base)) else Path(base)
    fitting = [name for name, kind in kinds.items() if kind.recognises(folder)]
    if len(fitting) != 1:
        layouts = "; ".join(kind.layout for kind in kinds.values() if kind.layout)
        why = f"more than one source can read ({', '.join(fitting)})" if fitting else f"no source knows: {layouts}"
        raise BenchError(f"{base} is a folder that {why}; name the source, as in beir:{base}")
    return f"{fitting[0]}:{base}{mark}{query}"


def _is_source(base: str) -> bool:
    return base.partition(":")[0] in registry.plugins("source")


def _parse(spec: str) -> _Request:
    base, given = parse_query(spec)
    card = _card(base)
    source_base, preset = parse_query(card.source) if card else (base, {})
    name, _, argument = source_base.partition(":")
    kind = registry.find("source", name).load()
    if argument and not kind.argument:
        raise BenchError(f"the source '{name}' takes no argument ('{argument}'); its options follow a '?'")
    known = {*option_names(kind), *Rules.model_fields}
    for option in given:
        if option not in known:
            raise UnknownName(f"option of source {name}", option, known)
    chosen = {**preset, **given}
    options = {option: _folder(value) for option, value in chosen.items() if option not in Rules.model_fields}
    if argument:
        options[kind.argument] = _folder(argument)
    try:
        source = kind.from_options(f"source {name}", options)
    except BenchError as error:
        if Path(base).is_dir():
            raise BenchError(f"{error}; if you mean the folder of that name, write ./{base}") from None
        raise
    return _Request(
        source_name=name,
        source=source,
        rules={
            **(card.rules if card else {}),
            **{option: value for option, value in chosen.items() if option in Rules.model_fields},
        },
        card=card,
        altered=any(option not in Rules.model_fields for option in given),
    )


def _folder(value: Any) -> Any:
    """The folder that an archive holds, unpacked into the cache; anything else as it is."""
    return str(unpacked(Path(value))) if isinstance(value, str) and is_archive(Path(value)) else value


def _card(base: str) -> Card | None:
    if base.endswith(".toml"):
        return read_card(Path(base))
    return find_card(base) if base in cards() or not (":" in base or _is_source(base)) else None


def _built(request: _Request, rules: Rules, progress: Progress) -> tuple[Path, Hold, str]:
    """The folder of the parsed collection, held, and what was damaged in it if it had to be made again.

    A folder is whole or absent, so one that is whole is read without a lock, also where nothing can be written.
    """
    folder = _place(request, rules)
    hold = Hold(folder)
    if folder.exists() and not damage(folder):
        return folder, hold, ""
    with locked(folder):
        damaged = damage(folder) if folder.exists() else ""
        if damaged or not folder.exists():
            with (
                new_folder(folder) as draft,
                CollectionWriter(draft, drop_unknown=rules.unknown_judgements == "drop") as writer,
            ):
                made_from = {"source": request.source_name, "options": request.source.options()}
                (draft / SOURCE).write_text(json.dumps(made_from), encoding="utf-8")
                request.source.read(writer, progress)
        return folder, Hold(folder), damaged


def _place(request: _Request, rules: Rules) -> Path:
    key = {
        "source": request.source_name,
        "options": request.source.options(),
        "state": request.source.state(),
        "code": registry.find("source", request.source_name).code_digest(),
        "unknown": rules.unknown_judgements,
        "format": FORMAT,
    }
    try:
        digest = digest_data(key)
    except TypeError as error:
        raise BenchError(
            f"source {request.source_name}: its state cannot be written as JSON ({error}); give texts, numbers, "
            "lists and mappings"
        ) from None
    return cache_root() / "collections" / f"{request.source_name}-{digest[:16]}"
