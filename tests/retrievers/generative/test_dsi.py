"""DSI on a small collection: what it learns, what it keeps, and how it goes on after an interruption."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import numpy as np
import pytest
import torch
from merging import merged

from bench.collections.collection import Collection, Query, part_of
from bench.errors import BenchError
from bench.models import ModelOptions
from bench.progress import no_progress
from bench.rankings import Rankings
from bench.workplace import Workplace
from retrievers.generative.decoder import Encoded
from retrievers.generative.dsi import DSI
from retrievers.generative.encoders import TextEncoder, mean_vectors
from retrievers.generative.examples import learned_and_kept
from retrievers.generative.fitting import without_some
from retrievers.generative.model import is_tuned
from retrievers.generative.options import BeamOptions, DocumentHead
from retrievers.generative.se_dsi import SEDSI

QUICK = {
    "device": "cpu",
    "decoder": {"dimension": 32, "feed_forward": 64},
    "training": {"epochs": 3, "training_batch": 16},
    "reading": {"chunks": 1},
}


@pytest.fixture(scope="module")
def common(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """States that all of these tests share, so that each text is read once."""
    return tmp_path_factory.mktemp("common")


@pytest.fixture
def fit(learnable: Collection, common: Path, tmp_path: Path) -> Any:
    def fit(**options: Any) -> DSI:
        retriever = DSI(**merged(QUICK, options))
        retriever.work_in(Workplace(tmp_path / "checkpoints", common))
        return retriever.fit(learnable.training_view())

    return fit


def answer(retriever: DSI, collection: Collection, k: int = 10) -> Rankings:
    asked = collection.queries("test")
    return retriever.retrieve(asked, k).canonical(asked, collection.documents, k)


def assert_same(first: Rankings, second: Rankings) -> None:
    assert np.array_equal(first.rows, second.rows)
    assert np.array_equal(first.scores, second.scores)


@pytest.mark.parametrize("docid", ["atomic", "naive", "semantic"])
def test_it_finds_the_documents_whose_beginnings_it_has_learned(fit: Any, learnable: Collection, docid: str) -> None:
    retriever = fit(
        docid=docid,
        start="random",
        training={"epochs": 30, "learning_rate": 5e-3, "vector_rate": 1, "held_out": 0},
        leaf_size=5,
        branch=3,
    )
    asked = [Query(str(row), text) for row, text in enumerate(learnable.texts())]
    found = retriever.retrieve(asked, 1).canonical(asked, learnable.documents, 1)
    assert np.mean([len(rows) and rows[0] == row for row, (_, rows, _) in enumerate(found)]) > 0.6


def test_training_stops_when_held_out_queries_gain_nothing(fit: Any) -> None:
    training = fit(training={"epochs": 60, "patience": 2, "learning_rate": 0.02}).facts()["training"]
    assert training["epochs"][-1]["epoch"] == training["chosen_epoch"] + 2 < 60


def test_started_from_the_documents_vectors_it_answers_before_it_is_trained(fit: Any, learnable: Collection) -> None:
    found = answer(fit(docid="atomic", training={"epochs": 0}), learnable)
    relevant = [learnable.qrels("test").of(position)[0][0] for position in range(10)]
    assert np.mean([wanted in rows[:5] for (_, rows, _), wanted in zip(found, relevant, strict=True)]) > 0.5


@pytest.mark.parametrize("docid", ["atomic", "semantic"])
def test_enough_beams_find_what_exact_scoring_finds(fit: Any, learnable: Collection, docid: str) -> None:
    beams = fit(docid=docid, branch=3, leaf_size=5, beams={"width": 30})
    exact = beams.model_copy(update={"beams": BeamOptions(width=30, decoding="exact")})
    for name in ("_model", "_named"):
        setattr(exact, name, getattr(beams, name))
    first, second = answer(beams, learnable, 30), answer(exact, learnable, 30)
    assert len(first.rows) == 300
    assert np.array_equal(first.rows, second.rows)
    np.testing.assert_allclose(first.scores, second.scores, atol=1e-4)


def test_as_many_documents_come_as_are_asked_for(fit: Any, learnable: Collection) -> None:
    retriever = fit(branch=2, leaf_size=2, beams={"width": 2}, training={"epochs": 0})
    assert (answer(retriever, learnable, 15).lengths == 15).all()
    assert retriever.answer_facts()["short answers"] == 0


def test_a_question_is_read_to_its_end(fit: Any, make_collection: Any) -> None:
    """Chen et al.'s longest question, of 64 words, is more than the 64 tokens after which parts are cut."""
    retriever = fit(docid="atomic", training={"epochs": 0})
    beginning = "differentiable search indexes memorise " * 16
    tokens = retriever._query_tokens([beginning + "paths", beginning + "files"])
    assert len(tokens[0]) > 64
    first, second = retriever._answers(tokens)
    assert not np.array_equal(first[1], second[1])


def test_free_beams_tell_how_many_identifiers_do_not_exist(fit: Any, learnable: Collection) -> None:
    retriever = fit(
        branch=3,
        leaf_size=5,
        decoder={"head": "shared"},
        beams={"decoding": "free", "width": 10},
        training={"epochs": 1},
    )
    answer(retriever, learnable)
    facts = retriever.answer_facts()
    assert 0 < facts["invalid answers"] < 1
    assert facts["short answers"] > 0
    constrained = fit(branch=3, leaf_size=5, decoder={"head": "shared"}, training={"epochs": 1})
    answer(constrained, learnable)
    assert constrained.answer_facts() == {"invalid answers": 0, "duplicate answers": 0, "short answers": 0}


@pytest.mark.parametrize("head", get_args(DocumentHead))
def test_a_saved_model_answers_as_before(fit: Any, learnable: Collection, head: str, tmp_path: Path) -> None:
    options = {"decoder": {"head": head}, "branch": 3, "leaf_size": 5}
    retriever = fit(**options)
    retriever.save(tmp_path)
    loaded = DSI(**merged(QUICK, options))
    loaded.load(tmp_path)
    assert_same(answer(retriever, learnable), answer(loaded, learnable))
    assert loaded.docids() == retriever.docids()
    assert loaded.facts() == retriever.facts()


def test_the_seed_decides_everything(fit: Any, learnable: Collection) -> None:
    assert_same(answer(fit(seed=1), learnable), answer(fit(seed=1), learnable))
    assert not np.array_equal(answer(fit(seed=1), learnable).scores, answer(fit(seed=2), learnable).scores)


class Interruption(Exception):
    pass


def test_an_interrupted_training_goes_on_to_the_same_end(
    fit: Any, learnable: Collection, common: Path, tmp_path: Path
) -> None:
    whole = fit()
    retriever = DSI(**QUICK)
    retriever.work_in(Workplace(tmp_path / "again", common))

    def interrupt(phase: str, done: int, _total: int) -> None:
        if phase.startswith("epoch 3 of") and done == 2:
            raise Interruption

    retriever.report_to(interrupt)
    with pytest.raises(Interruption):
        retriever.fit(learnable.training_view())
    again = DSI(**QUICK)
    epochs = []
    again.report_to(lambda phase, *_: epochs.append(phase.split(",")[0]))
    again.work_in(Workplace(tmp_path / "again", common))
    again.fit(learnable.training_view())
    assert {phase for phase in epochs if " of 3" in phase} == {"epoch 3 of 3"}
    assert again.workplace.reused_seconds > 0
    assert_same(answer(whole, learnable), answer(again, learnable))
    assert not (tmp_path / "again").exists()


def test_the_checkpoint_is_the_best_on_held_out_training_queries(fit: Any) -> None:
    facts = fit(training={"held_out": 0.5, "epochs": 4}).facts()
    course = facts["training"]
    best = max(figures["MRR@10"] for figures in course["epochs"])
    assert course["epochs"][course["chosen_epoch"]]["MRR@10"] == best
    assert [figures["epoch"] for figures in course["epochs"]] == [0, 1, 2, 3, 4]
    assert facts["training_queries"] == facts["held_out_queries"] == 10


def test_without_training_queries_it_learns_from_documents_and_takes_the_last_epoch(fit: Any) -> None:
    facts = fit(training={"split": "no such split"}).facts()
    assert facts["training_queries"] == facts["held_out_queries"] == 0
    assert facts["training"]["chosen_epoch"] == 3


def test_spans_alone_are_enough_to_learn_from(fit: Any) -> None:
    facts = fit(
        training={"split": "no such split", "epochs": 1}, reading={"parts": ["spans"]}, teacher={"distil": 0.5}
    ).facts()
    assert facts["training_queries"] == facts["document_parts"] == 0
    assert facts["training"]["chosen_epoch"] == 1


def test_nothing_to_learn_from_is_refused(fit: Any) -> None:
    with pytest.raises(BenchError, match="nothing to train on.*give some in reading.parts"):
        fit(training={"split": "no such split"}, reading={"parts": []})


@pytest.mark.parametrize(("weights", "moves"), [("frozen", False), ("tuned", True)])
def test_a_tuned_encoder_moves_and_a_frozen_one_stays(fit: Any, weights: str, moves: bool) -> None:
    untouched = fit(training={"epochs": 0})
    trained = fit(encoder_weights=weights, training={"epochs": 1, "held_out": 0}, reading={"parts": ["first"]})
    before, after = (next(one.encoder.model.encoder.parameters()) for one in (untouched, trained))
    assert (not np.array_equal(before.detach().numpy(), after.detach().numpy())) == moves
    assert trained.facts()["encoder"] == weights


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize(("generates", "tuned"), [(False, False), (True, True)])
def test_what_learns_depends_on_the_model_and_not_on_the_device(device: str, generates: bool, tuned: bool) -> None:
    encoder: Any = SimpleNamespace(generates=generates, device=torch.device(device))
    assert is_tuned(encoder, "auto") == tuned


def test_weights_that_learn_are_kept_in_float32(tiny_t5: Path) -> None:
    assert DSI(model=str(tiny_t5), precision="bfloat16").encoder.model.dtype == torch.float32
    assert DSI(encoder_weights="tuned", precision="bfloat16").encoder.model.dtype == torch.float32
    assert DSI(precision="bfloat16").encoder.model.dtype == torch.bfloat16


def test_an_encoder_decoder_writes_identifiers_of_its_own_tokens(
    fit: Any, learnable: Collection, tiny_t5: Path, tmp_path: Path
) -> None:
    reading = {"parts": ["first"], "first_tokens": 16}
    options = {"model": str(tiny_t5), "reading": reading, "branch": 3, "leaf_size": 5}
    retriever = fit(**options, training={"epochs": 15, "learning_rate": 5e-3, "held_out": 0})
    history = retriever.facts()["training"]["epochs"]
    assert history[-1]["loss"] < 0.8 * history[1]["loss"]
    found = answer(retriever, learnable)
    assert (found.lengths == 10).all()
    (tmp_path / "saved").mkdir()
    retriever.save(tmp_path / "saved")
    loaded = DSI(**merged(QUICK, options))
    loaded.load(tmp_path / "saved")
    assert_same(found, answer(loaded, learnable))


def test_an_encoder_decoders_new_tokens_start_apart(fit: Any, tiny_t5: Path) -> None:
    """The mean of all old ones, where the library starts them, has a cosine of nearly 1 with itself."""
    retriever = fit(model=str(tiny_t5), docid="naive", training={"epochs": 0})
    rows = retriever.encoder.model.get_input_embeddings().weight.detach()
    old, new = rows[:-13], rows[-13:]  # 3 and 10 digits
    assert len(new) == sum(retriever._model.tables.vocabularies)
    cosines = torch.corrcoef(new).fill_diagonal_(0)
    assert cosines.abs().max() < 0.7
    assert new.std() == pytest.approx(float(old.std()), rel=0.15)


def test_an_encoder_decoder_cannot_be_frozen(fit: Any, tiny_t5: Path) -> None:
    with pytest.raises(BenchError, match="leave encoder_weights at auto"):
        fit(model=str(tiny_t5), encoder_weights="frozen")


def test_a_teacher_filters_parts_and_gives_lists(fit: Any) -> None:
    every = fit(training={"epochs": 1}).facts()["document_parts"]
    teacher = {"filter": "sbert", "filter_depth": 1, "distil": 0.5, "distil_teacher": "sbert", "distil_depth": 3}
    taught = fit(training={"epochs": 1}, teacher=teacher).facts()
    assert 0 < taught["parts_that_the_teacher_found"] < every == taught["document_parts"]


@pytest.mark.parametrize("head", ["shared", "prefix"])
def test_the_encoder_teaches_with_spans_that_every_epoch_cuts_anew(fit: Any, head: str) -> None:
    facts = fit(
        branch=3,
        leaf_size=5,
        decoder={"head": head},
        start="random",
        reading={"parts": ["spans"], "spans": 2},
        teacher={"distil": 0.8},
        training={"epochs": 6, "learning_rate": 3e-3, "vector_rate": 1, "token_dropout": 0.3, "held_out": 0},
    ).facts()
    losses = [epoch["loss"] for epoch in facts["training"]["epochs"][1:]]
    assert losses[-1] < losses[0]
    assert facts["document_parts"] == 0


def test_started_from_a_projection_it_is_the_search_with_projected_vectors(fit: Any, learnable: Collection) -> None:
    started = fit(docid="atomic", start_vectors="projection", training={"epochs": 0, "held_out": 0})
    head = started._model.decoder.head
    documents = head.vectors.detach()
    torch.testing.assert_close(documents.norm(dim=1), torch.ones(30))
    assert not torch.equal(head.turn.weight, torch.eye(384))
    (rows, log_probs), *_ = started._answers(started._query_tokens([learnable.queries("test")[0].text]), 30)
    with torch.no_grad():
        mean = started.encoder(started._query_tokens([learnable.queries("test")[0].text])).means()[0]
        logits = 20 * documents @ torch.nn.functional.normalize(head.turn(mean), dim=0)
    np.testing.assert_allclose(log_probs, logits.log_softmax(dim=0)[rows], atol=1e-4)


def test_a_tuned_encoder_is_no_teacher_of_itself(fit: Any) -> None:
    with pytest.raises(BenchError, match="set encoder_weights=frozen"):
        fit(encoder_weights="tuned", teacher={"distil": 0.5})


@pytest.mark.parametrize(("split", "learned", "kept"), [("test", 20, 10), ("dev", 18, 2)])
def test_the_epoch_is_chosen_on_the_selection_split_where_there_is_one(
    learnable: Collection, split: str, learned: int, kept: int
) -> None:
    options = DSI(training={"selection": split}).training
    found = learned_and_kept(learnable, options, lambda texts: [list(text.encode()) for text in texts], seed=0)
    assert list(map(len, found)) == [learned, kept]


def test_queries_that_choose_the_epoch_are_read_once(
    learnable: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = 0
    states_of = TextEncoder._states

    def counted(self: TextEncoder, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        nonlocal read
        read += len(ids)
        return states_of(self, ids, mask)

    monkeypatch.setattr(TextEncoder, "_states", counted)
    texts = []
    for epochs in (1, 4):
        read = 0
        options = merged(QUICK, {"training": {"epochs": epochs}, "start_vectors": "projection"})
        retriever = DSI(**options)
        retriever.work_in(Workplace(tmp_path / f"checkpoints {epochs}", tmp_path / f"common {epochs}"))
        retriever.fit(learnable.training_view())
        texts.append(read)
    assert texts[0] == texts[1] > 0


def test_left_out_states_are_never_all_of_a_text() -> None:
    torch.manual_seed(0)
    mask = torch.arange(50) < torch.tensor([1, 2, 50])[:, None]
    encoded = Encoded(torch.ones(3, 50, 2), mask)
    for _ in range(20):
        kept = without_some(encoded, 0.9).mask
        assert kept.any(dim=1).all()
        assert not (kept & ~mask).any()
    assert kept[2].sum() < 15
    assert without_some(encoded, 0.0) is encoded


def test_weights_are_those_that_the_options_use() -> None:
    assert DSI(model="m", teacher={"model": "t", "distil": 0.5}).weights() == ["m"]
    lists = {"model": "t", "distil": 0.5, "distil_teacher": "sbert"}
    distilled = DSI(model="m", teacher=lists, pseudo_queries={"doc2query": "d"})
    assert distilled.weights() == ["m", "t", "d"]
    assert DSI(model="m", teacher={"model": "t", "filter": "colbert"}).weights() == ["m", "t"]


def test_what_an_encoder_has_learned_is_shared_with_nobody(learnable: Collection, tmp_path: Path) -> None:
    """Its weights are not those of the key any more."""
    place = Workplace(tmp_path / "checkpoints", tmp_path / "common")
    tuned = DSI(**merged(QUICK, {"encoder_weights": "tuned", "training": {"epochs": 1, "learning_rate": 1e-3}}))
    tuned.work_in(place)
    tuned.fit(learnable.training_view())
    added = part_of(learnable, np.arange(5), asked=False)
    tuned.add(added)
    np.testing.assert_allclose(tuned._vectors[30:], tuned._vectors[:5], atol=1e-6)  # of the same texts
    plain = TextEncoder.open(tuned.model, ModelOptions(device="cpu"))
    found, expected = (
        mean_vectors(plain, added, work, no_progress)
        for work in (Workplace(tmp_path / "other", tmp_path / "common"), Workplace.temporary())
    )
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_what_is_read_of_added_documents_is_charged_to_each_system(
    learnable: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = merged(QUICK, {"growth": {"epochs": 1}, "training": {"epochs": 0}})
    made, below = [], Workplace.below
    monkeypatch.setattr(Workplace, "below", lambda place, name: made.append(below(place, name)) or made[-1])
    for name in ("first", "second"):
        place = Workplace(tmp_path / name, tmp_path / "common")
        retriever = DSI(**options)
        retriever.work_in(place)
        retriever.fit(part_of(learnable, np.arange(20), asked=False))
        before = place.reused_seconds
        retriever.add(part_of(learnable, np.arange(20, 30), asked=False))
    assert place.reused_seconds - before >= made[-1].reused_seconds > 0


def test_fitting_again_begins_with_the_weights_that_come_with_the_model(learnable: Collection) -> None:
    options = {"encoder_weights": "tuned", "training": {"epochs": 1, "learning_rate": 1e-3}}
    once, twice = DSI(**merged(QUICK, options)), DSI(**merged(QUICK, options))
    twice.fit(learnable.training_view())
    for retriever in (once, twice):
        retriever.fit(learnable.training_view())
    assert_same(answer(once, learnable), answer(twice, learnable))


@pytest.mark.parametrize("docid", ["atomic", "semantic"])
def test_an_encoder_decoder_keeps_what_it_has_learned_when_documents_come(
    learnable: Collection, tiny_t5: Path, docid: str
) -> None:
    options = {"model": str(tiny_t5), "docid": docid, "branch": 3, "leaf_size": 5, "training": {"epochs": 0}}
    retriever = DSI(**merged(QUICK, options)).fit(learnable.training_view())

    def vectors() -> list[torch.Tensor]:
        rows = retriever.encoder.model.get_input_embeddings().weight.detach()
        return [rows[column].clone() for column in retriever._model.columns]

    before = vectors()
    retriever.add(part_of(learnable, np.arange(4), asked=False))
    assert len(retriever.docids()) == 34
    for old, now in zip(before, vectors(), strict=False):
        torch.testing.assert_close(now[: len(old)], old)


def test_a_held_out_query_is_not_what_a_query_writer_learns(
    learnable: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its query for the document would be learned word for word, and the epoch be chosen by memory."""
    taught: list[Any] = []

    def write(*given: Any) -> dict[int, list[str]]:
        taught.extend(given[3]())
        return {}

    monkeypatch.setattr("retrievers.generative.retriever.write_pseudo_queries", write)
    options = {"training": {"epochs": 0, "held_out": 0.3}, "reading": {"parts": ["first", "pseudo-queries"]}}
    retriever = DSI(**merged(QUICK, options)).fit(learnable.training_view())
    counts = retriever.facts()
    assert len(taught) == counts["training_queries"] == 20 - counts["held_out_queries"]


def test_steps_that_are_normalised_over_children_add_up_to_the_score(learnable: Collection) -> None:
    options = {"beams": {"normalise": "children"}, "decoder": {"head": "shared"}, "branch": 3, "leaf_size": 5}
    retriever = DSI(**merged(QUICK, options)).fit(learnable.training_view())
    for hit in retriever.search("Return the list of the arguments of a function", k=3, explain=True):
        assert sum(part.weight for part in hit.evidence) == pytest.approx(hit.score, abs=1e-3)


def test_all_that_share_the_last_identifier_are_answers(make_collection: Any) -> None:
    small = make_collection({"z9": "one cat sat", "m5": "one cat sat", "a1": "one cat sat", "b": "two dogs ran"})
    retriever = SEDSI(**QUICK).fit(small)
    assert [hit.document for hit in retriever.search("one cat sat", k=1)] == ["a1"]
    assert [hit.document for hit in retriever.search("one cat sat", k=2)] == ["a1", "m5"]


def test_texts_that_are_longer_than_the_model_reads_are_refused_when_it_is_opened() -> None:
    with pytest.raises(BenchError, match="positions for 512 tokens"):
        DSI(reading={"query_tokens": 600}).encoder  # noqa: B018
    with pytest.raises(BenchError, match="positions for 512 tokens"):
        DSI(reading={"first_tokens": 600}).encoder  # noqa: B018


def test_a_teacher_has_nothing_to_choose_among_spans(learnable: Collection) -> None:
    options = {"reading": {"parts": ["spans"]}, "teacher": {"filter": "sbert"}}
    with pytest.raises(BenchError, match="there are none but spans"):
        DSI(**merged(QUICK, options)).fit(learnable.training_view())
