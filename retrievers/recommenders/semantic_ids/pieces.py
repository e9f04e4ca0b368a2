"""Pieces of identifiers as features of the items that have them (Singh et al. 2023, arXiv 2306.08121, section 4)."""

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from bench.digests import digest_data
from bench.options import Options

PieceKind = Literal["n-gram", "unigram", "bpe", "item"]

_FIRST = 0x10000
"""From here on every number is a character of its own, and none is part of another."""

_UNKNOWN = "?"


class PieceOptions(Options):
    """How an identifier is cut into pieces, each of which has a vector."""

    kind: PieceKind = Field(
        "unigram",
        description="n-gram: so many codes each; unigram, bpe: learned, longer where items are frequent; item: the "
        "item's own number, without its codes",
    )
    codes: int = Field(2, ge=1, le=8, description="n-gram: codes of a piece")
    vocabulary: int = Field(
        2000, ge=1, le=1_000_000, description="unigram, bpe: pieces, beside single codes, at most"
    )
    rows: int = Field(0, ge=0, description="vectors that all pieces share by a hash; 0: one for each piece")


def piece_rows(tokens: np.ndarray, counts: np.ndarray, options: PieceOptions) -> tuple[np.ndarray, int]:
    """The vectors' rows of each item, int64 of shape [items, pieces] with -1 behind the last, and how many there are.

    tokens: shape [items, levels], with -1 after the end of a shorter identifier
    counts: shape [items], how often each occurs in training, from which `unigram` and `bpe` are learned
    """
    cut = _CUTS[options.kind](tokens, counts, options)
    pieces = dict.fromkeys(piece for of_item in cut for piece in of_item)
    numbers = {piece: number for number, piece in enumerate(sorted(pieces))}
    if options.rows:
        numbers = {piece: int(digest_data(piece), 16) % options.rows for piece in pieces}
    rows = np.full((len(cut), max(map(len, cut))), -1, dtype=np.int64)
    for line, of_item in zip(rows, cut, strict=True):
        line[: len(of_item)] = [numbers[piece] for piece in of_item]
    return rows, options.rows or len(numbers)


Pieces = list[list[tuple[int, ...]]]
"""Of each item: the place of each piece's first code, or of the item, and the codes."""


def _n_grams(tokens: np.ndarray, _counts: np.ndarray, options: PieceOptions) -> Pieces:
    """Neighbouring codes, so many together, from the first on."""
    starts = range(0, tokens.shape[1], options.codes)
    return [
        [(start, *_codes(line[start : start + options.codes])) for start in starts if line[start] >= 0]
        for line in tokens
    ]


def _codes(line: np.ndarray) -> Iterator[int]:
    return (int(code) for code in line if code >= 0)


def _items(tokens: np.ndarray, _counts: np.ndarray, _options: PieceOptions) -> Pieces:
    return [[(row,)] for row in range(len(tokens))]


def _learned(tokens: np.ndarray, counts: np.ndarray, options: PieceOptions) -> Pieces:
    """Pieces of a vocabulary that is learned from the identifiers as they occur, as SentencePiece does of words."""
    from tokenizers import Tokenizer, models, trainers

    texts = _written(tokens)
    alphabet = sorted(set("".join(texts)))
    room = len(alphabet) + options.vocabulary
    model, trainer = (
        (models.BPE(), trainers.BpeTrainer(vocab_size=room, initial_alphabet=alphabet, show_progress=False))
        if options.kind == "bpe"
        else (
            models.Unigram(),
            trainers.UnigramTrainer(
                vocab_size=room,
                initial_alphabet=alphabet,
                special_tokens=[_UNKNOWN],
                unk_token=_UNKNOWN,
                show_progress=False,
            ),
        )
    )
    tokenizer = Tokenizer(model)
    tokenizer.train_from_iterator(
        (text for text, count in zip(texts, counts, strict=True) for _ in range(count)), trainer
    )
    return [_read(encoded.tokens) for encoded in tokenizer.encode_batch(texts)]


def _written(tokens: np.ndarray) -> list[str]:
    """Identifiers as words, in which each code of each level is a character of its own."""
    first = _FIRST + np.concatenate([[0], np.cumsum(tokens.max(axis=0)[:-1] + 1)])
    return ["".join(chr(code) for code, own in zip(first + line, line, strict=True) if own >= 0) for line in tokens]


def _read(pieces: Sequence[str]) -> list[tuple[int, ...]]:
    return [tuple(map(ord, piece)) for piece in pieces]


_CUTS = {"n-gram": _n_grams, "unigram": _learned, "bpe": _learned, "item": _items}
