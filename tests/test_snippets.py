"""Every command and every snippet of README.md and docs/ runs, in a folder that holds the files they speak of."""

import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from snippet_folder import write_files
from snippets import TEXTS, Block, blocks, command_lines
from typer.testing import CliRunner

from bench import registry
from bench.cli import app

NOT_RUN = {
    ("README.md", "git clone URL retrieval-bench && cd retrieval-bench"),
    ("README.md", "pip install -c constraints.txt -e '.[offline]' && python -m bench run --suite dsi"),
    ("docs/commands.md", "python -m bench run --suite dsi --out s3://bucket/prefix"),
    (
        "docs/commands.md",
        "python -m bench run --suite dsi --executor ray --ray-address auto --out s3://bucket/runs --needs cpus=4",
    ),
    ("docs/commands.md", "python -m bench tune sasrec --suite sid --trials 10 --time 2h"),
    ("docs/contributing.md", "pip install -c constraints.txt -e '.[offline,test]' && pytest"),
    (
        "docs/contributing.md",
        "pytest -m real_data             # figures on public datasets in $BENCH_DATA (default: data)",
    ),
    ("docs/plugins.md", "from langchain_core.vectorstores import InMemoryVectorStore"),
    (
        "docs/plugins.md",
        "python -m bench run --dataset pydoc-1k --retriever 'http?url=http://localhost:9200&preset=opensearch&index=docs'",
    ),
    ("docs/publish.md", "pip install -c constraints.txt -e '.[docs]'"),
    ("docs/publish.md", "pip install -c constraints.txt -e '.[offline,publish]'"),
    ("docs/publish.md", "python -m bench verify --published --data FOLDER"),
    ("docs/publish.md", "python -m bench verify results/baselines --dataset scifact=beir:FOLDER"),
    (
        "docs/scale.md",
        "python -m bench run --dataset msmarco-passage --retriever bm25 --retriever sbert --set sbert.workers=8 "
        "--set sbert.precision=auto --set bm25.shards=8",
    ),
    ("docs/scale.md", "python tests/speed/million_documents.py > sizes.txt"),
}
"""Page and first line of each block that is not run; the page says why."""

ELSEWHERE = {"trec:FOLDER": "trec:TREC", "notes:FOLDER": "notes:NOTES"}
"""Where the folder of a form lies here."""

RUN = [block for page in TEXTS for block in blocks(page, "sh", "python") if block.mark != "not run"]


def marked(block: Block, *values: Any, name: str) -> Any:
    """A test of its own; what takes longer is marked slow."""
    return pytest.param(block, *values, marks=[pytest.mark.slow] if block.mark == "slow" else [], id=name)


LINES = [
    marked(block, line, name=f"{block.page}: {line}")
    for block in RUN
    if block.language == "sh"
    for line in command_lines(block)
]
SNIPPETS = [marked(block, name=str(block)) for block in RUN if block.language == "python"]


@pytest.fixture(scope="module")
def folder(beir_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("snippets")
    write_files(made, beir_folder)
    return made


@pytest.fixture(autouse=True)
def reader(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who stands in the folder, without plugins of an earlier command."""
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(registry, "_from_files", [])


@pytest.fixture(scope="module")
def names() -> dict[str, dict[str, Any]]:
    """What the snippets of each page have defined so far."""
    return {page: {"__name__": "notebook"} for page in TEXTS}


@pytest.fixture(scope="module")
def two_cells(folder: Path) -> list[str]:
    """Cells of another machine, for the commands that name cells."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        done = CliRunner().invoke(app, ["run", "--suite", "mine.toml", "--out", "other-machine/runs"])
    assert done.exit_code == 0, done.output
    return sorted(f"other-machine/runs/cells/{path.name}" for path in folder.glob("other-machine/runs/cells/bm25*"))


def test_what_is_not_run_is_known_and_says_why() -> None:
    marked = [block for page in TEXTS for block in blocks(page, "sh", "python") if block.mark == "not run"]
    assert {(block.page, block.text.splitlines()[0]) for block in marked} == NOT_RUN
    assert all(block.why for block in marked)


def test_commands_stand_in_blocks_that_are_run() -> None:
    assert {block.language for page in TEXTS for block in blocks(page, r"sh", "bash", "console", "shell")} == {"sh"}
    for page, text in TEXTS.items():
        assert not [line for line in text.splitlines() if line.startswith("    python -m bench")], page


@pytest.mark.parametrize(("block", "line"), LINES)
def test_a_command_succeeds(block: Block, line: str, two_cells: list[str]) -> None:
    for placeholder, place in ELSEWHERE.items():
        line = line.replace(placeholder, place)
    line = line.replace("runs/cells/ONE", two_cells[0]).replace("runs/cells/OTHER", two_cells[-1])
    python, dash, module, *words = shlex.split(line, comments=True)
    assert (python, dash, module) == ("python", "-m", "bench")
    done = CliRunner().invoke(app, [*words, *(["--dry-run"] if block.mark == "planned" else [])])
    assert done.exit_code == 0, done.output + str(done.exception or "")


@pytest.mark.parametrize("block", SNIPPETS)
def test_a_snippet_runs(block: Block, names: dict[str, dict[str, Any]], folder: Path) -> None:
    if "def test_" in block.text:
        (folder / "test_snippet.py").write_text(block.text)
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_snippet.py"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return
    exec(compile(block.text, block.page, "exec"), names[block.page])
