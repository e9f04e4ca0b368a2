"""Reads texts as weights over a vocabulary, with a sparse encoder of sentence-transformers."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.models import ModelOptions, open_model
from bench.token_states import read_on_cores
from retrievers.encoding import check_length

if TYPE_CHECKING:
    from scipy.sparse import csr_array
    from sentence_transformers import SparseEncoder
    from torch import Tensor
    from torch.nn import Linear

_LOGITS_AT_ONCE = 2**18
"""Of some words for all tokens of a text; those of all words would not fit the processor's cache."""


class VocabularyEncoder:
    """A sparse encoder by name or path; a masked language model without a pooling of its own gets SPLADE's.

    SPLADE's pooling (Formal et al. 2021, section 3) is the maximum over a text's tokens of log(1 + relu(logit)). The
    function rises, so that the largest logit decides: where the head of the model is known, logits are made for some
    words at a time and only their largest is kept, which gives the same weights four times faster. Others are read as
    the library does it.
    """

    def __init__(self, name: str, max_tokens: int, options: ModelOptions) -> None:
        from sentence_transformers import SparseEncoder

        self._encoder = open_model(SparseEncoder, name, options)
        check_length(self._encoder, name, max_tokens)
        self._encoder.max_seq_length = max_tokens
        self._batch = options.encoding_batch
        self._head = _known_head(self._encoder)

    @property
    def device(self) -> str:
        return str(self._encoder.device)

    @property
    def size(self) -> int:
        """Words of the vocabulary."""
        return int(self.weights([""], "query").shape[1])

    def word(self, number: int) -> str:
        """The word piece that a column stands for."""
        return str(self._encoder.tokenizer.convert_ids_to_tokens(int(number)))

    def weights(self, texts: Sequence[str], role: str) -> "csr_array":
        """Shape [texts, words], float32, above 0 where a text has weight; `role` is "query" or "document"."""
        from scipy.sparse import csr_array, vstack

        parts = [csr_array(part) for part in self._dense(list(texts), role)]
        return vstack(parts, format="csr") if parts else csr_array((0, self.size), dtype=np.float32)

    def _dense(self, texts: list[str], role: str) -> Iterator[np.ndarray]:
        """Batches of texts, in the order given."""
        batches = [texts[start : start + self._batch] for start in range(0, len(texts), self._batch)]
        if self._head is None:
            read = self._encoder.encode_query if role == "query" else self._encoder.encode_document
            for batch in batches:
                found = read(batch, convert_to_sparse_tensor=False, show_progress_bar=False)
                yield found.float().cpu().numpy()
        elif len(batches) == 1:  # all cores read the only one
            yield self._largest(self._encoder.preprocess(texts))
        else:
            features = map(self._encoder.preprocess, batches)
            for _, largest in read_on_cores(features, self._largest, self._encoder.device.type):
                yield largest

    def _largest(self, features: dict[str, Any]) -> np.ndarray:
        import torch

        model: Any = self._encoder[0].model
        inputs = {name: features[name].to(model.device) for name in model_inputs(features)}
        with torch.inference_mode():
            states = model.base_model(**inputs).last_hidden_state
            before, head = self._head
            there = inputs["attention_mask"].bool()
            found = [_largest(before(text[kept]), head) for text, kept in zip(states, there, strict=True)]
            return torch.stack(found).float().cpu().numpy()


def _largest(states: "Tensor", head: "Linear") -> "Tensor":
    """Shape [words]: log(1 + relu(x)) of each word's largest logit x; `states` are of shape [tokens, dimension]."""
    import torch

    found = torch.empty(head.out_features, dtype=states.dtype, device=states.device)
    step = max(1, _LOGITS_AT_ONCE // len(states))
    for first in range(0, head.out_features, step):
        words = slice(first, first + step)
        found[words] = torch.nn.functional.linear(states, head.weight[words], head.bias[words]).amax(dim=0)
    return found.relu_().log1p_()


def model_inputs(features: "dict[str, Any]") -> list[str]:
    """Which of the tokenizer's outputs an encoder takes."""
    return [name for name in ("input_ids", "attention_mask", "token_type_ids") if name in features]


def _known_head(encoder: "SparseEncoder") -> Any:
    """What comes before the last linear map of a masked language model, and that map; None where it is not known."""
    from sentence_transformers.sparse_encoder.modules import SpladePooling
    from transformers import BertForMaskedLM

    if len(encoder) != 2 or not isinstance(encoder[1], SpladePooling):
        return None
    pooling, model = encoder[1], getattr(encoder[0], "model", None)
    plain = pooling.pooling_strategy == "max" and pooling.activation_function == "relu"
    if not plain or not isinstance(model, BertForMaskedLM):
        return None
    return model.cls.predictions.transform, model.cls.predictions.decoder
