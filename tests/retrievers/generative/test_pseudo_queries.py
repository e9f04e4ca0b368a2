"""Queries written for documents."""

from pathlib import Path

import pytest
import torch

from bench.collections.collection import Collection
from bench.errors import BenchError
from bench.models import MINILM, ModelOptions
from bench.sentences import sentences
from bench.workplace import Workplace
from retrievers.generative.encoders import TextEncoder
from retrievers.generative.examples import training_queries
from retrievers.generative.options import WordDecoderOptions
from retrievers.generative.pseudo_queries import PseudoQueryOptions, draw, write_pseudo_queries
from retrievers.generative.word_writer import WordWriter, asked
from retrievers.generative.word_writer import read as read_states
from retrievers.generative.words import Words


@pytest.fixture(scope="module")
def encoder() -> TextEncoder:
    return TextEncoder.open(MINILM, ModelOptions(device="cpu"))


def written(
    encoder: TextEncoder, collection: Collection, workplace: Workplace, split: str = "train", **options: object
) -> list[list[str]]:
    asked = PseudoQueryOptions(number=3, max_tokens=8, **options)
    learned = training_queries(collection, split, lambda texts: encoder.tokens_of(texts, 8))
    found = write_pseudo_queries(asked, encoder, collection, lambda: learned, 0, workplace, lambda *_: None)
    return [list(found[row]) for row in range(len(collection))]


def test_textrank_gives_sentences(encoder: TextEncoder, learnable: Collection) -> None:
    found = written(encoder, learnable, Workplace.temporary(), writer="textrank")
    assert all(set(queries) <= set(sentences(text)) for queries, text in zip(found, learnable.texts(), strict=True))
    assert all(1 <= len(queries) <= 3 for queries in found)


def test_a_writer_learns_the_training_queries_and_writes_the_same_for_everyone(
    encoder: TextEncoder, learnable: Collection
) -> None:
    workplace = Workplace.temporary()
    found = written(encoder, learnable, workplace, writer="trained", epochs=40)
    assert all(len(queries) == 3 for queries in found)
    asked = {query.id.removeprefix("q "): query.text.lower() for query in learnable.queries("train")}
    begins_alike = [
        any(query.split()[:2] == asked[name].split()[:2] for query in queries)
        for name, queries in zip(learnable.documents.ids(), found, strict=True)
        if name in asked
    ]
    assert sum(begins_alike) > len(begins_alike) / 2
    assert workplace.reused_seconds == 0
    assert written(encoder, learnable, workplace, writer="trained", epochs=40) == found
    assert workplace.reused_seconds > 0


def test_a_writers_first_query_is_its_best_and_no_draw(encoder: TextEncoder, learnable: Collection) -> None:
    read = encoder.tokens_of(list(learnable.texts())[:5], 20)
    words = Words.of([*read, [encoder.tokenizer.sep_token_id]])
    vectors = encoder.model.get_input_embeddings().weight.detach()[torch.from_numpy(words.tokens)]
    writer = WordWriter(vectors, torch.ones(len(words)), WordDecoderOptions(), 1, 9).eval()
    asked_of = PseudoQueryOptions(number=2, max_tokens=8)

    def firsts_and_seconds(seed: int) -> tuple[list[list[int]], list[list[int]]]:
        with torch.no_grad():
            question = asked(read_states(encoder, read), read, words, encoder.device)
            drawn = draw(writer, question, len(words) - 1, asked_of, seed)
        return drawn[:, 0].tolist(), drawn[:, 1].tolist()

    (first, second), (same, other) = firsts_and_seconds(0), firsts_and_seconds(1)
    assert first == same
    assert second != other


def test_a_trained_writer_copies_words_that_no_query_has(encoder: TextEncoder, learnable: Collection) -> None:
    found = written(encoder, learnable, Workplace.temporary(), writer="trained", epochs=10)
    learned = {token for query in learnable.queries("train") for token in encoder.tokens_of([query.text])[0]}
    texts = encoder.tokens_of(list(learnable.texts()))
    copied = [
        set(encoder.tokens_of([" ".join(queries)])[0]) & set(text) - learned
        for queries, text in zip(found, texts, strict=True)
    ]
    assert sum(map(bool, copied)) > len(copied) / 4


def test_a_checkpoint_writes_its_best_query_and_others_by_sampling(
    encoder: TextEncoder, learnable: Collection, tiny_t5: Path
) -> None:
    first, second = (written(encoder, learnable, Workplace.temporary(), doc2query=str(tiny_t5)) for _ in range(2))
    assert first == second
    assert all(len(queries) == 3 for queries in first)
    assert len({tuple(queries) for queries in first}) > 1
    writer = TextEncoder.open(str(tiny_t5), ModelOptions(device="cpu"))
    read = writer.tokenizer(list(learnable.texts())[:1], return_tensors="pt", return_token_type_ids=False)
    best = writer.model.generate(**read, max_new_tokens=8, do_sample=False)
    assert first[0][0] == writer.tokenizer.decode(best[0], skip_special_tokens=True)


def test_a_writer_without_training_queries_is_refused(encoder: TextEncoder, learnable: Collection) -> None:
    with pytest.raises(
        BenchError, match="no training queries to train a writer on.*set pseudo_queries.writer=textrank"
    ):
        written(encoder, learnable, Workplace.temporary(), split="none", writer="trained")


def test_a_checkpoint_that_writes_nothing_is_refused(encoder: TextEncoder, learnable: Collection) -> None:
    with pytest.raises(BenchError, match="give pseudo_queries.doc2query an encoder-decoder"):
        written(encoder, learnable, Workplace.temporary(), doc2query=MINILM)
