"""States kept for all systems: equal to the model's own, whoever asks first, and charged to everyone."""

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import get_ident
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sentence_transformers import SentenceTransformer
from transformers import AutoModel, AutoTokenizer

from bench import token_states
from bench.collections.collection import Collection, Query
from bench.models import MINILM, ModelOptions, find_weights, open_model
from bench.progress import no_progress
from bench.protocols import SharesReading
from bench.rankings import Rankings
from bench.retriever import Retriever
from bench.tasks.judges.maxsim import MaxSimJudge
from bench.token_states import TOKENS_AT_ONCE, Compute, batches, keep_states, made_by, read_in_batches, reading_once
from bench.workplace import Workplace, common_folder
from retrievers.dense.sbert import SBERT
from retrievers.generative.dsi import DSI
from retrievers.late_interaction.colbert import ColBERT
from retrievers.learning.finetuning import FineTuned

MakeCollection = Callable[..., Collection]
MakeWorkplace = Callable[[], Workplace]

TEXTS = [
    "Simmer the bones with leek and carrot for three hours; skim often.",
    "Knead the dough, let it rise, and bake it.",
    "Salt, oil, lemon, pepper and a leaf or two of lovage make a dressing. " * 20,
    "Toss.",
    "Toss.",
    "",
]
QUERIES = [Query("q", "How long does stock simmer?")]
SYSTEMS: dict[str, Callable[[], Retriever]] = {
    "sbert": SBERT,
    "colbert": ColBERT,
    "dsi": lambda: DSI(docid="atomic", training={"epochs": 0}, reading={"parts": ["first"]}),
}


@pytest.fixture
def kitchen(make_collection: MakeCollection) -> Collection:
    return make_collection({str(number): text for number, text in enumerate(TEXTS)})


@pytest.fixture
def workplace(tmp_path: Path) -> MakeWorkplace:
    """Makes the workplace of one more system that has a folder in common with the others."""
    return lambda: Workplace(tmp_path / "checkpoints", tmp_path / "common")


@pytest.fixture(scope="module")
def model() -> SentenceTransformer:
    return SentenceTransformer(str(find_weights(MINILM).folder), device="cpu")


@pytest.fixture(scope="module")
def by_minilm() -> Compute:
    plain = AutoModel.from_pretrained(find_weights(MINILM).folder).eval()
    return lambda ids, mask: plain(input_ids=ids, attention_mask=mask).last_hidden_state


@pytest.fixture
def batches_read(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Texts and tokens of each batch that some transformer has read."""
    from transformers import BertModel

    forward, batches = BertModel.forward, list[tuple[int, int]]()

    def counted(self: BertModel, **inputs: Any) -> Any:
        batches.append(tuple(inputs["input_ids"].shape))
        return forward(self, **inputs)

    monkeypatch.setattr(BertModel, "forward", counted)
    return batches


def fitted(retriever: Retriever, collection: Collection, workplace: Workplace) -> Retriever:
    retriever.work_in(workplace)
    retriever.fit(collection)
    return retriever


def vectors(retriever: Any) -> np.ndarray:
    return np.array(retriever._vectors)


def sequences(texts: list[str]) -> list[list[int]]:
    tokenizer = AutoTokenizer.from_pretrained(find_weights(MINILM).folder)
    return tokenizer(texts, truncation=True, max_length=256)["input_ids"]


def test_states_are_those_of_each_text_alone(workplace: MakeWorkplace, by_minilm: Compute) -> None:
    read = sequences(TEXTS)
    kept = keep_states(read, "MiniLM", by_minilm, "cpu", workplace(), no_progress)
    assert kept is not None
    for one in read:
        with torch.inference_mode():
            alone = by_minilm(torch.tensor([one]), torch.ones(1, len(one), dtype=torch.long))[0]
        np.testing.assert_allclose(kept.of(one), alone.numpy(), atol=1e-5)
    assert kept.of([101, 102, 101]) is None


@given(st.lists(st.integers(0, 600)))
def test_batches_hold_every_text_once_and_as_many_as_fit(lengths: list[int]) -> None:
    lengths.sort(reverse=True)
    spans = list(batches(lengths))
    assert [row for span in spans for row in range(len(lengths))[span]] == list(range(len(lengths)))
    for span in spans:
        longest, size = lengths[span.start], span.stop - span.start
        assert longest * size <= TOKENS_AT_ONCE
        assert span.stop == len(lengths) or longest * (size + 1) > TOKENS_AT_ONCE


@pytest.fixture
def three_cores() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    assert torch.get_num_threads() == 3
    torch.set_num_threads(before)


def test_cores_share_the_batches_and_keep_their_order(three_cores: None, by_minilm: Compute) -> None:
    lengths, readers = list(range(64, 8, -1)) * 2, set[int]()
    lengths.sort(reverse=True)

    def read(span: slice) -> tuple[int, torch.Tensor]:
        readers.add(get_ident())
        ids = torch.full((span.stop - span.start, lengths[span.start]), 2000)
        return torch.get_num_threads(), by_minilm(ids, torch.ones_like(ids))

    found = list(read_in_batches(lengths, read, "cpu"))
    assert [span for span, _ in found] == list(batches(lengths))
    assert len(readers) > 1
    for span, (threads, states) in found:
        assert threads == 1
        assert states.shape[:2] == (span.stop - span.start, lengths[span.start])
        assert not states.requires_grad


def test_a_batch_that_cannot_be_read_ends_the_reading(three_cores: None) -> None:
    def read(span: slice) -> int:
        if span.start:
            raise ValueError("the soufflé collapsed")
        return span.stop

    reading = read_in_batches([2048] * 50, read, "cpu")
    assert next(reading) == (slice(0, 1), 1)
    with pytest.raises(ValueError, match="collapsed"):
        next(reading)


def test_the_order_of_the_texts_changes_nothing(workplace: MakeWorkplace, by_minilm: Compute, tmp_path: Path) -> None:
    read = sequences(TEXTS)
    for texts in (read, read[::-1]):
        keep_states(texts, "MiniLM", by_minilm, "cpu", workplace(), no_progress)
        kept = set((tmp_path / "common").glob("*/states"))
        assert len(kept) == len({(len(one) - 1).bit_length() for one in read})


def test_a_long_text_that_is_cut_elsewhere_leaves_the_others_shared(
    workplace: MakeWorkplace, by_minilm: Compute, batches_read: list[tuple[int, int]]
) -> None:
    read = sequences(TEXTS)
    longest = max(map(len, read))
    keep_states(read, "MiniLM", by_minilm, "cpu", workplace(), no_progress)
    batches_read.clear()
    cut = [one[: longest - 1] for one in read]
    kept = keep_states(cut, "MiniLM", by_minilm, "cpu", workplace(), no_progress)
    assert kept is not None
    assert all(kept.of(one) is not None for one in cut)
    assert min(tokens for _, tokens in batches_read) > longest / 2


@pytest.mark.parametrize("damage", ["zeros", "cut", "no files.json", "no states"])
def test_damaged_states_are_computed_again_and_not_charged_twice(
    workplace: MakeWorkplace, by_minilm: Compute, tmp_path: Path, damage: str
) -> None:
    read = [one for one in sequences(TEXTS) if 8 < len(one) <= 16]
    before = keep_states(read, "MiniLM", by_minilm, "cpu", workplace(), no_progress)
    assert before is not None
    whole = [before.of(one) for one in read]
    (states,) = (tmp_path / "common").glob("*/states")
    if damage == "zeros":
        with states.open("r+b") as file:
            file.write(bytes(1000))
    elif damage == "cut":
        states.write_bytes(states.read_bytes()[:-4])
    else:
        states.with_name(damage.removeprefix("no ")).unlink()
    place = workplace()
    after = keep_states(read, "MiniLM", by_minilm, "cpu", place, no_progress)
    assert after is not None
    for one, expected in zip(read, whole, strict=True):
        np.testing.assert_array_equal(after.of(one), expected)
    assert place.reused_seconds == 0


@pytest.mark.parametrize(("earlier", "later"), [("dsi", "sbert"), ("sbert", "colbert"), ("colbert", "dsi")])
def test_documents_that_one_system_has_read_no_other_reads_again_and_each_is_charged(
    kitchen: Collection,
    workplace: MakeWorkplace,
    batches_read: list[tuple[int, int]],
    earlier: str,
    later: str,
) -> None:
    fitted(SYSTEMS[earlier](), kitchen, workplace())
    batches_read.clear()
    place = workplace()
    fitted(SYSTEMS[later](), kitchen, place)
    assert max((tokens for _, tokens in batches_read), default=0) < 256
    assert place.reused_seconds > 0


@pytest.mark.parametrize(
    ("kind", "options"),
    [(SBERT, {}), (SBERT, {"precision": "bfloat16", "max_tokens": 16}), (ColBERT, {"encoding_batch": 1})],
)
def test_vectors_are_those_without_sharing(
    kitchen: Collection,
    workplace: MakeWorkplace,
    monkeypatch: pytest.MonkeyPatch,
    kind: type[FineTuned],
    options: dict[str, Any],
) -> None:
    first, second = (vectors(fitted(kind(**options), kitchen, workplace())) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    monkeypatch.setattr(token_states, "MOST_TOKENS", 10)
    place = workplace()
    plain = vectors(fitted(kind(**options), kitchen, place))
    assert place.reused_seconds == 0
    np.testing.assert_allclose(first, plain, atol=1e-2 if "precision" in options else 1e-6)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (SBERT, {"max_tokens": 8}),
        (SBERT, {"document_prompt": "recipe: "}),
        (ColBERT, {"max_tokens": 8}),
    ],
)
def test_what_is_read_otherwise_is_not_shared(
    kitchen: Collection, workplace: MakeWorkplace, tmp_path: Path, kind: type[FineTuned], options: dict[str, Any]
) -> None:
    fitted(kind(), kitchen, workplace())
    after = fitted(kind(**options), kitchen, workplace())
    alone = fitted(kind(**options), kitchen, Workplace(tmp_path / "other checkpoints", tmp_path / "nobody's"))
    np.testing.assert_array_equal(vectors(after), vectors(alone))


def test_another_precision_gives_other_states() -> None:
    opened = [
        open_model(SentenceTransformer, MINILM, ModelOptions(precision=each)) for each in ("float32", "bfloat16")
    ]
    assert made_by(MINILM, opened[0]) != made_by(MINILM, opened[1])


@pytest.mark.parametrize("kind", [SBERT, ColBERT])
def test_a_fine_tuned_model_shares_nothing(
    kitchen: Collection, workplace: MakeWorkplace, monkeypatch: pytest.MonkeyPatch, kind: type[FineTuned]
) -> None:
    def finetune(self: FineTuned, *_: Any) -> None:
        with torch.no_grad():
            next(self.encoder.parameters()).mul_(1.5)

    monkeypatch.setattr(kind, "_finetune", finetune)
    plain, place = fitted(kind(), kitchen, workplace()), workplace()
    tuned = fitted(kind(finetuning={"method": "in-batch"}), kitchen, place)
    with tuned.reading_once(QUERIES):
        assert place.reused_seconds == 0
    assert np.abs(vectors(plain) - vectors(tuned)).max() > 1e-3


def test_the_judge_and_the_systems_share(
    kitchen: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batches_read: list[tuple[int, int]]
) -> None:
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    MaxSimJudge(kitchen).scores([(QUERIES[0].text, text) for text in TEXTS])
    place = Workplace(tmp_path / "checkpoints", common_folder(torch.get_num_threads()))
    batches_read.clear()
    fitted(ColBERT(), kitchen, place)
    assert place.reused_seconds > 0
    assert batches_read == []


def test_more_tokens_than_the_limit_are_read_but_not_kept(
    kitchen: Collection,
    model: SentenceTransformer,
    workplace: MakeWorkplace,
    tmp_path: Path,
    batches_read: list[tuple[int, int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(token_states, "MOST_TOKENS", 10)
    with reading_once(model, MINILM, TEXTS, "", workplace()):
        model.encode(TEXTS[:1])
    assert not (tmp_path / "common").exists()
    assert len(batches_read) == 1


def test_the_model_is_left_as_it_was_even_after_a_failure(
    model: SentenceTransformer, workplace: MakeWorkplace, batches_read: list[tuple[int, int]]
) -> None:
    with pytest.raises(KeyboardInterrupt), reading_once(model, MINILM, TEXTS, "", workplace()):
        batches_read.clear()
        model.encode(TEXTS[:2])
        assert not batches_read
        raise KeyboardInterrupt
    model.encode(TEXTS[:2])
    assert len(batches_read) == 1


def test_only_a_text_that_was_not_announced_is_read(
    model: SentenceTransformer, workplace: MakeWorkplace, batches_read: list[tuple[int, int]]
) -> None:
    asked = ["Something new.", TEXTS[0], "Two more of them, of another length.", TEXTS[1]]
    with reading_once(model, MINILM, TEXTS, "", workplace()):
        batches_read.clear()
        found = model.encode(asked)
        assert batches_read == [(2, max(map(len, sequences(asked[::2]))))]
    np.testing.assert_allclose(found, model.encode(asked), atol=1e-6)


def by_row(answers: Rankings) -> list[list[float]]:
    """Scores of all documents in their order: two that tie may change places by rounding."""
    return [scores[np.argsort(rows)].tolist() for _, rows, scores in answers]


@pytest.mark.parametrize("second", SYSTEMS)
@pytest.mark.parametrize("first", SYSTEMS)
def test_questions_that_one_system_read_are_answered_by_the_next_without_reading(
    first: str, second: str, kitchen: Collection, workplace: MakeWorkplace, batches_read: list[tuple[int, int]]
) -> None:
    asked = [Query("q", "How long does stock simmer?"), Query("r", "Which dressing has lovage? " * 20)]
    for name in (first, second):
        place = workplace()
        retriever = SYSTEMS[name]()
        retriever.work_in(place)
        retriever.fit(kitchen)
        alone = by_row(retriever.retrieve(asked, len(kitchen)))
        assert isinstance(retriever, SharesReading)
        batches_read.clear()
        charged = place.reused_seconds
        with retriever.reading_once(asked):
            read = len(batches_read)
            together = by_row(retriever.retrieve(asked, len(kitchen)))
        assert len(batches_read) == read
        np.testing.assert_allclose(alone, together, atol=1e-5)
    assert first == second or not read
    assert first == second or place.reused_seconds > charged
