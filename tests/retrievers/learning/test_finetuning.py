import os
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from merging import merged
from safetensors.numpy import load_file
from sentence_transformers import MultiVectorEncoder, SentenceTransformer
from sentence_transformers.base.modules import Transformer
from sentence_transformers.sentence_transformer.modules import Pooling, StaticEmbedding
from transformers import AutoTokenizer, BertConfig, BertModel

from bench import token_states
from bench.collections.collection import Collection, Document, Rules, read_collection
from bench.collections.writer import CollectionWriter
from bench.errors import BenchError
from bench.models import MINILM, find_weights
from bench.rankings import Rankings
from bench.workplace import Workplace
from retrievers.dense.sbert import SBERT
from retrievers.late_interaction.colbert import ColBERT
from retrievers.learning import contrastive
from retrievers.learning.finetuning import FineTuned

WAYS = [
    pytest.param(SBERT, "in-batch", id="sbert-in-batch"),
    pytest.param(SBERT, "hard-negatives", id="sbert-hard-negatives"),
    pytest.param(ColBERT, "in-batch", id="colbert-in-batch"),
    pytest.param(ColBERT, "hard-negatives", id="colbert-hard-negatives"),
    pytest.param(ColBERT, "pairwise", id="colbert-pairwise"),
]
_DOCUMENTS = 140
KINDS = [(SBERT, "hard-negatives"), (ColBERT, "pairwise")]


@pytest.fixture(scope="session")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A BERT of one layer with random weights."""
    folder = tmp_path_factory.mktemp("backbone")
    AutoTokenizer.from_pretrained(find_weights(MINILM).folder).save_pretrained(folder)
    torch.manual_seed(3)
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    BertModel(BertConfig(**sizes)).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="session")
def tiny(backbone: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A sentence encoder on that BERT. Late interaction takes its token vectors."""
    folder = str(tmp_path_factory.mktemp("tiny"))
    transformer = Transformer(backbone)
    SentenceTransformer(modules=[transformer, Pooling(32)], device="cpu").save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def collection(docstrings: Mapping[str, tuple[str, str]], tmp_path_factory: pytest.TempPathFactory) -> Collection:
    """Summaries ask for docstrings: four in five to train, the others to test."""
    folder = tmp_path_factory.mktemp("collection")
    some = dict(list(docstrings.items())[:_DOCUMENTS])
    asked = {name: summary for name, (summary, _) in some.items() if summary}
    splits = {name: "test" if i % 5 == 0 else "train" for i, name in enumerate(asked)}
    with CollectionWriter(folder) as writer:
        for name, (_, text) in some.items():
            writer.document(Document(name, "", text[:200]), "documents")
        for name, split in splits.items():
            writer.query(split, f"q-{name}", asked[name], "queries")
        for name, split in splits.items():
            writer.judgement(split, f"q-{name}", name, 1, "judgements")
    return read_collection(folder, "docstrings", Rules())


def made(kind: type[FineTuned], model: str, way: str = "none", **options: Any) -> Any:
    quick = {
        "pool": 80,
        "epochs": 2,
        "learning_rate": 0.01,
        "training_batch": 16,
        "max_tokens": 32,
        "held_out": 0.3,
        "method": way,
    }
    return kind(device="cpu", model=model, **merged({"finetuning": quick}, options))


def fitted(kind: type[FineTuned], model: str, collection: Collection, way: str = "in-batch", **options: Any) -> Any:
    retriever = made(kind, model, way, **options)
    retriever.fit(collection.training_view())
    return retriever


def answer(retriever: Any, collection: Collection) -> Rankings:
    queries = collection.queries("test")
    return retriever.retrieve(queries, 10).canonical(queries, collection.documents, 10)


def figures(facts: Mapping[str, Any]) -> tuple[float, float]:
    """MRR@10 on held-out queries of the model as it came, and of the chosen epoch."""
    course = facts["training"]
    return course["epochs"][0]["MRR@10"], course["epochs"][course["chosen_epoch"]]["MRR@10"]


def same(first: Rankings, second: Rankings) -> bool:
    return first.rows.tobytes() == second.rows.tobytes() and first.scores.tobytes() == second.scores.tobytes()


@pytest.fixture(scope="session")
def tuned(tiny: str, collection: Collection) -> Callable[[type[FineTuned], str], Any]:
    """Retrievers with the default seed, each trained once for all tests."""
    return cache(lambda kind, way: fitted(kind, tiny, collection, way))


@pytest.mark.parametrize(("kind", "way"), WAYS)
def test_training_raises_the_held_out_figure(
    kind: type[FineTuned], way: str, tuned: Callable[..., Any], collection: Collection
) -> None:
    facts = tuned(kind, way).facts()
    course = facts["training"]
    before, after = figures(facts)
    assert after > before + 0.02
    assert course["chosen_epoch"] >= 1
    assert [epoch["epoch"] for epoch in course["epochs"]] == [0, 1, 2]
    assert course["epochs"][2]["loss"] < course["epochs"][1]["loss"]
    assert max(epoch["MRR@10"] for epoch in course["epochs"]) == after
    assert facts["training_queries"] + facts["held_out_queries"] == len(collection.queries("train"))


@pytest.mark.parametrize(("kind", "way"), KINDS)
def test_a_saved_model_answers_the_same_bytes_without_training_again(
    kind: type[FineTuned],
    way: str,
    tiny: str,
    tuned: Callable[..., Any],
    collection: Collection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    saved = tuned(kind, way)
    saved.save(tmp_path)
    monkeypatch.setattr(contrastive, "fine_tune", lambda *_, **__: pytest.fail("trained again"))
    loaded = made(kind, tiny, way)
    loaded.load(tmp_path)
    assert same(answer(saved, collection), answer(loaded, collection))
    assert saved.facts() == loaded.facts()
    weights, original = (load_file(next(Path(folder).rglob("*.safetensors"))) for folder in (tmp_path, tiny))
    assert any(not np.array_equal(weights[name], original[name]) for name in original)
    assert not [path for path in tmp_path.rglob("*") if path.suffix in (".bin", ".pt", ".pkl")]


@pytest.mark.parametrize(("kind", "way"), KINDS)
def test_the_seed_decides_everything(
    kind: type[FineTuned], way: str, tiny: str, tuned: Callable[..., Any], collection: Collection
) -> None:
    first = answer(tuned(kind, way), collection)
    retriever = fitted(kind, tiny, collection, way, seed=2)
    assert not same(first, answer(retriever, collection))
    torch.manual_seed(99)
    retriever.seed = 0
    retriever.fit(collection.training_view())
    assert same(first, answer(retriever, collection)), "fitting again starts from the model as it came"


def test_nothing_is_printed_or_left_behind(
    tiny: str, collection: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    retriever = made(SBERT, tiny, "in-batch")
    steps = []
    retriever.report_to(lambda phase, done, total: steps.append((phase, done, total)))
    retriever.fit(collection.training_view())
    assert capfd.readouterr() == ("", "")
    assert os.listdir(tmp_path) == []  # noqa: PTH208
    tuned = [
        (done, total) for phase, done, total in steps if phase.startswith("fine-tuning: epoch") and "loss" in phase
    ]
    assert [done for done, _ in tuned] == 2 * list(range(1, tuned[-1][1] + 1))


class Interruption(Exception):
    pass


@pytest.mark.parametrize(("kind", "way"), KINDS)
def test_an_interrupted_training_goes_on_to_the_same_end(
    kind: type[FineTuned], way: str, tiny: str, tuned: Callable[..., Any], collection: Collection, tmp_path: Path
) -> None:
    def interrupt(phase: str, done: int, _total: int) -> None:
        if phase.startswith("fine-tuning: epoch 2 of") and done == 2:
            raise Interruption

    retriever = made(kind, tiny, way)
    retriever.work_in(Workplace(tmp_path / "checkpoints", tmp_path / "common"))
    retriever.report_to(interrupt)
    with pytest.raises(Interruption):
        retriever.fit(collection.training_view())
    told: list[str] = []
    retriever.report_to(lambda phase, *_: told.append(phase))
    retriever.fit(collection.training_view())
    assert not any(phase.startswith("fine-tuning: epoch 1 of") for phase in told)
    assert same(answer(retriever, collection), answer(tuned(kind, way), collection))


def test_only_a_fine_tuned_system_has_seen_training_queries() -> None:
    assert not SBERT().trained
    assert not ColBERT().trained
    assert SBERT(finetuning={"method": "in-batch"}).trained
    assert ColBERT(finetuning={"method": "pairwise"}).trained


def test_without_fine_tuning_no_training_query_is_read(
    tiny: str, collection: Collection, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(Collection, "queries", lambda *_: pytest.fail("read the queries"))
    retriever = made(SBERT, tiny)
    retriever.fit(collection.training_view())
    retriever.save(tmp_path)
    assert "training" not in retriever.facts()
    assert not list(tmp_path.rglob("*.safetensors"))


@pytest.mark.parametrize("kind", [SBERT, ColBERT])
def test_a_collection_without_training_queries_is_refused(
    kind: type[FineTuned], tiny: str, make_collection: Any
) -> None:
    collection = make_collection({"a": "one text", "b": "another"}, {"q": "one"}, {"q": {"a": 1}})
    with pytest.raises(BenchError, match="set finetuning.method=none"):
        fitted(kind, tiny, collection)


def test_training_that_diverges_is_an_error(tiny: str, collection: Collection) -> None:
    with pytest.raises(BenchError, match="lower finetuning.learning_rate"):
        fitted(SBERT, tiny, collection, finetuning={"learning_rate": 1e30})


def test_a_model_of_half_precision_is_trained_in_single(tiny: str, collection: Collection) -> None:
    retriever = fitted(SBERT, tiny, collection, precision="bfloat16")
    facts = retriever.facts()
    assert facts["precision"] == "bfloat16"
    before, after = figures(facts)
    assert after > before


def test_a_model_without_layers_is_trained_too(collection: Collection, tmp_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(find_weights(MINILM).folder)._tokenizer
    torch.manual_seed(0)
    model = SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_dim=16)], device="cpu")
    model.save(str(tmp_path))
    before, after = figures(fitted(SBERT, str(tmp_path), collection, finetuning={"learning_rate": 0.05}).facts())
    assert after > before


@pytest.mark.parametrize("kind", [SBERT, ColBERT])
def test_training_cuts_documents_sooner_than_encoding(
    kind: type[FineTuned], tiny: str, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    method = kind._method

    def watched(self: Any, model: Any) -> contrastive.Method:
        model.register_forward_pre_hook(lambda _, args: seen.append(args[0]["input_ids"].shape[1]))
        return method(self, model)

    monkeypatch.setattr(kind, "_method", watched)
    retriever = fitted(kind, tiny, collection, finetuning={"max_tokens": 20, "epochs": 1})
    documents = [tokens for tokens in seen if tokens == 20]
    assert len(documents) > len(seen) / 3
    assert kind is ColBERT or max(seen) == 20
    facts = retriever.facts()
    assert facts.get("max_tokens", facts.get("document_tokens")) > 20


def test_the_pairwise_loss_is_colberts(tiny: str) -> None:
    retriever = ColBERT(device="cpu", model=tiny, finetuning={"method": "pairwise"})
    model: MultiVectorEncoder = retriever.encoder
    queries, good, bad = ["copy a file"] * 2, ["shutil copies files", "a list"], ["sort numbers", "copy of a file"]
    features = [model.preprocess(texts, task=task) | {"task": task} for texts, task in
                [(queries, "query"), (good, "document"), (bad, "document")]]  # fmt: skip
    loss = retriever._method(model).loss.eval()(features, torch.tensor([[contrastive.SURE, 0.0]] * 2))
    scores = model.similarity(model.encode_query(queries), model.encode_document(good + bad))
    pairs = torch.stack([scores[[0, 1], [0, 1]], scores[[0, 1], [2, 3]]], dim=1)
    expected = -torch.log_softmax(pairs, dim=1)[:, 0].mean()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-4)


PROJECTION = {"finetuning": {"method": "in-batch", "weights": "projection", "learning_rate": 0.02}}


@pytest.mark.parametrize("kind", [SBERT, ColBERT])
def test_a_projection_learns_while_the_encoder_stays_as_it_is(
    kind: type[FineTuned], tiny: str, collection: Collection, tmp_path: Path
) -> None:
    retriever = fitted(kind, tiny, collection, **PROJECTION)
    before, after = figures(retriever.facts())
    assert after > before + 0.02
    plain = made(kind, tiny).encoder
    for tuned, original in zip(retriever.encoder[0].parameters(), plain[0].parameters(), strict=True):
        assert torch.equal(tuned, original)
    retriever.save(tmp_path)
    loaded = made(kind, tiny, **PROJECTION)
    loaded.load(tmp_path)
    assert same(answer(retriever, collection), answer(loaded, collection))
    assert retriever.facts() == loaded.facts()


@pytest.mark.parametrize("kind", [SBERT, ColBERT])
def test_a_projection_starts_as_the_model_as_it_came(
    kind: type[FineTuned], tiny: str, collection: Collection
) -> None:
    retriever = fitted(kind, tiny, collection, **merged(PROJECTION, {"finetuning": {"learning_rate": 1e-30}}))
    plain = fitted(kind, tiny, collection, "none")
    for ours, expected in zip(answer(retriever, collection), answer(plain, collection), strict=True):
        assert ours[1].tolist() == expected[1].tolist()
        np.testing.assert_allclose(ours[2], expected[2], rtol=1e-5)


def test_a_projection_learns_from_the_states_that_other_systems_keep(
    tiny: str, collection: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = merged(PROJECTION, {"finetuning": {"max_tokens": 256}})
    common = Workplace(tmp_path / "checkpoints", tmp_path / "common")
    plain, projected = made(SBERT, tiny), made(ColBERT, tiny, **options)
    plain.work_in(common)
    plain.fit(collection.training_view())
    with monkeypatch.context() as patch:
        patch.setattr(token_states, "_write", lambda *_: pytest.fail("read the documents again"))
        projected.work_in(common)
        projected.fit(collection.training_view())
    monkeypatch.setattr(token_states, "MOST_TOKENS", 0)
    reading = fitted(ColBERT, tiny, collection, **options)
    kept, read = (retriever.facts()["training"]["epochs"][1:] for retriever in (projected, reading))
    for one, other in zip(kept, read, strict=True):
        assert one | {"seconds": 0} == pytest.approx(other | {"seconds": 0}, rel=1e-3)


def test_a_model_without_token_states_has_nothing_to_project(collection: Collection, tmp_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(find_weights(MINILM).folder)._tokenizer
    SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_dim=16)], device="cpu").save(str(tmp_path))
    with pytest.raises(BenchError, match="set finetuning.weights=all"):
        fitted(SBERT, str(tmp_path), collection, **PROJECTION)
