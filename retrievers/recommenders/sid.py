"""Semantic-ID recommendation: items named by codes of their text, and a model that writes what comes next.

Rajput et al. 2023 (TIGER, arXiv 2305.05065); the choices of Ju et al. 2025 (GRID, arXiv 2507.22224) are options.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self
from zlib import crc32

import numpy as np
from pydantic import Field, model_validator

from bench.collections.collection import Collection, Query
from bench.collections.histories import come_again, known_items, seldom_again, training_sequences
from bench.models import pick_device, pick_dtype
from bench.protocols import Trace
from bench.rankings import Rankings
from retrievers.generative.docids import Identifiers
from retrievers.generative.options import BeamOptions
from retrievers.recommenders.item_codes import ItemCoder
from retrievers.recommenders.semantic_ids.answers import Collisions, answers_of
from retrievers.recommenders.semantic_ids.options import (
    RESIDUAL,
    ItemBeamOptions,
    SequenceDecoderOptions,
    SequenceTrainingOptions,
)
from retrievers.recommenders.semantic_ids.tokenizers import Codes, refuse_beginnings
from retrievers.recommenders.semantic_ids.unique import OtherCodes, numbered, with_other_codes
from retrievers.recommenders.semantic_ids.windows import Sliding, Windows
from retrievers.sharding import best

if TYPE_CHECKING:
    from torch import Tensor

    from retrievers.generative.beam import Beams
    from retrievers.learning.trainer import Batch
    from retrievers.recommenders.semantic_ids.examples import SequenceExamples
    from retrievers.recommenders.semantic_ids.sequence_model import History, SequenceModel, Shape


class Named(NamedTuple):
    """What items are called.

    identifiers: of each item one
    groups: shape [items], a number for each item, equal for those that share an identifier
    facts: what there is to tell of them
    """

    identifiers: Identifiers
    groups: np.ndarray
    facts: dict[str, Any]


class SID(ItemCoder):
    """Writes the identifier of the item that comes next, code by code; only the order of the history is read.

    The weights that are kept are those with the highest MRR@10 on users of the split `valid`, whose items are
    otherwise not learnt; where that split is the one that is asked, those of the last epoch. A history without a
    known item gets no answer.
    """

    family = "generative"

    architecture: Literal["encoder-decoder", "decoder-only"] = Field(
        "decoder-only", description="an encoder of the history and a decoder, or one causal transformer over both"
    )
    reading: Literal["codes", "items"] = Field(
        "codes", description="encoder-decoder: each code of the history is a position, or the sum of an item's codes"
    )
    sliding: Sliding = Field(
        "prefixes",
        description="learn a sequence's last item alone, each from all before it (decoder-only: of a sequence the "
        "latest `longest` and one), or from drawn windows",
    )
    longest: int = Field(20, ge=1, description="latest items of a history that are read")
    user_bins: int = Field(0, ge=0, description="users share so many vectors, by a hash of their ids; 0: none")
    encoder_layers: int = Field(2, ge=1, description="encoder-decoder: layers of the encoder")
    collisions: Collisions = Field(
        "extra-token",
        description="items that share an identifier: one more token, other codes (the nearest unused ones, or those "
        "found by a recursive search), one item drawn for each answer, or all",
    )
    decoder: SequenceDecoderOptions = Field(
        default_factory=SequenceDecoderOptions, description="what writes the codes of the next item"
    )
    beams: ItemBeamOptions = Field(default_factory=ItemBeamOptions, description="how identifiers are searched for")
    training: SequenceTrainingOptions = Field(
        default_factory=SequenceTrainingOptions, description="how the model is trained"
    )

    @model_validator(mode="after")
    def _options_fit(self) -> "SID":
        if self.reading == "items" and self.architecture == "decoder-only":
            raise ValueError("reading=items is for the encoder-decoder; a decoder-only model reads what it writes")
        if self.collisions in ("nearest-unused", "recursive") and self.tokenizer.kind not in RESIDUAL:
            raise ValueError(f"collisions={self.collisions} is for the tokenizers {', '.join(RESIDUAL)}")
        return self

    @property
    def trained(self) -> bool:
        return True

    def fit(self, collection: Collection) -> Self:
        sequences = training_sequences(collection)
        self._rows = collection.documents.rows
        identifiers, self._groups, self._counts = self._named(collection, sequences)
        self._hold(identifiers)
        self._train(collection, [sequence for sequence in sequences if len(sequence) > 1])
        return self

    def _named(self, collection: Collection, sequences: Sequence[np.ndarray]) -> "Named":
        """What the items are called."""
        named = self._told_apart(self.codes(collection, sequences))
        for given in self.files()[:1]:
            refuse_beginnings(named.identifiers, list(self._rows), given)
        return named

    def _told_apart(self, codes: Codes) -> "Named":
        """Items that share an identifier get what `collisions` says."""
        extra = self.collisions == "extra-token" and codes.facts["items_sharing"] > 0
        facts: dict[str, Any] = {"tokenizer": codes.facts, "extra_token": extra}
        if self.collisions == "nearest-unused" or self.collisions == "recursive":
            unique = self._with_other_codes(codes, self.collisions)
            facts["items_with_other_codes"] = int((unique.tokens != codes.identifiers.tokens).any(axis=1).sum())
            return Named(unique, _groups(unique), facts)
        made = numbered(codes.identifiers, self.seed) if extra else codes.identifiers
        return Named(made, _groups(codes.identifiers), facts)

    def _with_other_codes(self, codes: Codes, how: OtherCodes) -> Identifiers:
        assert codes.made_of is not None, "the options allow it for codes that build on each other alone"
        return with_other_codes(codes.identifiers, codes.made_of, how, self.seed)

    def _hold(self, identifiers: Identifiers) -> None:
        """Build the model that writes the identifiers, with its weights as they start."""
        import torch

        from retrievers.recommenders.semantic_ids.sequence_model import Shape

        device = torch.device(pick_device(self.device))
        self._identifiers = identifiers
        tables = identifiers.trie().on(device)
        codes = torch.from_numpy(identifiers.tokens.astype(np.int64)).to(device)
        shape = Shape(self.decoder, tables, codes, self.longest, self.user_bins)
        self._model = self._network(shape).to(device)

    def _network(self, shape: "Shape") -> "SequenceModel":
        from retrievers.recommenders.semantic_ids.decoder_only import DecoderOnly
        from retrievers.recommenders.semantic_ids.encoder_decoder import EncoderDecoder

        if self.architecture == "decoder-only":
            return DecoderOnly(shape, last_only=self.sliding == "off", seed=self.seed)
        return EncoderDecoder(shape, encoder_layers=self.encoder_layers, reading=self.reading, seed=self.seed)

    def _train(self, collection: Collection, sequences: Sequence[np.ndarray]) -> None:
        import torch

        from retrievers.generative.training import identifier_plan
        from retrievers.learning.trainer import train

        examples = self._examples(collection, sequences)

        def loss(batch: "Batch") -> "Tensor":
            return self._model.loss(examples.history(batch), self.training.label_smoothing)

        with torch.random.fork_rng():
            kind = torch.device(pick_device(self.device)).type
            training = self.training.model_copy(update={"epochs": self.training.passes(len(examples))})
            plan = identifier_plan(
                self._model,
                training,
                examples.batches,
                loss,
                seed=self.seed,
                evaluate=self._evaluation(collection),
                bfloat16=pick_dtype(self.precision, kind) == torch.bfloat16,
            )
            course = train(self._model, plan, self.workplace, self.progress)
        done = (len(course.epochs) - 1) * plan.steps
        self._counts |= {"training_windows": len(examples), "updates": done, "training": course.as_data()}

    def _examples(self, collection: Collection, sequences: Sequence[np.ndarray]) -> "SequenceExamples":
        """What is learned from, once the model is built."""
        from retrievers.recommenders.semantic_ids.examples import SequenceExamples

        all_sequences = zip(collection.queries("train"), training_sequences(collection), strict=True)
        asked = [query for query, sequence in all_sequences if len(sequence) > 1]
        size = self.training.training_batch
        return SequenceExamples(self._windows(sequences), self._bins(asked), size, self._model.tables.device)

    def _windows(self, sequences: Sequence[np.ndarray]) -> Windows:
        return Windows(sequences, self.sliding, self.longest, whole=self.architecture == "decoder-only")

    def _evaluation(self, collection: Collection) -> Callable[[], dict[str, float]] | None:
        """Measures how the model answers some users of the split `valid`, if that is not what is asked."""
        if "valid" not in collection.splits:
            return None
        queries, targets = collection.queries("valid"), collection.qrels("valid").rows
        again = come_again(known_items(queries, self._rows), targets)
        self._counts["histories_hidden"] = hides = seldom_again(again)
        return self._measured_on(queries, targets, hides)

    def _measured_on(
        self, queries: Sequence[Query], targets: np.ndarray, hides: bool = False
    ) -> Callable[[], dict[str, float]]:
        """Measures how the model answers some of the queries, each of which has one row for its target.

        With `hides` items of a history are no answer to it, as where items seldom come again.
        """
        from retrievers.generative.training import held_out_figures

        some = np.random.default_rng(self.seed).permutation(len(queries))[: self.training.valid_users]
        asked, wanted = [queries[place] for place in some.tolist()], targets[some]
        hidden = known_items(asked, self._rows) if hides else [np.zeros(0, dtype=np.int64)] * len(asked)

        def evaluate() -> dict[str, float]:
            ranks = np.zeros(len(asked))
            for place, (rows, _) in enumerate(self._answers(asked)):
                left = rows[~np.isin(rows, hidden[place])]
                found = np.flatnonzero(left[:10] == wanted[place])
                ranks[place] = found[0] + 1 if len(found) else np.inf
            return held_out_figures(ranks)

        return evaluate

    def _bins(self, queries: Sequence[Query]) -> np.ndarray:
        hashes = [crc32(query.user.encode()) % max(1, self.user_bins) for query in queries]
        return np.array(hashes, dtype=np.int64)

    def _history(self, items: Sequence[np.ndarray], bins: np.ndarray) -> "History":
        from retrievers.recommenders.semantic_ids.sequence_model import History

        return History.of(items, bins, self._model.tables.device)

    def _answers(self, queries: Sequence[Query], k: int = 10) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Item rows and scores for each query, best first; nothing for a history without a known item."""
        from retrievers.generative.beam_items import Validity

        self._validity = Validity()
        for span, known, history in self._batches(queries):
            found: dict[int, tuple[np.ndarray, np.ndarray]] = {}
            if known:
                ids = [queries[place].id for place in known]
                found = dict(zip(known, self._found(history, ids, k), strict=True))
            for place in span:
                yield found.get(place, (np.zeros(0, dtype=np.int64), np.zeros(0)))

    def _found(self, history: "History", ids: Sequence[str], k: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Item rows and scores for each of some histories, of an item or more, best first."""
        from retrievers.generative.beam_items import Validity

        trie = self._model.tables.trie
        beams = self._search(history, self.beams)
        self._validity += Validity.of(beams, trie, k)
        return answers_of(beams, trie, self.collisions, ids, self.seed)

    def _batches(self, queries: Sequence[Query]) -> "Iterator[tuple[range, list[int], History]]":
        """Places of some queries at a time, of those that are answered, and what the model reads of these."""
        for start in range(0, len(queries), self.encoding_batch):
            span = range(start, min(start + self.encoding_batch, len(queries)))
            known, history = self._read([queries[place] for place in span])
            yield span, [start + place for place in known], history

    def _read(self, queries: Sequence[Query]) -> "tuple[list[int], History]":
        """The places of queries with a known item, and what the model reads of these."""
        histories = [items[-self.longest :] for items in known_items(queries, self._rows)]
        known = [place for place, history in enumerate(histories) if len(history)]
        return known, self._history([histories[place] for place in known], self._bins(queries)[known])

    def _search(self, history: "History", options: BeamOptions, **named: Any) -> "Beams":
        import torch

        from retrievers.generative.beam import search

        with torch.no_grad():
            return search(self._model.stepper(history), self._model.tables, options, **named)

    def traces(self, queries: Sequence[Query], rows: Sequence[np.ndarray], k: int) -> Iterator[list[Trace]]:  # noqa: ARG002
        """The beams are as many as ever; of a history without a known item there is nothing to tell."""
        return self._traced(queries, rows, self._identifiers.tokens)

    def _traced(
        self, queries: Sequence[Query], rows: Sequence[np.ndarray], tokens: np.ndarray
    ) -> Iterator[list[Trace]]:
        """As `traces`, where the items have these identifiers, shape [items, levels]."""
        from retrievers.generative.tracing import traces

        for span, known, history in self._batches(queries):
            found: dict[int, list[Trace]] = {}
            if known:
                wanted = [rows[place] for place in known]
                answer = partial(self._search, history)
                told = traces(answer, self.beams, self._model.tables, tokens, wanted)
                found = dict(zip(known, told, strict=True))
            for place in span:
                yield found.get(place, [])

    def retrieve(self, queries: Sequence[Query], k: int) -> Rankings:
        hits = []
        for rows, scores in self._answers(queries, k):
            hits.append(best(rows, scores, k))
            self.progress("retrieving", len(hits), len(queries))
        return Rankings.from_hits(queries, hits)

    def answer_facts(self) -> dict[str, Any]:
        return {f"{name} answers": rate for name, rate in self._validity.rates().items()}

    def docids(self) -> Sequence[tuple[str, ...]]:
        return [tuple(map(str, row[row >= 0].tolist())) for row in self._identifiers.tokens]

    def vocabularies(self) -> Sequence[int]:
        return self._identifiers.vocabularies

    def identifier_groups(self) -> np.ndarray:
        return self._groups

    def save(self, folder: Path) -> None:
        from safetensors.torch import save_file

        from retrievers.learning.trainer import storable

        self._identifiers.save(folder)
        np.save(folder / "groups.npy", self._groups)
        save_file(storable(self._model.learned()), folder / "model.safetensors")
        (folder / "items.json").write_text(json.dumps(list(self._rows)), encoding="utf-8")
        (folder / "facts.json").write_text(json.dumps(self._counts))

    def load(self, folder: Path) -> None:
        from safetensors.torch import load_file

        items = json.loads((folder / "items.json").read_text(encoding="utf-8"))
        self._rows = {item: row for row, item in enumerate(items)}
        self._groups = np.load(folder / "groups.npy", allow_pickle=False)
        self._counts = json.loads((folder / "facts.json").read_text())
        self._hold(Identifiers.load(folder))
        self._model.restore(load_file(folder / "model.safetensors"))
        self._model.eval()

    def facts(self) -> dict[str, Any]:
        tables = self._model.tables
        return {
            "device": str(tables.device),
            "parameters_learned": sum(weight.numel() for weight in self._model.learned().values()),
            **tables.facts(),
            **self._counts,
        }


def _groups(identifiers: Identifiers) -> np.ndarray:
    """Shape [items]: a number for each item, equal for those that share an identifier."""
    return np.unique(identifiers.tokens, axis=0, return_inverse=True)[1].reshape(-1)
