"""ULMRec: titles piece by piece, ends that tell equal titles apart, users' codes, and what it learns."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from merging import merged
from next_items import next_item_figures
from same_answers import check_saved, check_seeded, check_unknown, without_texts

from bench.collections.collection import Collection, Query
from bench.errors import BenchError
from retrievers.recommenders.semantic_ids.titles import END, title_identifiers
from retrievers.recommenders.ulmrec import ULMRec
from retrievers.residual import quantise

MakeSequences = Callable[..., Collection]

TINY: dict[str, Any] = {
    "decoder": {"dimension": 16, "layers": 1, "heads": 2, "feed_forward": 32, "dropout": 0.0},
    "training": {"training_batch": 16, "epochs": 30, "learning_rate": 0.02},
    "users": {"levels": 2, "codes": 4},
    "beams": {"width": 12},
}
NAMES = ["join two paths", "split a path", "open a file", "open it", "sort a list", "reverse a list"]


def fitted(collection: Collection, **options: Any) -> ULMRec:
    return ULMRec(**merged(TINY, options)).fit(collection.training_view())


@pytest.fixture
def circle(make_sequences: MakeSequences) -> Collection:
    """Six items in a circle, whose titles share words."""
    walks = {f"u{n}": [NAMES[(n + step) % 6] for step in range(5 + n % 5)] for n in range(24)}
    return make_sequences(walks)


def test_a_title_is_its_pieces_and_an_end() -> None:
    titles = [["open", "it"], ["open"], ["open", "it", "##s"], ["open", "it"], []]
    identifiers, pieces = title_identifiers(titles, seed=0)
    written = [[pieces[token] for token in row[row >= 0]] for row in identifiers.tokens]
    assert written == [[*title, END] for title in titles]
    assert list(pieces) == [END, END, "##s", "it", "open"]
    assert set(identifiers.vocabularies) == {5}


def test_equal_titles_have_ends_of_their_own_which_the_seed_gives() -> None:
    titles = [["open", "it"], ["open"], ["open", "it"], ["open", "it"]]
    ends = set()
    for seed in range(20):
        tokens = title_identifiers(titles, seed).identifiers.tokens
        assert len(np.unique(tokens, axis=0)) == 4
        assert tokens[1].tolist()[1] == 0
        ends.add(tuple(tokens[[0, 2, 3], 2].tolist()))
    assert all(sorted(some) == [0, 1, 2] for some in ends)
    assert len(ends) > 3


def test_titles_make_a_trie_also_where_one_begins_another() -> None:
    trie = title_identifiers([["open"], ["open", "it"]], seed=0).identifiers.trie()
    assert trie.groups == 2


def test_items_with_equal_titles_are_answers_of_their_own(make_sequences: MakeSequences) -> None:
    """Titles replace hyphens by blanks."""
    names = ["open a file", "open-a file", "sort a list"]
    walks = {f"u{n}": [names[(n + step) % 3] for step in range(5 + n % 4)] for n in range(18)}
    collection = make_sequences(walks)
    system = fitted(collection)
    assert system.facts()["identifiers"] == 3
    assert len({tuple(row) for row in system._identifiers.tokens.tolist()}) == 3
    assert system.docids()[0] == system.docids()[1] == ("open", "a", "file")
    assert next_item_figures(system, collection, mask_history="no")["MRR@10"] > 0.9


def test_a_users_codes_are_residual_codes_of_the_mean_vector(circle: Collection) -> None:
    system = fitted(circle, training={"epochs": 0})
    model, rows = system._model, torch.tensor([[0, 3, -1], [2, 4, 5]])
    means = np.stack([system._vectors[[0, 3]].mean(axis=0), system._vectors[[2, 4, 5]].mean(axis=0)])
    tokens, _ = quantise(means, system._books)
    starts = np.array([0, len(system._books[0])])
    np.testing.assert_array_equal(model.user_codes(rows).numpy(), tokens + starts)


def test_codes_do_not_depend_on_who_is_asked_beside(circle: Collection) -> None:
    """Also where a book has the same code twice, as few items make it."""
    model = fitted(circle, training={"epochs": 0})._model
    generator = torch.Generator().manual_seed(0)
    book = torch.randn(33, 64, generator=generator)
    model.vectors = torch.randn(300, 64, generator=generator)
    model.book_0 = torch.cat([book, book.flip(0), book])
    model.book_1 = book
    rows = torch.arange(300)[:, None]
    together = model.user_codes(rows)
    assert torch.equal(together, torch.cat([model.user_codes(row[None]) for row in rows]))
    assert int(together[:, 0].max()) < len(book)


def test_no_code_tells_of_what_is_learned(circle: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    system = fitted(circle, training={"epochs": 0})
    model, rows = system._model, torch.tensor([[0, 1, 2, 3, 4], [3, 4, 5, -1, -1]])
    told: list[torch.Tensor] = []
    learned: list[tuple[torch.Tensor, torch.Tensor]] = []
    codes, loss = model.user_codes, model.code_loss
    monkeypatch.setattr(model, "user_codes", lambda some: told.append(some) or codes(some))
    monkeypatch.setattr(model, "code_loss", lambda h, r, places, s: learned.append(places) or loss(h, r, places, s))
    history = system._history([row[row >= 0].numpy() for row in rows], np.zeros(2, int))
    cuts = set()
    for _ in range(30):
        model.loss(history, 0.0)
        for user, had in enumerate((told[-1] >= 0).sum(dim=1).tolist()):
            users, items = learned[-1]
            assert items[users == user].tolist() == list(range(had, int((rows[user] >= 0).sum())))
            cuts.add((user, had))
    assert cuts == {(0, 1), (0, 2), (0, 3), (0, 4), (1, 1), (1, 2)}


@pytest.mark.parametrize("levels", [0, 2])
def test_beams_find_what_scoring_every_title_finds(circle: Collection, levels: int) -> None:
    system = fitted(circle, training={"epochs": 3}, users={"levels": levels})
    found = system.retrieve(circle.queries(), 6)
    system.beams = system.beams.model_copy(update={"decoding": "exact"})
    exact = system.retrieve(circle.queries(), 6)
    np.testing.assert_array_equal(found.rows, exact.rows)
    np.testing.assert_allclose(found.scores, exact.scores, rtol=1e-4)


def test_a_score_is_what_the_loss_says_of_the_title(circle: Collection) -> None:
    system = fitted(circle, training={"epochs": 2}, users={"levels": 0})
    (query,) = [query for query in circle.queries() if query.id == "u0"]
    rows, scores = system.retrieve([Query("one", "", query.history[:1])], 6).of(0)
    first = circle.documents.rows[query.history[0]]
    for row, score in zip(rows.tolist(), scores.tolist(), strict=True):
        pieces = (system._identifiers.tokens[row] >= 0).sum()
        with torch.no_grad():
            loss = system._model.loss(system._history([np.array([first, row])], np.zeros(1, int)), 0.0)
        assert -float(loss) * pieces == pytest.approx(score, rel=1e-3)


@pytest.mark.parametrize("levels", [0, 2])
def test_it_learns_what_comes_next(circle: Collection, levels: int) -> None:
    system = fitted(circle, users={"levels": levels}, training={"epochs": 45})
    assert next_item_figures(system, circle, mask_history="no")["MRR@10"] > 0.9


def test_the_seed_decides(months: Collection) -> None:
    check_seeded(lambda seed: fitted(months, training={"epochs": 1}, seed=seed), months.queries())


def test_a_saved_system_answers_as_before(months: Collection, tmp_path: Path) -> None:
    check_saved(fitted(months, training={"epochs": 2}), ULMRec(**TINY), months.queries(), tmp_path)


def test_a_history_without_a_known_item_gets_no_answer(months: Collection) -> None:
    check_unknown(fitted(months, training={"epochs": 1}))


def test_what_does_not_fit_is_refused(make_sequences: MakeSequences) -> None:
    with pytest.raises(BenchError, match="text"):
        fitted(without_texts(make_sequences))
    with pytest.raises(BenchError, match="writes no words"):
        ULMRec(decoder={"head": "prefix"})
    with pytest.raises(BenchError, match="unknown option of ULMRec 'architecture'"):
        ULMRec(architecture="encoder-decoder")
