"""Learned sparse retrieval: the weights of the library, an exact index, the figure measured by hand."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.collections.catalogue import open_dataset
from bench.collections.collection import Collection, Document, Query
from bench.errors import BenchError
from bench.models import SPLADE_TINY, ModelOptions, find_weights
from retrievers.lexical.splade import SPLADE
from retrievers.lexical.vocabulary_encoder import VocabularyEncoder

TEXTS = [
    "How to join two paths",
    "Split the path of a file",
    "",
    "Return the mean and the standard deviation of data",
]


@pytest.fixture(scope="module")
def encoder() -> VocabularyEncoder:
    return VocabularyEncoder(SPLADE_TINY, 256, ModelOptions())


@pytest.fixture
def collection(make_collection: Callable[..., Collection], docstrings: dict[str, tuple[str, str]]) -> Collection:
    some = sorted(docstrings.items())[:60]
    return make_collection([Document(name, "", text) for name, (_, text) in some])


def asked(docstrings: dict[str, tuple[str, str]], number: int) -> list[Query]:
    return [Query(name, summary) for name, (summary, _) in sorted(docstrings.items())[:number] if summary]


def test_texts_get_the_weights_that_the_library_gives_them(encoder: VocabularyEncoder) -> None:
    from sentence_transformers import SparseEncoder

    library = SparseEncoder(str(find_weights(SPLADE_TINY).folder), local_files_only=True)
    wanted = library.encode_document(TEXTS, convert_to_sparse_tensor=False, show_progress_bar=False).cpu().numpy()
    np.testing.assert_allclose(encoder.weights(TEXTS, "document").toarray(), wanted, atol=2e-5)


def test_many_texts_get_the_weights_that_each_has_by_itself(
    encoder: VocabularyEncoder, docstrings: dict[str, tuple[str, str]]
) -> None:
    texts = [text for pair in docstrings.values() for text in pair][:80]
    together = encoder.weights(texts, "document").toarray()
    for text, weights in zip(texts, together, strict=True):
        np.testing.assert_allclose(encoder.weights([text], "document").toarray()[0], weights, rtol=1e-4, atol=1e-5)


def test_a_word_that_a_text_does_not_hold_may_have_weight(encoder: VocabularyEncoder) -> None:
    weights = encoder.weights(["the puppy barks"], "document")
    assert "dog" in {encoder.word(word) for word in weights.indices}


def test_scores_are_the_inner_products_of_all_weights(
    collection: Collection, docstrings: dict[str, tuple[str, str]]
) -> None:
    retriever = SPLADE().fit(collection)
    queries = asked(docstrings, 20)
    of_queries = retriever.encoder.weights([query.text for query in queries], "query").toarray().astype(np.float64)
    of_documents = retriever.encoder.weights(list(collection.texts()), "document").toarray().astype(np.float64)
    products = of_queries @ of_documents.T
    for (_, rows, scores), line in zip(retriever.retrieve(queries, len(collection)), products, strict=True):
        np.testing.assert_allclose(scores, line[rows], atol=1e-4)
        assert sorted(rows) == np.flatnonzero(line).tolist()


def test_copies_of_a_document_tie_exactly(
    make_collection: Callable[..., Collection],
) -> None:
    text = "Return the arithmetic mean of data."
    retriever = SPLADE().fit(make_collection({"a": text, "b": "Open the file for reading.", "c": text}))
    rows, scores = retriever.retrieve([Query("q", "average of numbers")], 3).of(0)
    found = dict(zip(rows.tolist(), scores.tolist(), strict=True))
    assert found[0] == found[2]


def test_a_saved_index_answers_the_same(
    collection: Collection, docstrings: dict[str, tuple[str, str]], tmp_path: Path
) -> None:
    fitted = SPLADE().fit(collection)
    fitted.save(tmp_path)
    loaded = SPLADE()
    loaded.load(tmp_path)
    queries = asked(docstrings, 10)
    first, second = fitted.retrieve(queries, 5), loaded.retrieve(queries, 5)
    assert (first.rows == second.rows).all()
    assert (first.scores == second.scores).all()


def test_only_the_heaviest_words_are_kept_where_that_is_asked(collection: Collection) -> None:
    few = SPLADE(document_words=10).fit(collection)
    assert few.facts()["words_of_a_document"] <= 10


def test_documents_without_any_weight_are_refused(
    make_collection: Callable[..., Collection], monkeypatch: pytest.MonkeyPatch
) -> None:
    from scipy.sparse import csr_array

    empty = csr_array((1, 30_522), dtype=np.float32)
    monkeypatch.setattr(VocabularyEncoder, "weights", lambda *_, **__: empty)
    with pytest.raises(BenchError, match=r"no document of small has a word of any weight"):
        SPLADE().fit(make_collection({"a": "text"}))


@pytest.mark.real_data
def test_scifact_gives_the_figure_measured_by_hand(data_folder: Path) -> None:
    """nDCG@10 .6436 with 256 tokens."""
    from bench.tasks.search import Search

    collection = open_dataset(f"beir:{data_folder / 'scifact'}").collection
    exam = Search().on(collection)
    found = exam.evaluate(SPLADE().fit(collection.training_view()).retrieve(exam.queries, exam.reach))
    assert found.figures[0].value == pytest.approx(0.6436, abs=0.001)


def test_more_tokens_than_the_model_has_positions_are_refused() -> None:
    with pytest.raises(BenchError, match="positions for 512 tokens and would read 1000; cut texts after 512"):
        SPLADE(max_tokens=1000).encoder  # noqa: B018
