"""The search with models of Hugging Face, against their own `generate`."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    PreTrainedModel,
    T5Config,
    T5ForConditionalGeneration,
)

from retrievers.generative.beam import Beams, Projection, beam_search, exact_scores, whole
from retrievers.generative.huggingface import BeamModel, HuggingFaceStepper, encode
from retrievers.generative.trie import Trie

VOCABULARY = 90
END = 1

Sequence = tuple[int, ...]


def t5() -> PreTrainedModel:
    return T5ForConditionalGeneration(
        T5Config(
            vocab_size=VOCABULARY, d_model=32, d_kv=8, num_heads=4, num_layers=2, d_ff=64, decoder_start_token_id=0
        )
    )


def bart() -> PreTrainedModel:
    config = BartConfig(
        vocab_size=VOCABULARY,
        d_model=32,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=64,
        decoder_ffn_dim=64,
        pad_token_id=0,
        bos_token_id=2,
        decoder_start_token_id=2,
        eos_token_id=END,
        forced_eos_token_id=None,
        init_std=0.3,
    )
    return BartForConditionalGeneration(config)


@pytest.fixture(scope="module", params=[t5, bart])
def model(request: pytest.FixtureRequest) -> PreTrainedModel:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return request.param().eval()


def sequences(lengths: tuple[int, ...], number: int = 300) -> list[Sequence]:
    generator = np.random.default_rng(0)
    found: set[Sequence] = set()
    while len(found) < number:
        tokens = generator.integers(3, 30, size=generator.choice(lengths))
        found.add((*map(int, tokens), END))
    return sorted(found)


def trie_of(identifiers: list[Sequence]) -> Trie:
    array = np.full((len(identifiers), max(map(len, identifiers))), -1)
    for row, sequence in enumerate(identifiers):
        array[row, : len(sequence)] = sequence
    return Trie.build(array, [VOCABULARY] * array.shape[1])


def questions() -> tuple[Tensor, Tensor]:
    """Texts of different lengths."""
    tokens = torch.from_numpy(np.random.default_rng(1).integers(3, VOCABULARY, (6, 11)))
    mask = (torch.arange(11) < torch.tensor([11, 4, 7, 1, 11, 9])[:, None]).long()
    return tokens * mask, mask


def allowed_by(identifiers: list[Sequence]) -> Callable[[int, Tensor], list[int]]:
    follows: dict[Sequence, set[int]] = {}
    for sequence in identifiers:
        for end, token in enumerate(sequence):
            follows.setdefault(sequence[:end], set()).add(token)
    lists = {prefix: sorted(tokens) for prefix, tokens in follows.items()}
    return lambda _, tokens: lists.get(tuple(tokens[1:].tolist()), [0])


def generated(
    model: PreTrainedModel, identifiers: list[Sequence], beams: int, **options: Any
) -> tuple[list[list[Sequence]], np.ndarray]:
    """The library's identifiers for each question, and their scores."""
    tokens, mask = questions()
    output = model.generate(
        tokens,
        attention_mask=mask,
        num_beams=beams,
        num_return_sequences=beams,
        max_new_tokens=max(map(len, identifiers)),
        length_penalty=0.0,
        prefix_allowed_tokens_fn=allowed_by(identifiers),
        return_dict_in_generate=True,
        output_scores=True,
        **options,
    )
    found = [tuple(row[1 : row.index(END) + 1]) for row in output.sequences.tolist()]
    return [found[i : i + beams] for i in range(0, len(found), beams)], output.sequences_scores.view(6, -1).numpy()


def named(beams: Beams, identifiers: list[Sequence], trie: Trie) -> list[list[Sequence]]:
    return [[identifiers[trie.items[group]] for group in row] for row in beams.groups.tolist()]


@torch.no_grad()
@pytest.mark.parametrize("early_stopping", [False, "never"])
@pytest.mark.parametrize("lengths", [(3,), (1, 2, 3, 4)], ids=["one length", "several lengths"])
def test_gives_the_same_answers_as_generate(
    model: PreTrainedModel, lengths: tuple[int, ...], early_stopping: bool | str
) -> None:
    identifiers = sequences(lengths)
    trie = trie_of(identifiers)
    beams = beam_search(HuggingFaceStepper(BeamModel(model), encode(model, *questions())), trie.on("cpu"), 20)
    expected, scores = generated(model, identifiers, 20, early_stopping=early_stopping)
    assert [row[:10] for row in named(beams, identifiers, trie)] == [row[:10] for row in expected]
    np.testing.assert_allclose(beams.log_probs, scores, atol=1e-4)


@torch.no_grad()
def test_early_stopping_of_generate_may_miss_better_answers(model: PreTrainedModel) -> None:
    # It ends with the first 4 complete ones; a longer identifier may yet be more probable than one of them.
    identifiers = sequences((1, 2, 3, 4))
    beams = beam_search(
        HuggingFaceStepper(BeamModel(model), encode(model, *questions())), trie_of(identifiers).on("cpu"), 4
    )
    _, scores = generated(model, identifiers, 4, early_stopping=True)
    assert (beams.log_probs.numpy() >= scores - 1e-4).all()


@torch.no_grad()
def test_exact_scores_are_those_of_teacher_forcing(model: PreTrainedModel) -> None:
    identifiers = sequences((1, 2, 3), number=20)
    trie = trie_of(identifiers)
    tokens, mask = questions()
    scores = exact_scores(HuggingFaceStepper(BeamModel(model), encode(model, tokens, mask)), trie.on("cpu"))
    for group, item in enumerate(trie.items):
        labels = torch.tensor([identifiers[item]] * len(tokens))
        start = torch.full_like(labels[:, :1], model.config.decoder_start_token_id)
        logits = model(
            input_ids=tokens, attention_mask=mask, decoder_input_ids=torch.cat([start, labels[:, :-1]], dim=1)
        ).logits
        expected = logits.log_softmax(dim=-1).gather(-1, labels[..., None]).sum(dim=(1, 2))
        np.testing.assert_allclose(scores[:, group], expected, atol=1e-4)


@torch.no_grad()
def test_beams_share_the_encoders_keys_and_the_model_is_left_as_it_was(model: PreTrainedModel) -> None:
    before = model.get_decoder().config._attn_implementation
    stepper = HuggingFaceStepper(BeamModel(model), encode(model, *questions()))
    beam_search(stepper, trie_of(sequences((3,))).on("cpu"), 20)
    assert [len(layer.keys) for layer in stepper._cache.cross_attention_cache.layers] == [6, 6]
    assert [len(layer.keys) for layer in stepper._cache.self_attention_cache.layers] == [120, 120]
    assert model.get_decoder().config._attn_implementation == before


@torch.no_grad()
def test_columns_are_those_of_all_the_models_logits(model: PreTrainedModel) -> None:
    if hasattr(model, "final_logits_bias"):
        model.final_logits_bias.copy_(torch.linspace(-1, 1, VOCABULARY)[None])
    head = model.get_output_embeddings().weight
    columns = [torch.arange(40, 50), torch.tensor([7, 3, 80])]
    encoded = encode(model, *questions())
    wide, narrow = (HuggingFaceStepper(BeamModel(model, some), encoded) for some in (None, columns))
    torch.testing.assert_close(narrow.start(), wide.start()[:, columns[0]])
    tokens, parents = torch.tensor([[2, 9, 0]] * 6), torch.zeros(6, 3, dtype=torch.long)
    found, expected = narrow.step(tokens, parents), wide.step(columns[0][tokens], parents)
    torch.testing.assert_close(whole(found), whole(expected)[..., columns[1]])
    assert model.get_output_embeddings().weight is head


@torch.no_grad()
def test_what_a_model_does_to_its_logits_after_the_head_is_kept(
    model: PreTrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward = type(model).forward

    def capped(self: PreTrainedModel, *arguments: Any, **options: Any) -> Any:
        output = forward(self, *arguments, **options)
        output.logits = output.logits.tanh()  # as models with a soft cap do
        return output

    encoded, steps = encode(model, *questions()), (torch.tensor([[2, 9]] * 6), torch.zeros(6, 2, dtype=torch.long))
    plain = HuggingFaceStepper(BeamModel(model), encoded)
    first, second = plain.start(), plain.step(*steps)
    assert isinstance(second, Projection)
    monkeypatch.setattr(type(model), "forward", capped)
    stepper = HuggingFaceStepper(BeamModel(model), encoded)
    torch.testing.assert_close(stepper.start(), first.tanh())
    torch.testing.assert_close(stepper.step(*steps), whole(second).tanh())
