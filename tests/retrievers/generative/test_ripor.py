"""RIPOR on a small collection: where it starts, and what a teacher's margins do to prefixes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from merging import merged

from bench.collections.collection import Collection, Query
from bench.errors import BenchError
from bench.workplace import Workplace
from retrievers.generative.fitting import negatives
from retrievers.generative.options import BeamOptions
from retrievers.generative.ripor import RIPOR
from retrievers.generative.teacher import TeacherOptions

QUICK = {
    "device": "cpu",
    "levels": 4,
    "codes": 6,
    "decoder": {"dimension": 32, "feed_forward": 64},
    "training": {"epochs": 3, "training_batch": 16, "learning_rate": 3e-3, "held_out": 0},
    "reading": {"parts": ["spans"]},
}


@pytest.fixture(scope="module")
def common(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """States that all of these tests share, so that each text is read once."""
    return tmp_path_factory.mktemp("common")


@pytest.fixture
def fit(learnable: Collection, common: Path, tmp_path: Path) -> Any:
    def fit(**options: Any) -> RIPOR:
        retriever = RIPOR(**merged(QUICK, options))
        retriever.work_in(Workplace(tmp_path / "checkpoints", common))
        return retriever.fit(learnable.training_view())

    return fit


def prefix_ranks(retriever: RIPOR, collection: Collection, split: str, length: int) -> float:
    """The mean rank of the relevant documents' prefixes among all of this length, from 0, by their own scores."""
    identifiers = torch.from_numpy(retriever._named.identifiers.tokens.astype(np.int64))
    ranks = []
    for position, query in enumerate(collection.queries(split)):
        encoded = retriever.encoder(retriever._query_tokens([query.text]))
        with torch.no_grad():
            scores = retriever._model.decoder.scores(encoded, identifiers[None])[0, :, :length].sum(dim=-1)
        own = scores[collection.qrels(split).of(position)[0][0]]
        better = identifiers[scores > own + 1e-5, :length]
        ranks.append(len(torch.unique(better, dim=0)))
    return float(np.mean(ranks))


def test_before_it_is_trained_it_searches_for_quantised_vectors(fit: Any, learnable: Collection) -> None:
    retriever = fit(levels=8, codes=30, training={"epochs": 0})
    asked = learnable.queries("test")
    found = retriever.retrieve(asked, 30).canonical(asked, learnable.documents, 30)
    tokens = retriever._query_tokens([query.text for query in asked])
    with torch.no_grad():
        means = retriever.encoder(tokens).means()
        turned = torch.nn.functional.normalize(retriever._model.decoder.head.turn(means), dim=1)
    exact = 20 * turned.numpy() @ retriever._vectors.T
    for position, (_, rows, scores) in enumerate(found):
        np.testing.assert_allclose(scores, exact[position, rows], atol=0.1)


def test_a_teachers_margins_move_the_prefixes_of_relevant_documents_up(fit: Any, learnable: Collection) -> None:
    start, trained = (
        fit(start="random", training={"epochs": epochs, "vector_rate": 1}, decoder={"dropout": 0})
        for epochs in (0, 30)
    )
    for length in (2, 4):
        for split in ("train", "test"):
            before, after = (prefix_ranks(one, learnable, split, length) for one in (start, trained))
            assert after < before / 2


def test_enough_beams_find_what_exact_scoring_finds(fit: Any, learnable: Collection) -> None:
    asked = learnable.queries("test")
    beams = fit()
    exact = beams.model_copy(update={"beams": BeamOptions(width=30, decoding="exact", normalise="none")})
    for name in ("_model", "_named"):
        setattr(exact, name, getattr(beams, name))
    first, second = (one.retrieve(asked, 30).canonical(asked, learnable.documents, 30) for one in (beams, exact))
    assert np.array_equal(first.rows, second.rows)
    np.testing.assert_allclose(first.scores, second.scores, atol=1e-4)


def test_a_saved_model_answers_as_before(fit: Any, learnable: Collection, tmp_path: Path) -> None:
    retriever, asked = fit(), learnable.queries("test")
    retriever.save(tmp_path)
    loaded = RIPOR(**QUICK)
    loaded.load(tmp_path)
    first, second = (one.retrieve(asked, 10).canonical(asked, learnable.documents, 10) for one in (retriever, loaded))
    assert np.array_equal(first.rows, second.rows)
    assert np.array_equal(first.scores, second.scores)


def test_the_steps_of_an_answer_add_up_to_its_score(fit: Any, learnable: Collection) -> None:
    (hit, *_) = fit().search("Return the list of the arguments of a function", k=1, explain=True)
    assert sum(part.weight for part in hit.evidence) == pytest.approx(hit.score, abs=1e-3)


def test_an_encoder_decoder_has_no_scores_that_add_up(fit: Any, tiny_t5: Path) -> None:
    with pytest.raises(BenchError, match="normalise=none adds logits of a decoder that is made here"):
        fit(model=str(tiny_t5), start_vectors="encoder", teacher={"distil": 0})


def test_negatives_are_the_teachers_first_without_the_document_itself() -> None:
    probabilities = torch.tensor([[0.5, 0.2, 0.2, 0.1], [0.1, 0.3, 0.0, 0.6]])
    rows = torch.tensor([0, 1])
    torch.manual_seed(0)
    drawn, margins = negatives(probabilities, rows, TeacherOptions(negatives=50, distil_depth=2))
    assert set(drawn[0].tolist()) == {1, 2}
    assert set(drawn[1].tolist()) == {0, 3}
    expected = torch.log(probabilities.gather(1, rows[:, None]) / probabilities.gather(1, drawn))
    torch.testing.assert_close(margins, expected)


def test_margins_need_a_teacher_that_scores_all_documents() -> None:
    with pytest.raises(BenchError, match="needs a teacher with a score for each document"):
        RIPOR(teacher={"distil_teacher": "sbert"})


def test_no_query_is_no_reason_to_fail(fit: Any) -> None:
    assert list(fit(training={"epochs": 0}).retrieve([Query("1", "")], 3).of(0)[0])
