import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import ir_measures
import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import StaticEmbedding
from transformers import AutoModel, AutoTokenizer, RobertaConfig, RobertaModel

from bench.collections.catalogue import open_dataset
from bench.collections.collection import Collection, Query
from bench.errors import BenchError
from bench.models import MINILM, find_weights
from bench.rankings import Rankings
from retrievers.dense.sbert import SBERT

MakeCollection = Callable[..., Collection]


@pytest.fixture(scope="session")
def by_hand() -> SentenceTransformer:
    return SentenceTransformer(str(find_weights(MINILM).folder), device="cpu")


@pytest.fixture(scope="session")
def texts(docstrings: Mapping[str, tuple[str, str]]) -> dict[str, str]:
    """Some docstrings, two of which are equal and one of which is empty."""
    some = {name: text[:200] for name, (_, text) in list(docstrings.items())[:40]}
    return {**some, "copy": some[min(some)], "empty": ""}


@pytest.fixture(scope="session")
def questions(docstrings: Mapping[str, tuple[str, str]]) -> list[Query]:
    return [Query(name, summary) for name, (summary, _) in list(docstrings.items())[:12] if summary]


@pytest.fixture
def collection(make_collection: MakeCollection, texts: dict[str, str]) -> Collection:
    return make_collection(texts)


def fitted(collection: Collection, **options: Any) -> SBERT:
    retriever = SBERT(device="cpu", **options)
    retriever.fit(collection)
    return retriever


def answer(retriever: SBERT, collection: Collection, queries: Sequence[Query], k: int = 10) -> Rankings:
    return retriever.retrieve(queries, k).canonical(queries, collection.documents, k)


def by_id(rankings: Rankings, collection: Collection) -> list[list[tuple[str, float]]]:
    return [list(zip(collection.documents.ids(rows), scores.tolist(), strict=True)) for _, rows, scores in rankings]


def assert_same_bytes(first: Rankings, second: Rankings) -> None:
    assert first.rows.tobytes() == second.rows.tobytes()
    assert first.scores.tobytes() == second.scores.tobytes()


def changed_copy(folder: Path, file: str, **changes: Any) -> Path:
    """A copy of MiniLM with other settings in one of its JSON files."""
    shutil.copytree(find_weights(MINILM).folder, folder, dirs_exist_ok=True)
    settings = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps({**settings, **changes}))
    return folder


def test_scores_are_the_models_cosines(
    collection: Collection, questions: list[Query], by_hand: SentenceTransformer
) -> None:
    expected = by_hand.similarity(
        by_hand.encode_query([query.text for query in questions]), by_hand.encode_document(list(collection.texts()))
    ).numpy()
    found = answer(fitted(collection), collection, questions, k=len(collection))
    for (_, rows, scores), line in zip(found, expected, strict=True):
        np.testing.assert_allclose(scores, line[rows], atol=1e-5)
        assert len(rows) == len(collection)


def test_identical_texts_tie_exactly_and_the_order_of_the_corpus_changes_nothing(
    make_collection: MakeCollection, texts: dict[str, str], questions: list[Query]
) -> None:
    forward, backward = make_collection(texts), make_collection(dict(reversed(texts.items())))
    first, second = (by_id(answer(fitted(c), c, questions, k=50), c) for c in (forward, backward))
    assert first == second
    for hits in map(dict, first):
        assert hits["copy"] == hits[min(texts)]


def test_the_cut_keeps_all_that_tie_with_the_last(collection: Collection, texts: dict[str, str]) -> None:
    asked = [Query("q", texts["copy"])]
    found = fitted(collection).retrieve(asked, 1)
    assert sorted(collection.documents.ids(found.rows)) == sorted([min(texts), "copy"])


def test_an_empty_document_is_encoded_like_any_other(collection: Collection, questions: list[Query]) -> None:
    hits = by_id(answer(fitted(collection), collection, questions, k=50), collection)
    assert all("empty" in dict(line) for line in hits)


@pytest.mark.parametrize("index", ["flat", "hnsw"])
def test_a_loaded_index_answers_the_same_bytes_without_encoding_again(
    collection: Collection, questions: list[Query], index: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = fitted(collection, index={"kind": index})
    saved.save(tmp_path)
    loaded = SBERT(device="cpu", index={"kind": index})
    monkeypatch.setattr(SBERT, "_encode_documents", lambda *_: pytest.fail("documents were encoded again"))
    loaded.load(tmp_path)
    assert_same_bytes(*(answer(retriever, collection, questions) for retriever in (saved, loaded)))


@pytest.mark.parametrize("index", ["flat", "hnsw"])
def test_fitting_twice_gives_the_same_bytes(collection: Collection, questions: list[Query], index: str) -> None:
    assert_same_bytes(*(answer(fitted(collection, index={"kind": index}), collection, questions) for _ in range(2)))


def test_a_graph_that_weighs_enough_candidates_finds_what_the_exact_search_finds(
    collection: Collection, questions: list[Query]
) -> None:
    exact = answer(fitted(collection), collection, questions)
    graph = answer(fitted(collection, index={"kind": "hnsw", "ef_search": 64}), collection, questions)
    assert (exact.rows == graph.rows).all()
    np.testing.assert_allclose(exact.scores, graph.scores, atol=1e-5)


def test_product_quantisation_finds_most_of_what_the_exact_search_finds(
    make_collection: MakeCollection,
    docstrings: Mapping[str, tuple[str, str]],
    questions: list[Query],
    tmp_path: Path,
) -> None:
    lines = {line.strip() for _, text in docstrings.values() for line in text.splitlines() if 30 < len(line) < 60}
    collection = make_collection({line: line for line in sorted(lines)[:280]})
    exact = fitted(collection).retrieve(questions, 10)
    quantised = fitted(collection, index={"kind": "ivf-pq", "lists": 8, "probes": 8, "pq_bytes": 96})
    near = quantised.retrieve(questions, 10)
    shared = [len(set(exact.of(i)[0]) & set(near.of(i)[0])) / 10 for i in range(len(questions))]
    assert np.mean(shared) > 0.7
    assert quantised.facts()["scores"] == "approximate"
    quantised.save(tmp_path)
    loaded = SBERT(device="cpu", index={"kind": "ivf-pq", "probes": 8})
    loaded.load(tmp_path)
    assert_same_bytes(near, loaded.retrieve(questions, 10))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"index": {"kind": "ivf-pq"}}, "needs 256; take index.kind=flat or hnsw"),
        ({"index": {"kind": "ivf-pq", "pq_bytes": 7}}, "does not divide the dimension 384"),
        ({"max_tokens": 513}, "positions for 512 tokens"),
        ({"max_tokens": 2}, "write 3 or more, or 0 for the model's own"),
    ],
)
def test_impossible_options_are_refused(collection: Collection, options: dict[str, Any], message: str) -> None:
    with pytest.raises(BenchError, match=message):
        fitted(collection, **options)


def test_more_lists_than_vectors_are_refused_with_how_many_there_may_be(
    make_collection: MakeCollection, docstrings: Mapping[str, tuple[str, str]]
) -> None:
    words = sorted({word for _, text in docstrings.values() for word in text.split()})[:260]
    with pytest.raises(BenchError, match="260 vectors are too few to train 300 lists; set `lists` to 260 at most"):
        fitted(make_collection(dict(zip(words, words, strict=True))), index={"kind": "ivf-pq", "lists": 300})


def test_the_loss_of_late_interaction_is_refused() -> None:
    with pytest.raises(BenchError, match="pairwise is ColBERT's loss; sbert has in-batch and hard-negatives"):
        SBERT.from_options("sbert", {"finetuning": {"method": "pairwise"}})


def test_a_model_that_counts_positions_from_after_its_padding_has_fewer_of_them(
    collection: Collection, tmp_path: Path
) -> None:
    """RoBERTa's 514 positions are those of 512 tokens."""
    AutoTokenizer.from_pretrained(find_weights(MINILM).folder).save_pretrained(tmp_path)
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    RobertaModel(
        RobertaConfig(vocab_size=30522, max_position_embeddings=514, pad_token_id=1, **sizes)
    ).save_pretrained(tmp_path)
    for tokens in (513, 514):
        with pytest.raises(BenchError, match="positions for 512 tokens"):
            fitted(collection, model=str(tmp_path), max_tokens=tokens)
    fitted(collection, model=str(tmp_path), max_tokens=512)


def test_a_model_that_would_read_more_than_it_has_positions_for_is_refused(
    collection: Collection, tmp_path: Path
) -> None:
    """Its tokenizer says 64, its padding leaves 30 of 32 positions."""
    tokenizer = AutoTokenizer.from_pretrained(find_weights(MINILM).folder, model_max_length=64)
    tokenizer.save_pretrained(tmp_path)
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    config = RobertaConfig(vocab_size=30522, max_position_embeddings=32, pad_token_id=1, **sizes)
    RobertaModel(config).save_pretrained(tmp_path)
    with pytest.raises(BenchError, match="positions for 30 tokens and would read 32; cut texts after 30"):
        fitted(collection, model=str(tmp_path))
    fitted(collection, model=str(tmp_path), max_tokens=30)


def test_prompts_are_the_models_unless_chosen(
    collection: Collection, questions: list[Query], by_hand: SentenceTransformer, tmp_path: Path
) -> None:
    prompts = {"query": "query: ", "passage": "passage: "}
    folder = changed_copy(tmp_path, "config_sentence_transformers.json", prompts=prompts)
    retriever = fitted(collection, model=str(folder), query_prompt="ask: ")
    assert retriever.facts()["query_prompt"] == "ask: "
    assert retriever.facts()["document_prompt"] == "passage: "
    expected = by_hand.similarity(
        by_hand.encode([f"ask: {query.text}" for query in questions]),
        by_hand.encode([f"passage: {text}" for text in collection.texts()]),
    ).numpy()
    for (_, rows, scores), line in zip(answer(retriever, collection, questions), expected, strict=True):
        np.testing.assert_allclose(scores, line[rows], atol=1e-5)


@pytest.fixture
def plain_folder(tmp_path: Path) -> Path:
    """MiniLM as transformers saves it, which says nothing of pooling, similarity or prompts."""
    folder = tmp_path / "contriever"
    for part in (AutoModel, AutoTokenizer):
        part.from_pretrained(str(find_weights(MINILM).folder)).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("similarity", ["cosine", "dot"])
@pytest.mark.parametrize("pooling", ["mean", "cls", "lasttoken", "max"])
def test_pooling_and_similarity_are_as_chosen(
    collection: Collection, questions: list[Query], plain_folder: Path, pooling: Any, similarity: Any
) -> None:
    model, tokenizer = AutoModel.from_pretrained(plain_folder), AutoTokenizer.from_pretrained(plain_folder)

    def vectors(texts: Sequence[str]) -> np.ndarray:
        read = tokenizer(list(texts), padding=True, truncation=True, max_length=512, return_tensors="pt")
        with torch.no_grad():
            states = model(**read).last_hidden_state
        tokens = [states[i, : int(length)] for i, length in enumerate(read["attention_mask"].sum(1))]
        pooled = {
            "mean": lambda t: t.mean(0),
            "cls": lambda t: t[0],
            "lasttoken": lambda t: t[-1],
            "max": lambda t: t.amax(0),
        }
        found = np.stack([pooled[pooling](text).numpy() for text in tokens])
        return found / np.linalg.norm(found, axis=1, keepdims=True) if similarity == "cosine" else found

    retriever = fitted(collection, model=str(plain_folder), pooling=pooling, similarity=similarity)
    expected = vectors([query.text for query in questions]) @ vectors(list(collection.texts())).T
    for (_, rows, scores), line in zip(answer(retriever, collection, questions), expected, strict=True):
        np.testing.assert_allclose(scores, line[rows], rtol=1e-4, atol=1e-4)
    assert (retriever.facts()["pooling"], retriever.facts()["similarity"]) == (pooling, similarity)


def test_a_folder_that_does_not_say_how_it_pools_is_told(
    collection: Collection, plain_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    facts = fitted(collection, model=str(plain_folder)).facts()
    assert (facts["pooling"], facts["similarity"]) == ("mean (not said by the model)", "cosine")
    assert "says nothing of pooling; mean is taken" in caplog.text
    assert fitted(collection).facts()["pooling"] == "mean"


@pytest.mark.parametrize(
    ("name", "prompt", "told"),
    [("e5-small-v2", "", True), ("e5-small-v2", "query: ", False), ("some5-model", "", False), ("minilm", "", False)],
)
def test_prompts_that_a_model_needs_and_lacks_are_told(
    collection: Collection, plain_folder: Path, name: str, prompt: str, told: bool
) -> None:
    facts = fitted(
        collection, model=str(plain_folder.rename(plain_folder.with_name(name))), query_prompt=prompt
    ).facts()
    assert ("trained with 'query: ' and 'passage: '" in facts.get("prompts", "")) == told


def test_what_lies_beside_the_weights_and_is_not_loaded_matters_nothing(
    collection: Collection, tmp_path: Path
) -> None:
    folder = changed_copy(tmp_path, "config_sentence_transformers.json")
    alone = fitted(collection, model=str(folder)).embed(["join two paths"])
    (folder / "openvino").mkdir()
    (folder / "openvino" / "openvino_model.bin").write_bytes(b"weights of another library")
    beside = fitted(collection, model=str(folder)).embed(["join two paths"])
    np.testing.assert_array_equal(beside, alone)


def test_dot_product_is_taken_where_the_model_says_so(
    collection: Collection, questions: list[Query], tmp_path: Path
) -> None:
    folder = changed_copy(tmp_path, "config_sentence_transformers.json", similarity_fn_name="dot")
    modules = json.loads((folder / "modules.json").read_text())
    (folder / "modules.json").write_text(json.dumps([m for m in modules if not m["type"].endswith("Normalize")]))
    retriever = fitted(collection, model=str(folder))
    assert retriever.facts()["similarity"] == "dot"
    model = SentenceTransformer(str(folder), device="cpu")
    expected = model.encode([query.text for query in questions]) @ model.encode(list(collection.texts())).T
    for (_, rows, scores), line in zip(answer(retriever, collection, questions), expected, strict=True):
        np.testing.assert_allclose(scores, line[rows], rtol=1e-4)
    assert np.abs(expected).max() > 1.5


def test_a_distance_is_refused(collection: Collection, tmp_path: Path) -> None:
    folder = changed_copy(tmp_path, "config_sentence_transformers.json", similarity_fn_name="euclidean")
    with pytest.raises(BenchError, match="compares by euclidean distance"):
        fitted(collection, model=str(folder))


def test_pickled_weights_are_never_loaded(collection: Collection, tmp_path: Path) -> None:
    folder = changed_copy(tmp_path, "config.json")
    (folder / "2_Dense").mkdir()
    (folder / "2_Dense" / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(BenchError, match="is a pickle, which is never loaded"):
        fitted(collection, model=str(folder))


def test_a_model_that_lacks_a_part_is_one_line(collection: Collection, tmp_path: Path) -> None:
    folder = changed_copy(tmp_path, "config.json")
    (folder / "1_Pooling" / "config.json").unlink()
    (folder / "config.json").unlink()
    with pytest.raises(BenchError, match="cannot be loaded from") as caught:
        fitted(collection, model=str(folder))
    assert "\n" not in str(caught.value)


def test_texts_are_cut_and_the_full_ones_counted(
    make_collection: MakeCollection, by_hand: SentenceTransformer
) -> None:
    long, short = "Tea and toast with butter and jam.", "Tea."
    collection = make_collection({"long": long, "short": short})
    retriever = fitted(collection, max_tokens=5)
    assert retriever.facts()["texts_at_max_tokens"] == 1
    (cut,) = answer(retriever, collection, [Query("q", "tea and toast")], k=1).scores
    assert cut == pytest.approx(1, abs=1e-5)
    assert fitted(collection).facts()["texts_at_max_tokens"] == 0


def test_a_model_of_word_vectors_has_no_length_to_cut(make_collection: MakeCollection, tmp_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(find_weights(MINILM).folder)._tokenizer
    SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_dim=4)], device="cpu").save(str(tmp_path))
    collection = make_collection({"a": "one two", "b": "three", "c": ""})
    assert fitted(collection, model=str(tmp_path)).facts()["max_tokens"] is None
    with pytest.raises(BenchError, match="leave max_tokens at 0"):
        fitted(collection, model=str(tmp_path), max_tokens=3)


def test_bfloat16_is_close_and_named(make_collection: MakeCollection) -> None:
    collection = make_collection(dict(zip("abc", ["A man plays a guitar.", "Rain is falling.", "Tea."], strict=True)))
    exact, rough = fitted(collection), fitted(collection, precision="bfloat16")
    assert (exact.facts()["precision"], rough.facts()["precision"]) == ("float32", "bfloat16")
    asked = [Query("q", "someone plays an instrument")]
    first, second = (answer(retriever, collection, asked).scores for retriever in (exact, rough))
    assert (first != second).all()
    np.testing.assert_allclose(first, second, atol=0.02)


def test_embeddings_have_unit_length_and_need_no_index(by_hand: SentenceTransformer) -> None:
    sentences = ["A man is playing a guitar.", "Someone plays an instrument.", ""]
    vectors = SBERT(device="cpu", query_prompt="query: ").embed(sentences)
    np.testing.assert_allclose(vectors, by_hand.encode(sentences), atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_progress_reaches_the_end(collection: Collection) -> None:
    told: list[tuple[str, int, int]] = []
    retriever = SBERT(device="cpu", encoding_batch=1)
    retriever.report_to(lambda *step: told.append(step))
    retriever.fit(collection)
    encoded = [(done, total) for phase, done, total in told if phase == "encoding"]
    assert len(encoded) > 1
    assert encoded[-1] == (retriever.facts()["distinct_texts"],) * 2


@pytest.mark.slow
@pytest.mark.real_data
@pytest.mark.parametrize(("name", "ndcg"), [("scifact", 0.6451), ("nfcorpus", 0.3159)])
def test_published_figures_are_met(data_folder: Path, name: str, ndcg: float) -> None:
    collection = open_dataset(f"beir:{data_folder / name}").collection
    queries = collection.queries()
    found = answer(fitted(collection), collection, queries, k=100)
    run = {query.id: dict(hits) for query, hits in zip(queries, by_id(found, collection), strict=True)}
    qrels = {}
    for position, query in enumerate(queries):
        rows, grades = collection.qrels().of(position)
        qrels[query.id] = dict(zip(collection.documents.ids(rows), grades.tolist(), strict=True))
    measure = ir_measures.parse_measure("nDCG@10")
    assert ir_measures.calc_aggregate([measure], qrels, run)[measure] == pytest.approx(ndcg, abs=0.0005)


def test_no_question_has_no_answer(learnable: Collection) -> None:
    assert len(SBERT().fit(learnable).retrieve([], 5).rows) == 0
