"""Late-interaction checkpoints: which models are one, and how many tokens of a text they read."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.models import find_weights
from retrievers.encoding import token_limit

if TYPE_CHECKING:
    from sentence_transformers import MultiVectorEncoder


def is_checkpoint(name: str) -> bool:
    """Whether the model was trained for late interaction: the library would give others a random projection."""
    folder = find_weights(name).folder
    settings = _read_json(folder / "config_sentence_transformers.json")
    architectures = _read_json(folder / "config.json").get("architectures") or []
    return (
        settings.get("model_type") in ("MultiVectorEncoder", "ColBERT")
        or "query_prefix" in settings
        or any(kind == "HF_ColBERT" or kind.endswith("ForRetrieval") for kind in architectures)
    )


def _read_json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def set_lengths(model: "MultiVectorEncoder", document: int = 0, query: int = 0) -> None:
    """Have the model cut documents and queries after so many tokens, and fill queries up to as many; 0: as it does."""
    transformer: Any = model[0]
    if document:
        transformer.document_length = document
    if query:
        transformer.query_length = query
        if transformer.query_expansion:
            transformer.query_expansion = {**transformer.query_expansion, "length": query}


def document_tokens(model: "MultiVectorEncoder") -> int | None:
    """Tokens after which a document is cut, or None if none is."""
    transformer: Any = model[0]
    return transformer.document_length or token_limit(model)


def query_tokens(model: "MultiVectorEncoder") -> int | None:
    """Tokens after which a query is cut, or None if none is; a fixed augmentation cuts what it would fill up."""
    transformer: Any = model[0]
    expansion = transformer.query_expansion
    if expansion and expansion["strategy"] == "fixed":
        return expansion["length"]
    return transformer.query_length or token_limit(model)


def query_expansion(model: "MultiVectorEncoder") -> dict[str, Any] | None:
    """How short queries are filled up, if they are."""
    transformer: Any = model[0]
    return transformer.query_expansion
