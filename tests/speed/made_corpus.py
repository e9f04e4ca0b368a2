"""Collections of any number of short documents, and tiny encoders with random weights: what depends on size alone."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_array
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import AutoTokenizer, BertConfig, BertForMaskedLM, BertModel, PreTrainedTokenizerFast

from bench.models import MINILM, find_weights

QUERIES = 1000
_WORDS = 12
_TINY: dict[str, Any] = {"num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}


def words() -> list[str]:
    """Some thousand English words, of MiniLM's vocabulary."""
    known = AutoTokenizer.from_pretrained(str(find_weights(MINILM).folder)).get_vocab()
    found = sorted(word for word in known if word.isascii() and word.isalpha() and len(word) > 2)
    return Random(0).sample(found, 4000)


def write_beir(folder: Path, documents: int) -> None:
    """Sentences of twelve words, the n-th word as frequent as 1/n; every query is a part of one of the documents."""
    asked = {documents * number // QUERIES for number in range(QUERIES)}
    (folder / "qrels").mkdir(parents=True)
    with (
        (folder / "corpus.jsonl").open("w") as corpus,
        (folder / "queries.jsonl").open("w") as queries,
        (folder / "qrels" / "test.tsv").open("w") as qrels,
    ):
        qrels.write("query-id\tcorpus-id\tscore\n")
        for number, sentence in enumerate(_sentences(words(), documents)):
            corpus.write(json.dumps({"_id": f"passage-{number}", "text": " ".join(sentence)}) + "\n")
            if number in asked:
                queries.write(json.dumps({"_id": f"q{number}", "text": " ".join(sentence[::3])}) + "\n")
                qrels.write(f"q{number}\tpassage-{number}\t1\n")


def _sentences(known: list[str], count: int) -> Iterator[list[str]]:
    """Zipf's law: the rank of a word is the vocabulary's size to the power of a uniform number."""
    random, size = Random(1), len(known)
    for _ in range(count):
        yield [known[int(size ** random.random()) - 1] for _ in range(_WORDS)]


def _tokenizer() -> PreTrainedTokenizerFast:
    """One that knows these words alone."""
    names = {"unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]"}
    vocabulary = {word: number for number, word in enumerate([*names.values(), "[MASK]", *words()])}
    made = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    made.pre_tokenizer = Whitespace()
    made.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[(mark, vocabulary[mark]) for mark in ("[CLS]", "[SEP]")]
    )
    return PreTrainedTokenizerFast(tokenizer_object=made, mask_token="[MASK]", model_max_length=512, **names)


def write_encoder(folder: Path, dimension: int = 64) -> None:
    """A BERT of one layer whose token vectors are averaged."""
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    reader = _tokenizer()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = BertModel(BertConfig(vocab_size=len(reader), hidden_size=dimension, **_TINY))
    model.save_pretrained(folder / "bert")
    reader.save_pretrained(folder / "bert")
    SentenceTransformer(modules=[Transformer(str(folder / "bert")), Pooling(dimension)]).save(str(folder))


class MadeWeights:
    """In place of a sparse encoder: any words, 150 of them for a document and 8 for a query, at no cost."""

    device = "none"

    def weights(self, texts: Sequence[str], role: str) -> csr_array:
        """Shape [texts, words], as that of `VocabularyEncoder`."""
        each = 8 if role == "query" else 150
        random = np.random.default_rng(len(texts))
        words = (random.integers(0, 20, (len(texts), each)) + 20 * np.arange(each)).astype(np.int32)
        values = random.random(words.size, dtype=np.float32) + 0.1
        return csr_array((values, words.ravel(), np.arange(len(texts) + 1) * each), shape=(len(texts), 4000))


def write_sparse_encoder(folder: Path) -> None:
    """A masked BERT of one layer that gives a text about a hundred words: most of its logits are below zero."""
    reader = _tokenizer()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = BertForMaskedLM(BertConfig(vocab_size=len(reader), hidden_size=32, initializer_range=0.3, **_TINY))
        model.cls.predictions.decoder.bias.data.fill_(-4.0)
    model.save_pretrained(folder)
    reader.save_pretrained(folder)
