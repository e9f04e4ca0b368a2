"""Feedback on vectors: Rocchio's formula, and guided refinement against its definition."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bench.collections.collection import Collection
from bench.errors import BenchError
from bench.parts import make_part
from bench.retriever import construct
from retrievers.composed.dense_prf import DensePRF
from retrievers.composed.gqr import GQR, Setting, _Case, _softmax
from retrievers.dense.sbert import SBERT


def test_the_new_query_is_rocchios(learnable: Collection) -> None:
    queries, sbert = learnable.queries(), SBERT().fit(learnable)
    prf = DensePRF(part=sbert, feedback_documents=3, query=0.6, feedback=0.4).fit(learnable)
    vectors = sbert.embed(list(learnable.texts()))
    found = prf.rankings(queries, 5)
    for position, query in enumerate(queries):
        first = sbert.rankings([query], 3).rows
        (asked,) = sbert.embed([query.text])
        moved = 0.6 * asked + 0.4 * vectors[first].mean(axis=0)
        scores = vectors @ (moved / np.linalg.norm(moved))
        rows, values = found.of(position)
        assert values == pytest.approx(np.sort(scores)[::-1][:5], abs=1e-5)
        assert values == pytest.approx(scores[rows], abs=1e-5)


def test_without_feedback_it_is_the_part_itself(learnable: Collection) -> None:
    queries, sbert = learnable.queries(), SBERT().fit(learnable)
    plain = sbert.rankings(queries, 10)
    assert DensePRF(part=sbert, feedback=0).fit(learnable).rankings(queries, 10).rows.tolist() == plain.rows.tolist()


@pytest.mark.parametrize(
    "options",
    [{"retriever": "dense-prf"}, {"retriever": "gqr", "alpha": [0.5], "steps": [5]}],
    ids=["dense-prf", "gqr"],
)
def test_a_query_is_encoded_once(
    options: dict[str, Any], learnable: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[str] = []
    encode = SBERT._encode_queries

    def noted(self: SBERT, texts: list[str]) -> np.ndarray:
        encoded.extend(texts)
        return encode(self, texts)

    system = make_part(options).fit(learnable)
    queries = learnable.queries()[:5]
    monkeypatch.setattr(SBERT, "_encode_queries", noted)
    system.retrieve(queries, 10)
    assert encoded == [query.text for query in queries]


def test_no_queries_have_no_answers(learnable: Collection) -> None:
    for system in (DensePRF(), GQR(alpha=[0.5], steps=[5])):
        assert len(system.fit(learnable).retrieve([], 5)) == 0


def test_only_what_has_vectors_is_moved() -> None:
    for part in ("bm25", "colbert"):
        with pytest.raises(BenchError, match="has no single query vector to move"):
            DensePRF(part=part)
    with pytest.raises(BenchError, match="BM25 has no query vectors; take sbert or colbert"):
        GQR(primary="bm25")
    with pytest.raises(BenchError, match="alpha: .* is out of range"):
        GQR(alpha=[1.5])


def dense_case() -> _Case:
    random = np.random.default_rng(0)
    documents = random.normal(size=(6, 8)).astype(np.float32)
    return _Case(
        np.arange(6), random.normal(size=8).astype(np.float32), list(documents), np.array([0, 1, 9, 2, -np.inf, 1.0])
    )


def token_case() -> _Case:
    random = np.random.default_rng(1)
    documents = [random.normal(size=(tokens, 8)).astype(np.float32) for tokens in (3, 5, 2, 4)]
    return _Case(
        np.arange(4), random.normal(size=(3, 8)).astype(np.float32), documents, np.array([5.0, 1.0, -np.inf, 0.0])
    )


def scores_of(case: _Case, query: np.ndarray) -> np.ndarray:
    if query.ndim == 1:
        return np.stack(case.documents) @ query
    return np.array([(document @ query.T).max(axis=0).sum() for document in case.documents])


@pytest.mark.parametrize("case", [dense_case(), token_case()], ids=["dense", "tokens"])
def test_refinement_is_adam_on_the_divergence_from_a_fixed_target(case: _Case) -> None:
    setting = Setting(alpha=0.5, temperature=0.8, steps=3)
    found = GQR(learning_rate=0.1)._refined(case, setting)

    start = torch.tensor(case.query)
    first = torch.tensor(scores_of(case, case.query))
    divisor = 0.8 * first.std(correction=0)
    target = 0.5 * torch.softmax(first / divisor, 0) + 0.5 * torch.tensor(_softmax(case.guide, 0.8))
    moved = start.clone().requires_grad_(True)
    adam = torch.optim.Adam([moved], lr=0.1 * float(start.square().mean().sqrt()))
    for _ in range(3):
        adam.zero_grad()
        if moved.ndim == 1:
            scores = torch.tensor(np.stack(case.documents)) @ moved
        else:
            scores = torch.stack([(torch.tensor(one) @ moved.T).max(dim=0).values.sum() for one in case.documents])
        log = torch.log_softmax(scores / divisor, 0)
        torch.nn.functional.kl_div(log, target, reduction="sum").backward()
        adam.step()
    assert found == pytest.approx(scores_of(case, moved.detach().numpy()), abs=1e-4)


@pytest.mark.parametrize("case", [dense_case(), token_case()], ids=["dense", "tokens"])
def test_a_guide_with_all_the_weight_wins_in_the_end(case: _Case) -> None:
    found = GQR(learning_rate=0.05)._refined(case, Setting(1.0, 1.0, 300))
    assert int(found.argmax()) == int(case.guide.argmax())


@pytest.mark.parametrize("case", [dense_case(), token_case()], ids=["dense", "tokens"])
def test_a_guide_without_weight_changes_no_order(case: _Case) -> None:
    """Adam scales even the rounding of a gradient of 0, so that scores move a little."""
    found = GQR()._refined(case, Setting(0.0, 1.0, 20))
    assert np.argsort(found).tolist() == np.argsort(scores_of(case, case.query)).tolist()


def test_equal_documents_have_equal_scores() -> None:
    """Though a product of a matrix rounds a row by its place."""
    random = np.random.default_rng(2)
    documents = random.normal(size=(40, 384)).astype(np.float32)
    documents[[3, 17, 31, 38]] = documents[7]
    query, guide = random.normal(size=384).astype(np.float32), random.normal(size=40)
    found = GQR()._refined(_Case(np.arange(40), query, list(documents), guide), Setting(0.5, 1.0, 5))
    assert len(set(found[[3, 7, 17, 31, 38]].tolist())) == 1


def test_documents_without_tokens_are_no_candidates(make_collection: object) -> None:
    small = make_collection({"a": "one cat", "b": "", "c": "three cats", "d": "?!"})  # type: ignore[operator]
    gqr = GQR(primary="colbert", guide="sbert", alpha=[0.5], steps=[5]).fit(small)
    rows, scores = gqr.rankings(["cat"], 4).of(0)
    assert sorted(rows.tolist()) == [0, 2]
    assert np.isfinite(scores).all()


def test_the_setting_is_chosen_on_the_dev_split_and_kept(learnable: Collection, tmp_path: Path) -> None:
    gqr = GQR(alpha=[0.0, 0.5], steps=[5], depth=10).fit(learnable)
    facts = gqr.facts()
    best = max(facts["dev_mrr"].values())
    assert facts["dev_mrr"][f"{gqr._chosen}"] == best
    assert gqr.trained
    assert not gqr.deterministic
    gqr.save(tmp_path)
    loaded = construct("gqr", gqr.options())
    loaded.load(tmp_path)
    queries = learnable.queries()
    before, after = (one.retrieve(queries, 10) for one in (gqr, loaded))
    assert before.rows.tolist() == after.rows.tolist()


def test_one_setting_needs_no_dev_split_and_several_do(make_collection: object) -> None:
    small = make_collection({"a": "one cat", "b": "two dogs", "c": "three cats"})  # type: ignore[operator]
    one = GQR(alpha=[0.5], steps=[5]).fit(small)
    assert one.deterministic
    assert len(one.rankings(["cat"], 3).rows) == 3
    with pytest.raises(BenchError, match="no split to choose gqr's 6 settings on"):
        GQR().fit(small)
