"""Judges: MaxSim beside its definition, what is kept on disk, and a cross-encoder made on the spot."""

import string
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer, BertConfig, BertForSequenceClassification

from bench.collections.collection import Collection
from bench.errors import BenchError
from bench.models import MINILM, SPLADE_TINY, ModelOptions, find_weights
from bench.tasks.judges import open_judge
from bench.tasks.judges.cross_encoder import CrossEncoderJudge
from bench.tasks.judges.maxsim import MaxSimJudge
from bench.tasks.judges.own_queries import OwnQueriesJudge
from bench.tasks.judges.splade import SpladeJudge
from retrievers.lexical.vocabulary_encoder import VocabularyEncoder

MakeCollection = Callable[..., Collection]

QUERIES = ["How long does stock simmer?", "what is kneaded"]
TEXTS = [
    "Simmer the bones with leek and carrot for three hours.",
    "Knead the dough, let it rise, and bake it.",
    "Toss.",
    "Salt, oil, lemon, pepper and a leaf or two of lovage make a dressing. " * 12,
    "",
]
PAIRS = [(query, text) for query in QUERIES for text in TEXTS]


@pytest.fixture
def kitchen(make_collection: MakeCollection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Collection:
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path))
    return make_collection({str(i): text for i, text in enumerate(TEXTS)})


@pytest.fixture(scope="module")
def by_definition() -> Callable[[str, str], float]:
    """MaxSim of two texts from the model's own output, one text at a time, in float64."""
    folder = find_weights(MINILM).folder
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()

    def vectors(text: str) -> tuple[list[str], np.ndarray]:
        encoded = tokenizer(text, truncation=True, max_length=256, return_tensors="pt")
        with torch.inference_mode():
            hidden = model(**encoded).last_hidden_state[0].double().numpy()
        unit = hidden / np.linalg.norm(hidden, axis=1, keepdims=True)
        return tokenizer.convert_ids_to_tokens(encoded["input_ids"][0]), unit

    def score(query: str, document: str) -> float:
        _, asked = vectors(query)
        tokens, found = vectors(document)
        found = found[[token not in set(string.punctuation) for token in tokens]]
        return float((asked @ found.T).max(axis=1).sum())

    return score


def test_maxsim_equals_its_definition_whatever_pads_the_batch(
    kitchen: Collection, by_definition: Callable[[str, str], float]
) -> None:
    scores = MaxSimJudge(kitchen).scores(PAIRS)
    assert scores.dtype == np.float64
    np.testing.assert_allclose(scores, [by_definition(*pair) for pair in PAIRS], atol=2e-4)
    assert scores[0] == scores[:5].max()
    assert scores[6] == scores[5:].max()


def test_a_document_is_encoded_once_for_all_systems(kitchen: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    first = MaxSimJudge(kitchen).scores(PAIRS)
    encoded: list[str] = []
    encode = MaxSimJudge._encode_documents

    def noted(self: MaxSimJudge, texts: list[str]) -> list[np.ndarray]:
        encoded.extend(texts)
        return encode(self, texts)

    monkeypatch.setattr(MaxSimJudge, "_encode_documents", noted)
    np.testing.assert_array_equal(MaxSimJudge(kitchen).scores(PAIRS), first)
    assert encoded == []
    more = MaxSimJudge(kitchen).scores([*PAIRS, (QUERIES[0], "Something new."), (QUERIES[1], "Something new.")])
    np.testing.assert_array_equal(more[:-2], first)
    assert encoded == ["Something new."]


def test_a_judge_that_has_seen_all_texts_opens_no_model(kitchen: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    first = MaxSimJudge(kitchen).scores(PAIRS)
    monkeypatch.setattr(MaxSimJudge, "_encoder", None)
    np.testing.assert_array_equal(MaxSimJudge(kitchen).scores(PAIRS), first)


def test_damaged_vectors_are_told_and_made_again(
    kitchen: Collection, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = MaxSimJudge(kitchen).scores(PAIRS[:2])
    MaxSimJudge(kitchen).scores(PAIRS[2:])
    part = next((tmp_path / "judges").glob("*/documents/part-000000/vectors.npy"))
    content = bytearray(part.read_bytes())
    content[-3] ^= 64
    part.write_bytes(content)
    np.testing.assert_array_equal(MaxSimJudge(kitchen).scores(PAIRS[:2]), first)
    (line,) = caplog.messages
    assert "part-000000 was damaged (vectors.npy has changed)" in line
    caplog.clear()
    MaxSimJudge(kitchen).scores(PAIRS)
    assert caplog.messages == []


def test_another_collection_has_vectors_of_its_own(
    kitchen: Collection, make_collection: MakeCollection, tmp_path: Path
) -> None:
    MaxSimJudge(kitchen).scores(PAIRS[:1])
    MaxSimJudge(make_collection({"a": TEXTS[0]})).scores(PAIRS[:1])
    assert len([folder for folder in (tmp_path / "judges").iterdir() if folder.is_dir()]) == 2


def test_an_interrupted_encoding_leaves_nothing_half_written(
    kitchen: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(self: MaxSimJudge, texts: list[str]) -> list[np.ndarray]:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(MaxSimJudge, "_encode_documents", stop)
        with pytest.raises(KeyboardInterrupt):
            MaxSimJudge(kitchen).scores(PAIRS)
    assert not list((tmp_path / "judges").glob("*/documents/**/*.npy"))
    assert np.isfinite(MaxSimJudge(kitchen).scores(PAIRS)).all()


def _save_cross_encoder(folder: Path, labels: int = 1, scale: float = 1.0) -> BertForSequenceClassification:
    torch.manual_seed(3)
    tokenizer = AutoTokenizer.from_pretrained(find_weights(MINILM).folder)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
        num_labels=labels,
    )
    model = BertForSequenceClassification(config).eval()
    with torch.no_grad():
        model.classifier.weight *= scale
    model.save_pretrained(folder, safe_serialization=True)
    tokenizer.model_max_length = 64
    tokenizer.save_pretrained(folder)
    return model


def test_a_cross_encoder_gives_its_raw_scores(kitchen: Collection, tmp_path: Path) -> None:
    folder = tmp_path / "tiny"
    model = _save_cross_encoder(folder, scale=1e5)
    judge = open_judge(str(folder), kitchen)
    scores = judge.scores([*PAIRS, PAIRS[0]])
    tokenizer = AutoTokenizer.from_pretrained(folder)
    for pair, score in zip(PAIRS, scores, strict=False):
        encoded = tokenizer(*pair, truncation=True, max_length=64, return_tensors="pt")
        with torch.inference_mode():
            assert score == pytest.approx(model(**encoded).logits.item(), rel=1e-2, abs=1)
    assert scores[-1] == scores[0]
    assert np.abs(scores).min() > 20
    assert len(set(scores)) == len(PAIRS)
    assert judge.label == f"the cross-encoder {folder}"


def test_a_model_without_one_score_for_a_pair_is_refused(tmp_path: Path) -> None:
    _save_cross_encoder(tmp_path / "two", labels=2)
    with pytest.raises(BenchError, match="gives 2 scores for a pair"):
        CrossEncoderJudge(str(tmp_path / "two")).scores(PAIRS)
    with pytest.raises(BenchError, match="is no cross-encoder"):
        CrossEncoderJudge(MINILM).scores(PAIRS)


def test_a_score_that_is_not_a_number_is_refused(tmp_path: Path) -> None:
    _save_cross_encoder(tmp_path / "broken", scale=float("nan"))
    with pytest.raises(BenchError, match="not a finite number"):
        CrossEncoderJudge(str(tmp_path / "broken")).scores(PAIRS)


def test_splade_equals_the_inner_product_of_whole_vocabularies(kitchen: Collection) -> None:
    encoder = VocabularyEncoder(SPLADE_TINY, 256, ModelOptions())
    products = encoder.weights(QUERIES, "query") @ encoder.weights(TEXTS, "document").T
    np.testing.assert_allclose(SpladeJudge(kitchen).scores(PAIRS), products.toarray().ravel(), rtol=1e-4, atol=1e-4)


def test_splade_opens_no_model_for_texts_that_it_has_read(
    kitchen: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = SpladeJudge(kitchen).scores(PAIRS)
    monkeypatch.setattr(SpladeJudge, "_encoder", None)
    np.testing.assert_array_equal(SpladeJudge(kitchen).scores(PAIRS), first)


def test_a_documents_own_queries_judge_by_bm25(make_collection: MakeCollection) -> None:
    texts = {"stock": "Simmer the bones.", "dough": "Let it rise.", "salad": "Toss."}
    asked = {"q1": "how long does stock simmer", "q2": "kneading the dough", "q3": "stock of bones"}
    qrels = {"q1": {"stock": 1}, "q2": {"dough": 1}, "q3": {"stock": 1}}
    scores = OwnQueriesJudge(make_collection(texts, asked, qrels)).scores(
        [("is stock simmered", text) for text in texts.values()]
    )
    # Lucene's formula for two terms (stems "stock", which occurs twice, and "simmer") in one of three documents.
    idf, length, mean = np.log(1 + 2.5 / 1.5), 8, (8 + 3 + 0) / 3
    norm = 1.2 * (0.25 + 0.75 * length / mean)
    assert scores[0] == pytest.approx(idf * (2 / (2 + norm) + 1 / (1 + norm)), rel=1e-5)
    assert scores[1:].tolist() == [0, 0]


def test_own_queries_need_documents_that_have_some(make_collection: MakeCollection) -> None:
    collection = make_collection({str(i): f"text {i}" for i in range(9)}, {"q": "text"}, {"q": {"1": 1}})
    with pytest.raises(BenchError, match="only 1 of 9 documents have a query of their own"):
        open_judge("own-queries", collection)
    assert isinstance(open_judge("auto", collection), MaxSimJudge)
    few = make_collection({"a": "salt", "b": "oil"}, {"q": "salt"}, {"q": {"a": 1}})
    assert isinstance(open_judge("auto", few), OwnQueriesJudge)
