"""Real text as vectors."""

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from bench.models import MINILM, find_weights


@pytest.fixture(scope="session")
def item_vectors(docstrings: dict[str, tuple[str, str]]) -> np.ndarray:
    """MiniLM's vectors of some hundred summaries of docstrings, some of them equal; float32, dimension 384."""
    model = SentenceTransformer(str(find_weights(MINILM).folder), device="cpu")
    return model.encode([summary for summary, _ in docstrings.values()], show_progress_bar=False)
