"""Item tokenizers: what turns the items of a catalogue into short sequences of codes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from reprlib import repr as short
from typing import Any

import numpy as np

from bench.errors import BenchError
from bench.mappings import read_mapping
from bench.progress import Progress
from retrievers.generative.docids import Identifiers, semantic
from retrievers.recommenders.semantic_ids import behavioural
from retrievers.recommenders.semantic_ids.options import MOST_CODES, MOST_LEVELS, UNIQUE, TokenizerOptions
from retrievers.recommenders.semantic_ids.vector_codes import vector_codes
from retrievers.residual import ResidualCodes

_ORDER = b"catalogue"
"""Beside the seed, so that the items' order and what is drawn later are independent."""


@dataclass(frozen=True)
class Codes:
    """The items' identifiers, which several items may share, and what there is to tell of them.

    facts: see `report`; where the codes come from vectors also `items_without_vector` (all zeros) and, where vectors
        differ and can be rebuilt from the codes, `variance_left`: the mean squared error of the rebuilt vectors over
        the variance of the item vectors, after each level where levels build on each other
    made_of: what codes that build on each other are made of
    """

    identifiers: Identifiers
    facts: dict[str, Any]
    made_of: ResidualCodes | None = None


def tokenize(
    options: TokenizerOptions,
    vectors: np.ndarray,
    sequences: Sequence[np.ndarray],
    seed: int,
    progress: Progress,
) -> Codes:
    """Identifiers for the items whose vectors are `vectors`, float32 of shape [items, dimension].

    `sequences` are the training sequences: rows of each user's items, oldest first. Items are taken in an order drawn
    at random, because the catalogue's own may follow the sequences and so tell what comes next. The same seed gives
    the same codes. Raises BenchError for no items, vectors that are not finite, and too few codes where each item
    needs an identifier of its own.
    """
    vectors = _checked(vectors)
    _check_room(options, len(vectors))
    order = np.random.default_rng([seed, *_ORDER]).permutation(len(vectors))
    place = np.argsort(order)
    identifiers, facts, made_of = _identifiers(
        options, vectors[order], [place[sequence] for sequence in sequences], seed, progress
    )
    identifiers = Identifiers(identifiers.tokens[place], identifiers.vocabularies)
    if options.reads_text:
        facts["items_without_vector"] = int((~vectors.any(axis=1)).sum())
    made_of = made_of and made_of._replace(latents=made_of.latents[place])
    return Codes(identifiers, {**report(identifiers), **facts}, made_of)


def codes_of_file(options: TokenizerOptions, items: Sequence[str]) -> Codes:
    """The identifiers that the file `options.mapping` gives to the items, in their order.

    facts: see `report`, and `unknown_items`, how many of the file's are none of these. Raises BenchError for an item
    that the file lacks, and for more levels or other codes than a tokenizer here may have.
    """
    path = Path(options.mapping)
    mapping = read_mapping(path)
    lacking = [item for item in items if item not in mapping]
    if lacking:
        raise BenchError(
            f"{path} has no codes for {len(lacking):,} of {len(items):,} items, such as {', '.join(lacking[:3])}; "
            "give each item of the collection its codes"
        )
    for item in items:
        codes = mapping[item]
        if len(codes) > MOST_LEVELS or max(codes) >= MOST_CODES:
            raise BenchError(
                f"{path}: item '{item}' has the codes {short(codes)}, beyond {MOST_LEVELS} levels of {MOST_CODES:,} "
                "codes; number each level's codes from 0"
            )
    levels = max(len(mapping[item]) for item in items)
    tokens = np.full((len(items), levels), -1, dtype=np.int32)
    for row, item in enumerate(items):
        tokens[row, : len(mapping[item])] = mapping[item]
    identifiers = Identifiers(tokens, tuple(np.maximum(tokens.max(axis=0) + 1, options.codes).tolist()))
    return Codes(identifiers, {**report(identifiers), "unknown_items": len(mapping.keys() - set(items))})


def refuse_beginnings(identifiers: Identifiers, items: Sequence[str], path: Path) -> None:
    """Raises BenchError where one identifier, of those that come from the file, begins another."""
    named = [tuple(code for code in codes if code >= 0) for codes in identifiers.tokens.tolist()]
    owners = dict(zip(reversed(named), reversed(items), strict=True))
    for codes, item in owners.items():
        for length in range(1, len(codes)):
            if codes[:length] in owners:
                raise BenchError(
                    f"{path}: the codes of item '{owners[codes[:length]]}' begin those of item '{item}', so that "
                    "nothing tells where they end; make them equally long"
                )


def report(identifiers: Identifiers) -> dict[str, Any]:
    """How well the identifiers tell the items apart.

    distinct_identifiers: how many there are
    items_sharing: items whose identifier another item has too
    largest_group: most items of one identifier
    codebook_use: for each level, the share of its codes that some item has
    """
    _, sizes = np.unique(identifiers.tokens, axis=0, return_counts=True)
    used = [
        len(np.unique(level[level >= 0])) / codes
        for level, codes in zip(identifiers.tokens.T, identifiers.vocabularies, strict=True)
    ]
    return {
        "distinct_identifiers": len(sizes),
        "items_sharing": int(sizes[sizes > 1].sum()),
        "largest_group": int(sizes.max()),
        "codebook_use": used,
    }


def _checked(vectors: np.ndarray) -> np.ndarray:
    if not len(vectors):
        raise BenchError("there are no items to tokenize; give a catalogue of at least one")
    vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    if not np.isfinite(vectors).all():
        raise BenchError("item vectors must be finite numbers; look at the encoder that made them")
    return vectors


def _check_room(options: TokenizerOptions, items: int) -> None:
    if options.kind in UNIQUE and options.codes**options.levels < items:
        raise BenchError(
            f"{options.kind}: {options.levels} levels of {options.codes} codes name no {items} items; "
            "raise tokenizer.levels or tokenizer.codes"
        )


def _identifiers(
    options: TokenizerOptions,
    vectors: np.ndarray,
    sequences: Sequence[np.ndarray],
    seed: int,
    progress: Progress,
) -> tuple[Identifiers, dict[str, Any], ResidualCodes | None]:
    """The identifiers, `variance_left` where there is one, and what codes that build on each other are made of."""
    items, levels, codes = len(vectors), options.levels, options.codes
    match options.kind:
        case "hierarchical":
            branch = _branch(items, levels)
            return semantic(vectors, branch, branch, levels, seed, codes), {}, None
        case "random":
            return behavioural.random(items, levels, codes, seed), {}, None
        case "sequential":
            return behavioural.sequential(items, sequences, codes), {}, None
        case "collaborative":
            branch = _branch(items, levels)
            return behavioural.collaborative(items, sequences, branch, levels, codes, seed), {}, None
    standardised = _standardised(vectors)
    coded = vector_codes(options, standardised, seed, progress)
    told = coded.variance_left is not None and standardised.any()
    return coded.identifiers, {"variance_left": coded.variance_left} if told else {}, coded.made_of


def _branch(items: int, levels: int) -> int:
    """The fewest clusters, 2 or more, in which a cluster is divided so that so many levels do."""
    branch = 2
    while branch**levels < items:
        branch += 1
    return branch


def _standardised(vectors: np.ndarray) -> np.ndarray:
    """With means of 0 and a mean variance of 1, unless all are equal."""
    centred = vectors - vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
    scale = np.sqrt(np.square(centred, dtype=np.float64).mean())
    return centred / np.float32(scale) if scale > 0 else centred
