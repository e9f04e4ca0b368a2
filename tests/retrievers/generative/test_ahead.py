"""Planning ahead against its definition: every candidate scored by its log-probability and its given score."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_beam import QUERIES, Catalogue, RandomModel, catalogues, normalised

from bench.errors import BenchError
from bench.protocols import Scored
from retrievers.generative.ahead import Ahead
from retrievers.generative.beam import beam_search, search
from retrievers.generative.options import BeamOptions, Normalise

Wanted = list[dict[int, float]]


def tokens_of(catalogue: Catalogue) -> np.ndarray:
    tokens = np.full((len(catalogue.sequences), max(map(len, catalogue.sequences))), -1)
    for row, sequence in enumerate(catalogue.sequences):
        tokens[row, : len(sequence)] = sequence
    return tokens


def drawn(documents: int, seed: int, most: int) -> list[Scored]:
    """For each query some documents with scores, as many as `most`."""
    random = np.random.default_rng(seed)
    rows = [random.permutation(documents)[: random.integers(0, most + 1)] for _ in range(QUERIES)]
    return [(some, random.normal(0, 4, len(some))) for some in rows]


def exhaustive(catalogue: Catalogue, model: RandomModel, candidates: list[Scored], normalise: Normalise) -> Wanted:
    """For each query the score of every candidate by its row, best first."""
    found = []
    for query, (rows, scores) in enumerate(candidates):
        log_probs = catalogue.exact(model, query, normalise)
        sums = {int(r): log_probs[catalogue.sequences[r]] + s for r, s in zip(rows, scores, strict=True)}
        found.append(dict(sorted(sums.items(), key=lambda one: -one[1])))
    return found


@settings(deadline=None, max_examples=60)
@given(catalogues, normalised, st.integers(0, 99), st.sampled_from(["constrained", "exact"]))
def test_with_a_beam_as_wide_as_the_candidates_it_is_every_candidate_scored(
    catalogue: Catalogue, normalise: Normalise, seed: int, decoding: str
) -> None:
    tables, model, tokens = catalogue.trie().on("cpu"), RandomModel(seed), tokens_of(catalogue)
    candidates = drawn(len(tokens), seed, len(tokens))
    guide = Ahead(tables, tokens, candidates)
    width = max(1, *(len(rows) for rows, _ in candidates))
    options = BeamOptions.model_validate({"width": width, "normalise": normalise, "decoding": decoding})
    found = list(guide.items_of(search(model, tables, options, guide=guide)))
    expected = exhaustive(catalogue, model, candidates, normalise)
    for (rows, scores), wanted in zip(found, expected, strict=True):
        assert rows.tolist() == list(wanted)  # documents that share an identifier tie by chance only
        assert scores == pytest.approx(list(wanted.values()), abs=1e-4)


@settings(deadline=None, max_examples=40)
@given(catalogues, st.integers(1, 6), st.integers(0, 99))
def test_what_narrow_beams_find_has_its_own_score(catalogue: Catalogue, beams: int, seed: int) -> None:
    tables, model, tokens = catalogue.trie().on("cpu"), RandomModel(seed), tokens_of(catalogue)
    candidates = drawn(len(tokens), seed, len(tokens))
    guide = Ahead(tables, tokens, candidates)
    found = guide.items_of(beam_search(model, tables, beams, guide=guide))
    for (rows, scores), wanted in zip(found, exhaustive(catalogue, model, candidates, "vocabulary"), strict=True):
        assert scores == pytest.approx([wanted[row] for row in rows.tolist()], abs=1e-4)
        assert len(rows) == 0 or len(wanted) > 0


def test_a_prefix_is_worth_the_best_candidate_below_it() -> None:
    tokens = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    tables = Catalogue([(0, 0), (0, 1), (1, 0), (1, 1)]).trie().on("cpu")
    some = np.array([1, 0, 2]), np.array([3.0, 1.0, -2.0])
    guide = Ahead(tables, tokens, [some, (np.array([], dtype=int), np.array([]))])
    states = torch.tensor([[0, 1, 2, 3, 4, 5, 6, -1]] * 2)
    nothing = -np.inf
    assert guide.best(states).tolist() == [[3, 3, -2, 1, 3, -2, nothing, nothing], [nothing] * 8]


def test_a_likely_document_is_found_that_a_beam_alone_would_leave() -> None:
    """Two tokens; the first is unlikely, and the second would make up for it."""

    class Late(RandomModel):
        def logits(self, query: int, prefix: tuple[int, ...]) -> np.ndarray:
            return np.log([[0.9, 0.1], [0.5, 0.5], [0.01, 0.99]][0 if not prefix else 1 + prefix[0]])

    tables = Catalogue([(0, 0), (0, 1), (1, 0), (1, 1)]).trie()
    tables.vocabularies[:] = 2
    tokens = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    model, on = Late(vocabulary=2, queries=1), tables.on("cpu")
    assert beam_search(model, on, 1).groups.tolist() == [[0]]
    every = [(np.arange(4), np.array([0.0, 0.0, 0.0, 3.0]))]
    guide = Ahead(on, tokens, every)
    ((rows, scores),) = guide.items_of(beam_search(model, on, 1, guide=guide))
    assert rows.tolist() == [3]
    assert scores == pytest.approx([np.log(0.1 * 0.99) + 3])


def test_documents_that_share_an_identifier_are_told_apart_by_their_given_scores() -> None:
    catalogue = Catalogue([(0,), (1,), (0,)])
    tables, model = catalogue.trie().on("cpu"), RandomModel(queries=1)
    guide = Ahead(tables, np.array([[0], [1], [0]]), [(np.array([0, 2]), np.array([1.0, 2.0]))])
    ((rows, scores),) = guide.items_of(beam_search(model, tables, 5, guide=guide))
    assert rows.tolist() == [2, 0]
    assert scores[0] - scores[1] == pytest.approx(1, abs=1e-5)


def test_free_decoding_keeps_to_no_candidates() -> None:
    catalogue = Catalogue([(0,), (1,)])
    tables = catalogue.trie().on("cpu")
    guide = Ahead(tables, tokens_of(catalogue), [(np.arange(2), np.zeros(2))] * QUERIES)
    with pytest.raises(BenchError, match="free keeps to no candidates"):
        beam_search(RandomModel(), tables, 2, free=True, guide=guide)
