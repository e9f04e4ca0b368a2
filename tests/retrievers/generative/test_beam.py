"""The search against enumeration, with a model whose probabilities are a fixed random function of the prefix."""

from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from bench.errors import BenchError
from retrievers.generative import beam
from retrievers.generative.beam import Beams, Projection, beam_search, exact_scores, search
from retrievers.generative.beam_items import Validity, items_of
from retrievers.generative.options import BeamOptions, Normalise
from retrievers.generative.trie import Trie

VOCABULARY = 5
QUERIES = 3

Prefix = tuple[int, ...]


class RandomModel:
    """A stepper that knows its prefixes, and writes down how many it was asked about."""

    def __init__(self, seed: int = 0, queries: int = QUERIES, vocabulary: int = VOCABULARY) -> None:
        self.seed, self.queries, self.vocabulary = seed, queries, vocabulary
        self.rows: list[int] = []

    def logits(self, query: int, prefix: Prefix) -> np.ndarray:
        return np.random.default_rng([self.seed, query, *prefix]).normal(0, 2, self.vocabulary)

    def start(self) -> Tensor:
        self.prefixes: list[list[Prefix]] = [[()] for _ in range(self.queries)]
        return self._look()[:, 0]

    def step(self, tokens: Tensor, parents: Tensor) -> Tensor:
        self.prefixes = [
            [(*before[parent], token) for token, parent in zip(*rows, strict=True)]
            for before, *rows in zip(self.prefixes, tokens.tolist(), parents.tolist(), strict=True)
        ]
        return self._look()

    def _look(self) -> Tensor:
        self.rows.append(len(self.prefixes[0]))
        return torch.tensor(
            np.array([[self.logits(query, prefix) for prefix in row] for query, row in enumerate(self.prefixes)])
        )


class Projecting(RandomModel):
    """The same model, which leaves the last linear map to the search."""

    def step(self, tokens: Tensor, parents: Tensor) -> Projection:  # type: ignore[override]
        logits = super().step(tokens, parents)
        shift = torch.linspace(-1, 1, self.vocabulary, dtype=logits.dtype)
        return Projection((logits - shift).flip(-1), torch.eye(self.vocabulary, dtype=logits.dtype).flip(0), shift)


class Catalogue:
    """Identifiers in plain Python: what may follow each prefix."""

    def __init__(self, sequences: list[Prefix]) -> None:
        prefixes = {sequence[:end] for sequence in sequences for end in range(len(sequence))}
        self.sequences = [sequence for sequence in sequences if sequence not in prefixes]
        self.identifiers = set(self.sequences)
        self.follows: dict[Prefix, set[int]] = {}
        for sequence in self.sequences:
            for end, token in enumerate(sequence):
                self.follows.setdefault(sequence[:end], set()).add(token)

    def trie(self) -> Trie:
        array = np.full((len(self.sequences), max(map(len, self.sequences))), -1)
        for row, sequence in enumerate(self.sequences):
            array[row, : len(sequence)] = sequence
        return Trie.build(array, [VOCABULARY] * array.shape[1])

    def log_probs(self, model: RandomModel, query: int, prefix: Prefix, normalise: Normalise) -> dict[int, float]:
        """Of each token that may follow."""
        logits, allowed = model.logits(query, prefix), sorted(self.follows[prefix])
        if normalise == "none":
            return {token: logits[token] for token in allowed}
        total = logits[allowed] if normalise == "children" else logits
        return {token: logits[token] - np.logaddexp.reduce(total) for token in allowed}

    def exact(self, model: RandomModel, query: int, normalise: Normalise) -> dict[Prefix, float]:
        return {
            identifier: sum(
                self.log_probs(model, query, identifier[:end], normalise)[token]
                for end, token in enumerate(identifier)
            )
            for identifier in self.identifiers
        }

    def by_hand(self, model: RandomModel, query: int, beams: int, normalise: Normalise) -> dict[Prefix, float]:
        """Beam search as its docstring describes it, without ever ending early."""
        live, found = {(): 0.0}, dict[Prefix, float]()
        while live:
            candidates = {
                (*prefix, token): score + log_prob
                for prefix, score in live.items()
                for token, log_prob in self.log_probs(model, query, prefix, normalise).items()
            }
            found |= {p: s for p, s in best(candidates, beams).items() if p in self.identifiers}
            live = best({p: s for p, s in candidates.items() if p not in self.identifiers}, beams)
        return best(found, beams)


def best(scores: dict[Prefix, float], number: int) -> dict[Prefix, float]:
    return dict(sorted(scores.items(), key=lambda pair: -pair[1])[:number])


def answers(beams: Beams, trie: Trie, catalogue: Catalogue) -> list[dict[Prefix, float]]:
    """For each query the identifiers in their order, with their scores."""
    return [
        {catalogue.sequences[trie.items[trie.group_indptr[g]]]: s for g, s in zip(*row, strict=True) if g >= 0}
        for row in zip(beams.groups.tolist(), beams.log_probs.tolist(), strict=True)
    ]


catalogues = st.lists(
    st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=4).map(tuple), min_size=1, max_size=60
).map(Catalogue)
normalised = st.sampled_from(["vocabulary", "children", "none"])


@settings(deadline=None, max_examples=40)
@given(catalogues, st.integers(1, 8), normalised, st.integers(0, 99))
def test_finds_what_a_search_by_hand_finds(catalogue: Catalogue, beams: int, normalise: Normalise, seed: int) -> None:
    trie, model = catalogue.trie(), RandomModel(seed)
    found = answers(beam_search(model, trie.on("cpu"), beams, normalise=normalise), trie, catalogue)
    for query, answer in enumerate(found):
        expected = catalogue.by_hand(model, query, beams, normalise)
        assert list(answer) == list(expected)
        assert answer == pytest.approx(expected, abs=1e-4)


@settings(deadline=None, max_examples=40)
@given(
    catalogues,
    st.integers(1, 8),
    st.sampled_from(["vocabulary", "children", "none", "free", "exact"]),
    st.integers(1, 99),
)
def test_a_projection_is_worth_its_logits_whatever_is_worked_on_at_a_time(
    catalogue: Catalogue, beams: int, how: str, at_once: int
) -> None:
    tables = catalogue.trie().on("cpu")
    normalise: Normalise = how if how in ("children", "none") else "vocabulary"  # type: ignore[assignment]
    options = BeamOptions(
        width=beams, normalise=normalise, decoding=how if how in ("free", "exact") else "constrained"
    )
    expected = search(RandomModel(), tables, options, end_token=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(beam, "_AT_ONCE", at_once)
        found = search(Projecting(), tables, options, end_token=0)
    assert found.groups.tolist() == expected.groups.tolist()
    torch.testing.assert_close(found.log_probs, expected.log_probs)


@settings(deadline=None, max_examples=40)
@given(catalogues, normalised, st.integers(0, 99), st.integers(0, 3))
def test_with_as_many_beams_as_identifiers_it_is_exact(
    catalogue: Catalogue, normalise: Normalise, seed: int, more: int
) -> None:
    trie, model = catalogue.trie(), RandomModel(seed)
    beams = beam_search(model, trie.on("cpu"), trie.groups + more, normalise=normalise)
    scores = exact_scores(model, trie.on("cpu"), normalise=normalise)
    for query, answer in enumerate(answers(beams, trie, catalogue)):
        expected = catalogue.exact(model, query, normalise)
        assert list(answer) == list(best(expected, len(expected)))
        assert answer == pytest.approx(expected, abs=1e-4)
        by_group = [expected[catalogue.sequences[trie.items[start]]] for start in trie.group_indptr[:-1]]
        np.testing.assert_allclose(scores[query], by_group, atol=1e-4)
    if normalise == "children":
        np.testing.assert_allclose(scores.logsumexp(dim=1), 0, atol=1e-5)


def test_looks_at_one_row_first_and_at_no_more_prefixes_than_there_are() -> None:
    catalogue = Catalogue([(a, b, c) for a in range(3) for b in range(4) for c in range(2)])
    model, tables = RandomModel(), catalogue.trie().on("cpu")
    beam_search(model, tables, 5)
    assert model.rows == [1, 3, 5]
    model.rows.clear()
    exact_scores(model, tables)
    assert model.rows == [1, 3, 12]


def test_an_identifier_that_is_complete_takes_no_place_of_those_that_go_on() -> None:
    catalogue = Catalogue([(0,), (1,), (2, 0), (3, 0), (4, 0)])
    model = RandomModel()
    beam_search(model, catalogue.trie().on("cpu"), 2)
    assert model.rows == [1, 2]


def test_ends_when_nothing_can_enter_the_results() -> None:
    class Decided(RandomModel):
        def logits(self, query: int, prefix: Prefix) -> np.ndarray:
            return np.array([9.0, 8.0, 0.0, 0.0, 0.0])

    model = Decided()
    beams = beam_search(model, Catalogue([(0,), (1,), (2, 0, 0), (3, 0, 0)]).trie().on("cpu"), 2)
    assert model.rows == [1]
    assert beams.groups.tolist() == [[0, 1]] * QUERIES


def test_an_only_child_is_certain_only_if_normalised_over_the_children() -> None:
    catalogue, model = Catalogue([(3, 1, 4)]), RandomModel()
    tables = catalogue.trie().on("cpu")
    for beams in (1, 20):
        renormalised = beam_search(model, tables, beams, normalise="children")
        assert renormalised.groups.tolist() == [[0]] * QUERIES
        assert renormalised.log_probs.tolist() == [[0]] * QUERIES
        paid = beam_search(model, tables, beams)
        for query, score in enumerate(paid.log_probs[:, 0].tolist()):
            assert score == pytest.approx(catalogue.exact(model, query, "vocabulary")[3, 1, 4], abs=1e-5)
            assert score < 0


def test_the_two_normalisations_rank_differently() -> None:
    # Hugging Face's order and GRID's: 0 is likelier than 1, but its children are unlikely tokens.
    class Lopsided(RandomModel):
        def logits(self, query: int, prefix: Prefix) -> np.ndarray:
            return np.log([0.6, 0.3, 0.02, 0.04, 0.04]) if prefix else np.log([0.5, 0.4, 0.04, 0.03, 0.03])

    tables = Catalogue([(0, 2), (0, 3), (1, 0), (1, 1)]).trie().on("cpu")
    assert beam_search(Lopsided(), tables, 4).groups[0].tolist() == [2, 3, 1, 0]
    assert beam_search(Lopsided(), tables, 4, normalise="children").groups[0].tolist() == [1, 2, 0, 3]


def test_items_that_share_an_identifier_are_all_listed_in_their_order_with_one_score() -> None:
    sequences = [(1, 1), (0, 2), (1, 1), (0, 0), (1, 1)]
    catalogue, model = Catalogue(sequences), RandomModel()
    trie = catalogue.trie()
    beams = beam_search(model, trie.on("cpu"), 10)
    assert (beams.log_probs > -torch.inf).sum(dim=1).tolist() == [3] * QUERIES
    for query, (items, scores) in enumerate(items_of(beams, trie)):
        exact = catalogue.exact(model, query, "vocabulary")
        expected = sorted(range(5), key=lambda item: (-exact[sequences[item]], item))
        assert items.tolist() == expected
        assert scores.tolist() == pytest.approx([exact[sequences[item]] for item in expected], abs=1e-5)


def test_an_item_with_several_identifiers_is_listed_once_with_its_best() -> None:
    trie = Trie.build(np.array([[0, 1], [1, 1], [1, 2]]), [VOCABULARY] * 2, np.array([7, 7, 4]))
    beams = beam_search(RandomModel(), trie.on("cpu"), 10)
    for (items, scores), best_score in zip(items_of(beams, trie), beams.log_probs[:, 0].tolist(), strict=True):
        assert sorted(items) == [4, 7]
        assert scores[0] == best_score
    assert Validity.of(beams, trie, 2).rates() == {"invalid": 0, "duplicate": 1 / 3, "short": 0}


@settings(deadline=None, max_examples=40)
@given(catalogues, st.integers(1, 8), st.integers(0, 99))
def test_free_decoding_of_a_complete_catalogue_is_constrained_decoding(
    catalogue: Catalogue, beams: int, seed: int
) -> None:
    longest = max(map(len, catalogue.sequences))
    everything = Catalogue([tuple(t) for t in np.ndindex(*[VOCABULARY] * min(longest, 3))])
    tables = everything.trie().on("cpu")
    constrained = beam_search(RandomModel(seed), tables, beams)
    free = beam_search(RandomModel(seed), tables, beams, free=True)
    assert free.groups.tolist() == constrained.groups.tolist()


@settings(deadline=None, max_examples=15)
@given(catalogues, st.integers(0, 99))
def test_free_decoding_finds_the_most_probable_sequences_and_marks_those_that_are_none(
    catalogue: Catalogue, seed: int
) -> None:
    model, trie = RandomModel(seed, queries=1), catalogue.trie()
    everything = Catalogue([tuple(t) for t in np.ndindex(*[VOCABULARY] * trie.levels)])
    ends = {tuple(s[: len(i)]) for s in everything.sequences for i in catalogue.identifiers if s[: len(i)] == i}
    whole = {s for s in everything.sequences if not any(s[:end] in ends for end in range(len(s) + 1))} | ends
    beams = beam_search(model, trie.on("cpu"), len(whole), free=True)
    expected = best(Catalogue(list(whole)).exact(model, 0, "vocabulary"), len(whole))
    np.testing.assert_allclose(beams.log_probs[0], list(expected.values()), atol=1e-4)
    valid = [sequence in catalogue.identifiers for sequence in expected]
    assert (beams.groups[0] >= 0).tolist() == valid
    rates = Validity.of(beams, trie, len(catalogue.sequences)).rates()
    assert rates == {"invalid": pytest.approx(1 - np.mean(valid)), "duplicate": 0, "short": 0}


def test_an_end_token_ends_a_sequence_that_is_decoded_freely() -> None:
    # 4 ends: after (4,) nothing goes on, so the two best sequences are (0, 1, 4), an identifier, and (4,), none.
    class Ending(RandomModel):
        def logits(self, query: int, prefix: Prefix) -> np.ndarray:
            likely = {(): [0.5, 0.1, 0, 0, 0.4], (0,): [0, 1, 0, 0, 0], (0, 1): [0, 0, 0, 0, 1]}
            with np.errstate(divide="ignore"):
                return np.log(likely.get(prefix, [0.2] * 5))

    trie = Catalogue([(0, 1, 4), (1, 4)]).trie()
    beams = beam_search(Ending(), trie.on("cpu"), 2, free=True, end_token=4)
    assert beams.groups.tolist() == [[1, -1]] * QUERIES  # (1, 4) is group 0, because it is shorter
    np.testing.assert_allclose(beams.log_probs.exp(), [[0.5, 0.4]] * QUERIES, rtol=1e-6)
    assert [items.tolist() for items, _ in items_of(beams, trie)] == [[0]] * QUERIES
    assert Validity.of(beams, trie, 2).rates() == {"invalid": 0.5, "duplicate": 0, "short": 1}


def test_rates_of_batches_add_up() -> None:
    trie = Catalogue([(0,), (1,), (2,)]).trie()
    full = Validity.of(Beams(torch.tensor([[0, 2]]), torch.tensor([[-1.0, -2.0]])), trie, 2)
    short = Validity.of(Beams(torch.tensor([[1, -1]]), torch.tensor([[-1.0, -2.0]])), trie, 2)
    none = Validity.of(Beams(torch.tensor([[-1, -1]]), torch.full((1, 2), -torch.inf)), trie, 2)
    assert (full + short + none).rates() == {"invalid": 1 / 4, "duplicate": 0, "short": 2 / 3}
    assert Validity().rates() == {"invalid": 0, "duplicate": 0, "short": 0}


def test_a_model_that_excludes_everything_gives_an_empty_list() -> None:
    class Hopeless(RandomModel):
        def logits(self, query: int, prefix: Prefix) -> np.ndarray:
            return np.full(VOCABULARY, -np.inf)

    trie = Catalogue([(0, 1), (1, 2), (3,)]).trie()
    for normalise in ("vocabulary", "children"):
        beams = beam_search(Hopeless(), trie.on("cpu"), 4, normalise=normalise)
        assert (beams.log_probs == -torch.inf).all()
        assert [len(items) for items, _ in items_of(beams, trie)] == [0] * QUERIES
        assert (exact_scores(Hopeless(), trie.on("cpu"), normalise=normalise) == -torch.inf).all()


@pytest.mark.parametrize("shift", [-200.0, -40.0, 0.0, 60.0, 200.0])
def test_a_shift_of_all_logits_changes_nothing_even_where_their_exponentials_are_no_numbers(shift: float) -> None:
    class Shifted(RandomModel):
        def logits(self, query: int, prefix: Prefix) -> np.ndarray:
            return super().logits(query, prefix) + shift

    tables = Catalogue([(a, b) for a in range(VOCABULARY) for b in range(3)]).trie().on("cpu")
    there, here = beam_search(Shifted(), tables, 6), beam_search(RandomModel(), tables, 6)
    assert there.groups.tolist() == here.groups.tolist()
    np.testing.assert_allclose(there.log_probs, here.log_probs, atol=1e-4)


@pytest.mark.parametrize("decoding", ["constrained", "exact"])
def test_outputs_that_are_not_numbers_are_refused(decoding: Literal["constrained", "exact"]) -> None:
    class Broken(RandomModel):
        def logits(self, query: int, prefix: Prefix) -> np.ndarray:
            return np.full(VOCABULARY, np.nan if prefix and query == 1 else 0.0)

    with pytest.raises(BenchError, match="not numbers"):
        tables = Catalogue([(0, 1), (1, 2), (3,)]).trie().on("cpu")
        search(Broken(), tables, BeamOptions(width=2, decoding=decoding))


def test_search_does_what_the_options_ask() -> None:
    catalogue, model = Catalogue([(a, b) for a in range(3) for b in range(3)]), RandomModel()
    tables = catalogue.trie().on("cpu")
    exact = search(model, tables, BeamOptions(width=4, decoding="exact"))
    scores = exact_scores(model, tables)
    assert exact.log_probs.tolist() == scores.topk(4).values.tolist()
    assert scores.gather(1, exact.groups).tolist() == exact.log_probs.tolist()
    constrained = search(model, tables, BeamOptions(width=4, normalise="children"))
    assert constrained.groups.tolist() == beam_search(model, tables, 4, normalise="children").groups.tolist()
    assert (search(model, tables, BeamOptions(width=20, decoding="free")).groups < 0).any()
    with pytest.raises(BenchError, match="take normalise=vocabulary"):
        search(model, tables, BeamOptions(decoding="free", normalise="children"))
