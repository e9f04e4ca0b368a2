"""Where a search left a document, against a search by hand that keeps all it saw."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_ahead import tokens_of
from test_beam import QUERIES, Catalogue, Prefix, RandomModel, best, catalogues, normalised

from retrievers.generative.beam import search
from retrievers.generative.options import BeamOptions, Normalise
from retrievers.generative.tracing import traces


def log_prob(catalogue: Catalogue, model: RandomModel, query: int, prefix: Prefix, normalise: Normalise) -> float:
    return sum(catalogue.log_probs(model, query, prefix[:end], normalise)[token] for end, token in enumerate(prefix))


def left_by_hand(
    catalogue: Catalogue, model: RandomModel, query: int, beams: int, normalise: Normalise
) -> dict[Prefix, tuple[int, float]]:
    """After how many tokens each identifier was left, and how far it was then from the last one kept."""
    answers = catalogue.by_hand(model, query, beams, normalise)
    of = partial(log_prob, catalogue, model, query, normalise=normalise)
    live, left = {(): 0.0}, dict[Prefix, tuple[int, float]]()
    for length in range(1, max(map(len, catalogue.identifiers)) + 1):
        seen = {identifier[:length] for identifier in catalogue.identifiers if len(identifier) > length}
        live = best({prefix: of(prefix) for prefix in seen if prefix[:-1] in live}, beams)
        for identifier in catalogue.identifiers - answers.keys() - left.keys():
            if len(identifier) > length and identifier[:length] not in live:
                left[identifier] = length, min(live.values()) - of(identifier[:length])
    for identifier in catalogue.identifiers - answers.keys() - left.keys():
        left[identifier] = len(identifier), min(answers.values()) - of(identifier)
    return left


@settings(deadline=None, max_examples=60)
@given(catalogues, st.integers(1, 5), normalised, st.integers(0, 99))
def test_says_when_each_document_was_left_and_by_how_much(
    catalogue: Catalogue, beams: int, normalise: Normalise, seed: int
) -> None:
    tables, model, tokens = catalogue.trie().on("cpu"), RandomModel(seed), tokens_of(catalogue)
    options = BeamOptions(width=beams, normalise=normalise)
    rows = [np.arange(len(tokens))] * QUERIES
    found = traces(partial(search, model, tables), options, tables, tokens, rows)
    for query, of_query in enumerate(found):
        answers = catalogue.by_hand(model, query, beams, normalise)
        left = left_by_hand(catalogue, model, query, beams, normalise)
        assert [trace.row for trace in of_query] == rows[query].tolist()
        for trace in of_query:
            identifier = catalogue.sequences[trace.row]
            assert trace.log_prob == pytest.approx(log_prob(catalogue, model, query, identifier, normalise), abs=1e-4)
            assert (trace.step == 0) == (identifier in answers)
            if trace.step and trace.step <= left[identifier][0]:  # else the search ended before it went so far
                assert (trace.step, trace.gap) == (left[identifier][0], pytest.approx(left[identifier][1], abs=1e-4))


def late() -> tuple[RandomModel, Catalogue]:
    """A model for which the identifier (1, 1) is second best, after an unlikely first token."""

    class Late(RandomModel):
        def logits(self, query: int, prefix: Prefix) -> np.ndarray:
            shares = {(): [0.6, 0.4], (0,): [0.55, 0.45], (1,): [0.1, 0.9]}[prefix]
            return np.log([*shares, *[1e-30] * 3])

    return Late(queries=1), Catalogue([(0, 0), (0, 1), (1, 0), (1, 1)])


def test_one_beam_prunes_the_best_identifier_at_its_first_token() -> None:
    model, catalogue = late()
    tables = catalogue.trie().on("cpu")
    (of_query,) = traces(
        partial(search, model, tables), BeamOptions(width=1), tables, tokens_of(catalogue), [np.array([3, 0, 1])]
    )
    best_one, answer, second = of_query
    assert best_one.step == 1
    assert best_one.log_prob == pytest.approx(np.log(0.36), abs=1e-5)
    assert best_one.gap == pytest.approx(np.log(0.6 / 0.4), abs=1e-5)
    assert (answer.step, answer.gap) == (0, 0)
    assert (second.step, second.gap) == (2, pytest.approx(np.log(0.33 / 0.27), abs=1e-5))


def test_exact_scoring_prunes_nothing_on_the_way() -> None:
    model, catalogue = late()
    tables = catalogue.trie().on("cpu")
    options = BeamOptions(width=1, decoding="exact")
    (of_query,) = traces(partial(search, model, tables), options, tables, tokens_of(catalogue), [np.arange(4)])
    assert [trace.step for trace in of_query] == [2, 2, 2, 0]
    assert of_query[0].gap == pytest.approx(np.log(0.36 / 0.33), abs=1e-5)
