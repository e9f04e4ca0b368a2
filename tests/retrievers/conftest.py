"""A small collection of real text with training queries, and models that are small enough to train here."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from transformers import AutoTokenizer, T5Config, T5ForConditionalGeneration

from bench.collections.collection import Collection, Document, Rules, read_collection
from bench.collections.writer import CollectionWriter
from bench.models import MINILM, find_weights


@pytest.fixture(scope="session")
def learnable(docstrings: dict[str, tuple[str, str]], tmp_path_factory: pytest.TempPathFactory) -> Collection:
    """Thirty docstrings without their summaries, which are the queries: twenty to learn from, ten to be asked."""
    chosen = {name: pair for name, pair in docstrings.items() if len(pair[0].split()) > 2}
    folder = tmp_path_factory.mktemp("learnable")
    pairs = list(chosen.items())[:30]
    splits = ["train" if number % 3 else "test" for number in range(30)]
    with CollectionWriter(folder) as writer:
        for name, (_, text) in pairs:
            writer.document(Document(name, "", text[:400]), "documents")
        for split, (name, (summary, _)) in zip(splits, pairs, strict=True):
            writer.query(split, f"q {name}", summary, "queries")
            writer.judgement(split, f"q {name}", name, 1, "judgements")
    return read_collection(folder, "learnable", Rules())


@pytest.fixture(scope="session")
def tiny_t5(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random encoder-decoder that reads WordPieces."""
    folder = tmp_path_factory.mktemp("tiny-t5")
    tokenizer = AutoTokenizer.from_pretrained(str(find_weights(MINILM).folder))
    config = T5Config(
        vocab_size=len(tokenizer),
        d_model=32,
        d_kv=8,
        num_heads=4,
        num_layers=1,
        d_ff=64,
        decoder_start_token_id=0,
        eos_token_id=102,
        dropout_rate=0.0,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        T5ForConditionalGeneration(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def months(make_sequences: Callable[..., Collection]) -> Collection:
    """Walks along a circle of twelve: what comes next is certain."""
    names = [f"month-{number:02}" for number in range(12)]
    walks = {f"u{start}-{length}": (start, length) for start in range(12) for length in (5, 6, 8)}
    return make_sequences({u: [names[(s + step) % 12] for step in range(n)] for u, (s, n) in walks.items()})


@pytest.fixture(scope="session")
def item_vectors(docstrings: dict[str, tuple[str, str]]) -> np.ndarray:
    """MiniLM's vectors of some hundred summaries of docstrings, some of them equal; float32, dimension 384."""
    model = SentenceTransformer(str(find_weights(MINILM).folder), device="cpu")
    return model.encode([summary for summary, _ in docstrings.values()], show_progress_bar=False)
