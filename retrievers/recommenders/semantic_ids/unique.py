"""An identifier of its own for each item: one more token, or other codes for those that collide.

Other codes: Zhang et al. 2025, "Purely semantic indexing" (arXiv 2509.16446), for codes that build on each other.
"""

from collections.abc import Set
from typing import Literal

import numpy as np

from bench.errors import BenchError
from retrievers.generative.docids import Identifiers, with_collision_numbers
from retrievers.residual import ResidualCodes, left_over

OtherCodes = Literal["nearest-unused", "recursive"]

Path = tuple[int, ...]

_NEAREST = 5
"""Codes of each level that an item may take, unless all their combinations are taken."""

_COMBINATIONS = 2**15
"""Combinations that are compared at once, at most."""


def numbered(identifiers: Identifiers, seed: int) -> Identifiers:
    """With one more token, numbered in an order drawn at random: the catalogue's own may tell what comes next."""
    order = _drawn(len(identifiers), seed)
    made = with_collision_numbers(Identifiers(identifiers.tokens[order], identifiers.vocabularies))
    return Identifiers(made.tokens[np.argsort(order)], made.vocabularies)


def with_other_codes(identifiers: Identifiers, made_of: ResidualCodes, how: OtherCodes, seed: int) -> Identifiers:
    """As long as they were, and all different.

    Of the items that share an identifier the one that it describes best keeps it; the others, the best described
    first, take unused ones. Where items are described equally well the seed decides.

    nearest-unused: of all combinations of the nearest codes of each level, the one that describes the item best (the
        paper's exhaustive candidate matching); the nearest five, or more where these are taken
    recursive: the next nearest code of the last level, and where all of these are taken, of the level before, and so
        on (the paper's recursive residual searching)

    Raises BenchError if there are fewer identifiers than items, or no unused one among those compared.
    """
    if np.prod([float(len(book)) for book in made_of.books]) < len(identifiers):
        raise BenchError(
            f"codes of {' x '.join(str(len(book)) for book in made_of.books)} name no {len(identifiers):,} items; "
            "raise tokenizer.levels or tokenizer.codes"
        )
    find = _nearest_unused if how == "nearest-unused" else _recursive
    keep, move = _divided(identifiers.tokens, made_of, seed)
    tokens = identifiers.tokens.copy()
    taken = set(map(tuple, tokens[keep].tolist()))
    for row in move.tolist():
        path = find(made_of, row, taken)
        taken.add(path)
        tokens[row] = path
    return Identifiers(tokens, identifiers.vocabularies)


def _divided(tokens: np.ndarray, made_of: ResidualCodes, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows that keep their identifiers, one for each of these, and the others, the best described first."""
    errors = np.square(left_over(made_of, tokens)).sum(axis=1)
    order = np.lexsort((_drawn(len(tokens), seed), errors))
    first = np.unique(tokens[order], axis=0, return_index=True)[1]
    return order[first], np.delete(order, first)


def _nearest_unused(made_of: ResidualCodes, row: int, taken: Set[Path]) -> Path:
    levels = len(made_of.books)
    width = next(width for width in range(_NEAREST, 0, -1) if width**levels <= _COMBINATIONS)
    while width**levels <= _COMBINATIONS:
        paths, left = _combinations(made_of, row, width)
        for place in np.argsort(np.square(left).sum(axis=1), kind="stable"):
            path = tuple(paths[place].tolist())
            if path not in taken:
                return path
        width *= 2
    raise BenchError(
        f"every combination of the {width // 2} nearest codes of each level is taken; take collisions=recursive, or "
        "raise tokenizer.levels or tokenizer.codes"
    )


def _combinations(made_of: ResidualCodes, row: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Paths of shape [combinations, levels] and what they leave of the item, shape [combinations, dimension].

    The nearest codes of a level are those of what the nearest codes of the levels before leave.
    """
    nearest, choices = made_of.latents[row][None], []
    for book in made_of.books:
        codes = _nearest_first(nearest[0], book)[:width]
        choices.append(codes)
        nearest = made_of.after(nearest, book[codes[:1]])
    paths = np.stack(np.meshgrid(*choices, indexing="ij"), axis=-1).reshape(-1, len(choices))
    alike = np.broadcast_to(made_of.latents[row], (len(paths), made_of.latents.shape[1]))
    return paths, left_over(made_of._replace(latents=alike), paths)


def _recursive(made_of: ResidualCodes, row: int, taken: Set[Path]) -> Path:
    found = _below((), made_of.latents[row], made_of, taken)
    assert found is not None, "there are more identifiers than items"
    return found


def _below(prefix: Path, residual: np.ndarray, made_of: ResidualCodes, taken: Set[Path]) -> Path | None:
    """The first unused identifier that begins with the prefix, by the nearest codes of what the prefix left."""
    book = made_of.books[len(prefix)]
    for code in _nearest_first(residual, book).tolist():
        path = (*prefix, code)
        if len(path) < len(made_of.books):
            found = _below(path, made_of.after(residual[None], book[code][None])[0], made_of, taken)
            if found is not None:
                return found
        elif path not in taken:
            return path
    return None


def _nearest_first(vector: np.ndarray, book: np.ndarray) -> np.ndarray:
    """The codes of a book, the nearest to the vector first."""
    return np.argsort(np.square(book - vector).sum(axis=1), kind="stable")


def _drawn(items: int, seed: int) -> np.ndarray:
    return np.random.default_rng([seed, 1]).permutation(items)
