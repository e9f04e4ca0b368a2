"""RecoBERT: its vectors, its loss and its scores against their formulas, read apart and together."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from merging import merged
from same_answers import check_saved, check_seeded, without_texts
from sentence_transformers import SentenceTransformer
from torch.nn import functional
from transformers import AutoTokenizer, BertConfig, BertForMaskedLM, DistilBertConfig, DistilBertModel

from bench.collections.collection import Collection, Document, Query
from bench.errors import BenchError
from bench.models import MINILM, ModelOptions, find_weights
from bench.workplace import Workplace
from retrievers.recommenders.catalogue_texts import CatalogueTexts, read_catalogue
from retrievers.recommenders.item_texts import Described
from retrievers.recommenders.masking import NOT_ASKED
from retrievers.recommenders.recobert import RecoBERT, nearest_pairs
from retrievers.recommenders.text_pairs import TextPairs, part_bert

MakeDescribed = Callable[[Mapping[str, tuple[str, str]]], Collection]

SIZES: dict[str, Any] = {"vocab_size": 30522, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4}
TEXTS = [
    Described("open a file", "Opens a file and gives an object that reads it."),
    Described("sort a list", "Sorts the list in place, by a key."),
    Described("join two paths", "Puts a separator between the paths."),
    Described("close it", ""),
    Described("", ""),
]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A random BERT with its masked language head."""
    folder = tmp_path_factory.mktemp("tiny-bert")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        BertForMaskedLM(BertConfig(**SIZES, intermediate_size=64)).save_pretrained(folder)
    AutoTokenizer.from_pretrained(str(find_weights(MINILM).folder)).save_pretrained(folder)
    return str(folder)


@pytest.fixture
def options(tiny: str) -> dict[str, Any]:
    training = {"epochs": 2, "training_batch": 8, "learning_rate": 1e-3}
    return {"model": tiny, "training": training, "title_tokens": 8, "description_tokens": 16}


@pytest.fixture
def catalogue(docstrings: dict[str, tuple[str, str]], make_described: MakeDescribed) -> Collection:
    """Thirty docstrings, the summary as title, five of them without the rest."""
    chosen = [(name, pair) for name, pair in docstrings.items() if pair[0].strip()][:30]
    return make_described(
        {name: (title, rest if number % 6 else "") for number, (name, (title, rest)) in enumerate(chosen)}
    )


def read(name: str, layers: int, together: bool, copies: int = 1) -> tuple[TextPairs, CatalogueTexts]:
    torch.manual_seed(0)
    parted = part_bert(name, layers, ModelOptions())
    texts = read_catalogue(parted.lower, TEXTS, (8, 16), copies, 0, Workplace.temporary(), lambda *_: None)
    return TextPairs(parted, together).eval(), texts


def test_read_apart_a_text_is_at_first_what_the_encoder_makes_of_it() -> None:
    model, texts = read(MINILM, 1, together=False)
    found = model.vectors(*texts.plain_states())
    encoder = SentenceTransformer(str(find_weights(MINILM).folder), device="cpu")
    asked = [[title for title, _ in TEXTS[:4]], [description or title for title, description in TEXTS[:4]]]
    for vectors, of_part in zip(found, asked, strict=True):
        np.testing.assert_allclose(vectors, encoder.encode(of_part), atol=2e-3)  # states are kept in float16


def test_an_item_lacks_what_it_has_no_text_for() -> None:
    _, texts = read(MINILM, 1, together=False)
    assert texts.rows.tolist() == [0, 1, 2, 3]
    assert texts.pairs.tolist() == [0, 1, 2]
    assert texts.plain[0, 3] == texts.plain[1, 3]


def test_read_together_the_upper_layers_see_title_and_description(tiny: str) -> None:
    model, texts = read(tiny, 2, together=True)
    titles, descriptions = texts.plain_states()
    title, description = model.vectors(titles, descriptions)
    whole = BertForMaskedLM.from_pretrained(tiny).eval().bert
    joined = torch.cat([titles[0], descriptions[0]])[None]
    with torch.no_grad():
        states = joined
        for layer in whole.encoder.layer[1:]:
            states = layer(states)
    length = len(titles[0])
    for vectors, own in ((title, states[0, :length]), (description, states[0, length:])):
        np.testing.assert_allclose(vectors[0], functional.normalize(own.mean(dim=0), dim=0).numpy(), atol=1e-5)


@pytest.mark.parametrize("together", [False, True])
def test_the_loss_is_that_of_pairs_and_of_hidden_words(tiny: str, together: bool) -> None:
    model, texts = read(tiny, 1, together, copies=8)
    pairs = [texts.masked_pair(copy, copy % 3) for copy in (0, 1, 2)]
    titles, descriptions = zip(*pairs, strict=True)
    same = torch.tensor([False, True, False])
    found = [float(model.loss(titles, descriptions, same, weight).detach()) for weight in (0.0, 0.5)]
    expected = []
    for place in range(3):
        for other in (place, place - 1):
            with torch.no_grad():
                title, description, _ = model.pairs([titles[place].states], [descriptions[other].states])
            certainty = (1 + float((title * description).sum())) / 2
            real = other == place or bool(same[place])
            expected.append(-np.log(certainty if real else 1 - certainty))
    assert found[0] == pytest.approx(np.mean(expected), rel=1e-4)
    guesses = []
    for title, description in pairs:
        states = model.pairs([title.states], [description.states])[2]
        asked = torch.from_numpy(np.concatenate([title.guessed, description.guessed]))
        logits = model.head(states).log_softmax(dim=1)
        guesses += [-float(logits[place, asked[place]]) for place in torch.nonzero(asked != NOT_ASKED)[:, 0]]
    assert guesses
    assert found[1] - found[0] == pytest.approx(0.5 * np.mean(guesses), rel=1e-3)


def test_the_head_of_a_model_is_kept_and_a_missing_one_drawn(tiny: str) -> None:
    parted = part_bert(tiny, 1, ModelOptions())
    whole = BertForMaskedLM.from_pretrained(tiny)
    torch.testing.assert_close(parted.head.state_dict(), whole.cls.predictions.state_dict())
    assert parted.has_head
    assert not part_bert(MINILM, 1, ModelOptions()).has_head


def test_only_the_last_layers_and_the_head_learn(tiny: str) -> None:
    model, _ = read(tiny, 2, together=False)
    names = {name.split(".")[0] + "." + name.split(".")[1] for name in model.learned()}
    assert names == {"upper.layer", "head.transform", "head.bias"}
    assert {name.split(".")[2] for name in model.learned() if name.startswith("upper")} == {"0", "1"}


def by_hand(system: RecoBERT, history: list[int], weights: list[float]) -> np.ndarray:
    """The paper's score of each item, from the vectors."""
    titles, descriptions = system._arrays["titles"], system._arrays["descriptions"]
    scores = np.zeros(len(titles))
    for item, weight in zip(history, weights, strict=True):
        for other in range(len(titles)):
            alike = titles[item] @ titles[other] + descriptions[item] @ descriptions[other]
            crossed = [titles[item] @ descriptions[other], titles[other] @ descriptions[item]]
            scores[other] += weight * (alike + sum((1 + cosine) / 2 for cosine in crossed))
    return scores


def test_a_history_is_the_mean_of_what_its_items_score(catalogue: Collection, options: dict[str, Any]) -> None:
    system = RecoBERT(**options, decay=0.5, longest=2).fit(catalogue.training_view())
    (scores,) = system.scores([np.array([7, 3, 5])])
    np.testing.assert_allclose(scores, by_hand(system, [3, 5], [1 / 3, 2 / 3]), rtol=1e-5)


@pytest.mark.parametrize("most", [0, 3, 100])
def test_the_nearest_items_are_read_in_pairs(catalogue: Collection, options: dict[str, Any], most: int) -> None:
    chosen = merged(options, {"reading": "together", "partners": most, "training": {"epochs": 1}})
    system = RecoBERT(**chosen).fit(catalogue.training_view())
    titles, descriptions = (system._arrays[name] for name in ("titles", "descriptions"))
    pairs = nearest_pairs(system._alike(titles, descriptions), most)
    (scores,) = system.scores([np.array([4])])
    differs = np.abs(scores - by_hand(system, [4], [1.0])) > 1e-5
    partners = {other for one, other in [*pairs.tolist(), *pairs[:, ::-1].tolist()] if one == 4}
    assert set(np.flatnonzero(differs).tolist()) <= partners
    assert differs.sum() >= 0.9 * len(partners)
    assert len(partners) >= min(most, len(titles) - 1)


def test_what_is_read_in_pairs_is_exact(tiny: str) -> None:
    model, texts = read(tiny, 2, together=True)
    system = RecoBERT(model=tiny, reading="together", partners=10)
    with system._inside():
        system._rows = dict.fromkeys("abcde")
        system._hold(model, texts)
        system._read_pairs(model, texts)
        (scores,) = system.scores([np.array([1])])
    titles, descriptions = texts.plain_states()
    own = model.vectors(titles, descriptions)
    for other in range(4):
        crossed = []
        for one, its in ((1, other), (other, 1)):
            title, description = model.vectors([titles[one]], [descriptions[its]])
            crossed.append((1 + float((title * description).sum())) / 2)
        expected = sum(float(part[1] @ part[other]) for part in own) + sum(crossed)
        assert scores[other] == pytest.approx(expected, abs=1e-4)
    assert scores[4] == -np.inf


def test_nearest_pairs_are_those_of_either() -> None:
    scores = np.array([[9.0, 3.0, 1.0], [3.0, 9.0, 2.0], [1.0, 2.0, 9.0]])
    assert nearest_pairs(scores, 1).tolist() == [[0, 1], [1, 2]]


def test_it_learns_which_description_a_title_has(catalogue: Collection, options: dict[str, Any]) -> None:
    chosen = merged(options, {"masked_weight": 0.0, "training": {"epochs": 30, "patience": 30}})
    course = RecoBERT(**chosen).fit(catalogue.training_view()).facts()["training"]
    losses = [epoch["loss"] for epoch in course["epochs"][1:]]
    assert losses[-1] < 0.8 * losses[0]


def test_the_seed_decides(catalogue: Collection, options: dict[str, Any]) -> None:
    def fitted(seed: int) -> RecoBERT:
        chosen = merged(options, {"training": {"decided_by": "Recall@10", "learning_rate": 0.01}})
        return RecoBERT(**chosen, seed=seed).fit(catalogue.training_view())

    check_seeded(fitted, catalogue.queries())


def test_a_saved_system_answers_as_before(catalogue: Collection, options: dict[str, Any], tmp_path: Path) -> None:
    chosen = {**options, "reading": "together", "partners": 2}
    system = RecoBERT(**chosen).fit(catalogue.training_view())
    check_saved(system, RecoBERT(**chosen), catalogue.queries(), tmp_path)


def test_a_history_without_a_known_item_gets_no_answer(catalogue: Collection, options: dict[str, Any]) -> None:
    system = RecoBERT(**options).fit(catalogue.training_view())
    known = catalogue.documents.ids()[0]
    answers = system.retrieve([Query("a", "", ("elsewhere",)), Query("b", "", (known,))], 3)
    assert answers.lengths.tolist() == [0, 3]


def test_what_it_cannot_learn_from_is_refused(
    make_sequences: Callable[..., Collection], months: Collection, options: dict[str, Any]
) -> None:
    with pytest.raises(BenchError, match="title and a description, of which there are 0"):
        RecoBERT(**options).fit(months.training_view())
    with pytest.raises(BenchError, match="text"):
        RecoBERT(**options).fit(without_texts(make_sequences).training_view())


def test_a_model_that_is_no_bert_or_too_small_is_refused(tiny: str, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="3 layers; lower learned_layers"):
        part_bert(tiny, 4, ModelOptions())
    DistilBertModel(DistilBertConfig(dim=8, n_layers=1, n_heads=2, hidden_dim=8)).save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(tiny).save_pretrained(tmp_path)
    with pytest.raises(BenchError, match="distilbert"):
        part_bert(str(tmp_path), 1, ModelOptions())


@pytest.fixture
def make_described(tmp_path_factory: pytest.TempPathFactory) -> MakeDescribed:
    """Makes a collection whose users walk along items with titles and descriptions."""
    from bench.collections.collection import Rules, read_collection
    from bench.collections.sources.recbole import RecBole
    from bench.collections.sources.sequences import Item
    from bench.collections.writer import CollectionWriter

    def make(items: Mapping[str, tuple[str, str]]) -> Collection:
        folder, names = tmp_path_factory.mktemp("described"), list(items)
        documents = [Item(Document(name, *items[name]), "items") for name in names]
        walks = {f"u{n}": [names[(n + step) % len(names)] for step in range(4 + n % 4)] for n in range(len(names))}
        with CollectionWriter(folder) as writer:
            RecBole(folder=folder).write(writer, documents, walks)
        return read_collection(folder, "described", Rules())

    return make
