"""Where a search left a document, against a search by hand that keeps all it saw."""

from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_ahead import tokens_of
from test_beam import QUERIES, VOCABULARY, Catalogue, Prefix, RandomModel, best, catalogues, normalised

from bench.collections.collection import Collection, Query
from bench.protocols import traces as traces_of
from bench.tasks.failures import Failures
from retrievers.generative.beam import search
from retrievers.generative.dsi import DSI
from retrievers.generative.options import BeamOptions, Normalise
from retrievers.generative.tracing import traces
from retrievers.recommenders.sid import SID


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


equally_long = st.lists(st.tuples(*[st.integers(0, VOCABULARY - 1)] * 3), min_size=1, max_size=40).map(Catalogue)


@settings(deadline=None, max_examples=40)
@given(st.one_of(catalogues, equally_long), st.integers(1, 5), normalised, st.integers(0, 99))
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
            expected = log_prob(catalogue, model, query, identifier, normalise)
            assert trace.log_prob == pytest.approx(expected, abs=1e-4)
            assert (trace.step == 0) == (identifier in answers)
            step, gap = left.get(identifier, (0, 0.0))
            assert trace.step <= step  # a search that ends early looks at no more tokens
            if len(set(map(len, catalogue.identifiers))) == 1:
                assert (trace.step, trace.gap) == (step, pytest.approx(gap, abs=1e-4))


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


def test_what_dsi_did_not_find_was_left_somewhere(learnable: Collection) -> None:
    options: dict[str, Any] = {"decoder": {"dimension": 32, "feed_forward": 64}, "training": {"epochs": 0}}
    writer = DSI(**options, branch=3, leaf_size=5, beams={"width": 2}, device="cpu").fit(learnable)
    exam = Failures(depth=1).on(learnable)
    followed = traces_of(writer, exam.queries, exam.sought, 1)
    answers = writer.retrieve(exam.queries, 2).canonical(exam.queries, learnable.documents, 2)
    assert followed is not None
    everything = writer.model_copy(update={"beams": writer.beams.model_copy(update={"decoding": "exact"})})
    for name in ("_model", "_named"):
        setattr(everything, name, getattr(writer, name))
    exact = everything.retrieve(exam.queries, len(learnable))
    for place, (trace,) in enumerate(followed):
        log_probs = dict(zip(*exact.of(place), strict=True))
        assert trace.log_prob == pytest.approx(log_probs[trace.row], abs=1e-4)
        assert (trace.step == 0) == (trace.row in answers.of(place)[0])
    found = exam.evaluate(writer.retrieve(exam.queries, 1), writer.identifier_groups(), followed)
    failed = found.values["Hits@1"] == 0
    shares = sum(found.values[name] for name in ("ambiguous", "pruned", "unlikely"))
    assert np.array_equal(np.isfinite(shares), failed)
    assert (shares[failed] == 1).all()


def test_sid_tells_of_items_and_nothing_of_unknown_histories(months: Collection) -> None:
    writer = SID(tokenizer={"kind": "random"}, training={"epochs": 1}, beams={"width": 3}, device="cpu").fit(months)
    queries = [*months.queries("test")[:3], Query("new", "", history=("nothing",))]
    rows = [np.array([0, 5])] * 4
    *known, unknown = writer.traces(queries, rows, 3)
    assert [[trace.row for trace in of_query] for of_query in known] == [[0, 5]] * 3
    assert unknown == []
    for place, of_query in enumerate(known):
        answered = set(writer.retrieve([queries[place]], 3).rows.tolist())
        assert {trace.row for trace in of_query if trace.step == 0} == answered & {0, 5}
