"""Learning to rank by n-grams, held against the scores of the search, on a small collection of real text."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from merging import merged

from bench.collections.collection import Collection
from bench.errors import BenchError
from bench.workplace import Workplace
from retrievers.generative.examples import Example, training_queries
from retrievers.generative.ngram.options import RankingOptions
from retrievers.generative.ngram.ranking import Contests, held, learn_to_rank, scores, trainees
from retrievers.generative.ngram.retriever import Ngram
from retrievers.generative.word_writer import asked, read

QUICK = {
    "device": "cpu",
    "decoder": {"dimension": 32, "feed_forward": 64, "layers": 1},
    "training": {"epochs": 1, "training_batch": 16, "held_out": 0},
    "scoring": {"smoothing": 0.1},
    "ranking": {"epochs": 0, "learning_rate": 2e-3},
}


@pytest.fixture(scope="module")
def common(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("common")


@pytest.fixture
def fit(learnable: Collection, common: Path, tmp_path: Path) -> Any:
    def fit(collection: Collection = learnable, **options: Any) -> Ngram:
        retriever = Ngram(**merged(QUICK, options))
        retriever.work_in(Workplace(tmp_path / "checkpoints", common))
        return retriever.fit(collection)

    return fit


@pytest.mark.parametrize("views", [("span",), ("span", "pseudo-query")])
def test_documents_score_as_the_search_scores_them(fit: Any, learnable: Collection, views: tuple[str, ...]) -> None:
    retriever = fit(views=views)
    tokens = retriever._query_tokens([query.text for query in learnable.queries("test")[:6]])
    answers = list(retriever._answers(tokens, 20))
    chosen = [answer.rows[[0, len(answer.rows) // 2, -1]].tolist() for answer in answers]
    held_by = [
        [
            held(answer.weighed[view], rows, retriever._scorers[view])
            for answer, rows in zip(answers, chosen, strict=True)
        ]
        for view in views
    ]
    with torch.no_grad():
        question = asked(read(retriever.encoder, tokens), tokens, retriever._words, retriever.encoder.device)
        found = scores(retriever._writer, question, held_by, retriever.scoring.alpha).numpy()
    for answer, rows, given in zip(answers, chosen, found, strict=True):
        expected = [answer.scores[answer.rows.tolist().index(row)] for row in rows]
        assert given == pytest.approx(expected, rel=1e-3)


def ahead(retriever: Ngram, collection: Collection) -> float:
    """Mean share of the best score by which a training query's own document is behind the best of the others."""
    examples = training_queries(collection, "train", retriever._query_tokens)
    queries = trainees(examples, examples)
    found = []
    for query, answer in zip(queries, retriever._answers([one.tokens for one in queries], 50), strict=True):
        by_row = dict(zip(answer.rows.tolist(), answer.scores.tolist(), strict=True))
        others = max((score for row, score in by_row.items() if row not in query.relevant), default=0.0)
        own = max(by_row.get(row, 0.0) for row in query.rows)
        found.append((own - others) / answer.scores[0])
    return float(np.mean(found))


def test_ranking_brings_the_documents_of_training_queries_further_ahead(fit: Any, learnable: Collection) -> None:
    ranked = fit(ranking={"epochs": 6, "training_batch": 4})
    assert ahead(ranked, learnable) > ahead(fit(), learnable) + 0.05


def test_what_was_ranked_is_saved(fit: Any, learnable: Collection, tmp_path: Path) -> None:
    ranked = fit(ranking={"epochs": 1})
    (tmp_path / "index").mkdir()
    ranked.save(tmp_path / "index")
    loaded = Ngram(**merged(QUICK, {"ranking": {"epochs": 1}}))
    loaded.load(tmp_path / "index")
    assert loaded.facts()["ranking"] == ranked.facts()["ranking"]
    query = learnable.queries("test")[:1]
    assert loaded.retrieve(query, 5).scores == pytest.approx(ranked.retrieve(query, 5).scores)


def test_no_document_that_answers_a_query_is_ranked_below_another(fit: Any, learnable: Collection) -> None:
    retriever = fit()
    examples = training_queries(learnable, "train", retriever._query_tokens)
    every = [Example(one.tokens, row) for one in examples for row in range(len(learnable) - 1)]
    (query, *_) = queries = trainees(examples, every)
    assert query.rows == [examples[0].row]
    contests = Contests(queries, lambda asked: retriever._answers(asked, 50), retriever._scorers, _Lesson())  # type: ignore[arg-type]
    drawn = contests.draw([0], 50, np.random.default_rng(0))
    last = held(
        next(retriever._weighed([drawn[0].tokens]))["span"], [len(learnable) - 1] * 2, retriever._scorers["span"]
    )
    assert drawn[0].held["span"].shares[1:].sum() == pytest.approx(last.shares.sum())


class _Lesson:
    """Has nothing of its own to draw."""

    evaluate = None

    def can_draw(self, _row: int) -> bool:
        return True

    def draw(self, *_: Any) -> tuple[int, np.ndarray]:
        return 0, np.zeros(1, dtype=np.int64)


def test_where_every_document_is_right_nothing_is_learned(fit: Any, learnable: Collection) -> None:
    retriever = fit()
    examples = training_queries(learnable, "train", retriever._query_tokens)
    every = [Example(one.tokens, row) for one in examples for row in range(len(learnable))]
    contests = Contests(
        trainees(examples, every),
        lambda asked: retriever._answers(asked, 50),
        retriever._scorers,
        _Lesson(),  # type: ignore[arg-type]
    )
    before = {name: weight.clone() for name, weight in retriever._writer.learned().items()}
    course = learn_to_rank(
        retriever._writer,
        retriever.encoder,
        contests,
        RankingOptions(epochs=1),
        seed=0,
        workplace=Workplace.temporary(),
        progress=lambda *_: None,
    )
    assert [epoch.loss for epoch in course.epochs] == [None, 0]
    assert all(torch.equal(weight, before[name]) for name, weight in retriever._writer.learned().items())


def test_a_collection_without_training_queries_is_refused(fit: Any) -> None:
    with pytest.raises(BenchError, match="no training queries in split 'none'.*leave ranking.epochs at 0"):
        fit(ranking={"epochs": 1}, training={"split": "none"})
