"""The semantic-ID recommender as a whole: that it learns an order, whatever its parts, and what it refuses."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from merging import merged
from next_items import next_item_figures

from bench.collections.collection import Collection, Query
from bench.errors import BenchError
from bench.suite import read_suite
from bench.tasks.id_audit import audit_ids
from bench.tasks.next_item import NextItem
from bench.workplace import Workplace
from retrievers.recommenders.sid import SID

MakeSequences = Callable[..., Collection]

TINY: dict[str, Any] = {
    "tokenizer": {"kind": "random", "codes": 4, "levels": 2},
    "encoder_layers": 1,
    "decoder": {"dimension": 16, "layers": 1, "heads": 2, "feed_forward": 32, "dropout": 0.0},
    "training": {"training_batch": 16, "epochs": 20, "learning_rate": 0.02},
    "beams": {"width": 12},
}


FEW_CODES = {"kind": "residual-k-means", "codes": 2, "levels": 2}
ONE_CODE = {"kind": "residual-k-means", "codes": 2, "levels": 1}


def fitted(collection: Collection, **options: Any) -> SID:
    return SID(**merged(TINY, options)).fit(collection.training_view())


def reached(system: SID, collection: Collection, measure: str = "Recall@5") -> float:
    return next_item_figures(system, collection, mask_history="no")[measure]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"decoder": {"head": "prefix"}},
        {"sliding": "all", "user_bins": 3, "training": {"epochs": 24}},
        {"beams": {"decoding": "exact"}},
        {"architecture": "encoder-decoder", "training": {"epochs": 6}},
        {"architecture": "encoder-decoder", "reading": "items", "training": {"epochs": 6}},
        {"tokenizer": {"levels": 1, "codes": 12}},
        {"tokenizer": {"kind": "collaborative"}},
        {"tokenizer": {"kind": "hierarchical"}},
    ],
    ids=str,
)
def test_it_learns_what_comes_next(months: Collection, options: dict[str, Any]) -> None:
    assert reached(fitted(months, **options), months) > 0.9


def test_the_text_of_the_items_names_them(make_sequences: MakeSequences) -> None:
    """Items with the same text cannot be told apart by their codes; one more token does."""
    words = ["join two paths", "split a path", "open a file", "close a file", "sort a list", "reverse a list"]
    walks = {f"u{n}": [words[(n + step) % 6] for step in range(5 + n % 5)] for n in range(24)}
    collection = make_sequences(walks)
    system = fitted(collection, tokenizer=FEW_CODES, training={"epochs": 30, "training_batch": 4})
    assert len(set(system.docids())) == 6
    assert system.facts()["extra_token"]
    assert reached(system, collection, "MRR@10") > 0.9


@pytest.mark.parametrize("collisions", ["random-pick", "expected"])
def test_items_that_share_an_identifier_share_its_credit(months: Collection, collisions: str) -> None:
    alone = fitted(months, tokenizer=ONE_CODE, collisions="extra-token", beams={"width": 24})
    shared = fitted(months, tokenizer=ONE_CODE, collisions=collisions, beams={"width": 24})
    np.testing.assert_array_equal(alone.identifier_groups(), shared.identifier_groups())
    assert len(set(alone.docids())) == 12
    assert len(set(shared.docids())) == len(set(shared.identifier_groups().tolist())) < 12
    assert reached(alone, months) > reached(shared, months)
    rows, _ = shared.retrieve([Query("u", "", ("month-01", "month-02"))], 12).of(0)
    found = len(shared.identifier_groups()) if collisions == "expected" else len(set(shared.docids()))
    assert len(rows) == found


@pytest.mark.parametrize("collisions", ["nearest-unused", "recursive"])
def test_items_that_collide_get_other_codes_and_no_more_of_them(months: Collection, collisions: str) -> None:
    codes = {"kind": "residual-k-means", "codes": 4, "levels": 2}
    system = fitted(months, tokenizer=codes, collisions=collisions)
    facts = system.facts()
    assert facts["items_with_other_codes"] == 12 - facts["tokenizer"]["distinct_identifiers"] > 0
    assert not facts["extra_token"]
    assert len(set(system.docids())) == 12
    assert {len(path) for path in system.docids()} == {2}
    assert len(set(system.identifier_groups().tolist())) == 12
    assert reached(system, months) > 0.9


def test_free_beams_tell_how_often_they_wrote_no_identifier(months: Collection) -> None:
    free = fitted(months, training={"epochs": 1}, beams={"decoding": "free", "width": 16})
    free.retrieve(months.queries(), 10)
    assert 0 < free.answer_facts()["invalid answers"] < 1
    constrained = fitted(months, training={"epochs": 1})
    constrained.retrieve(months.queries(), 10)
    assert constrained.answer_facts()["invalid answers"] == 0


@pytest.mark.parametrize("tokenizer", ["sequential", "collaborative"])
def test_other_item_ids_change_nothing_beyond_chance(months: Collection, tmp_path: Path, tokenizer: str) -> None:
    audit = audit_ids(
        lambda: SID(**merged(TINY, {"tokenizer": {"kind": tokenizer}})), months, NextItem(mask_history="no"), tmp_path
    )
    assert not audit.leaks, audit


def test_items_without_text_are_named_and_found_too(make_sequences: MakeSequences) -> None:
    """Their vectors are zeros: they share codes, and the extra token tells them apart."""
    items = ["-", "--", "join two paths", "open a file"]
    walks = {f"u{n}": [items[(n + step) % 4] for step in range(5 + n % 5)] for n in range(20)}
    collection = make_sequences(walks)
    system = fitted(collection, tokenizer=FEW_CODES, training={"epochs": 30, "training_batch": 4})
    assert system.facts()["tokenizer"]["items_without_vector"] == 2
    assert reached(system, collection, "MRR@10") > 0.9


def test_a_saved_system_answers_as_before(months: Collection, tmp_path: Path) -> None:
    system = fitted(months)
    system.save(tmp_path)
    again = SID(**TINY)
    again.load(tmp_path)
    before, after = (one.retrieve(months.queries(), 5) for one in (system, again))
    np.testing.assert_array_equal(before.rows, after.rows)
    np.testing.assert_array_equal(before.scores, after.scores)
    assert again.facts() == system.facts()


def test_the_seed_decides(months: Collection) -> None:
    first, second, other = (
        fitted(months, training={"epochs": 2}, seed=seed).retrieve(months.queries(), 5) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first.scores, second.scores)
    assert not np.array_equal(first.scores, other.scores)


class Interruption(Exception):
    pass


def test_an_interrupted_training_goes_on_to_the_same_end(months: Collection, tmp_path: Path) -> None:
    whole = fitted(months, training={"epochs": 4})

    def interrupt(phase: str, done: int, _total: int) -> None:
        if phase.startswith("epoch 3 of") and done == 2:
            raise Interruption

    for tell in (interrupt, None):
        system = SID(**merged(TINY, {"training": {"epochs": 4}}))
        system.work_in(Workplace(tmp_path / "checkpoints", tmp_path / "common"))
        if tell:
            system.report_to(tell)
            with pytest.raises(Interruption):
                system.fit(months.training_view())
    system.fit(months.training_view())
    np.testing.assert_array_equal(
        whole.retrieve(months.queries(), 5).scores, system.retrieve(months.queries(), 5).scores
    )


def test_a_history_without_a_known_item_gets_no_answer(months: Collection) -> None:
    system = fitted(months, training={"epochs": 1})
    answers = system.retrieve([Query("a", "", ("elsewhere",)), Query("b", "", ("elsewhere", "month-03"))], 5)
    assert answers.lengths.tolist() == [0, 5]


def test_the_epoch_is_chosen_by_what_is_left_beyond_hidden_histories(months: Collection) -> None:
    system = fitted(months, training={"epochs": 2})
    queries, targets = months.queries("valid"), months.qrels("valid").rows
    histories = [[months.documents.rows[item] for item in query.history] for query in queries]
    answers = system.retrieve(queries, 12)
    places = {}
    for hides in (False, True):
        left = [
            [row for row in answers.of(place)[0].tolist() if not hides or row not in histories[place]][:10]
            for place in range(len(queries))
        ]
        found = [rows.index(target) if target in rows else np.inf for rows, target in zip(left, targets, strict=True)]
        places[hides] = float(np.mean([1 / (place + 1) for place in found]))
        assert system._measured_on(queries, targets, hides)()["MRR@10"] == pytest.approx(places[hides], abs=1e-6)
    assert places[True] > places[False]


def test_without_the_split_valid_the_last_epoch_is_kept(make_sequences: MakeSequences) -> None:
    names = [f"month-{number:02}" for number in range(12)]
    walks = {f"u{s}": [names[(s + step) % 12] for step in range(6)] for s in range(12)}
    system = fitted(make_sequences(walks, split="valid"), training={"epochs": 3})
    assert system.facts()["training"]["chosen_epoch"] == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"decoder": {"dimension": 10, "heads": 4}}, "dimension 10 is no multiple of heads 4"),
        ({"decoder": {"layers": 0}}, "greater than or equal to 1"),
        ({"reading": "items"}, "reading=items is for the encoder-decoder"),
        ({"collisions": "recursive"}, "collisions=recursive is for the tokenizers residual-k-means, "),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises((BenchError, ValueError), match=message):
        SID(**merged(TINY, {"architecture": "decoder-only", **options}))


def test_sequences_of_one_training_item_are_refused(make_sequences: MakeSequences) -> None:
    short = make_sequences({"u1": ["a", "b", "c"], "u2": ["c", "a", "b"]})
    with pytest.raises(BenchError, match="what is left to learn from, .* is shorter than 2 items"):
        fitted(short)


def test_so_many_updates_are_as_many_passes_as_make_them(months: Collection) -> None:
    """36 sequences in batches of 16 are three steps; ten steps take four passes, of which the last ends with 12."""
    facts = fitted(months, training={"updates": 10}).facts()
    assert facts["updates"] == 12
    assert len(facts["training"]["epochs"]) == 5  # with the model as it starts
    assert fitted(months, training={"epochs": 2}).facts()["updates"] == 6


def test_training_stops_when_the_validation_figure_does_not_rise(months: Collection) -> None:
    facts = fitted(months, training={"epochs": 60, "patience": 3}).facts()
    training = facts["training"]
    assert training["epochs"][-1]["epoch"] == training["chosen_epoch"] + 3 < 60
    assert facts["updates"] == training["epochs"][-1]["epoch"] * 3


def test_the_rows_of_grid_claims_have_equal_updates_and_weights(months: Collection) -> None:
    rows = [entry for entry in read_suite("grid-claims").systems if entry.retriever == "sid"]
    assert {entry.options["training"]["updates"] for entry in rows} == {1140}
    untrained = {"training": {"updates": 0, "epochs": 0}, "tokenizer": {"kind": "random"}}
    systems = [SID(**merged(entry.options, untrained)).fit(months.training_view()) for entry in rows]
    weights = [system.facts()["parameters_learned"] for system in systems]
    assert max(weights) < 1.01 * min(weights)
