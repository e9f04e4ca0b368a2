"""M6-Rec's late interaction: what the kept segments are and save, what sees what, and what it learns."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from merging import merged
from next_items import next_item_figures
from same_answers import check_saved, check_seeded, check_unknown, without_texts
from torch.nn import functional

from bench.collections.collection import Collection
from bench.errors import BenchError
from bench.models import MINILM, ModelOptions
from bench.progress import no_progress
from bench.workplace import Workplace
from retrievers.generative.encoders import TextEncoder
from retrievers.recommenders.m6_rec import M6Rec
from retrievers.recommenders.segment_cache import SegmentTexts, cut
from retrievers.recommenders.segment_reader import SegmentReader

MakeSequences = Callable[..., Collection]

TINY: dict[str, Any] = {
    "shortlist": 5,
    "hard_negatives": 3,
    "training": {"training_batch": 12, "epochs": 8, "learning_rate": 1e-3},
}
TEXTS = ["join two paths", "open a file", "", "sort a list in place, from its end", "close it"]
WIDTH = 8


def fitted(collection: Collection, **options: Any) -> M6Rec:
    return M6Rec(**merged(TINY, options)).fit(collection.training_view())


def texts_of(lower: TextEncoder) -> SegmentTexts:
    return SegmentTexts(lower, lower.tokens_of(TEXTS, WIDTH - lower.marks), WIDTH)


def reader(split: int) -> tuple[SegmentReader, SegmentTexts]:
    """The network as it starts, but for the vectors of places and what is plausible, which start as nothing."""
    torch.manual_seed(0)
    lower, upper = cut(MINILM, split, ModelOptions(device="cpu"))
    texts = texts_of(lower)
    kept = texts.keep(Workplace.temporary(), no_progress)
    model = SegmentReader(upper, functional.normalize(torch.randn(5, 384), dim=1), 4, kept.of).eval()
    with torch.no_grad():
        model.places.weight.normal_(std=0.1)
        model.plausible.weight.normal_()
    return model, texts


def test_kept_segments_are_what_the_lower_layers_of_the_whole_encoder_make_of_each_text() -> None:
    whole = TextEncoder.open(MINILM, ModelOptions(device="cpu"))
    lower, _ = cut(MINILM, 4, ModelOptions(device="cpu"))
    texts = texts_of(lower)
    kept = texts.keep(Workplace.temporary(), no_progress)
    for row, text in enumerate(TEXTS):
        read = whole.tokenizer(text, truncation=True, max_length=WIDTH, return_tensors="pt")
        with torch.no_grad():
            expected = whole.model(**read, output_hidden_states=True).hidden_states[4][0]
        torch.testing.assert_close(kept.states[row, : len(expected)], expected, rtol=1e-4, atol=1e-5)
        assert kept.there[row].tolist() == [True] * len(expected) + [False] * (WIDTH - len(expected))
        assert not kept.states[row, len(expected) :].any()


@pytest.mark.parametrize("split", [3, 5])
def test_segments_that_are_kept_and_segments_read_again_give_the_same(split: int) -> None:
    model, texts = reader(split)
    rows, lengths = torch.tensor([[0, 3, 1], [4, 2, 5]]), torch.tensor([3, 2])
    candidates = torch.tensor([[1, 2], [0, 4]])
    with torch.inference_mode():
        kept = model.directions(rows), model.plausibility(rows, lengths, candidates)
        model.segments = texts.read
        again = model.directions(rows), model.plausibility(rows, lengths, candidates)
    for one, other in zip(kept, again, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("split", [3, 5])
def test_one_pass_reads_a_candidate_as_if_it_alone_stood_behind_its_history(split: int) -> None:
    model, _ = reader(split)
    rows, lengths = torch.tensor([[0, 3, 1], [4, 2, 5]]), torch.tensor([3, 2])
    candidates = torch.tensor([[1, 2], [0, 4]])
    with torch.inference_mode():
        together = model.plausibility(rows, lengths, candidates)
        for user, place in np.ndindex(2, 2):
            history = rows[user, : lengths[user]]
            alone = model.plausibility(history[None], lengths[user, None], candidates[user, None, place, None])
            torch.testing.assert_close(together[user, place], alone[0, 0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("split", [3, 5])
def test_the_last_layers_are_the_encoders_own_over_all_tokens_that_a_segment_sees(split: int) -> None:
    model, texts = reader(split)
    with torch.inference_mode():
        states, there = texts.read(torch.tensor([0, 3]))
        states = states + model.places.weight[:2, None]
        width = states.shape[1]
        mask = torch.ones(2, 2, dtype=torch.bool).tril().repeat_interleave(width, 0).repeat_interleave(width, 1)
        added = torch.zeros(2 * width, 2 * width).masked_fill(~(mask & there.flatten()), -1e9)[None, None]
        hidden = states.flatten(0, 1)[None]
        for block in model.blocks:
            hidden = block.layer(hidden, attention_mask=added)
        expected = model.scale.exp() * functional.normalize(hidden[0, [0, width]], dim=1)
        found = model.directions(torch.tensor([[0, 3]]))[0]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_a_state_does_not_know_what_comes_after() -> None:
    model, _ = reader(5)
    with torch.inference_mode():
        short, long = model.directions(torch.tensor([[0, 3]])), model.directions(torch.tensor([[0, 3, 1, 4]]))
    torch.testing.assert_close(short, long[:, :2], rtol=1e-4, atol=1e-4)


def test_answers_with_the_cache_and_without_it_are_the_same(months: Collection) -> None:
    with_cache = fitted(months, training={"epochs": 1})
    without = fitted(months, training={"epochs": 1}, cached=False)
    kept, again = (one.retrieve(months.queries(), 12) for one in (with_cache, without))
    np.testing.assert_array_equal(kept.rows, again.rows)
    np.testing.assert_allclose(kept.scores, again.scores, rtol=1e-4, atol=1e-4)


def test_candidates_stand_before_all_others_which_keep_the_order_of_their_likeness(months: Collection) -> None:
    system = fitted(months, training={"epochs": 1})
    (scores,) = system.scores([np.array([2, 3])])
    model = system._model
    with torch.no_grad():
        likeness = (model.directions(torch.tensor([[2, 3]]))[0, 1] @ model.items.T).numpy()
    by_likeness, answered = np.argsort(-likeness), np.argsort(-scores)
    assert set(answered[:5]) == set(by_likeness[:5])
    assert answered[5:].tolist() == by_likeness[5:].tolist()


def test_it_tells_what_the_cache_holds_and_saves(months: Collection) -> None:
    system = fitted(months, training={"epochs": 1}, longest=4)
    facts, width = system.facts(), system.segment_tokens
    assert facts["cache_bytes"] == 13 * width * (384 * 4 + 1)
    read = len(system._texts.tokens[0]) + 2  # every month has as many tokens
    square, feed_forward = 384**2, 2 * 384 * 1536
    lower = 5 * 9 * (read * (4 * square + feed_forward) + 2 * read**2 * 384)
    upper = 4 * square + 5 * 384
    for segments in (4, 9):
        upper += segments * (2 * width * square + 2 * square + feed_forward + 2 * segments * width * 384)
    assert facts["operations_saved"] == pytest.approx(lower / (lower + upper))


def test_it_learns_what_comes_next(months: Collection) -> None:
    assert next_item_figures(fitted(months), months)["MRR@10"] > 0.8


def test_the_seed_decides(months: Collection) -> None:
    check_seeded(lambda seed: fitted(months, training={"epochs": 1}, seed=seed), months.queries())


@pytest.mark.parametrize("cached", [True, False])
def test_a_saved_system_answers_as_before(months: Collection, tmp_path: Path, cached: bool) -> None:
    options = merged(TINY, {"cached": cached})
    check_saved(fitted(months, training={"epochs": 1}, cached=cached), M6Rec(**options), months.queries(), tmp_path)


def test_a_history_without_a_known_item_gets_no_answer(months: Collection) -> None:
    check_unknown(fitted(months, training={"epochs": 1}))


def test_a_catalogue_without_text_is_refused(make_sequences: MakeSequences) -> None:
    with pytest.raises(BenchError, match="text"):
        fitted(without_texts(make_sequences))


def test_an_encoder_without_a_layer_left_or_of_another_form_is_refused(months: Collection, tiny_t5: Path) -> None:
    with pytest.raises(BenchError, match="set split_layer to 5 at most"):
        fitted(months, split_layer=6)
    with pytest.raises(BenchError, match="no layers of BERT's form"):
        cut(str(tiny_t5), 1, ModelOptions(device="cpu"))
