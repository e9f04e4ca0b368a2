"""Queries that a document might answer: of a doc2query checkpoint, of a small generator trained here, or TextRank's.

Nogueira and Lin 2019 (docTTTTTquery); Zhuang et al. 2022 (arXiv 2206.10128) train generative retrieval on them.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from bench.collections.collection import Collection
from bench.digests import digest_code, digest_data
from bench.errors import BenchError
from bench.models import ModelOptions, find_weights
from bench.options import Options
from bench.progress import Progress
from bench.sentences import sentences
from bench.workplace import Workplace
from retrievers.generative.examples import Example, best
from retrievers.generative.options import WordDecoderOptions
from retrievers.generative.words import Words
from retrievers.learning.options import TrainingOptions

if TYPE_CHECKING:
    import torch

    from retrievers.generative.encoders import TextEncoder
    from retrievers.generative.word_writer import Question, WordWriter

_READ_TOKENS = 128
"""Of a document, by what writes its queries."""

_LIKELIEST = 10
"""Each token is drawn from so many likeliest ones, as docTTTTTquery does."""

_DROPPED, _SMOOTHED = 0.1, 0.1
"""While a writer is trained: share of a document's tokens that it does not see, and label smoothing."""


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
    to_learn: Callable[[], Sequence[Example]],
    seed: int,
    workplace: Workplace,
    progress: Progress,
) -> Mapping[int, Sequence[str]]:
    """Some queries for each document, by row, the best first; made once for all systems that ask for the same.

    to_learn: gives training queries to a writer that is trained; none that chooses an epoch may be among them

    A model's best query has the likeliest token at each step, its others are drawn.
    Raises BenchError where the writer should be trained and there are no training queries.
    """
    if not options.doc2query and options.writer == "textrank":
        return {
            row: best(sentences(text), options.number, collection.rules.language)
            for row, text in enumerate(collection.texts())
        }

    learned = [] if options.doc2query else to_learn()

    def make(folder: Path) -> None:
        texts = [encoder.shortened(text, _READ_TOKENS) for text in collection.texts()]
        if options.doc2query:
            written = _with_checkpoint(options, texts, seed, str(encoder.device), progress)
        else:
            written = _with_own_writer(options, encoder, learned, texts, seed, progress)
        (folder / "queries.json").write_text(json.dumps(written))

    if not learned and not options.doc2query:
        raise BenchError(
            f"{collection.name} has no training queries to train a writer on; "
            "set pseudo_queries.writer=textrank, or give pseudo_queries.doc2query a checkpoint"
        )
    source = find_weights(options.doc2query).digest if options.doc2query else digest_data(list(learned))
    key = {
        "queries": options.options(),
        "weights": encoder.weights,
        "source": source,
        "of": collection.fingerprint,
        "seed": seed,
        "code": digest_code(__name__),
    }
    place = encoder.place_of_work(workplace)
    written = json.loads((place.shared(key, make) / "queries.json").read_text())
    return dict(enumerate(written))


def _with_checkpoint(
    options: PseudoQueryOptions, texts: Sequence[str], seed: int, device: str, progress: Progress
) -> list[list[str]]:
    """Written by Hugging Face's `generate`."""
    import torch

    from retrievers.generative.encoders import TextEncoder

    writer = TextEncoder.open(options.doc2query, ModelOptions(device=device))
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
    learned: Sequence[Example],
    texts: Sequence[str],
    seed: int,
    progress: Progress,
) -> list[list[str]]:
    """Written by a decoder over the encoder's states that has learned the training queries from their documents.

    It may point at words of the document, since some hundred queries teach few words.
    """
    import torch

    from retrievers.generative.encoders import kept_states
    from retrievers.generative.word_writer import Question, asked

    pairs = [Example(tokens[: options.max_tokens], row) for tokens, row in learned]
    read, end = encoder.tokens_of(texts), encoder.last_mark
    words = Words.of([*(tokens for tokens, _ in pairs), *read, [end]])
    states = kept_states(encoder, read, Workplace.temporary(), progress)

    def question(rows: Sequence[int], dropped: float = 0.0) -> Question:
        known = [encoder.without_marks(states.of(row)) for row in rows]
        tokens = [read[row][: len(one)] for row, one in zip(rows, known, strict=True)]
        return asked(known, tokens, words, encoder.device, dropped)

    writer = _trained_writer(options, encoder, question, pairs, words, end, seed, progress)
    with_words = [row for row, tokens in enumerate(read) if tokens]
    written: list[list[str]] = [[""] * options.number for _ in read]
    for start in range(0, len(with_words), 32):
        rows = with_words[start : start + 32]
        with torch.no_grad():
            drawn = draw(writer, question(rows), words.numbers([end])[0], options, seed + start)
        for row, queries in zip(rows, drawn.tolist(), strict=True):
            written[row] = [_spell(encoder, words, query, end) for query in queries]
        progress("writing pseudo-queries", start + len(rows), len(with_words))
    return written


def _trained_writer(
    options: PseudoQueryOptions,
    encoder: "TextEncoder",
    question: "Callable[[Sequence[int], float], Question]",
    pairs: Sequence[Example],
    words: Words,
    end: int,
    seed: int,
    progress: Progress,
) -> "WordWriter":
    import torch

    from retrievers.generative.training import identifier_plan
    from retrievers.generative.word_writer import WordWriter
    from retrievers.learning.trainer import Batch, train

    targets = np.full((len(pairs), options.max_tokens + 1), -1, dtype=np.int64)
    for line, (tokens, _) in zip(targets, pairs, strict=True):
        line[: len(tokens) + 1] = words.numbers([*tokens, end])
    frequencies = torch.from_numpy(np.bincount(targets[targets >= 0], minlength=len(words))).float()
    embeddings: Any = encoder.model.get_input_embeddings()
    vectors = embeddings.weight.detach().float()[torch.from_numpy(words.tokens).to(encoder.device)]
    shape = WordDecoderOptions(layers=1)
    model = WordWriter(vectors, frequencies.to(encoder.device), shape, 1, targets.shape[1], seed).to(encoder.device)
    training = TrainingOptions(epochs=options.epochs, learning_rate=1e-3, training_batch=32)
    rows = np.array([row for _, row in pairs])

    def batches(generator: np.random.Generator) -> list[Batch]:
        order = generator.permutation(len(pairs))
        size = training.training_batch
        return [(order[start : start + size],) for start in range(0, len(order), size)]

    def loss(batch: Batch) -> torch.Tensor:
        wanted = torch.from_numpy(targets[batch[0]]).to(encoder.device)[:, None]
        views = torch.zeros(len(wanted), dtype=torch.long, device=encoder.device)
        losses = model(question(rows[batch[0]].tolist(), _DROPPED), views, wanted, _SMOOTHED)
        return losses.sum() / (wanted >= 0).sum()

    with torch.random.fork_rng():
        plan = identifier_plan(model, training, batches, loss, seed=seed)
        train(model, plan, Workplace.temporary(), lambda phase, *steps: progress(f"query writer: {phase}", *steps))
    return model


def draw(
    writer: "WordWriter", question: "Question", end: int, options: PseudoQueryOptions, seed: int
) -> "torch.Tensor":
    """Shape [texts, queries, words]: the sequence of likeliest words, and others drawn word by word.

    `end` is the number of the word behind which a query's words mean nothing.
    """
    import torch

    from retrievers.generative.word_writer import Stepper

    stepper = Stepper(writer, question, 0)
    generator = torch.Generator().manual_seed(seed)
    log_probs = stepper.start().expand(-1, options.number, -1)
    parents = torch.zeros(log_probs.shape[:2], dtype=torch.long, device=log_probs.device)
    drawn: list[torch.Tensor] = []
    while len(drawn) < options.max_tokens:
        likely, words = log_probs.cpu().topk(min(_LIKELIEST, log_probs.shape[-1]), dim=-1)
        picked = torch.multinomial(likely.softmax(-1).flatten(0, 1), 1, generator=generator).view(*parents.shape, 1)
        picked[:, 0] = 0
        drawn.append(words.gather(-1, picked)[..., 0])
        if (torch.stack(drawn) == end).any(dim=0).all():
            break
        log_probs = stepper.whole_step(drawn[-1].to(parents.device), parents)
        parents = torch.arange(options.number, device=parents.device).expand(len(parents), -1)
    return torch.stack(drawn, dim=-1)


def _spell(encoder: "TextEncoder", words: Words, query: Sequence[int], end: int) -> str:
    tokens = words.tokens[list(query)].tolist()
    return encoder.tokenizer.decode(tokens[: tokens.index(end)] if end in tokens else tokens)
