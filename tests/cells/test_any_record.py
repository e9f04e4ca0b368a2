"""Whatever a record on disk says, reading it gives a record or one line that says what is wrong."""

import json
from pathlib import Path
from typing import Any

import pytest
from bad_input import EXTENT, changes, one_clear_line, search
from made_packages import identity, task_result
from pydantic import BaseModel

from bench.cells.record import Failure, Manifest
from bench.cells.sealed import read_sealed, write_sealed
from bench.digests import digest_data

RECORDS = {
    "manifest": Manifest(cell=identity()),
    "result": task_result(),
    "failure": Failure(cell=identity(), reason="out of memory", seconds=1.0),
}


@pytest.mark.parametrize("extent", EXTENT)
@pytest.mark.parametrize("model", RECORDS.values(), ids=RECORDS)
def test_a_record_of_another_structure_is_refused_in_one_line(model: BaseModel, extent: int, tmp_path: Path) -> None:
    """Sealed as if it had been written so."""
    path = tmp_path / "record.json"
    write_sealed(path, model)
    content = json.loads(path.read_text())
    del content["digest"]

    def check(data: Any) -> None:
        seal = {"digest": digest_data(data)} if isinstance(data, dict) and "\\ud800" not in json.dumps(data) else {}
        path.write_text(json.dumps(data | seal if isinstance(data, dict) else data))
        one_clear_line(lambda: read_sealed(path, type(model)))

    search(changes(content), check, extent)
