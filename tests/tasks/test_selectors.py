"""What chooses key sentences: each selector beside a calculation by hand or by another tool."""

import math
from collections.abc import Callable

import networkx
import numpy as np
import pytest

from bench.collections.collection import Collection
from bench.errors import BenchError
from bench.models import MINILM, find_weights
from bench.tasks.selectors import by_attention, by_textrank, by_tf_idf

MakeCollection = Callable[..., Collection]

CHUNKS = [
    "Simmer the bones with leek and carrot for three hours.",
    "Skim the stock whenever foam rises from the bones.",
    "Leek, carrot and bones give the stock its taste.",
    "Serve it on Sunday.",
]


def test_tf_idf_is_the_mean_weight_of_a_chunks_words(make_collection: MakeCollection) -> None:
    collection = make_collection({"a": "salt salt oil", "b": "oil and rye", "c": "rye"})
    (scores,) = by_tf_idf(collection, [["Salt, salt", "oil", "salt oil", "-"]])
    salt = (1 + math.log(3)) * math.log(3 / 1)
    oil = (1 + math.log(2)) * math.log(3 / 2)
    np.testing.assert_allclose(scores, [salt, oil, (salt + oil) / 2, 0])


def test_textrank_agrees_with_networkx(make_collection: MakeCollection) -> None:
    collection = make_collection({"a": " ".join(CHUNKS)})
    (scores,) = by_textrank(collection, [CHUNKS])
    stop = {"the", "with", "and", "for", "three", "whenever", "from", "give", "its", "it", "on"}
    words = [[w.strip(".,").lower() for w in chunk.split()] for chunk in CHUNKS]
    words = [[w for w in chunk if w not in stop] for chunk in words]
    graph = networkx.Graph()
    graph.add_nodes_from(range(4))
    for i in range(4):
        for j in range(i + 1):
            shared = len(set(words[i]) & set(words[j]))
            if shared:
                graph.add_edge(i, j, weight=shared / (math.log(len(words[i])) + math.log(len(words[j]))))
    ranks = networkx.pagerank(graph, weight="weight")
    assert list(np.argsort(-scores)) == sorted(range(4), key=lambda i: -ranks[i])


def test_textrank_refuses_a_language_without_stop_words(make_collection: MakeCollection) -> None:
    with pytest.raises(BenchError, match="no stop words for 'klingon'"):
        by_textrank(make_collection({"a": "salt"}, language="klingon"), [["salt"]])


def test_attention_is_what_the_other_tokens_of_the_text_give(make_collection: MakeCollection) -> None:
    import torch
    from transformers import AutoModel, AutoTokenizer

    (scores,) = by_attention(make_collection({"a": "salt"}), [CHUNKS])
    folder = find_weights(MINILM).folder
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder, attn_implementation="eager").eval()
    with torch.inference_mode():
        encoded = tokenizer(" ".join(CHUNKS), return_tensors="pt", return_offsets_mapping=True)
        offsets = encoded.pop("offset_mapping")[0].tolist()
        heads = model(**encoded, output_attentions=True).attentions[-1][0].double().numpy()
    own = range(1, len(offsets) - 1)
    start, expected = 0, []
    for chunk in CHUNKS:
        inside = [j for j in own if start <= offsets[j][0] < start + len(chunk)]
        expected.append(np.mean([sum(heads[:, i, j].mean() for i in own if i != j) for j in inside]))
        start += len(chunk) + 1
    np.testing.assert_allclose(scores, expected, rtol=1e-4)


def test_attention_reads_documents_longer_than_the_model_does(make_collection: MakeCollection) -> None:
    (scores,) = by_attention(make_collection({"a": "salt"}), [[*CHUNKS * 20, "salt " * 600]])
    assert scores.shape == (81,)
    assert np.isfinite(scores).all()
    assert (scores > 0).all()
