"""Code that comes with a model is never run, whoever opens the model and however it names the code."""

import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.models import MINILM, ModelOptions, find_weights
from bench.tasks.judges.cross_encoder import CrossEncoderJudge
from retrievers.dense.sbert import SBERT
from retrievers.dense.token_vectors import Layer
from retrievers.generative.encoders import TextEncoder
from retrievers.late_interaction.colbert import ColBERT
from retrievers.lexical.vocabulary_encoder import VocabularyEncoder

CODE = """
from pathlib import Path
from transformers import BertConfig as Config, BertModel as Model, PreTrainedTokenizerFast as Tokenizer
Path({marker!r}).touch()
"""


def _tell(path: Path, **values: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text() if path.is_file() else "{}") | values))


def _own_architecture(folder: Path) -> None:
    _tell(
        folder / "config.json",
        model_type="evil",
        architectures=["EvilForSequenceClassification"],
        auto_map={f"Auto{kind}": "evil_code.Model" for kind in ("Model", "ModelForSequenceClassification")}
        | {"AutoModelForMaskedLM": "evil_code.Model", "AutoConfig": "evil_code.Config"},
    )


def _own_module(folder: Path) -> None:
    modules = [{"idx": 0, "name": "0", "path": "", "type": "evil_code.Model"}]
    (folder / "modules.json").write_text(json.dumps(modules))


def _own_module_of_a_checkpoint(folder: Path) -> None:
    _own_module(folder)
    _tell(folder / "config_sentence_transformers.json", model_type="MultiVectorEncoder")


def _own_tokenizer(folder: Path) -> None:
    _tell(
        folder / "tokenizer_config.json",
        tokenizer_class="Evil",
        auto_map={"AutoTokenizer": ["evil_code.Tokenizer", None]},
    )


OPENERS: dict[str, Callable[[str], object]] = {
    "sbert": lambda name: SBERT(model=name).encoder,
    "colbert": lambda name: ColBERT(model=name).encoder,
    "splade": lambda name: VocabularyEncoder(name, 64, ModelOptions()),
    "sif": lambda name: Layer(name, 1, 64, ModelOptions()),
    "dsi": lambda name: TextEncoder.open(name, ModelOptions()),
    "cross-encoder": lambda name: CrossEncoderJudge(name).scores([("a", "b")]),
}


@pytest.fixture
def make_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Makes a whole model with code beside it, in the folder that Python looks into first and with a yes on input."""

    def make(change: Callable[[Path], None]) -> Path:
        folder = tmp_path / "model"
        shutil.copytree(find_weights(MINILM).folder, folder)
        (folder / "evil_code.py").write_text(CODE.format(marker=str(tmp_path / "ran")))
        change(folder)
        monkeypatch.chdir(folder)
        monkeypatch.syspath_prepend(str(folder))
        monkeypatch.setattr("builtins.input", lambda *_: "y")
        return folder

    return make


@pytest.mark.parametrize(
    ("opener", "change"),
    [*((opener, _own_architecture) for opener in OPENERS), ("sbert", _own_module), ("colbert", _own_module)],
)
def test_a_model_that_needs_its_own_code_is_refused_with_the_remedy(
    opener: str, change: Callable[[Path], None], make_model: Callable[..., Path], tmp_path: Path
) -> None:
    folder = make_model(change)
    with pytest.raises(BenchError, match="never run: choose one whose architecture transformers has itself"):
        OPENERS[opener](str(folder))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("change", [_own_module, _own_module_of_a_checkpoint, _own_tokenizer])
@pytest.mark.parametrize("opener", OPENERS)
def test_code_that_comes_with_a_model_is_never_run(
    opener: str, change: Callable[[Path], None], make_model: Callable[..., Path], tmp_path: Path
) -> None:
    folder = make_model(change)
    with suppress(BenchError):
        OPENERS[opener](str(folder))
    assert not (tmp_path / "ran").exists()
