from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from bench.collections.collection import Collection, Query
from bench.errors import BenchError
from bench.models import MINILM, find_weights
from retrievers.dense.sif import SIF, _common_components

VECTORS = {
    "knead": [0.9, 0.1, 0.2],
    "dough": [1.0, 0.0, 0.3],
    "boil": [0.1, 1.0, 0.2],
    "water": [0.0, 0.9, 0.4],
    "soup": [0.3, 0.8, 0.1],
    "rest": [0.5, 0.2, 0.9],
    "Oven": [0.8, -0.2, 0.1],
}
RECIPES = {
    "bread": "Knead the dough, rest the dough, heat the Oven.",
    "soup": "Boil the water for the soup.",
    "tea": "Boil water, boil more water.",
    "pause": "Rest!",
    "menu": "Today: sandwiches.",
}

MakeCollection = Callable[..., Collection]
Docstrings = Mapping[str, tuple[str, str]]


@pytest.fixture
def word_file(tmp_path: Path) -> str:
    path = tmp_path / "vectors.txt"
    path.write_text("".join(f"{word} {' '.join(map(str, vector))}\n" for word, vector in VECTORS.items()))
    return str(path)


def ask(retriever: SIF, collection: Collection, *texts: str, k: int = 10) -> list[dict[str, float]]:
    """The canonical answers as dictionaries from document id to score, best first."""
    queries = [Query(f"q{i}", text) for i, text in enumerate(texts)]
    answers = retriever.retrieve(queries, k).canonical(queries, collection.documents, k)
    return [dict(zip(collection.documents.ids(rows), scores.tolist(), strict=True)) for _, rows, scores in answers]


def fitted(collection: Collection, **options: Any) -> SIF:
    retriever = SIF(**options)
    retriever.fit(collection)
    return retriever


def by_hand(documents: list[list[str]], query: list[str], number: int, a: float, remove: int) -> np.ndarray:
    """Cosines of the query with documents of known words, by the paper's algorithm 1 with a full decomposition.

    `number` is that of all words of the corpus, known or not.
    """
    counts = Counter(word for words in documents for word in words)
    weight = {word: a / (a + counts[word] / number) for word in VECTORS}

    def mean(words: list[str]) -> np.ndarray:
        return np.mean([weight[word] * np.array(VECTORS[word]) for word in words], axis=0)

    means = np.array([mean(words) for words in documents])
    common = np.linalg.svd(means)[2][:remove]
    rest = means - means @ common.T @ common
    asked = mean(query) - mean(query) @ common.T @ common
    return rest @ asked / np.linalg.norm(rest, axis=1) / np.linalg.norm(asked)


@pytest.mark.parametrize("remove", [0, 1, 2])
def test_scores_are_those_of_the_paper(remove: int, word_file: str, make_collection: MakeCollection) -> None:
    collection = make_collection(RECIPES)
    retriever = fitted(collection, vectors=word_file, a=0.01, remove=remove)
    known = [
        ["knead", "dough", "rest", "dough", "Oven"],
        ["boil", "water", "soup"],
        ["boil", "water", "boil", "water"],
        ["rest"],
    ]
    number = sum(len(text.split()) for text in RECIPES.values())
    expected = by_hand(known, ["dough", "water"], number, 0.01, remove)
    (answer,) = ask(retriever, collection, "Dough, DOUGHNUT or WATER?")
    assert answer == pytest.approx(dict(zip(["bread", "soup", "tea", "pause"], expected, strict=True)), abs=1e-5)


def test_a_text_without_a_vector_matches_nothing(word_file: str, make_collection: MakeCollection) -> None:
    collection = make_collection(RECIPES)
    retriever = fitted(collection, vectors=word_file)
    known, unknown = ask(retriever, collection, "soup", "sandwiches")
    assert "menu" not in known
    assert unknown == {}
    assert retriever.embed(["sandwiches"]).tolist() == [[0, 0, 0]]
    assert retriever.facts()["texts_without_vector"] == 1


def test_a_question_is_answered_alike_alone_and_in_company(word_file: str, make_collection: MakeCollection) -> None:
    collection = make_collection(RECIPES)
    retriever = fitted(collection, vectors=word_file)
    (alone,) = ask(retriever, collection, "boil the soup")
    assert ask(retriever, collection, "knead", "boil the soup", "rest")[1] == pytest.approx(alone, abs=1e-6)


def test_the_weight_of_a_word_may_come_from_a_file(
    word_file: str, tmp_path: Path, make_collection: MakeCollection
) -> None:
    counts = tmp_path / "counts.txt"
    counts.write_text("boil 499\nsoup 1\nthe 500\n")
    collection = make_collection(RECIPES)
    options: dict[str, Any] = {"vectors": word_file, "remove": 0, "a": 0.01}
    vector = fitted(collection, frequencies=str(counts), **options).embed(["boil soup water"])[0]
    expected = sum(
        0.01 / (0.01 + p) * np.array(VECTORS[word]) for word, p in {"boil": 0.499, "soup": 0.001, "water": 0}.items()
    )
    assert vector == pytest.approx(expected / np.linalg.norm(expected), abs=1e-6)


def test_a_corpus_of_which_nothing_is_left_is_refused(word_file: str, make_collection: MakeCollection) -> None:
    for texts in ({"a": "boil"}, {"a": "nothing known"}):
        with pytest.raises(BenchError, match="no document of small has a vector"):
            fitted(make_collection(texts), vectors=word_file)


def test_equal_documents_tie_whatever_the_order_of_the_corpus(
    docstrings: Docstrings, make_collection: MakeCollection
) -> None:
    texts = {f"{name} {copy}": rest for copy in "ab" for name, (_, rest) in list(docstrings.items())[:80]}
    summaries = [summary for summary, _ in list(docstrings.values())[:40]]
    answers = []
    for ordered in (texts, dict(reversed(texts.items()))):
        collection = make_collection(ordered)
        answers.append(ask(fitted(collection), collection, *summaries))
    assert [list(answer.items()) for answer in answers[0]] == [list(answer.items()) for answer in answers[1]]
    assert all(len(set(answer.values())) <= 5 for answer in answers[0])


def test_word_pieces_find_the_docstring_of_a_summary(docstrings: Docstrings, make_collection: MakeCollection) -> None:
    some = dict(list(docstrings.items())[:150])
    collection = make_collection({name: rest for name, (_, rest) in some.items()})
    retriever = fitted(collection)
    answers = ask(retriever, collection, *(summary for summary, _ in some.values()))
    found = [name in answer for name, answer in zip(some, answers, strict=True)]
    assert np.mean(found) > 0.6
    assert retriever.weights() == [MINILM]


def test_an_unknown_character_matches_nothing(make_collection: MakeCollection) -> None:
    collection = make_collection({"tea": "Pour boiling water over the leaves.", "soup": "Simmer the onions."})
    assert ask(fitted(collection), collection, "𓀀") == [{}]


def test_a_layer_gives_weighted_means_of_its_hidden_states(make_collection: MakeCollection) -> None:
    import torch
    from transformers import AutoModel, AutoTokenizer

    texts = {"tea": "Pour boiling water over the leaves.", "soup": "Simmer the onions in butter, then boil the soup."}
    collection = make_collection(texts)
    folder = find_weights(MINILM).folder
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder)
    ids = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts.values()]
    counts = Counter(token for tokens in ids for token in tokens)
    for layer in (0, 3, -1):
        retriever = fitted(collection, vectors=f"layer:{layer}", remove=0, encoding_batch=2)
        for text, tokens in zip(texts.values(), ids, strict=True):
            with torch.no_grad():
                states = model(**tokenizer(text, return_tensors="pt"), output_hidden_states=True).hidden_states[layer]
            weights = np.array([1e-3 / (1e-3 + counts[token] / counts.total()) for token in tokens])
            expected = weights @ states[0, 1:-1].numpy()
            expected /= np.linalg.norm(expected)
            assert retriever.embed([text, "soup"])[0] == pytest.approx(expected, abs=1e-5)


def test_a_layer_reads_no_more_than_the_tokens_it_is_told(make_collection: MakeCollection) -> None:
    collection = make_collection({"tea": "Pour boiling water over the leaves.", "soup": "Simmer the onions."})
    retriever = fitted(collection, vectors="layer:-1", remove=0, max_tokens=5)
    # Three pieces of text beside the two that the model adds.
    whole, cut = retriever.embed(["pour boiling water over the leaves", "pour boiling water"])
    assert whole == pytest.approx(cut, abs=1e-6)
    assert retriever.facts()["full_windows"] >= 2


@pytest.mark.parametrize("options", [{}, {"vectors": "layer:-1"}, {"vectors": "file"}])
def test_a_saved_index_answers_as_before(
    options: dict[str, Any], word_file: str, tmp_path: Path, make_collection: MakeCollection
) -> None:
    options = {"vectors": word_file} if options.get("vectors") == "file" else options
    collection = make_collection(RECIPES)
    before = fitted(collection, **options)
    folder = tmp_path / "index"
    folder.mkdir()
    before.save(folder)
    Path(word_file).unlink()
    after = SIF(**options)
    after.load(folder)
    questions = ["knead the dough", "soup", "qwertz"]
    assert ask(after, collection, *questions) == ask(before, collection, *questions)
    assert {path.suffix for path in folder.iterdir()} <= {".npy", ".json"}
    assert isinstance(after._vectors, np.memmap)


@given(
    hnp.arrays(np.float32, st.tuples(st.integers(1, 12), st.just(4)), elements=st.floats(-5, 5, width=32)),
    st.data(),
)
def test_common_components_span_what_the_singular_vectors_span(vectors: np.ndarray, data: st.DataObject) -> None:
    copies = np.array(data.draw(st.lists(st.integers(1, 3), min_size=len(vectors), max_size=len(vectors))))
    repeated = np.repeat(vectors, copies, axis=0).astype(np.float64)
    _, values, directions = np.linalg.svd(repeated)
    values = np.pad(values, (0, 4 - len(values)))
    found = _common_components(vectors, copies, 2)
    np.testing.assert_allclose(found @ found.T, np.eye(len(found)), atol=1e-5)
    for wanted in range(1, len(found) + 1):
        if values[wanted - 1] - values[wanted] > 0.1:
            span, expected = found[:wanted], directions[:wanted]
            np.testing.assert_allclose(span.T @ span, expected.T @ expected, atol=1e-3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"a": 0}, "sif.a.*greater than 0"),
        ({"remove": 11}, "sif.remove.*less than or equal to 10"),
        ({"vectors": "layer:last"}, "sif.vectors.*write layer:N"),
        ({"max_tokens": 2}, "sif.max_tokens"),
    ],
)
def test_bad_options_are_refused_in_one_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(BenchError, match=message):
        SIF.from_options("sif", options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"vectors": "layer:7"}, "has layers 0 to 6, not 7; set vectors=layer:N"),
        ({"vectors": "layer:-8"}, "has layers 0 to 6, not -8"),
        (
            {"vectors": "layer:1", "max_tokens": 4096},
            "positions for 512 tokens and would read 4096; cut texts after 512",
        ),
        ({"vectors": "absent.txt"}, "absent.txt cannot be read"),
        ({"frequencies": "absent.txt"}, "absent.txt cannot be read"),
    ],
)
def test_what_the_model_or_the_disk_lacks_is_refused_when_fitting(
    options: dict[str, Any], message: str, make_collection: MakeCollection
) -> None:
    with pytest.raises(BenchError, match=message):
        fitted(make_collection(RECIPES), **options)
