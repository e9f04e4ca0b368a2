"""Popularity of the last days: which interactions are that late, and what is not known to be."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from bench.collections.catalogue import open_dataset
from bench.collections.collection import Collection, Query
from bench.collections.histories import training_sequences, training_times
from bench.errors import BenchError
from bench.tasks.id_audit import rename_items
from retrievers.recommenders.popularity import Popularity

DAY = 86_400
START = 880_000_000
"""Seconds since 1970, in November 1997, as in MovieLens."""

LOANS = {
    "ann": [("emma", 0), ("emma", 1), ("persuasion", 8), ("villette", 9), ("shirley", 9)],
    "bob": [("emma", 2), ("villette", 9.5), ("shirley", 10), ("emma", 11)],
    "cy": [("persuasion", 10), ("shirley", 12), ("villette", 13)],
}
"""Day on which a book was borrowed. Training lacks the last two of each reader, so it ends on day 10."""


def library(folder: Path, unit: int = 1, start: int = START, options: str = "") -> Collection:
    folder.mkdir(exist_ok=True)
    lines = [
        f"{reader}\t{book}\t{round((start + day * DAY) * unit)}\n"
        for reader, loans in LOANS.items()
        for book, day in loans
    ]
    header = "user_id:token\titem_id:token\ttimestamp:float\n"
    (folder / "loans.inter").write_text(header + "".join(lines), encoding="utf-8")
    return open_dataset(f"recbole:{folder}{options}").collection


def order(collection: Collection, **options: float) -> Sequence[str]:
    """All books, the most popular first; equal ones by id."""
    system = Popularity(**options).fit(collection.training_view())
    query = Query("q", "", ("emma",))
    answers = system.retrieve([query], 9).canonical([query], collection.documents, 9)
    return collection.documents.ids(answers.of(0)[0])


def test_only_the_last_days_count_and_the_others_decide_between_equals(tmp_path: Path) -> None:
    """On days 8 to 10 training has two loans of persuasion and one of villette; before, three of emma."""
    collection = library(tmp_path / "loans")
    assert order(collection) == ["emma", "persuasion", "villette", "shirley"]
    assert order(collection, days=3) == ["persuasion", "villette", "emma", "shirley"]
    assert order(collection, days=1000) == order(collection)


def test_a_day_ends_as_it_began(tmp_path: Path) -> None:
    """The latest loan of training is cy's on day 10; one two days before is within three days, and not within two."""
    collection = library(tmp_path / "loans")
    times = sorted(float(time) for one in training_times(collection) for time in one)
    assert [(time - START) / DAY for time in times] == [0, 1, 2, 8, 9.5, 10]
    within_two = Popularity(days=2).fit(collection.training_view())
    rows = collection.documents.rows
    assert int(within_two._learned["counts"][rows["persuasion"]]) == 1
    within_three = Popularity(days=2.001).fit(collection.training_view())
    assert int(within_three._learned["counts"][rows["persuasion"]]) == 2


def test_loans_of_one_moment_all_count(tmp_path: Path) -> None:
    folder = tmp_path / "loans"
    folder.mkdir()
    lines = [f"{reader}\t{book}\t{START}\n" for reader, loans in LOANS.items() for book, _ in loans]
    (folder / "loans.inter").write_text("user_id:token\titem_id:token\ttimestamp:float\n" + "".join(lines))
    collection = open_dataset(f"recbole:{folder}").collection
    assert order(collection, days=1) == order(collection)


@pytest.mark.parametrize("unit", [1, 10**3, 10**6, 10**9])
def test_times_are_known_whatever_fraction_of_a_second_they_count(tmp_path: Path, unit: int) -> None:
    collection = library(tmp_path / "loans", unit)
    assert [len(times) for times in training_times(collection)] == list(map(len, training_sequences(collection)))
    assert training_times(collection)[0].tolist() == [START, START + DAY, START + 8 * DAY]
    assert order(collection, days=3)[0] == "persuasion"


def test_of_a_split_by_time_the_days_before_the_cut_count(tmp_path: Path) -> None:
    cuts = f"?protocol=time&valid_from={START + 9 * DAY}&test_from={START + 10 * DAY}"
    collection = library(tmp_path / "loans", options=cuts)
    assert max(float(times.max()) for times in training_times(collection)) == START + 8 * DAY
    assert order(collection, days=1)[0] == "persuasion"


def test_where_times_are_no_dates_or_absent_the_remedy_is_told(tmp_path: Path, months: Collection) -> None:
    no_dates = library(tmp_path / "numbers", start=5 * DAY)
    for collection in (months, no_dates, library(tmp_path / "untimed", options="?time=")):
        with pytest.raises(BenchError, match="does not say when its interactions were; give a collection that does"):
            order(collection, days=7)
        assert len(order(collection)) > 0


def test_a_loan_without_a_time_is_left_out_if_that_is_asked_for(tmp_path: Path) -> None:
    library(tmp_path / "loans")
    with (tmp_path / "loans" / "loans.inter").open("a") as file:
        file.write("bob\tshirley\t\n")
    collection = open_dataset(f"recbole:{tmp_path / 'loans'}?incomplete=drop").collection
    assert order(collection, days=3) == ["persuasion", "villette", "emma", "shirley"]


def test_times_are_part_of_the_fingerprint_and_survive_other_item_ids(tmp_path: Path) -> None:
    early, late = library(tmp_path / "early"), library(tmp_path / "late", start=START + DAY)
    assert early.fingerprint != late.fingerprint
    assert (
        library(tmp_path / "a", options="?time=").digest == library(tmp_path / "b", start=3, options="?time=").digest
    )
    (tmp_path / "renamed").mkdir()
    renamed = rename_items(early, tmp_path / "renamed", seed=0)
    assert [query.times for query in renamed.queries()] == [query.times for query in early.queries()]
