"""What recommenders share that name the items by codes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydantic import Field

from bench.collections.collection import Collection
from bench.mappings import mapping_files
from retrievers.recommenders.item_texts import ItemReader
from retrievers.recommenders.semantic_ids.options import TokenizerOptions
from retrievers.recommenders.semantic_ids.tokenizers import Codes, codes_of_file, tokenize


class ItemCoder(ItemReader):
    """A recommender whose items have codes, made of their text, of the sequences, or given in a file."""

    tokenizer: TokenizerOptions = Field(default_factory=TokenizerOptions, description="how items become codes")

    def codes(self, collection: Collection, sequences: Sequence[np.ndarray]) -> Codes:
        """Raises BenchError where no item has text that the tokenizer reads."""
        if self.tokenizer.kind == "mapping":
            return codes_of_file(self.tokenizer, collection.documents.ids())
        reads = self.tokenizer.reads_text
        vectors = self.coded(collection, sequences) if reads else np.zeros((len(collection), 1), np.float32)
        return self.codes_of(vectors, sequences)

    def codes_of(self, vectors: np.ndarray, sequences: Sequence[np.ndarray]) -> Codes:
        """What the tokenizer makes of vectors of the items, shape [items, dimension]."""
        return tokenize(self.tokenizer, vectors, sequences, self.seed, self.progress)

    def coded(self, collection: Collection, sequences: Sequence[np.ndarray]) -> np.ndarray:  # noqa: ARG002
        """The vectors that become codes, of shape [items, dimension]."""
        return self.item_vectors(collection)

    def weights(self) -> list[str]:
        return super().weights() if self.tokenizer.reads_text else []

    def files(self) -> list[Path]:
        return mapping_files(Path(self.tokenizer.mapping)) if self.tokenizer.mapping else []
