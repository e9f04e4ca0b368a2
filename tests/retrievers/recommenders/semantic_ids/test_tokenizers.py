"""Every tokenizer on the same items: codes in range, the same for a seed, and defined answers at the edges."""

from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.errors import BenchError
from bench.progress import no_progress
from retrievers.generative.docids import Identifiers
from retrievers.recommenders.semantic_ids.options import UNIQUE, Tokenizer, TokenizerOptions
from retrievers.recommenders.semantic_ids.tokenizers import Codes, report, tokenize

TOKENIZERS = [name for name in get_args(Tokenizer) if name != "mapping"]  # which reads codes and makes none
OF_VECTORS = [name for name in TOKENIZERS if name not in UNIQUE]
SEQUENCES = [np.array([3, 1, 4, 1, 5]), np.array([4, 2, 3]), np.array([], dtype=np.int64)]


def coded(vectors: np.ndarray, name: str, seed: int = 0, **options: Any) -> Codes:
    given = {"kind": name, "levels": 3, "codes": 16, "latent": 8, "steps": 5, **options}
    sequences = [rows[rows < len(vectors)] for rows in SEQUENCES]
    return tokenize(TokenizerOptions.from_options("sid", given), vectors, sequences, seed, no_progress)


def assert_valid(codes: Codes, items: int, levels: int = 3, most: int = 16) -> None:
    tokens, vocabularies = codes.identifiers.tokens, codes.identifiers.vocabularies
    assert tokens.dtype == np.int32
    assert len(tokens) == items
    assert tokens.shape[1] == len(vocabularies) <= levels
    assert max(vocabularies) <= most
    assert (tokens[:, 0] >= 0).all()
    assert ((tokens >= -1) & (tokens < vocabularies)).all()
    assert (np.diff(tokens < 0, axis=1) >= 0).all()  # nothing after an end
    codes.identifiers.trie()  # refuses prefixes


@pytest.mark.parametrize("name", TOKENIZERS)
def test_every_item_has_codes_in_range_and_the_same_for_a_seed(item_vectors: np.ndarray, name: str) -> None:
    first, same = coded(item_vectors, name, seed=3), coded(item_vectors, name, seed=3)
    assert_valid(first, len(item_vectors))
    np.testing.assert_array_equal(first.identifiers.tokens, same.identifiers.tokens)
    assert first.facts == same.facts
    if name != "fsq":  # which starts without drawing, and here learns from all items at once
        other = coded(item_vectors, name, seed=4)
        assert (other.identifiers.tokens != first.identifiers.tokens).any()


@pytest.mark.parametrize("name", UNIQUE)
def test_items_have_identifiers_of_their_own(item_vectors: np.ndarray, name: str) -> None:
    facts = coded(item_vectors, name).facts
    assert facts["distinct_identifiers"] == len(item_vectors)
    assert (facts["items_sharing"], facts["largest_group"]) == (0, 1)


@pytest.mark.parametrize("name", OF_VECTORS)
def test_items_of_equal_vectors_share_an_identifier(item_vectors: np.ndarray, name: str) -> None:
    vectors = np.concatenate([item_vectors, item_vectors[:7]])
    tokens = coded(vectors, name).identifiers.tokens
    np.testing.assert_array_equal(tokens[:7], tokens[len(item_vectors) :])


@pytest.mark.parametrize("name", OF_VECTORS)
def test_the_order_of_the_items_does_not_decide_how_many_codes_there_are(item_vectors: np.ndarray, name: str) -> None:
    order = np.random.default_rng(1).permutation(len(item_vectors))
    assert (
        coded(item_vectors[order], name).identifiers.vocabularies
        == coded(item_vectors, name).identifiers.vocabularies
    )
    found, expected = (
        np.mean([coded(vectors, name, seed=seed).facts["distinct_identifiers"] for seed in range(5)])
        for vectors in (item_vectors[order], item_vectors)
    )
    assert found == pytest.approx(expected, rel=0.1), "mean of five seeds, so that chance decides less than the order"


@pytest.mark.parametrize("name", OF_VECTORS)
def test_what_the_codes_lose_is_told(item_vectors: np.ndarray, name: str) -> None:
    left = coded(item_vectors, name, steps=40).facts["variance_left"]
    assert len(left) == (3 if name in ("residual-k-means", "residual-vq", "rq-vae") else 1)
    assert all(0 < share < 1 for share in left)


@pytest.mark.parametrize("name", ["residual-k-means", "residual-vq", "rq-vae"])
def test_less_is_left_after_each_level(item_vectors: np.ndarray, name: str) -> None:
    left = coded(item_vectors, name, steps=40).facts["variance_left"]
    assert left[0] > left[1] > left[2]


@pytest.mark.parametrize("name", ["residual-vq", "vq-vae", "rq-vae"])
def test_training_leaves_less(item_vectors: np.ndarray, name: str) -> None:
    untrained, trained = (coded(item_vectors, name, steps=steps).facts["variance_left"][-1] for steps in (0, 60))
    assert trained < untrained


@pytest.mark.parametrize("name", TOKENIZERS)
def test_more_codes_than_items(item_vectors: np.ndarray, name: str) -> None:
    codes = coded(item_vectors[:6], name, codes=300)
    assert_valid(codes, 6, most=300)
    if name not in ("fsq", "random"):  # whose codes are numbers, not learned of the items
        assert max(codes.identifiers.vocabularies) <= 6


@pytest.mark.parametrize("levels", [1, 8])
@pytest.mark.parametrize("name", TOKENIZERS)
def test_one_level_and_eight(item_vectors: np.ndarray, name: str, levels: int) -> None:
    uniform = name in ("residual-k-means", "residual-vq", "rq-vae")
    codes = coded(item_vectors, name, levels=levels, codes=256, uniform_last=uniform)
    assert_valid(codes, len(item_vectors), levels, most=256)


@pytest.mark.parametrize("name", TOKENIZERS)
def test_a_catalogue_of_one_item(item_vectors: np.ndarray, name: str) -> None:
    codes = coded(item_vectors[:1], name)
    assert_valid(codes, 1)
    assert codes.facts["distinct_identifiers"] == codes.facts["largest_group"] == 1
    assert "variance_left" not in codes.facts


@pytest.mark.parametrize("name", TOKENIZERS)
def test_equal_vectors_are_one_group_or_told_apart_by_numbers(item_vectors: np.ndarray, name: str) -> None:
    codes = coded(np.repeat(item_vectors[:1], 50, axis=0), name)
    assert_valid(codes, 50)
    assert codes.facts["largest_group"] == (1 if name in UNIQUE else 50)
    assert codes.facts["items_sharing"] == (0 if name in UNIQUE else 50)


@pytest.mark.parametrize("name", TOKENIZERS)
def test_items_without_text_are_counted_and_share_a_group(item_vectors: np.ndarray, name: str) -> None:
    vectors = np.concatenate([item_vectors[:30], np.zeros((5, 384), dtype=np.float32)])
    codes = coded(vectors, name)
    assert_valid(codes, 35)
    assert codes.facts.get("items_without_vector") == (5 if TokenizerOptions(kind=name).reads_text else None)
    assert (len(np.unique(codes.identifiers.tokens[30:], axis=0)) == 1) == (name not in UNIQUE)


@pytest.mark.parametrize("name", ["residual-k-means", "residual-vq"])
def test_normalised_residuals_lose_nothing_that_can_be_told(item_vectors: np.ndarray, name: str) -> None:
    codes = coded(item_vectors, name, normalise_residuals=True)
    assert_valid(codes, len(item_vectors))
    assert "variance_left" not in codes.facts
    assert (codes.identifiers.tokens != coded(item_vectors, name).identifiers.tokens).any()


@pytest.mark.parametrize("name", ["residual-k-means", "residual-vq", "rq-vae"])
def test_a_uniform_last_level_has_fewer_items_share(item_vectors: np.ndarray, name: str) -> None:
    plain, uniform = (coded(item_vectors, name, codes=8, uniform_last=choice) for choice in (False, True))
    assert_valid(uniform, len(item_vectors))
    assert uniform.facts["items_sharing"] < plain.facts["items_sharing"]
    np.testing.assert_array_equal(uniform.identifiers.tokens[:, :2], plain.identifiers.tokens[:, :2])


@pytest.mark.parametrize("name", TOKENIZERS)
def test_the_catalogue_s_order_says_nothing(name: str) -> None:
    """Without text and sequences nothing is known of the items, so their codes must not follow their rows."""
    vectors = np.zeros((60, 4), dtype=np.float32)
    codes = tokenize(TokenizerOptions(kind=name, codes=16, steps=2), vectors, [], 0, no_progress)
    numbers = codes.identifiers.tokens.astype(np.int64) @ [400, 20, 1][: codes.identifiers.tokens.shape[1]]
    assert abs(np.corrcoef(numbers, np.arange(60))[0, 1]) < 0.35 if np.ptp(numbers) else name not in UNIQUE


@pytest.mark.parametrize("name", TOKENIZERS)
def test_vectors_that_are_not_finite_are_refused(name: str) -> None:
    vectors = np.ones((4, 8), dtype=np.float32)
    vectors[2, 5] = np.nan
    with pytest.raises(BenchError, match="item vectors must be finite numbers; look at the encoder that made them"):
        coded(vectors, name)


def test_no_items_are_refused() -> None:
    with pytest.raises(BenchError, match="there are no items to tokenize; give a catalogue of at least one"):
        coded(np.zeros((0, 8)), "random")


@pytest.mark.parametrize("name", UNIQUE)
def test_too_few_codes_for_identifiers_of_their_own_are_refused(name: str) -> None:
    vectors = np.random.default_rng(0).standard_normal((9, 4))
    assert_valid(coded(vectors[:8], name, codes=2), 8, most=2)
    with pytest.raises(
        BenchError, match=f"{name}: 3 levels of 2 codes name no 9 items; raise tokenizer.levels or tokenizer.codes"
    ):
        coded(vectors, name, codes=2)


def test_options_that_a_tokenizer_does_not_have_are_refused() -> None:
    with pytest.raises(
        BenchError, match="uniform_last is for the tokenizers residual-k-means, residual-vq, rq-vae, "
    ):
        TokenizerOptions.from_options("sid", {"kind": "fsq", "uniform_last": True})
    with pytest.raises(
        BenchError, match="normalise_residuals is for the tokenizers residual-k-means, residual-vq, n"
    ):
        TokenizerOptions.from_options("sid", {"kind": "rq-vae", "normalise_residuals": True})


def test_progress_is_told(item_vectors: np.ndarray) -> None:
    told = []
    options = TokenizerOptions(kind="vq-vae", steps=45)
    tokenize(options, item_vectors, [], 0, lambda *step: told.append(step))
    assert told == [("training the tokenizer", done, 45) for done in (20, 40, 45)]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(*[st.integers(0, 3)] * 2), min_size=1, max_size=20))
def test_the_report_counts_as_one_would_by_hand(rows: list[tuple[int, ...]]) -> None:
    found = report(Identifiers(np.array(rows, dtype=np.int32), (4, 8)))
    assert found["distinct_identifiers"] == len(set(rows))
    assert found["items_sharing"] == sum(rows.count(row) > 1 for row in rows)
    assert found["largest_group"] == max(map(rows.count, rows))
    assert found["codebook_use"] == [len({row[0] for row in rows}) / 4, len({row[1] for row in rows}) / 8]


def test_the_report_passes_over_what_is_after_an_end() -> None:
    found = report(Identifiers(np.array([[0, -1], [1, 0], [1, 0]], dtype=np.int32), (2, 2)))
    assert found == {"distinct_identifiers": 2, "items_sharing": 2, "largest_group": 2, "codebook_use": [1.0, 0.5]}
