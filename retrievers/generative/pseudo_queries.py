"""Queries that a document might answer: of a doc2query checkpoint, of a small generator trained here, or TextRank's.

Nogueira and Lin 2019 (docTTTTTquery); Zhuang et al. 2022 (arXiv 2206.10128) train generative retrieval on them.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from bench.collections.collection import Collection
from bench.digests import digest_code
from bench.errors import BenchError
from bench.models import ModelOptions, find_weights
from bench.options import Options
from bench.progress import Progress
from bench.sentences import sentences
from bench.workplace import Workplace
from retrievers.generative.examples import best, training_queries
from retrievers.generative.options import DecoderOptions
from retrievers.learning.options import TrainingOptions

if TYPE_CHECKING:
    import torch

    from retrievers.generative.encoders import TextEncoder
    from retrievers.generative.model import IdentifierModel

_READ_TOKENS = 128
"""Of a document, by what writes its queries."""

_LIKELIEST = 10
"""Each token is drawn from so many likeliest ones, as docTTTTTquery does."""


class PseudoQueryOptions(Options):
    """Where a document's pseudo-queries come from."""

    doc2query: str = Field("", description="a doc2query checkpoint (T5), by path or name; none: as `writer` says")
    writer: Literal["trained", "textrank"] = Field(
        "textrank", description="a small generator trained on the training queries, or the best sentences"
    )
    number: int = Field(5, ge=1, le=1000, description="of each document")
    max_tokens: int = Field(32, ge=1, le=512, description="of a pseudo-query")
    epochs: int = Field(20, ge=1, description="writer=trained: passes over the training queries")


def write_pseudo_queries(
    options: PseudoQueryOptions,
    encoder: "TextEncoder",
    collection: Collection,
    split: str,
    seed: int,
    workplace: Workplace,
    progress: Progress,
) -> Mapping[int, Sequence[str]]:
    """Some queries for each document, by row, the best first; made once for all systems that ask for the same.

    A model's best query has the likeliest token at each step, its others are drawn.
    Raises BenchError where the writer should be trained and there are no training queries.
    """
    if not options.doc2query and options.writer == "textrank":
        return {
            row: best(sentences(text), options.number, collection.rules.language)
            for row, text in enumerate(collection.texts())
        }

    def make(folder: Path) -> None:
        texts = [encoder.shortened(text, _READ_TOKENS) for text in collection.texts()]
        if options.doc2query:
            written = _with_checkpoint(options, texts, seed, progress)
        else:
            written = _with_own_writer(options, encoder, collection, split, texts, seed, progress)
        (folder / "queries.json").write_text(json.dumps(written))

    weights = find_weights(options.doc2query).digest if options.doc2query else encoder.weights
    key = {
        "queries": options.options(),
        "weights": weights,
        "of": collection.fingerprint,
        "split": split,
        "seed": seed,
        "code": digest_code(__name__),
    }
    written = json.loads((workplace.shared(key, make) / "queries.json").read_text())
    return dict(enumerate(written))


def _with_checkpoint(
    options: PseudoQueryOptions, texts: Sequence[str], seed: int, progress: Progress
) -> list[list[str]]:
    """Written by Hugging Face's `generate`."""
    import torch

    from retrievers.generative.encoders import TextEncoder

    writer = TextEncoder.open(options.doc2query, ModelOptions())
    model: Any = writer.model
    if not writer.generates:
        raise BenchError(
            f"'{options.doc2query}' writes nothing; give pseudo_queries.doc2query an encoder-decoder such as T5"
        )
    written: list[list[str]] = []
    drawing = {"do_sample": True, "top_k": _LIKELIEST, "num_return_sequences": options.number - 1}
    ways: list[dict[str, Any]] = [{"do_sample": False}, *([drawing] if options.number > 1 else [])]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for start in range(0, len(texts), 8):
            some = texts[start : start + 8]
            batch = writer.tokenizer(
                some, return_tensors="pt", padding=True, truncation=True, return_token_type_ids=False
            ).to(writer.device)
            found = [model.generate(**batch, max_new_tokens=options.max_tokens, **way) for way in ways]
            spelled = [writer.tokenizer.batch_decode(one, skip_special_tokens=True) for one in found]
            for document in range(len(some)):
                parts = (queries[document * len(queries) // len(some) :] for queries in spelled)
                sizes = (len(queries) // len(some) for queries in spelled)
                written.append([query for part, size in zip(parts, sizes, strict=True) for query in part[:size]])
            progress("writing pseudo-queries", len(written), len(texts))
    return written


def _with_own_writer(
    options: PseudoQueryOptions,
    encoder: "TextEncoder",
    collection: Collection,
    split: str,
    texts: Sequence[str],
    seed: int,
    progress: Progress,
) -> list[list[str]]:
    """Written by a decoder over the encoder's states that has learned the training queries from their documents."""
    pairs = training_queries(collection, split, lambda asked: encoder.tokens_of(asked, options.max_tokens))
    if not pairs:
        raise BenchError(
            f"{collection.name} has no training queries in split '{split}' to train a writer on; "
            "set pseudo_queries.writer=textrank, or give pseudo_queries.doc2query a checkpoint"
        )
    words = sorted({token for tokens, _ in pairs for token in tokens})
    targets = as_words([tokens for tokens, _ in pairs], words)
    read = encoder.tokens_of(texts)
    model = _trained_writer(options, encoder, [read[row] for _, row in pairs], targets, words, seed, progress)
    written: list[list[str]] = []
    for start in range(0, len(read), 32):
        for samples in draw(model, encoder, read[start : start + 32], options.number, seed + start):
            written.append([_spell(encoder, words, sample) for sample in samples])
        progress("writing pseudo-queries", len(written), len(read))
    return written


def as_words(texts: Sequence[Sequence[int]], words: Sequence[int]) -> np.ndarray:
    """Identifiers of text, of shape [texts, longest + 1]: word w is token w + 1, and 0 ends a text."""
    number = {word: place + 1 for place, word in enumerate(words)}
    tokens = np.full((len(texts), max(map(len, texts)) + 1), -1, dtype=np.int64)
    for row, text in enumerate(texts):
        tokens[row, : len(text) + 1] = [*(number[word] for word in text), 0]
    return tokens


def _trained_writer(
    options: PseudoQueryOptions,
    encoder: "TextEncoder",
    read: Sequence[list[int]],
    targets: np.ndarray,
    words: Sequence[int],
    seed: int,
    progress: Progress,
) -> "IdentifierModel":
    import torch

    from retrievers.generative.encoders import kept_states, padded
    from retrievers.generative.model import IdentifierModel
    from retrievers.generative.training import batches_by_length, identifier_plan
    from retrievers.generative.trie import Trie
    from retrievers.learning.trainer import Batch, train

    tables = Trie.build(targets, [len(words) + 1] * targets.shape[1]).on(encoder.device)
    model = IdentifierModel(encoder, tables, DecoderOptions(head="shared"), tuned=False, words=(0, *words), seed=seed)
    workplace = Workplace.temporary()
    written, lengths = torch.from_numpy(targets), np.array(list(map(len, read)))
    training = TrainingOptions(epochs=options.epochs, learning_rate=1e-3)

    def batches(generator: np.random.Generator) -> list[Batch]:
        order = generator.permutation(len(read))
        return [(order[part],) * 2 for part in batches_by_length(lengths[order], training.training_batch)]

    with torch.random.fork_rng():
        states = kept_states(encoder, read, workplace, progress)
        plan = identifier_plan(
            model,
            training,
            batches,
            loss=lambda batch: model.loss(
                padded([states.of(text) for text in batch[0]], encoder.device), written[batch[1]].to(encoder.device)
            ),
            seed=seed,
        )
        train(model, plan, workplace, lambda phase, *steps: progress(f"query writer: {phase}", *steps))
    return model


def draw(
    model: "IdentifierModel", encoder: "TextEncoder", read: Sequence[list[int]], number: int, seed: int
) -> "torch.Tensor":
    """Shape [documents, number, levels]: the sequence of likeliest tokens, and others drawn token by token."""
    import torch

    from retrievers.generative.beam import whole

    with torch.no_grad():
        stepper = model.decoder.stepper(encoder(read))
        generator = torch.Generator().manual_seed(seed)
        logits = stepper.start()[:, None].expand(-1, number, -1)
        parents = torch.zeros(logits.shape[:2], dtype=torch.long)
        drawn = []
        for level in range(model.tables.levels):
            likely, tokens = logits.cpu().float().topk(min(_LIKELIEST, logits.shape[-1]), dim=-1)
            picked = torch.multinomial(likely.softmax(-1).flatten(0, 1), 1, generator=generator).view(
                *parents.shape, 1
            )
            picked[:, 0] = 0
            drawn.append(tokens.gather(-1, picked)[..., 0])
            if level + 1 < model.tables.levels:
                logits = whole(stepper.step(drawn[-1].to(encoder.device), parents.to(encoder.device)))
                parents = torch.arange(number).expand(len(read), -1)
    return torch.stack(drawn, dim=-1)


def _spell(encoder: "TextEncoder", words: Sequence[int], sample: "torch.Tensor") -> str:
    tokens = sample.tolist()
    end = tokens.index(0) if 0 in tokens else len(tokens)
    return encoder.tokenizer.decode([words[token - 1] for token in tokens[:end]])
