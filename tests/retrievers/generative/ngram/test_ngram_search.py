"""The beam search against all n-grams of a small collection."""

import numpy as np
import pytest
import torch

from retrievers.generative.ngram.index import ViewIndex
from retrievers.generative.ngram.options import NgramBeamOptions
from retrievers.generative.ngram.search import Found, search
from retrievers.generative.ngram.suffix_array import END
from retrievers.generative.options import WordDecoderOptions
from retrievers.generative.word_writer import Question, WordWriter

TEXTS = [[0, 1, 2, 3], [1, 2, 4], [3, 0, 1, 5, 2]]
WORDS, DIMENSION = 6, 8


@pytest.fixture
def index() -> ViewIndex:
    return ViewIndex.build([(row, [text]) for row, text in enumerate(TEXTS)])


def writer(copies: bool = True) -> WordWriter:
    torch.manual_seed(3)
    options = WordDecoderOptions(dimension=16, heads=2, feed_forward=32, copies=copies)
    made = WordWriter(torch.randn(WORDS, DIMENSION), torch.ones(WORDS), options, views=2, longest=4).eval()
    torch.nn.init.normal_(made.output.weight)
    return made


def question() -> Question:
    """Two texts of three and two words, one of which no document has."""
    words = torch.tensor([[0, 4, 2], [-1, 5, -1]])
    mask = torch.tensor([[True, True, True], [True, True, False]])
    return Question(torch.randn(2, 3, DIMENSION, generator=torch.Generator().manual_seed(1)), mask, words)


def every_ngram(longest: int) -> set[tuple[int, ...]]:
    return {
        tuple(text[at : at + size])
        for text in TEXTS
        for size in range(1, longest + 1)
        for at in range(len(text) - size + 1)
    }


def tokens_of(found: Found) -> list[tuple[int, ...]]:
    return [tuple(token for token in line if token != END) for line in found.ngrams.tokens.tolist()]


@pytest.mark.parametrize("copies", [True, False])
def test_wide_beams_find_every_ngram_with_the_probability_that_training_gives_it(
    index: ViewIndex, copies: bool
) -> None:
    model = writer(copies)
    found = search(model, question(), index, 1, NgramBeamOptions(width=50, longest=4))
    for number, one in enumerate(found):
        ngrams = tokens_of(one)
        assert sorted(ngrams) == sorted(every_ngram(4))
        alone = Question(*(part[[number]] for part in question()))
        targets = torch.tensor([[*ngram, *[-1] * (4 - len(ngram))] for ngram in ngrams])
        with torch.no_grad():
            losses = model(alone, torch.ones(1, dtype=torch.long), targets[None])[0]
        assert one.ngrams.log_probs == pytest.approx(-losses.sum(dim=1).numpy(), abs=1e-4)


def test_the_probabilities_of_the_first_token_add_up(index: ViewIndex) -> None:
    for one in search(writer(), question(), index, 0, NgramBeamOptions(longest=4)):
        assert np.exp(one.unigrams.log_probs).sum() == pytest.approx(1, abs=1e-5)


def test_ranges_are_those_of_the_ngrams(index: ViewIndex) -> None:
    (one, _) = search(writer(), question(), index, 0, NgramBeamOptions(width=3, longest=4))
    for ngram, start, stop in zip(tokens_of(one), one.ngrams.starts, one.ngrams.stops, strict=True):
        assert (start, stop) == index.array.find(ngram)


def test_a_narrow_beam_keeps_the_likeliest_of_each_step(index: ViewIndex) -> None:
    wide, narrow = (
        search(writer(), question(), index, 0, NgramBeamOptions(width=width, longest=1))[0] for width in (50, 2)
    )
    best = sorted(zip(-wide.ngrams.log_probs, tokens_of(wide), strict=True))[:2]
    assert tokens_of(narrow) == [ngram for _, ngram in best]


def test_a_text_is_answered_alike_alone_and_in_company(index: ViewIndex) -> None:
    model = writer()
    (together, _) = search(model, question(), index, 0, NgramBeamOptions(width=4, longest=4))
    (alone,) = search(
        model, Question(*(part[:1] for part in question())), index, 0, NgramBeamOptions(width=4, longest=4)
    )
    assert tokens_of(together) == tokens_of(alone)
    assert together.ngrams.log_probs == pytest.approx(alone.ngrams.log_probs, abs=1e-5)
