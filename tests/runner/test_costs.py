"""Costs that compare: what a system needs, and nothing of what ran before or beside it."""

import pytest
from conftest import PROBES, MakeCells, run


def test_memory_is_the_systems_own_and_measured_where_single_queries_are_timed(make_cells: MakeCells) -> None:
    """Search comes last here: what the tasks before it needed is no part of its memory."""
    (record,), _ = run(make_cells("needs-memory", tasks=dict(reversed(PROBES.items()))))
    assert record.done
    memory = {task.result.task: task.result.cost.memory_mb for task in record.tasks}
    assert memory == {"search": pytest.approx(200, rel=0.05), "exclusivity": None, "completeness": None}


def test_shared_work_that_was_there_already_changes_no_memory(make_cells: MakeCells) -> None:
    (cold, warm), _ = run(make_cells("needs-memory", seeds=(0, 1), megabytes=150))
    assert cold.manifest is not None
    assert warm.manifest is not None
    assert warm.manifest.cost.reused_seconds > 0.1
    first, second = (record.tasks[0].result.cost.memory_mb for record in (cold, warm))
    assert first == pytest.approx(second, rel=0.05)
    assert cold.manifest.cost.peak_memory_mb > 290
    assert warm.manifest.cost.peak_memory_mb is None


def test_processor_time_is_told_of_a_whole_fit_alone(make_cells: MakeCells) -> None:
    """The seconds that another fit took for shared work are charged; nobody knows its processor time."""
    (cold, warm), _ = run(make_cells("needs-memory", seeds=(0, 1), megabytes=2))
    assert cold.manifest is not None
    assert warm.manifest is not None
    assert cold.manifest.cost.processor_seconds > 0
    assert warm.manifest.cost.seconds > 0
    assert warm.manifest.cost.processor_seconds is None


def test_memory_of_what_cannot_be_saved_and_of_what_answers_elsewhere_is_unknown(make_cells: MakeCells) -> None:
    (here, elsewhere), _ = run(make_cells("tf-idf", "remote"))
    for record in (here, elsewhere):
        assert record.done
        assert record.tasks[0].result.cost.memory_mb is None
        assert record.manifest is not None
        assert record.manifest.cost.index_bytes is None
    assert elsewhere.manifest is not None
    assert elsewhere.manifest.cost.peak_memory_mb is None


def test_every_task_is_answered_by_a_loaded_index(make_cells: MakeCells) -> None:
    (record,), notes = run(make_cells("saved", tasks=PROBES))
    assert record.done
    assert notes.heard.count("loading index") == len(PROBES)
    assert notes.heard.count("fitting") == 1
