"""An index means the same on an accelerator as on the processor. Skipped where there is none."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from quick import ELSEWHERE, QUICK

from bench import registry
from bench.conformance.subject import Subject
from bench.protocols import can_be_saved
from bench.retriever import Retriever

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU that CUDA knows")


VARIANTS: list[tuple[str, dict[str, Any]]] = [
    ("dsi", {"start_vectors": "projection", "reading.parts": ["spans"], "teacher.distil": 0.5}),
    ("dsi", {"start": "random", "decoder.head": "shared"}),
    ("sbert", {"finetuning.method": "in-batch", "finetuning.weights": "projection", "finetuning.epochs": 1}),
    ("sid", {"decoder.head": "prefix"}),
    ("sid", {"architecture": "encoder-decoder"}),
]
"""Options with code of their own on the device."""


def _computing() -> list[tuple[str, dict[str, Any]]]:
    """Built-ins that have a device, with options."""
    plugins = registry.plugins("retriever")
    names = [name for name in sorted(plugins.keys() - ELSEWHERE) if "device" in plugins[name].load().model_fields]
    return [(name, {}) for name in names] + VARIANTS


@pytest.mark.parametrize(("name", "variant"), _computing())
def test_what_the_processor_learned_is_answered_alike_on_the_gpu(
    name: str, variant: dict[str, Any], tmp_path: Path
) -> None:
    kind = registry.find("retriever", name).load()
    exact = {"precision": "float32"} if "precision" in kind.model_fields else {}
    options = {**QUICK.get(name, {}), **variant, **exact}

    def made(device: str) -> Retriever:
        return kind.from_options(name, {**options, "seed": 0, "device": device})

    with Subject(name, kind, options) as subject:
        subject.try_kinds()  # on the GPU
        world = subject.home
        here, there = made("cpu"), made("cuda")
        assert can_be_saved(here)
        assert can_be_saved(there)
        here.fit(subject.world(world))
        here.save(tmp_path)
        there.load(tmp_path)
        everything = len(subject.world(world))
        expected = subject.answers(here, world, k=everything)
        found = subject.answers(there, world, k=everything)
        assert expected.lengths.sum() > 0
        for position in range(len(expected)):
            _same(expected.of(position), found.of(position))


def _same(expected: tuple[np.ndarray, np.ndarray], found: tuple[np.ndarray, np.ndarray]) -> None:
    """The same documents with the same scores, but for the rounding of float32."""
    scores = dict(zip(*expected, strict=True))
    assert scores.keys() == set(found[0].tolist())
    assert found[1] == pytest.approx([scores[row] for row in found[0].tolist()], rel=1e-3, abs=1e-3)
