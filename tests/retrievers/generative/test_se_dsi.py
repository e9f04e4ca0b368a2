"""SE-DSI: documents named by descriptions."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from merging import merged

from bench.collections.collection import Collection, Query
from bench.workplace import Workplace
from retrievers.generative.se_dsi import SEDSI, is_word, key_words

QUICK = {
    "device": "cpu",
    "decoder": {"dimension": 32, "feed_forward": 64},
    "training": {"epochs": 1},
    "reading": {"first_tokens": 16, "parts": ["first"]},
}
UNTRAINED = {"epochs": 0}


@pytest.fixture(scope="module")
def common(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("common")


@pytest.fixture
def fit(learnable: Collection, common: Path, tmp_path: Path) -> Any:
    def fit(collection: Collection = learnable, **options: Any) -> SEDSI:
        retriever = SEDSI(**merged(QUICK, options))
        retriever.work_in(Workplace(tmp_path / "checkpoints", common))
        return retriever.fit(collection.training_view())

    return fit


def test_a_document_is_named_by_a_sentence_of_its_own(fit: Any, learnable: Collection) -> None:
    retriever = fit(training=UNTRAINED)
    tokenizer = retriever.encoder.tokenizer
    for text, path in zip(learnable.texts(), retriever.docids(), strict=True):
        assert 0 < len(path) <= 20
        spelled = tokenizer.convert_tokens_to_string(list(path))
        whole = tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"])
        assert spelled.split()[:3] == [] or " ".join(spelled.split()[:3]) in " ".join(whole.split())


def test_program_text_names_a_document_only_where_there_is_nothing_else(fit: Any) -> None:
    program = ">>> join('a', 'b')\n'a/b'", "x = [1, 2]; y = {3: 4}; print(x, y, x + [5])"
    text = f"{program[0]}\n\nTwo parts become one path again.\n\n{program[1]}"
    assert SEDSI(**QUICK)._key_sentence(text, "english") == "Two parts become one path again."
    assert SEDSI(**QUICK)._key_sentence(">>> 1 + 1", "english") == ">>> 1 + 1"


def test_documents_that_share_a_description_come_together_with_equal_scores(fit: Any, make_collection: Any) -> None:
    texts = {
        "a": "Join two paths into one path.",
        "b": "Join two paths into one path.",
        "c": "Split a path at its last separator.",
    }
    collection = make_collection(texts, {"q": "join paths"}, {"q": {"a": 1}})
    retriever = fit(collection, training=UNTRAINED)
    assert retriever.facts()["identifiers"] == 2
    assert retriever.facts()["largest_group"] == 2
    asked = [Query("q", "join two paths")]
    found = retriever.retrieve(asked, 3).canonical(asked, collection.documents, 3)
    assert collection.documents.ids(found.rows) == ["a", "b", "c"]
    assert found.scores[0] == found.scores[1] > found.scores[2]


def test_only_choices_are_predicted_with_a_prefix_head_and_every_word_with_a_shared_one(fit: Any) -> None:
    prefix, shared = fit(training=UNTRAINED), fit(training=UNTRAINED, decoder={"head": "shared"})
    assert prefix.docids() == shared.docids()
    longest = max(map(len, shared.docids()))
    assert shared.facts()["identifier_levels"] == longest + 1  # and the end
    assert prefix.facts()["identifier_levels"] < longest


@pytest.mark.parametrize("head", ["prefix", "shared"])
def test_a_saved_model_answers_as_before(fit: Any, learnable: Collection, tmp_path: Path, head: str) -> None:
    retriever = fit(decoder={"head": head})
    (tmp_path / "saved").mkdir()
    retriever.save(tmp_path / "saved")
    loaded = SEDSI(**merged(QUICK, {"decoder": {"head": head}}))
    loaded.load(tmp_path / "saved")
    asked = learnable.queries("test")
    first, second = (one.retrieve(asked, 5).canonical(asked, learnable.documents, 5) for one in (retriever, loaded))
    assert np.array_equal(first.rows, second.rows)
    assert np.array_equal(first.scores, second.scores)
    assert loaded.docids() == retriever.docids()


def test_an_encoder_decoder_writes_words_of_its_own(fit: Any, learnable: Collection, tiny_t5: Path) -> None:
    retriever = fit(model=str(tiny_t5), beams={"width": 5})
    asked = learnable.queries("test")
    found = retriever.retrieve(asked, 5).canonical(asked, learnable.documents, 5)
    assert (found.lengths >= 5).all()
    assert retriever.facts()["identifier_levels"] == max(map(len, retriever.docids())) + 1


def test_descriptions_may_be_written_queries(fit: Any, learnable: Collection) -> None:
    retriever = fit(description="written", pseudo_queries={"writer": "trained", "epochs": 2})
    written = retriever.pseudo_queries_of(learnable)
    assert len(written) == len(learnable)
    for row, path in enumerate(retriever.docids()):
        tokens = retriever.encoder.tokens_of([written[row][0]], 20)[0] or retriever.encoder.tokens_of(["nothing"])[0]
        assert list(path) == retriever.encoder.tokenizer.convert_ids_to_tokens(tokens)


def test_words_have_the_marks_that_their_script_writes() -> None:
    texts = ["हिन्दी भाषा में किताब की सूची है", "नदी के पास एक पेड़ है", "ภาษาไทย"]
    hindi, river, thai = key_words(texts, 20)
    assert set(hindi.split()) == set(texts[0].split())
    assert set(river.split()) == set(texts[1].split())
    assert thai
    assert [is_word(text) for text in ("पेड़", "naïve", "x1", "a_b", "")] == [True, True, False, False, False]


def test_key_words_are_those_that_are_frequent_here_and_rare_elsewhere() -> None:
    assert key_words(["the path path of the file", "the file is open", "the end"], 2) == [
        "path of",
        "is open",
        "end the",
    ]
