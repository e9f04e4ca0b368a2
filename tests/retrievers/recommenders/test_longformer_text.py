"""Recformer with a Longformer: that it reads as the model does, and takes what the model has."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from merging import merged
from safetensors.torch import load_file, save_file
from same_answers import check_saved, check_unknown
from transformers import AutoModel, AutoTokenizer, LongformerConfig, LongformerModel

from bench.collections.collection import Collection
from bench.errors import BenchError
from bench.models import MINILM, find_weights
from retrievers.recommenders.item_texts import Described
from retrievers.recommenders.item_tokens import ItemTokens, item_tokens
from retrievers.recommenders.longformer_text import LongformerText, longformer_shape, places_of
from retrievers.recommenders.recformer import Recformer

TEXTS = [Described("open", "Opens a file."), Described("sort a long list", ""), Described("", "Joins two paths.")]
SEQUENCES = [np.array([0, 1, 2]), np.array([2])]
ONE_EPOCH: dict[str, Any] = {stage: {"epochs": 1} for stage in ("pretraining", "training", "last_training")}


def saved(folder: Path, types: int = 4) -> Path:
    """A Longformer from a random start, with MiniLM's tokenizer."""
    tokenizer = AutoTokenizer.from_pretrained(str(find_weights(MINILM).folder))
    config = LongformerConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        attention_window=[8],
        max_position_embeddings=130,
        type_vocab_size=types,
        pad_token_id=1,
    )
    torch.manual_seed(0)
    LongformerModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("longformer"))


def opened(folder: Path, items: int = 3) -> tuple[LongformerText, ItemTokens, list[int], Any]:
    tokenizer, model = AutoTokenizer.from_pretrained(str(folder)), AutoModel.from_pretrained(str(folder)).eval()
    catalogue, numbers = item_tokens(TEXTS, tokenizer, 8)
    config = model.config.to_dict()
    shape = longformer_shape("tiny", config, catalogue, items, "mean")
    network = LongformerText(shape, catalogue, 0.05, config).eval()
    network.take(model, numbers, places_of(folder))
    return network, catalogue, numbers, model


def test_a_text_is_read_as_the_model_reads_it(folder: Path) -> None:
    network, catalogue, numbers, model = opened(folder)
    torch.nn.init.zeros_(network.places.weight)
    flat = catalogue.flat(SEQUENCES, 3)
    tokens, types = torch.tensor(numbers)[torch.from_numpy(flat.tokens)], torch.from_numpy(flat.types)
    everywhere = torch.zeros_like(tokens)
    everywhere[:, 0] = 1
    whole = torch.arange(2, 2 + tokens.shape[1]).expand_as(tokens)
    with torch.no_grad():
        found = network(flat)
        expected = model(
            input_ids=tokens,
            attention_mask=(types != 3).long(),
            global_attention_mask=everywhere,
            token_type_ids=types,
            position_ids=whole,
        ).last_hidden_state
    read = types != 3
    assert read[1].sum() < read[0].sum()
    torch.testing.assert_close(found[read], expected[read], atol=1e-5, rtol=1e-4)


def test_an_items_place_is_read_too(folder: Path) -> None:
    network, catalogue, _, _ = opened(folder)
    same, turned = (network.sequences(catalogue.flat([np.array(rows)], 3)) for rows in ([0, 1], [1, 0]))
    assert not torch.allclose(same, turned, atol=1e-3)


def test_types_that_the_model_lacks_begin_as_its_last(tmp_path: Path) -> None:
    network, _, _, model = opened(saved(tmp_path, types=1))
    own = network.longformer.embeddings.token_type_embeddings.weight
    assert torch.equal(own, model.embeddings.token_type_embeddings.weight.expand(4, -1))


def test_vectors_of_places_are_those_of_the_released_weights(tmp_path: Path) -> None:
    path = saved(tmp_path) / "model.safetensors"
    places = torch.arange(51 * 16, dtype=torch.float32).reshape(51, 16)
    save_file({**load_file(path), "longformer.item_position_embeddings.weight": places}, path, {"format": "pt"})
    network, _, _, _ = opened(tmp_path)
    assert torch.equal(network.places.weight, places[:4])
    assert places_of(find_weights(MINILM).folder) is None


def test_it_learns_and_comes_back(folder: Path, months: Collection, tmp_path: Path) -> None:
    options = merged({"start": "model", "model": str(folder), "longest": 6, "value_tokens": 4}, ONE_EPOCH)
    system = Recformer(**options).fit(months.training_view())
    first = system.facts()["stages"]["pretraining"]["epochs"]
    assert first[1]["loss"] > 0
    check_saved(system, Recformer(**options), months.queries(), tmp_path)
    check_unknown(system)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"model": MINILM}, "is a bert; start=model takes a Longformer"),
        ({"longest": 60}, r"reads 128 tokens, 60 items have \d+; lower longest or value_tokens"),
    ],
)
def test_a_model_that_cannot_read_so_is_refused(
    folder: Path, months: Collection, options: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(BenchError, match=complaint):
        Recformer(**{"start": "model", "model": str(folder), **options}).fit(months.training_view())
