"""Memory grows no faster with the collection than a million documents in 4 GB allow."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "speed" / "million_documents.py"
LIBRARIES_MB, MOST_MB = 800.0, 4000.0
SYSTEMS = ["bm25", "sbert", "splade-index"]


@pytest.mark.slow
def test_200000_documents_need_a_fifth_of_what_a_million_may() -> None:
    command = [sys.executable, SCRIPT, "--documents", "200000", "--systems", *SYSTEMS]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    peaks = {
        (system, step): float(peak) for system, _, step, _, _, peak, _ in map(str.split, done.stdout.splitlines()[1:])
    }
    assert len(peaks) == 1 + 2 * len(SYSTEMS)
    most = LIBRARIES_MB + (MOST_MB - LIBRARIES_MB) / 5
    assert not {step: peak for step, peak in peaks.items() if peak > most}
