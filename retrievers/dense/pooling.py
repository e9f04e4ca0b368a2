"""How one vector is made of a text's token vectors, and what a model's folder leaves unsaid."""

import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bench.errors import BenchError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Pooling = Literal["auto", "mean", "cls", "lasttoken", "max"]
Similarity = Literal["auto", "cosine", "dot"]

_PROMPTS = {
    r"e5": ("query: ", "passage: "),
    r"nomic-embed-text": ("search_query: ", "search_document: "),
}
"""Models by a part of their name that were trained with prompts which their folders do not always hold."""

_log = logging.getLogger(__name__)


def set_pooling(encoder: "SentenceTransformer", folder: Path, wanted: Pooling, name: str) -> str:
    """Have the encoder pool as wanted, and tell how it does: "mean", or "mean (not said by the model)".

    A plain folder, with no modules.json, says nothing of pooling: the library then takes the mean, which is right for
    Contriever and wrong for DPR (cls). Raises BenchError for a model that does not pool.
    """
    from sentence_transformers.sentence_transformer.modules import Pooling as Module

    place = next((place for place, module in enumerate(encoder) if isinstance(module, Module)), None)
    if place is None:
        if wanted != "auto":
            raise BenchError(f"model '{name}' pools no token vectors; leave pooling at auto")
        return "none"
    module: Any = encoder[place]
    if wanted != "auto":
        pooled = Module(module.embedding_dimension, pooling_mode=wanted, include_prompt=module.include_prompt)
        encoder[place] = pooled
        return wanted
    found = module.get_config_dict()["pooling_mode"]
    mode = found if isinstance(found, str) else "+".join(found)
    if (folder / "modules.json").is_file():
        return mode
    _log.warning(
        "%s says nothing of pooling; %s is taken: choose it with pooling=, similarity with similarity=", name, mode
    )
    return f"{mode} (not said by the model)"


def missing_prompts(name: str, folder: Path, prompts: tuple[str, str]) -> str:
    """What the model was probably trained with and has not got, in a line; empty where nothing is missing."""
    called = f"{name} {folder.name}".lower()
    for part, (query, document) in _PROMPTS.items():
        if re.search(rf"(?<![a-z0-9]){part}(?![a-z0-9])", called) and not any(prompts):
            line = f"no prompts, though models called {part} are trained with '{query}' and '{document}'"
            _log.warning("%s: %s; set query_prompt and document_prompt", name, line)
            return line
    return ""
