"""Recformer in small: how items become one text, what a token sees, its losses, and what it learns."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from merging import merged
from next_items import next_item_figures
from same_answers import check_saved, check_seeded, check_unknown, without_texts
from torch.nn import functional
from transformers import AutoModel, AutoTokenizer

from bench.collections.collection import Collection
from bench.errors import BenchError
from bench.models import MINILM, find_weights
from retrievers.recommenders.item_texts import Described
from retrievers.recommenders.item_tokens import (
    BEGIN,
    CLS,
    KEY,
    MASK,
    NO_TOKEN,
    PADDING,
    VALUE,
    Flat,
    ItemTokens,
    item_tokens,
)
from retrievers.recommenders.masking import NOT_ASKED
from retrievers.recommenders.recformer import Recformer, StageOptions
from retrievers.recommenders.text_transformer import (
    TextShape,
    TextTransformer,
    finetuning_loss_of,
    pretraining_loss_of,
    principal_words,
    text_plan,
)

MakeSequences = Callable[..., Collection]

TEXTS = [
    Described("open", "Opens a file."),
    Described("sort a long list", ""),
    Described("", "Joins two paths."),
    Described("", ""),
]
TINY: dict[str, Any] = {
    "dimension": 16,
    "layers": 1,
    "pretraining": {"epochs": 2, "training_batch": 8, "learning_rate": 0.01},
    "training": {"epochs": 15, "training_batch": 8, "learning_rate": 0.01, "patience": 15},
    "last_training": {"epochs": 1, "training_batch": 8},
}
SHORT: dict[str, Any] = {stage: {"epochs": 1} for stage in ("pretraining", "training", "last_training")}


def fitted(collection: Collection, **options: Any) -> Recformer:
    return Recformer(**merged(TINY, options)).fit(collection.training_view())


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return AutoTokenizer.from_pretrained(str(find_weights(MINILM).folder))


@pytest.fixture
def catalogue(tokenizer: Any) -> ItemTokens:
    return item_tokens(TEXTS, tokenizer, 3)[0]


def network(catalogue: ItemTokens, **changes: Any) -> TextTransformer:
    torch.manual_seed(0)
    shape = TextShape(catalogue.vocabulary, 8, 1, 2, 3, catalogue.longest(3), 64, 0.0)
    return TextTransformer(shape._replace(**changes), catalogue, 0.5).eval()


def test_a_sequence_is_one_text_the_newest_item_first(tokenizer: Any) -> None:
    catalogue, pieces = item_tokens(TEXTS, tokenizer, 3)
    tokens, types, places = catalogue.flat([np.array([1, 0]), np.array([2])], 3)
    words = [tokenizer.convert_ids_to_tokens([pieces[token] for token in line if token > MASK]) for line in tokens]
    assert words == [
        ["title", "open", "description", "opens", "a", "file", "title", "sort", "a", "long"],
        ["description", "joins", "two", "paths"],
    ]
    assert tokens[0, 0] == tokens[1, 0] == BEGIN
    assert types[0].tolist() == [CLS, KEY, VALUE, KEY, VALUE, VALUE, VALUE, KEY, VALUE, VALUE, VALUE]
    assert places[0].tolist() == [0, *[1] * 6, *[2] * 4]
    assert (tokens[1, 5:] == NO_TOKEN).all()
    assert (types[1, 5:] == PADDING).all()
    assert catalogue.told.tolist() == [True, True, True, False]


def test_of_a_long_history_the_newest_items_are_read(catalogue: ItemTokens) -> None:
    long, short = (catalogue.flat([np.array(rows)], 2) for rows in ([2, 2, 1, 0], [1, 0]))
    for one, other in zip(long, short, strict=True):
        np.testing.assert_array_equal(one, other)
    assert catalogue.lengths([np.array([2, 2, 1, 0])], 2).tolist() == [long.tokens.shape[1]]


def test_a_token_is_read_by_its_piece_position_type_and_item(catalogue: ItemTokens) -> None:
    model, flat = network(catalogue), catalogue.flat([np.array([0])], 3)
    for table in (model.words, model.positions, model.types, model.places):
        with torch.no_grad():
            before, old = model(flat), table.weight.clone()
            table.weight += torch.randn_like(table.weight)
            assert not torch.allclose(model(flat), before)
            table.weight.copy_(old)


def test_a_text_is_alike_alone_and_in_company(catalogue: ItemTokens) -> None:
    model = network(catalogue)
    alone = model.read([np.array([2])])
    torch.testing.assert_close(model.read([np.array([0, 1, 0]), np.array([2])])[1:], alone)


def test_a_token_sees_its_window_and_the_first_one(catalogue: ItemTokens) -> None:
    model = network(catalogue, window=2)
    flat = catalogue.flat([np.array([1, 0])], 3)
    states = model(flat)
    changed = flat.tokens.copy()
    changed[0, 6] = MASK
    moved = (model(flat._replace(tokens=changed)) - states).abs().sum(dim=2)[0] > 1e-6
    assert torch.nonzero(moved)[:, 0].tolist() == [0, 5, 6, 7]


@pytest.mark.parametrize("pooling", ["mean", "first"])
def test_what_stands_for_a_text(catalogue: ItemTokens, pooling: Any) -> None:
    model = network(catalogue, pooling=pooling)
    flat = catalogue.flat([np.array([2]), np.array([0])], 3)
    states = model(flat)[0, : catalogue.lengths([np.array([2])], 3)[0]]
    expected = states.mean(dim=0) if pooling == "mean" else states[0]
    torch.testing.assert_close(model.sequences(flat)[0], functional.normalize(expected, dim=0))


def test_the_first_loss_is_of_the_batch_and_of_hidden_words(catalogue: ItemTokens) -> None:
    model, targets = network(catalogue), np.array([2, 0, 2])
    histories = [np.array([0]), np.array([1, 2]), np.array([0, 1])]
    flat = catalogue.flat(histories, 3)
    guessed = np.full_like(flat.tokens, NOT_ASKED)
    guessed[1, 2] = flat.tokens[1, 2]
    hidden = flat._replace(tokens=np.where(guessed == NOT_ASKED, flat.tokens, MASK))
    found = [float(model.pretraining_loss(hidden, guessed, targets, weight).detach()) for weight in (0.0, 0.5)]
    model.encode_items()
    cosines = (model.sequences(hidden) @ model.items.T / 0.5).detach().numpy()
    expected = []
    for place, others in enumerate(([2, 0], [0, 2, 2], [2, 0])):  # an item is no negative of itself
        expected.append(-cosines[place, targets[place]] + np.log(np.exp(cosines[place, others]).sum()))
    assert found[0] == pytest.approx(np.mean(expected), rel=1e-4)
    logits = model.guess(model(hidden)[1, 2]) @ model.words.weight.T + model.bias
    of_word = -float(logits.log_softmax(dim=0)[guessed[1, 2]].detach())
    assert found[1] - found[0] == pytest.approx(0.5 * of_word, rel=1e-4)


def test_the_other_losses_are_over_the_items_that_training_has(catalogue: ItemTokens) -> None:
    model, histories = network(catalogue), [np.array([0]), np.array([1, 0])]
    model.encode_items()
    assert not model.items[3].any()
    loss = finetuning_loss_of(model, np.array([0, 2]))
    found = loss(histories, np.array([2, 0]), np.random.default_rng(0))
    logits = model.read(histories) @ model.items[[0, 2]].T / 0.5
    torch.testing.assert_close(found.detach(), functional.cross_entropy(logits, torch.tensor([1, 0])))
    found.backward()
    assert not model.items.requires_grad


def test_hidden_words_are_values_and_drawn_anew(catalogue: ItemTokens, monkeypatch: pytest.MonkeyPatch) -> None:
    model = network(catalogue)
    seen: list[tuple[Flat, np.ndarray]] = []
    monkeypatch.setattr(
        model, "pretraining_loss", lambda flat, guessed, *_: seen.append((flat, guessed)) or torch.zeros(())
    )
    loss = pretraining_loss_of(model, 0.1)
    for seed in range(50):
        loss([np.array([1, 0])], np.array([2]), np.random.default_rng(seed))
    asked = np.concatenate([guessed for _, guessed in seen]) != NOT_ASKED
    assert asked.any()
    assert (np.concatenate([flat.types for flat, _ in seen])[asked] == VALUE).all()
    assert len({guessed.tobytes() for _, guessed in seen}) > 5


def test_each_sequence_is_cut_once_in_an_epoch(catalogue: ItemTokens) -> None:
    sequences = [np.array([0, 1, 2]), np.array([2, 0]), np.array([1, 2, 0, 1])]
    seen: list[tuple[list[int], int]] = []

    def loss(histories: Any, targets: np.ndarray, _: Any) -> torch.Tensor:
        seen.extend((history.tolist(), target) for history, target in zip(histories, targets.tolist(), strict=True))
        return torch.zeros(())

    plan = text_plan(network(catalogue), sequences, loss, StageOptions(training_batch=2), dict, 0)
    batches = plan.batches(1, np.random.default_rng(0))
    assert len(batches) == plan.steps == 2
    for batch in batches:
        plan.loss(batch)
    starts = sorted([*history, target] for history, target in seen)
    assert len(starts) == 3
    for found, whole in zip(starts, sorted(one.tolist() for one in sequences), strict=True):
        assert found == whole[: len(found)]


def test_words_begin_as_the_models_principal_components(tokenizer: Any) -> None:
    words = AutoModel.from_pretrained(str(find_weights(MINILM).folder)).get_input_embeddings().weight.detach().numpy()
    vectors = words[tokenizer("open close read write file folder path", add_special_tokens=False)["input_ids"]]
    found = principal_words(vectors, 7)
    products = found @ found.T
    centred = vectors - vectors.mean(axis=0)
    np.testing.assert_allclose(products / products[0, 0], centred @ centred.T / (centred[0] @ centred[0]), atol=1e-4)
    assert not principal_words(vectors, 12)[:, 7:].any()


def test_it_learns_what_comes_next(months: Collection) -> None:
    system = fitted(months)
    assert next_item_figures(system, months)["MRR@10"] > 0.7
    assert list(system.facts()["stages"]) == ["pretraining", "training", "last_training"]


def test_a_stage_goes_on_from_the_best_of_the_one_before(months: Collection) -> None:
    stages = fitted(months).facts()["stages"]
    for before, after in (("pretraining", "training"), ("training", "last_training")):
        best, start = stages[before], stages[after]["epochs"][0]
        assert start["nDCG@10"] == best["epochs"][best["chosen_epoch"]]["nDCG@10"]


def test_like_words_are_like_items(make_sequences: MakeSequences) -> None:
    items = ["open a file", "open a-file", "sort a list", "join two paths", "close it"]
    walks = {f"u{n}": [items[(n + step) % 5] for step in range(4 + n % 4)] for n in range(20)}
    collection = make_sequences(walks)
    rows = collection.documents.rows
    (scores,) = fitted(collection, **SHORT).scores([np.array([rows["sort a list"]])])
    assert scores[rows["open a file"]] == pytest.approx(scores[rows["open a-file"]], abs=1e-6)


def test_the_seed_decides(months: Collection) -> None:
    check_seeded(lambda seed: fitted(months, **SHORT, seed=seed), months.queries())


def test_a_saved_system_answers_as_before(months: Collection, tmp_path: Path) -> None:
    check_saved(fitted(months, **SHORT), Recformer(**merged(TINY, SHORT)), months.queries(), tmp_path)


def test_from_random_words_it_is_another(months: Collection) -> None:
    first, other = (fitted(months, **SHORT, start=start)._model.words.weight for start in ("words", "random"))
    assert not torch.equal(first, other)


def test_a_history_without_a_known_item_gets_no_answer(months: Collection) -> None:
    check_unknown(fitted(months, **SHORT))


def test_a_catalogue_without_text_is_refused(make_sequences: MakeSequences) -> None:
    with pytest.raises(BenchError, match="text"):
        fitted(without_texts(make_sequences))


def test_it_needs_two_items_with_text_in_a_sequence(make_sequences: MakeSequences) -> None:
    with pytest.raises(BenchError, match="no training sequence of two items with text"):
        fitted(make_sequences({"u": ["red", "-", "--", "red", "-"], "v": ["-", "blue", "--", "-", "red"]}))
