"""The parts of a system's page that are made of words and of the course of its training."""

import pytest

from bench.leaderboard.writers.course import courses, is_course
from bench.leaderboard.writers.system import paragraphs, pieces


def test_addresses_and_papers_become_links() -> None:
    found = list(pieces("TIGER (arXiv 2305.05065); code at https://example.org/tiger, see 1.23456."))
    assert "".join(piece.text for piece in found) == (
        "TIGER (arXiv 2305.05065); code at https://example.org/tiger, see 1.23456."
    )
    assert [piece.address for piece in found if piece.address] == [
        "https://arxiv.org/abs/2305.05065",
        "https://example.org/tiger",
    ]


def test_a_docstring_is_read_by_its_paragraphs() -> None:
    assert paragraphs("One\nline.\n\n\n  Another.\n") == ["One line.", "Another."]


def epochs(*values: float | None) -> list[dict[str, float | None]]:
    return [{"epoch": number, "loss": None, "MRR@10": value} for number, value in enumerate(values)]


def test_a_course_is_drawn_for_each_seed_with_the_epoch_that_was_chosen() -> None:
    chart = courses(
        "pydoc-1k",
        {
            0: {"decided_by": "MRR@10", "chosen_epoch": 1, "epochs": epochs(0.1, 0.3, 0.2)},
            1: {"decided_by": "MRR@10", "chosen_epoch": 0, "epochs": epochs(0.2, None, 0.1)},
        },
    )
    assert chart is not None
    assert chart.title == "pydoc-1k: MRR@10 by epoch"
    assert chart.notes == ["chosen: epoch 1 (seed 0), epoch 0 (seed 1)"]
    assert chart.svg.count("mark-symbol") >= 1


def test_a_single_epoch_is_no_course() -> None:
    assert courses("pydoc-1k", {0: {"decided_by": "MRR@10", "chosen_epoch": 0, "epochs": epochs(0.1)}}) is None


@pytest.mark.parametrize(
    "told", [None, {}, "an hour", {"epochs": 5}, {"epochs": [1, 2]}, {"first": {"epochs": epochs(0.1, 0.2)}}]
)
def test_what_a_system_tells_of_its_training_need_not_be_a_course(told: object) -> None:
    assert not is_course(told)
    assert is_course({"decided_by": "MRR@10", "chosen_epoch": 0, "epochs": epochs(0.1, 0.2)})
