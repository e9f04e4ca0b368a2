"""RecBole's folders as people have them: what is asked, by leave-one-out, by time, and where splits are given."""

from pathlib import Path

import pytest

from bench.collections.catalogue import open_dataset
from bench.collections.collection import Collection
from bench.errors import BenchError
from bench.tasks.next_item import NextItem

Rows = list[tuple[str, str, int | str]]

FIRST = 1_387_670_400_000_000_000
"""Nanoseconds since 1970, which a float rounds to the next 256."""

WEEK: Rows = [
    *[("ann", item, day) for item, day in (("saw", 1), ("glue", 2), ("clamp", 6), ("plane", 9))],
    *[("bob", item, day) for item, day in (("glue", 3), ("saw", 4), ("plane", 8), ("clamp", 10))],
    *[("cy", item, day) for item, day in (("saw", 9), ("glue", 10), ("plane", 11))],
    *[("dan", item, day) for item, day in (("saw", 2), ("plane", 3), ("glue", 5))],
]


def write(folder: Path, interactions: Rows, name: str = "shop.inter") -> Path:
    folder.mkdir(exist_ok=True)
    lines = [f"{user}\t{item}\t{time}\n" for user, item, time in interactions]
    (folder / name).write_text("user_id:token\titem_id:token\ttimestamp:float\n" + "".join(lines), encoding="utf-8")
    return folder


def read(folder: Path, options: str = "") -> Collection:
    return open_dataset(f"recbole:{folder}{'?' if options else ''}{options}").collection


def asked(collection: Collection, split: str) -> dict[str, tuple[list[str], str]]:
    """History and target of each question."""
    rows = collection.qrels(split).rows
    targets = collection.documents.ids(rows)
    return {
        query.id: (list(query.history), target)
        for query, target in zip(collection.queries(split), targets, strict=True)
    }


def test_times_that_differ_by_a_nanosecond_are_different_times(tmp_path: Path) -> None:
    late_first = [("ann", item, FIRST + 3 - place) for place, item in enumerate(("saw", "glue", "clamp", "plane"))]
    collection = read(write(tmp_path / "shop", late_first))
    assert asked(collection, "test") == {"ann": (["plane", "clamp", "glue"], "saw")}
    assert collection.notes["order of a user's equal times"] == "as in the file (0 interactions)"


def test_whole_numbers_that_are_written_with_a_point_are_as_exact(tmp_path: Path) -> None:
    late_first = [("ann", item, f"{FIRST + 2 - place}.0") for place, item in enumerate(("saw", "glue", "clamp"))]
    assert asked(read(write(tmp_path / "shop", late_first)), "test") == {"ann": (["clamp", "glue"], "saw")}


def test_items_need_no_file_where_no_text_is_read(tmp_path: Path) -> None:
    collection = read(write(tmp_path / "shop", WEEK))
    assert collection.notes["items without text"] == 4
    assert [document.id for document in collection.documents] == ["clamp", "glue", "plane", "saw"]


def test_without_times_the_way_to_do_without_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    lines = [f"{user}\t{item}\n" for user, item, _ in WEEK]
    (folder / "shop.inter").write_text("user_id:token\titem_id:token\n" + "".join(lines), encoding="utf-8")
    with pytest.raises(BenchError, match=r"no column 'timestamp': .*\?time= alone where no column has the time"):
        read(folder)
    collection = read(folder, "time=")
    assert asked(collection, "test")["dan"] == (["saw", "plane"], "glue")
    assert "later than the question" not in collection.notes
    with pytest.raises(BenchError, match=r"needs times that all users share, and they are not read"):
        read(folder, "time=&protocol=time")


@pytest.mark.parametrize(("line", "problem"), [("bob\tglue\t\n", "no timestamp"), ("bob\t\t3\n", "no item_id")])
def test_what_lacks_a_value_is_refused_or_left_out_and_counted(tmp_path: Path, line: str, problem: str) -> None:
    folder = write(tmp_path / "shop", WEEK)
    path = folder / "shop.inter"
    path.write_text(path.read_text() + line + "bob\tsaw\tNaN\n", encoding="utf-8")
    with pytest.raises(BenchError, match=rf"shop\.inter:16: {problem}; .*\?incomplete=drop"):
        read(folder)
    collection = read(folder, "incomplete=drop")
    assert collection.notes["interactions left out (no user, item or time)"] == 2
    assert collection.fingerprint == read(write(tmp_path / "whole", WEEK)).fingerprint


def test_what_leave_one_out_tells_of_the_future_is_counted(tmp_path: Path) -> None:
    """Fitted are the days 1, 2 (ann), 3, 4 (bob), 9 (cy), 2 (dan); asked for the days 9, 10, 11 and 5."""
    collection = read(write(tmp_path / "shop", WEEK))
    assert collection.notes["later than the question"] == (
        "on average 4.2% of the interactions that are fitted come after the one asked for; 1 of 4 questions have such"
    )


def test_positions_in_place_of_times_tell_nothing_of_the_future(tmp_path: Path) -> None:
    counted = [(user, item, place) for user in ("ann", "bob") for place, item in enumerate("abcd", start=1)]
    folder = write(tmp_path / "shop", counted)
    assert read(folder).notes["later than the question"] == "not known, times are positions in each sequence"
    with pytest.raises(BenchError, match="they are positions in each user's own sequence"):
        read(folder, "protocol=time")


def test_a_split_by_time_asks_for_the_first_item_from_then_on(tmp_path: Path) -> None:
    collection = read(write(tmp_path / "shop", WEEK), "protocol=time&valid_from=5&test_from=8")
    assert asked(collection, "test") == {
        "ann": (["saw", "glue", "clamp"], "plane"),
        "bob": (["glue", "saw"], "plane"),
    }
    assert asked(collection, "valid") == {"ann": (["saw", "glue"], "clamp"), "dan": (["saw", "plane"], "glue")}
    assert asked(collection, "train") == {
        "ann": (["saw"], "glue"),
        "bob": (["glue"], "saw"),
        "dan": (["saw"], "plane"),
    }
    notes = collection.notes
    assert notes["users left out (no history before the time that is asked about)"] == 1  # cy
    assert notes["interactions from then on that nobody is asked about"] == 4  # bob's last and all of cy's
    definition = NextItem().on(collection).definition
    assert definition.startswith(
        "split at the times 5 and 8 (test): each of 2 users has one relevant item among all 4"
    )
    assert "systems are fitted on interactions before 5" in definition


def test_cut_offs_that_are_not_given_hold_a_tenth_back_each(tmp_path: Path) -> None:
    two_users: Rows = [(f"user{day % 2}", f"item{day % 7}", day) for day in range(2, 102)]
    collection = read(write(tmp_path / "shop", two_users), "protocol=time")
    assert collection.notes["protocol"] == "split at the times 82 and 92"


@pytest.mark.parametrize("options", ["valid_from=8&test_from=8", "valid_from=1", "test_from=12", "valid_from=11"])
def test_cut_offs_that_leave_a_part_empty_are_refused(tmp_path: Path, options: str) -> None:
    with pytest.raises(BenchError, match=r"leave one part empty: times go from 1 to 11; give \?valid_from="):
        read(write(tmp_path / "shop", WEEK), f"protocol=time&{options}")


def test_equal_times_cannot_be_split(tmp_path: Path) -> None:
    at_once = [(user, item, 7) for user, item, _ in WEEK]
    folder = write(tmp_path / "shop", at_once)
    assert read(folder).notes["order of a user's equal times"] == "as in the file (14 interactions)"
    with pytest.raises(BenchError, match="times go from 7 to 7"):
        read(folder, "protocol=time")


def test_cut_offs_are_for_the_split_by_time(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"\?test_from= is for \?protocol=time"):
        read(write(tmp_path / "shop", WEEK), "test_from=8")


def listed(folder: Path, part: str, rows: list[tuple[str, str, str]]) -> None:
    folder.mkdir(exist_ok=True)
    lines = [f"{user}\t{item}\t3\t{history}\n" for user, history, item in rows]
    head = "user_id:token\titem_id:token\ttimestamp:float\titem_id_list:token_seq\n"
    (folder / f"shop.{part}.inter").write_text(head + "".join(lines), encoding="utf-8")


def test_given_splits_with_histories_are_asked_as_they_are(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    for part in ("train", "valid", "test"):
        listed(folder, part, [("1", "saw glue", "clamp")])
    listed(folder, "train", [("1", "saw", "glue"), ("1", "saw glue", "clamp"), ("2", "glue", "saw")])
    listed(folder, "test", [("1", "saw glue clamp", "saw"), ("1", "glue", "saw"), ("2", "", "saw")])
    collection = read(folder)
    assert asked(collection, "train") == {"1": (["saw", "glue"], "clamp"), "2": (["glue"], "saw")}
    assert asked(collection, "valid") == {"1": (["saw", "glue"], "clamp")}
    assert asked(collection, "test") == {"1": (["saw", "glue", "clamp"], "saw"), "1#2": (["glue"], "saw")}
    assert [query.user for query in collection.queries("test")] == ["1", "1"]
    assert collection.notes["questions left out (no history)"] == 1
    assert "splits as they were given (test)" in NextItem().on(collection).definition


def test_given_splits_without_histories_follow_each_other(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    write(folder, [("ann", "glue", 2), ("ann", "saw", 1), ("bob", "saw", 1)], "shop.train.inter")
    write(folder, [("ann", "clamp", 3)], "shop.valid.inter")
    write(folder, [("ann", "plane", 4), ("ann", "saw", 5), ("bob", "glue", 4), ("cy", "saw", 9)], "shop.test.inter")
    collection = read(folder)
    assert asked(collection, "test") == {"ann": (["saw", "glue", "clamp"], "plane"), "bob": (["saw"], "glue")}
    assert asked(collection, "valid") == {"ann": (["saw", "glue"], "clamp")}
    assert asked(collection, "train") == {"ann": (["saw"], "glue"), "bob": ([], "saw")}
    assert collection.notes["questions left out (no history)"] == 1  # cy's


def test_given_splits_are_whole_and_not_filtered(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    listed(folder, "train", [("1", "saw glue", "clamp")])
    with pytest.raises(BenchError, match=r"lacks NAME\.valid\.inter"):
        read(folder)
    listed(folder, "valid", [("1", "saw glue", "clamp")])
    listed(folder, "test", [("1", "", "clamp")])
    with pytest.raises(BenchError, match="asks nobody who has a history"):
        read(folder)
    for option in ("minimum_interactions=2", "test_from=3"):
        with pytest.raises(BenchError, match=rf"taken as they are; leave out \?{option[:-1]}"):
            read(folder, option)
    write(folder, [("1", "saw", 1)], "shop.test.inter")
    with pytest.raises(BenchError, match="only some of the three files have the column item_id_list"):
        read(folder)


def test_files_beside_the_interactions_that_are_not_read_are_named(tmp_path: Path) -> None:
    folder = write(tmp_path / "shop", WEEK)
    write(folder, WEEK, "shop.train.inter")
    (folder / "shop.kg").write_text("head_id:token\trelation_id:token\ttail_id:token\n")
    assert read(folder).notes["files that are not read"] == "shop.kg, shop.train.inter"


def test_a_question_in_words_may_say_who_asks(tmp_path: Path) -> None:
    folder = write(tmp_path / "shop", WEEK)
    (folder / "shop.item").write_text("item_id:token\ttitle:token_seq\nsaw\tHand saw\nplane\tBlock plane\n")
    (folder / "shop.user").write_text("user_id:token\tage:float\ttrade:token\ndan\t40\tjoiner\nann\t30\tcook\n")
    collection = read(folder, "user_text=a {trade} of {age}")
    texts = {query.id: query.text for query in collection.queries("test")}
    assert texts["dan"] == "a joiner of 40; Block plane; Hand saw"
    assert texts["bob"] == "Block plane; Hand saw"
    assert collection.notes["users that .user does not describe"] == 2
    assert "dan" in {query.id for query in read(folder).queries("test")}
    with pytest.raises(BenchError, match=r"shop\.user has no column 'job'"):
        read(folder, "user_text={job}")


def test_every_question_of_a_user_says_who_asks(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    for part in ("train", "valid", "test"):
        listed(folder, part, [("1", "saw glue", "clamp")])
    listed(folder, "test", [("1", "saw glue clamp", "saw"), ("1", "glue", "saw")])
    (folder / "shop.user").write_text("user_id:token\ttrade:token\n1\tjoiner\n")
    collection = read(folder, "user_text={trade}")
    assert [query.text.partition(";")[0] for query in collection.queries("test")] == ["joiner", "joiner"]
    assert collection.notes["users that .user does not describe"] == 0
