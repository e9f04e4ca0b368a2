"""A cross-encoder that is made here: its scores are the model's, and the second stage's order is theirs."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

from bench.collections.collection import Collection
from bench.errors import BenchError
from bench.models import MINILM, find_weights
from retrievers.composed.cross_encoder import CrossEncoder
from retrievers.composed.rerank import Rerank


def made(folder: Path, labels: int) -> Path:
    tokenizer = AutoTokenizer.from_pretrained(str(find_weights(MINILM).folder))
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        num_labels=labels,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = BertForSequenceClassification(config)
        torch.nn.init.normal_(model.classifier.weight, std=5)
        model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("cross-encoder"), 1)


def test_scores_are_the_models_logits(tiny: Path, learnable: Collection) -> None:
    tokenizer = AutoTokenizer.from_pretrained(str(tiny))
    model = BertForSequenceClassification.from_pretrained(tiny).eval()
    query, text = learnable.queries()[0], learnable.texts()[3]
    with torch.no_grad():
        expected = model(**tokenizer(query.text, text, return_tensors="pt")).logits.item()
    system = CrossEncoder(model=str(tiny)).fit(learnable)
    (found,) = system.score([query], [np.array([3, 7])])
    assert found[0] == pytest.approx(expected, abs=1e-5)


def test_it_reranks_what_the_first_stage_found(tiny: Path, learnable: Collection, tmp_path: Path) -> None:
    queries = learnable.queries()
    second = {"retriever": "cross-encoder", "model": str(tiny)}
    reranked = Rerank(first="bm25", second=second, depth=len(learnable)).fit(learnable)
    alone = CrossEncoder(model=str(tiny)).fit(learnable).rankings(queries, len(learnable))
    found = reranked.rankings(queries, len(learnable))
    for position in range(len(queries)):
        candidates = set(found.of(position)[0].tolist())
        expected = [row for row in alone.of(position)[0].tolist() if row in candidates]
        assert found.of(position)[0].tolist() == expected
    reranked.save(tmp_path)
    loaded = Rerank(first="bm25", second=second, depth=len(learnable))
    loaded.load(tmp_path)
    assert loaded.retrieve(queries, 5).rows.tolist() == reranked.retrieve(queries, 5).rows.tolist()


def test_no_queries_have_no_answers(tiny: Path, learnable: Collection) -> None:
    system = CrossEncoder(model=str(tiny)).fit(learnable)
    assert len(system.retrieve([], 5)) == 0
    assert len(Rerank(first="bm25", second=system).fit(learnable).retrieve([], 5)) == 0


def test_lengths_that_have_no_room_for_words_or_no_positions_are_refused(tiny: Path, learnable: Collection) -> None:
    with pytest.raises(BenchError, match="write 5 or more, or 0 for the model's own"):
        CrossEncoder.from_options("cross-encoder", {"model": str(tiny), "max_tokens": 4})
    system = CrossEncoder(model=str(tiny), max_tokens=513).fit(learnable)
    with pytest.raises(BenchError, match="positions for 512 tokens and would read 513"):
        system.score(learnable.queries()[:1], [np.array([0])])


def test_a_model_with_several_scores_is_refused(learnable: Collection, tmp_path: Path) -> None:
    system = CrossEncoder(model=str(made(tmp_path, 3))).fit(learnable)
    with pytest.raises(BenchError, match="gives 3 scores for a pair"):
        system.score(learnable.queries()[:1], [np.array([0])])
