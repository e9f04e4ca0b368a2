"""P5: what a prompt is made of, what the encoder-decoder reads and writes, and numbers that do not leak."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from merging import merged
from next_items import next_item_figures
from same_answers import check_saved, check_seeded, check_unknown

from bench.collections.collection import Collection, Query
from bench.collections.histories import training_sequences
from bench.errors import BenchError
from bench.models import MINILM
from retrievers.learning import trainer
from retrievers.recommenders.p5 import P5
from retrievers.recommenders.semantic_ids.prompt_reader import words_as_tokens
from retrievers.recommenders.semantic_ids.prompts import FAMILIES, Prompts, words_of_all
from retrievers.recommenders.semantic_ids.sequence_model import History

MakeSequences = Callable[..., Collection]

TINY: dict[str, Any] = {
    "tokenizer": {"kind": "random", "codes": 4, "levels": 2},
    "decoder": {"dimension": 32, "layers": 1, "heads": 2, "feed_forward": 64, "dropout": 0.0},
    "encoder_layers": 1,
    "training": {"training_batch": 16, "epochs": 12, "learning_rate": 0.01},
    "beams": {"width": 12},
}


def fitted(collection: Collection, **options: Any) -> P5:
    return P5(**merged(TINY, options)).fit(collection.training_view())


def test_every_word_of_a_prompt_is_a_token_of_the_small_model() -> None:
    words = words_of_all()
    assert words == sorted(set(words))
    tokens = words_as_tokens("user had and")
    assert [words[token - 1] for token in tokens] == ["user", "had", "and"]


def test_the_tokens_of_an_item_are_one_whole_word_and_so_is_the_user() -> None:
    laid = Prompts(words_as_tokens).laid([("sequential", 0), ("direct", 2)], [[[90, 91], [92]], [[90, 91]]])
    user, had, and_, will, have = words_as_tokens("user had and will have")
    would, like = words_as_tokens("would like")
    assert laid.ids[0].tolist() == [user, 0, had, 90, 91, 92, and_, will, have]
    assert laid.words[0].tolist() == [0, 1, 0, 2, 2, 3, 0, 0, 0]
    assert laid.ids[1].tolist() == [user, 0, would, like, 0, 0, 0, 0, 0]
    assert laid.words[1].tolist() == [0, 1, 0, 0, 0, 0, 0, 0, 0]
    assert laid.there.sum(axis=1).tolist() == [9, 4]


def test_both_families_have_as_many_prompts() -> None:
    assert len({len(texts) for texts in FAMILIES.values()}) == 1


def test_the_encoder_reads_tokens_users_and_whole_words(months: Collection) -> None:
    system = fitted(months, training={"epochs": 0})
    model = system._model
    history = History(torch.tensor([[3, 1]]), torch.tensor([5]))
    codes, first = system._identifiers.tokens, len(words_of_all()) + 1
    user, had, and_, will, have = words_as_tokens("user had and will have")
    items = [[first + codes[row, 0], first + 4 + codes[row, 1]] for row in (3, 1)]
    tokens, whole = [user, 0, had, *items[0], *items[1], and_, will, have], [0, 1, 0, 2, 2, 3, 3, 0, 0, 0]
    table = model.t5.get_input_embeddings().weight
    read = table[torch.tensor(tokens)] + model.whole_words.weight[torch.tensor(whole)]
    read[1] = model.users.weight[5] + model.whole_words.weight[1]
    with torch.no_grad():
        expected = model.t5.get_encoder()(inputs_embeds=read[None]).last_hidden_state
        torch.testing.assert_close(model.encode(history, [("sequential", 0)]).states, expected)


@pytest.mark.parametrize("asked", ["sequential", "direct"])
def test_a_score_is_what_the_models_own_logits_say_of_the_codes(months: Collection, asked: str) -> None:
    system = fitted(months, training={"epochs": 2}, asked=asked)
    (query,) = [one for one in months.queries() if one.id == "u3-6"]
    rows, scores = system.retrieve([query], 12).of(0)
    model, first = system._model, len(words_of_all()) + 1
    known = torch.tensor([[months.documents.rows[item] for item in query.history]])
    with torch.no_grad():
        encoded = model.encode(History(known, torch.from_numpy(system._bins([query]))), [(asked, 0)])
        for row, score in zip(rows.tolist(), scores.tolist(), strict=True):
            one, other = system._identifiers.tokens[row].tolist()
            logits = model.t5(
                encoder_outputs=(encoded.states,), decoder_input_ids=torch.tensor([[0, first + one]])
            ).logits[0]
            expected = logits[0, first : first + 4].log_softmax(0)[one]
            expected += logits[1, first + 4 : first + 8].log_softmax(0)[other]
            assert score == pytest.approx(float(expected), rel=1e-3)


def test_beams_find_what_scoring_every_identifier_finds(months: Collection) -> None:
    system = fitted(months, training={"epochs": 2})
    found = system.retrieve(months.queries(), 6)
    system.beams = system.beams.model_copy(update={"decoding": "exact"})
    exact = system.retrieve(months.queries(), 6)
    np.testing.assert_array_equal(found.rows, exact.rows)


def test_it_learns_what_comes_next(months: Collection) -> None:
    system = fitted(months, training={"epochs": 35})
    assert next_item_figures(system, months)["MRR@10"] > 0.8


def test_direct_prompts_alone_know_the_user_and_no_history(
    months: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = trainer.train

    def to_the_end(model: Any, plan: trainer.Plan, *others: Any) -> Any:
        """What comes next says nothing of a model that knows what a user had."""
        return train(model, replace(plan, evaluate=None), *others)

    monkeypatch.setattr(trainer, "train", to_the_end)
    system = fitted(months, direct=1.0, asked="direct", training={"epochs": 30})
    (query,) = [one for one in months.queries() if one.id == "u3-8"]
    other = Query(query.id, "", ("month-00",))
    first, second = system.retrieve([query, other], 12).of(0), system.retrieve([query, other], 12).of(1)
    np.testing.assert_allclose(first[1], second[1], rtol=1e-5)
    (had,) = [
        items
        for one, items in zip(months.queries("train"), training_sequences(months), strict=True)
        if one.id == query.id
    ]
    assert set(first[0][:3].tolist()) <= set(had.tolist())


@pytest.mark.parametrize("kind", ["sequential", "collaborative"])
def test_numbers_do_not_depend_on_what_is_asked_for(make_sequences: MakeSequences, kind: str) -> None:
    """Two collections that differ in nothing but the last items, those of `valid` and of `test`."""
    names = [f"month-{number:02}" for number in range(12)]
    walks = {f"u{n}": [names[(n + step) % 12] for step in range(6)] for n in range(12)}
    turned = {user: [*walk[:-2], walk[0], walk[1]] for user, walk in walks.items()}
    found = []
    for sequences in (walks, turned):
        system = fitted(make_sequences(sequences), tokenizer={"kind": kind}, training={"epochs": 0})
        found.append(system._identifiers.tokens)
    np.testing.assert_array_equal(*found)


def test_numbers_along_whole_sequences_would_tell_what_comes_next(make_sequences: MakeSequences) -> None:
    """The control: new items that users end with. Numbered in training none of them follows the item before it more
    often than under permuted numbers; numbered along whole sequences, as a leak would, all do."""
    walks = {
        f"u{n:02}": [f"old-{(n + step) % 4}" for step in range(4)] + [f"new-{n:02}-{e}" for e in "ab"]
        for n in range(12)
    }
    collection = make_sequences(walks)
    rows = collection.documents.rows
    whole = [np.array([rows[item] for item in walk]) for walk in walks.values()]
    numbers: dict[int, int] = {}
    for row in np.concatenate(whole).tolist():
        numbers.setdefault(row, len(numbers))
    leaking = np.mean([numbers[int(walk[-1])] == numbers[int(walk[-2])] + 1 for walk in whole])
    assert leaking == 1.0
    system = fitted(collection, tokenizer={"kind": "sequential", "codes": 8}, training={"epochs": 0})
    ours = (system._identifiers.tokens * [8, 1]).sum(axis=1)
    permuted = np.random.default_rng(0).permutation(len(ours))
    follow = [np.mean([table[walk[-1]] == table[walk[-2]] + 1 for walk in whole]) for table in (ours, permuted)]
    assert follow[0] <= follow[1] + 0.2


def test_a_trained_encoder_decoder_goes_on_learning(months: Collection, tiny_t5: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"model": str(tiny_t5), "training": {"epochs": 1}}
    system = fitted(months, **options)
    assert system.weights() == [str(tiny_t5)]
    assert system._model.t5.config.d_model == 32
    check_saved(system, P5(**merged(TINY, options)), months.queries(), tmp_path)


def test_the_seed_decides(months: Collection) -> None:
    check_seeded(lambda seed: fitted(months, training={"epochs": 1}, seed=seed), months.queries())


def test_a_saved_system_answers_as_before(months: Collection, tmp_path: Path) -> None:
    check_saved(fitted(months, training={"epochs": 1}), P5(**TINY), months.queries(), tmp_path)


def test_a_history_without_a_known_item_gets_no_answer(months: Collection) -> None:
    check_unknown(fitted(months, training={"epochs": 1}))


def test_an_unknown_user_is_the_mean_of_all(months: Collection) -> None:
    model = fitted(months, training={"epochs": 1})._model
    unknown, known = model._users(torch.tensor([0, 5]))
    torch.testing.assert_close(unknown, model.users.weight[1:].mean(dim=0))
    torch.testing.assert_close(known, model.users.weight[5])


def test_a_users_second_question_is_the_users(months: Collection) -> None:
    system = fitted(months, direct=1.0, asked="direct", training={"epochs": 1})
    first = months.queries()[0]
    answers = system.retrieve([first, replace(first, id=f"{first.id}#2", of=first.id)], 5)
    np.testing.assert_array_equal(answers.scores[: answers.lengths[0]], answers.scores[answers.lengths[0] :])


def test_building_it_leaves_the_global_generator_as_it_was(months: Collection) -> None:
    before = torch.random.get_rng_state()
    fitted(months, training={"epochs": 1})
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("options", [{"direct": 0.0, "asked": "direct"}, {"direct": 1.0, "asked": "sequential"}])
def test_a_family_that_is_not_learned_is_not_asked(options: dict[str, Any]) -> None:
    with pytest.raises(BenchError, match=f"learns no {options['asked']} prompts"):
        P5(**options)


def test_what_does_not_fit_is_refused(months: Collection) -> None:
    with pytest.raises(BenchError, match="has no decoder"):
        fitted(months, model=MINILM)
    with pytest.raises(BenchError, match="none of T5's"):
        P5(decoder={"head": "prefix"})
    with pytest.raises(BenchError, match="kind"):
        P5(tokenizer={"kind": "fsq"})
