import json
import string
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import MultiVectorEncoder, SentenceTransformer
from sentence_transformers.base.modules import Dense, Normalize, Transformer
from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask
from sentence_transformers.sentence_transformer.modules import StaticEmbedding
from transformers import AutoTokenizer, BertConfig, BertModel

from bench.collections.collection import Collection, Query
from bench.errors import BenchError
from bench.models import MINILM, find_weights
from bench.rankings import Rankings
from retrievers.late_interaction.checkpoints import is_checkpoint
from retrievers.late_interaction.colbert import ColBERT

MakeCollection = Callable[..., Collection]

QUERY_TOKENS, DOCUMENT_TOKENS, DIMENSION = 12, 20, 16


@pytest.fixture(scope="session")
def texts(docstrings: Mapping[str, tuple[str, str]]) -> dict[str, str]:
    """Some docstrings, two of which are equal, and two texts that have nothing to compare."""
    some = {name: text[:200] for name, (_, text) in list(docstrings.items())[:30]}
    return {**some, "copy": some[min(some)], "empty": "", "points": "... !? --"}


@pytest.fixture(scope="session")
def questions(docstrings: Mapping[str, tuple[str, str]]) -> list[Query]:
    return [Query(name, summary) for name, (summary, _) in list(docstrings.items())[:10] if summary]


@pytest.fixture
def collection(make_collection: MakeCollection, texts: dict[str, str]) -> Collection:
    return make_collection(texts)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A late-interaction model with random weights, markers, query augmentation and a projection."""
    backbone, folder = (tmp_path_factory.mktemp(name) for name in ("backbone", "checkpoint"))
    tokenizer = AutoTokenizer.from_pretrained(find_weights(MINILM).folder)
    tokenizer.add_special_tokens({"additional_special_tokens": ["[Q]", "[D]"]})
    tokenizer.save_pretrained(backbone)
    torch.manual_seed(7)
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    BertModel(BertConfig(vocab_size=len(tokenizer), initializer_range=0.5, **sizes)).save_pretrained(backbone)
    transformer = Transformer(
        str(backbone), document_length=DOCUMENT_TOKENS, query_expansion={"strategy": "fixed", "length": QUERY_TOKENS}
    )
    token_level = {"module_input_name": "token_embeddings", "module_output_name": "token_embeddings"}
    model = MultiVectorEncoder(
        modules=[
            transformer,
            Dense(32, DIMENSION, bias=False, activation_function=torch.nn.Identity(), **token_level),
            MultiVectorMask(skiplist_words=list(string.punctuation)),
            Normalize(**token_level),
        ],
        prompts={"query": "[Q] ", "document": "[D] "},
        device="cpu",
    )
    model.save_pretrained(str(folder))
    return str(folder)


def fitted(collection: Collection, **options: Any) -> ColBERT:
    retriever = ColBERT(device="cpu", **options)
    retriever.fit(collection)
    return retriever


def answer(retriever: ColBERT, collection: Collection, queries: Sequence[Query], k: int = 50) -> Rankings:
    return retriever.retrieve(queries, k).canonical(queries, collection.documents, k)


def by_id(rankings: Rankings, collection: Collection) -> list[list[tuple[str, float]]]:
    return [list(zip(collection.documents.ids(rows), scores.tolist(), strict=True)) for _, rows, scores in rankings]


def best_matches(query: np.ndarray, document: np.ndarray) -> float:
    """MaxSim in float64."""
    return float((query.astype(float) @ document.astype(float).T).max(axis=1).sum())


def test_a_plain_encoder_is_compared_by_its_own_normalised_token_vectors(
    collection: Collection, questions: list[Query]
) -> None:
    folder = str(find_weights(MINILM).folder)
    model = SentenceTransformer(folder, device="cpu")
    points = set(AutoTokenizer.from_pretrained(folder).convert_tokens_to_ids(list(string.punctuation)))

    def unit_vectors(text: str, skipped: set[int]) -> np.ndarray:
        raw = model.encode([text], output_value=None)[0]
        scored = [token not in skipped for token in raw["input_ids"].tolist()]
        return torch.nn.functional.normalize(raw["token_embeddings"], dim=1).numpy()[scored]

    retriever = fitted(collection)
    assert retriever.facts()["dimension"] == 384
    assert retriever.facts()["checkpoint"] == "plain encoder"
    documents = {text: unit_vectors(text, points) for text in collection.texts()}
    for query, hits in zip(questions, by_id(answer(retriever, collection, questions), collection), strict=True):
        asked = unit_vectors(query.text, set())
        for document_id, score in hits:
            text = collection.texts()[collection.documents.rows[document_id]]
            assert score == pytest.approx(best_matches(asked, documents[text]), abs=1e-4)


def test_a_document_without_a_scored_token_is_never_returned(collection: Collection, questions: list[Query]) -> None:
    retriever = fitted(collection)
    expected = set(collection.documents.ids()) - {"empty", "points"}
    assert all(set(dict(hits)) == expected for hits in by_id(answer(retriever, collection, questions), collection))
    assert retriever.facts()["documents_without_tokens"] == 2


def test_punctuation_counts_if_it_is_not_skipped(collection: Collection, questions: list[Query]) -> None:
    hits = by_id(answer(fitted(collection, skip_punctuation=False), collection, questions), collection)
    assert all("points" in dict(line) and "empty" not in dict(line) for line in hits)


def test_identical_texts_tie_exactly_and_the_order_of_the_corpus_changes_nothing(
    make_collection: MakeCollection, texts: dict[str, str], questions: list[Query]
) -> None:
    forward, backward = make_collection(texts), make_collection(dict(reversed(texts.items())))
    first, second = (by_id(answer(fitted(c), c, questions), c) for c in (forward, backward))
    assert first == second
    for hits in map(dict, first):
        assert hits["copy"] == hits[min(texts)]


def test_enough_candidates_give_the_exact_ranking(collection: Collection, questions: list[Query]) -> None:
    exact = answer(fitted(collection), collection, questions, k=10)
    near = fitted(collection, index={"kind": "candidates", "lists": 8, "probes": 8, "candidates_per_token": 10_000})
    found = answer(near, collection, questions, k=10)
    assert by_id(found, collection) == [
        [(document_id, pytest.approx(score, abs=1e-5)) for document_id, score in hits]
        for hits in by_id(exact, collection)
    ]


def test_few_candidates_find_the_best_document_mostly(collection: Collection, questions: list[Query]) -> None:
    exact = answer(fitted(collection), collection, questions, k=1)
    near = fitted(collection, index={"kind": "candidates", "lists": 8, "probes": 4, "candidates_per_token": 20})
    found = near.retrieve(questions, 10)
    assert (found.lengths < len(collection) - 2).any()
    assert np.mean([exact.rows[i] in found.of(i)[0] for i in range(len(questions))]) >= 0.8


@pytest.mark.parametrize("kind", ["exact", "candidates"])
def test_a_loaded_index_answers_the_same_bytes_without_encoding_again(
    collection: Collection,
    questions: list[Query],
    checkpoint: str,
    kind: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    options = {"model": checkpoint, "index": {"kind": kind}, "storage": "float16"}
    saved = fitted(collection, **options)
    saved.save(tmp_path)
    loaded = ColBERT(device="cpu", **options)
    monkeypatch.setattr(ColBERT, "_encode_documents", lambda *_: pytest.fail("documents were encoded again"))
    loaded.load(tmp_path)
    first, second = (answer(retriever, collection, questions) for retriever in (saved, loaded))
    assert first.rows.tobytes() == second.rows.tobytes()
    assert first.scores.tobytes() == second.scores.tobytes()
    assert saved.facts() == loaded.facts()


def test_a_checkpoint_keeps_its_markers_augmentation_and_projection(
    make_collection: MakeCollection, checkpoint: str
) -> None:
    collection = make_collection({"a": "the cat sat, on the mat", "b": "a dog barked at the moon"})
    retriever = fitted(collection, model=checkpoint)
    facts = retriever.facts()
    assert facts["checkpoint"] == "late interaction"
    assert (facts["query_prompt"], facts["document_prompt"]) == ("[Q] ", "[D] ")
    assert (facts["dimension"], facts["bytes_per_token"]) == (DIMENSION, 4 * DIMENSION)
    assert facts["tokens_per_document"] == 3 + 6  # [CLS] [D] and six words [SEP], without the comma
    model = MultiVectorEncoder(checkpoint, device="cpu")
    query = model.encode_query(["where is the cat"], convert_to_numpy=True)[0]
    assert len(query) == facts["query_tokens"] == QUERY_TOKENS
    words = len(["[CLS]", "[Q]", "where", "is", "the", "cat", "[SEP]"])
    for document_id, score in by_id(answer(retriever, collection, [Query("q", "where is the cat")]), collection)[0]:
        text = collection.texts()[collection.documents.rows[document_id]]
        document = model.encode_document([text], convert_to_numpy=True)[0]
        assert score == pytest.approx(best_matches(query, document), abs=1e-4)
        assert abs(score - best_matches(query[:words], document)) > 0.1


def test_lengths_are_the_checkpoints_unless_chosen(
    make_collection: MakeCollection, checkpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    collection = make_collection({"long": "word " * 60, "short": "word"})
    own, chosen = fitted(collection, model=checkpoint), fitted(
        collection, model=checkpoint, max_tokens=30, max_query_tokens=9
    )  # fmt: skip
    assert own.facts()["tokens_per_document"] == (DOCUMENT_TOKENS + 4) / 2
    assert chosen.facts()["tokens_per_document"] == (30 + 4) / 2
    assert chosen.facts()["texts_at_max_tokens"] == 1
    lengths = [len(retriever._encode_queries(["word"])[0]) for retriever in (own, chosen)]
    assert lengths == [QUERY_TOKENS, 9]


def test_lengths_cut_a_plain_encoders_texts(make_collection: MakeCollection) -> None:
    collection = make_collection({"long": "one two three four five six seven eight", "short": "one"})
    retriever = fitted(collection, max_tokens=5, max_query_tokens=4)
    assert retriever.facts()["tokens_per_document"] == (5 + 3) / 2
    assert len(retriever._encode_queries(["one two three four"])[0]) == 4


@pytest.mark.parametrize("option", ["max_tokens", "max_query_tokens"])
def test_lengths_that_have_no_room_for_a_word_or_no_positions_are_refused(
    collection: Collection, option: str
) -> None:
    with pytest.raises(BenchError, match="write 3 or more, or 0 for the model's own"):
        fitted(collection, **{option: 2})
    with pytest.raises(BenchError, match="positions for 512 tokens and would read 513"):
        fitted(collection, **{option: 513})


def test_a_mean_over_query_tokens_is_taken_where_the_checkpoint_says_so(
    collection: Collection, questions: list[Query], checkpoint: str, tmp_path: Path
) -> None:
    model = MultiVectorEncoder(checkpoint, device="cpu", similarity_fn_name="meanmaxsim")
    model.save_pretrained(str(tmp_path))
    sums = answer(fitted(collection, model=checkpoint), collection, questions)
    means = answer(fitted(collection, model=str(tmp_path)), collection, questions)
    np.testing.assert_allclose(means.scores * QUERY_TOKENS, sums.scores, rtol=1e-5)


def test_half_precision_is_close_and_named(make_collection: MakeCollection, checkpoint: str) -> None:
    collection = make_collection({"a": "the cat sat on the mat", "b": "a dog barked at the moon"})
    exact = fitted(collection, model=checkpoint)
    rough = fitted(collection, model=checkpoint, precision="bfloat16", storage="float16")
    assert (exact.facts()["precision"], rough.facts()["precision"]) == ("float32", "bfloat16")
    assert rough.facts()["bytes_per_token"] == 2 * DIMENSION
    asked = [Query("q", "where is the cat")]
    first, second = (dict(by_id(answer(retriever, collection, asked), collection)[0]) for retriever in (exact, rough))
    assert first != second
    assert second == pytest.approx(first, abs=0.1)


def test_an_index_beyond_the_limit_is_refused_with_the_remedy(collection: Collection, checkpoint: str) -> None:
    with pytest.raises(BenchError, match="index.kind=candidates"):
        fitted(collection, model=checkpoint, max_index_gb=1e-5)


def test_a_corpus_without_any_scored_token_is_refused(make_collection: MakeCollection) -> None:
    with pytest.raises(BenchError, match="no document has a token"):
        fitted(make_collection({"a": "", "b": "..."}))


def test_a_model_without_token_vectors_is_refused(make_collection: MakeCollection, tmp_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(find_weights(MINILM).folder)._tokenizer
    SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_dim=4)], device="cpu").save(str(tmp_path))
    with pytest.raises(BenchError, match="no vector per token"):
        fitted(make_collection({"a": "one"}), model=str(tmp_path))


@pytest.mark.parametrize(
    ("file", "settings"),
    [
        ("config_sentence_transformers.json", {"model_type": "MultiVectorEncoder"}),
        ("config_sentence_transformers.json", {"model_type": "ColBERT"}),
        ("config_sentence_transformers.json", {"query_prefix": "[Q] "}),
        ("config.json", {"architectures": ["HF_ColBERT"]}),
    ],
)
def test_late_interaction_checkpoints_are_told_by_their_settings(
    tmp_path: Path, file: str, settings: dict[str, Any]
) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"")
    assert not is_checkpoint(str(tmp_path))
    (tmp_path / file).write_text(json.dumps(settings))
    assert is_checkpoint(str(tmp_path))


def test_prompts_are_put_before_texts_where_they_are_chosen(
    make_collection: MakeCollection, texts: dict[str, str], questions: list[Query]
) -> None:
    some = {name: text for name, text in texts.items() if name not in ("empty", "points")}
    prompted = make_collection({name: f"passage: {text}" for name, text in some.items()})
    asked = [Query(query.id, f"query: {query.text}") for query in questions]
    plain = make_collection(some)
    chosen = fitted(plain, query_prompt="query: ", document_prompt="passage: ")
    found, expected = answer(chosen, plain, questions), answer(fitted(prompted), prompted, asked)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-5)
    assert found.rows.tolist() == expected.rows.tolist()
    assert chosen.facts()["query_prompt"] == "query: "
