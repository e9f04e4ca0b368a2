"""RecBole's atomic files: columns and their roles, the order of interactions, filters, and bad lines."""

import gzip
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.collections.catalogue import open_dataset
from bench.collections.collection import Collection
from bench.errors import BenchError

INTER = """user_id:token	item_id:token	rating:float	timestamp:float
ann	saw	5	10
bob	glue	4	11
ann	clamp	5	30
ann	plane	3	20
bob	saw	4	12
ann	glue	1	40
bob	plane	2	13
ann	saw	4	50
cy	saw	4	12
"""
ITEM = """item_id:token	title:token_seq	brand:token	price:float	categories:token_seq
saw	Hand saw	Bahco	19.5	Tools > Saws
plane	Block plane	Stanley	45	Tools > Planes
clamp	Bar clamp		12	Tools > Clamps
glue	Wood glue	Titebond	9	Supplies
lathe	Small lathe	Jet	600	Machines
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return write(tmp_path / "shop", INTER, ITEM)


def write(folder: Path, inter: str, item: str = ITEM) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "shop.inter").write_text(inter, encoding="utf-8")
    (folder / "shop.item").write_text(item, encoding="utf-8")
    return folder


def read(folder: Path, options: str = "") -> Collection:
    return open_dataset(f"recbole:{folder}{'?' if options else ''}{options}").collection


def sequences(collection: Collection) -> dict[str, list[str]]:
    """Whole sequences, from the test questions and their targets."""
    qrels = collection.qrels("test")
    return {
        query.id: [*query.history, *collection.documents.ids(qrels.of(position)[0])]
        for position, query in enumerate(collection.queries("test"))
    }


def test_sequences_are_in_the_order_of_time(shop: Path) -> None:
    assert sequences(read(shop)) == {
        "ann": ["saw", "plane", "clamp", "glue", "saw"],
        "bob": ["glue", "saw", "plane"],
    }


def test_without_a_column_of_times_they_are_in_the_order_of_the_file(shop: Path) -> None:
    assert sequences(read(shop, "time="))["ann"] == ["saw", "clamp", "plane", "glue", "saw"]


def test_items_have_a_title_and_all_other_text_columns(shop: Path) -> None:
    documents = {document.id: document for document in read(shop).documents}
    assert (documents["saw"].title, documents["saw"].body) == ("Hand saw", "Bahco Tools > Saws")
    assert documents["clamp"].body == "Tools > Clamps"
    assert "lathe" not in documents  # nobody bought one


def test_the_text_of_an_item_is_a_template_of_columns(shop: Path) -> None:
    documents = {d.id: d for d in read(shop, "item_title=brand&item_text={title} at {price}").documents}
    assert (documents["saw"].title, documents["saw"].body) == ("Bahco", "Hand saw at 19.5")


def test_a_template_is_filled_once(tmp_path: Path) -> None:
    item = ITEM.replace("Hand saw", "{brand} \\1")
    folder = write(tmp_path / "shop", INTER, item)
    documents = {d.id: d for d in read(folder, "item_title=&item_text={title}").documents}
    assert documents["saw"].body == "{brand} \\1"


def test_columns_may_have_other_names(tmp_path: Path) -> None:
    inter = INTER.replace("user_id", "buyer").replace("item_id", "asin").replace("timestamp", "day")
    folder = write(tmp_path / "shop", inter, ITEM.replace("item_id", "asin"))
    assert sequences(read(folder, "user=buyer&item=asin&time=day")) == sequences(
        read(write(tmp_path / "other", INTER))
    )


TIED = "user_id:token\titem_id:token\ttimestamp:float\n" + "".join(
    f"ann\t{item}\t{time}\n" for item, time in [("saw", 1), ("plane", 2), ("glue", 2), ("clamp", 2), ("lathe", 3)]
)


def test_equal_times_are_ordered_as_asked(tmp_path: Path) -> None:
    folder = write(tmp_path / "shop", TIED)
    assert sequences(read(folder))["ann"] == ["saw", "plane", "glue", "clamp", "lathe"]
    assert sequences(read(folder, "tie_order=item"))["ann"] == ["saw", "clamp", "glue", "plane", "lathe"]
    drawn = [
        tuple(sequences(read(folder, f"tie_order=random&tie_seed={seed}"))["ann"])
        for seed in (0, 1, 2, 3, 4, 5, 6, 7, 0)
    ]
    assert drawn[0] == drawn[-1]
    assert len(set(drawn)) > 2
    assert all(order[0] == "saw" and order[4] == "lathe" for order in drawn)


def test_the_order_of_equal_times_is_told_with_how_many_there_are(tmp_path: Path) -> None:
    notes = read(write(tmp_path / "shop", TIED), "tie_order=item").notes
    assert notes["order of a user's equal times"] == "by item id (3 interactions)"


def test_an_item_in_another_place_gives_another_fingerprint(tmp_path: Path) -> None:
    lines = INTER.splitlines(keepends=True)
    swapped = INTER.replace("ann\tclamp\t5\t30", "ann\tclamp\t5\t20").replace(
        "ann\tplane\t3\t20", "ann\tplane\t3\t30"
    )
    moved = "".join([lines[0], *lines[:0:-1]])  # the file's order says nothing where times differ
    prints = [read(write(tmp_path / f"shop{i}", text)).fingerprint for i, text in enumerate((INTER, swapped))]
    assert prints[0] != prints[1]
    assert sequences(read(write(tmp_path / "moved", moved))) == sequences(read(tmp_path / "shop0"))


def test_repeats_may_be_dropped(shop: Path) -> None:
    collection = read(shop, "repeats=drop")
    assert sequences(collection)["ann"] == ["saw", "plane", "clamp", "glue"]
    assert collection.notes["repeated interactions"] == "dropped"


def test_the_core_leaves_out_rare_items_and_those_who_are_short_without_them(shop: Path) -> None:
    collection = read(shop, "minimum_interactions=2")
    assert sequences(collection) == {"ann": ["saw", "plane", "glue", "saw"], "bob": ["glue", "saw", "plane"]}
    assert collection.notes["k-core"] == 2
    with pytest.raises(BenchError, match=r"none of 0 users has 3 .*lower \?minimum_interactions="):
        read(shop, "minimum_interactions=6")


def test_a_sample_of_users_is_part_of_a_larger_one(tmp_path: Path) -> None:
    users = [f"user{number}" for number in range(30)]
    lines = [f"{user}\t{item}\t{time}\n" for user in users for time, item in enumerate(("saw", "glue", "clamp"))]
    folder = write(tmp_path / "shop", "user_id:token\titem_id:token\ttimestamp:float\n" + "".join(lines))
    small, large = (set(sequences(read(folder, f"maximum_users={size}"))) for size in (5, 12))
    assert read(folder, "maximum_users=5").notes["users drawn by a hash of their ids from"] == 30
    assert (len(small), len(large)) == (5, 12)
    assert small < large


def test_short_users_are_left_out_and_counted(shop: Path) -> None:
    assert read(shop).notes["users left out (fewer than 3 interactions)"] == 1


def test_an_item_that_nothing_describes_stays_without_text(tmp_path: Path) -> None:
    collection = read(write(tmp_path / "shop", INTER, ITEM.replace("glue\tWood", "paste\tWood")))
    assert collection.notes["items without text"] == 1
    assert collection.texts()[collection.documents.rows["glue"]] == ""


def test_files_may_be_compressed(shop: Path) -> None:
    plain = read(shop)
    for path in list(shop.iterdir()):
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    assert read(shop).fingerprint == plain.fingerprint


@pytest.mark.parametrize(
    ("file", "old", "new", "complaint"),
    [
        ("inter", "bob\tglue\t4\t11", "bob\tglue\t11", r"shop\.inter:3: 3 fields in .*; expected 4 tab-separated"),
        (
            "inter",
            "bob\tglue\t4\t11",
            "bob\tglue\t4\tnoon",
            r"shop\.inter:3: the timestamp is 'noon'; expected a fin",
        ),
        ("inter", "bob\tglue\t4\t11", "bob\tglue\t4\tnan", r"shop\.inter:3: the timestamp is 'nan'"),
        ("inter", "bob\tglue\t4\t11", "bob\t\t4\t11", r"shop\.inter:3: no item_id; expected the id of a user"),
        ("inter", "bob\tglue\t4\t11", "\tglue\t4\t11", r"shop\.inter:3: no user_id"),
        ("inter", "user_id:token", "user_id", r"shop\.inter:1: the header is .*; expected .*user_id:token"),
        ("inter", "rating:float", "timestamp:float", r"shop\.inter:1: the header .* of different names"),
        ("inter", "timestamp:float", "time:float", r"has no column 'timestamp': it has user_id, .*\?time="),
        ("item", "title:token_seq", "name:token_seq", r"shop\.item has no column 'title'.*\?item_title="),
        ("item", "glue\tWood", "\tWood", r"shop\.item:5: no item_id"),
        ("item", "glue\tWood", "saw\tWood", r"shop\.item:5: document id 'saw' occurs twice"),
    ],
)
def test_bad_files_are_refused_with_their_place(shop: Path, file: str, old: str, new: str, complaint: str) -> None:
    path = shop / f"shop.{file}"
    path.write_text(path.read_text().replace(old, new), encoding="utf-8")
    with pytest.raises(BenchError, match=complaint):
        read(shop)


def test_a_folder_without_one_file_of_each_kind_is_refused(shop: Path) -> None:
    with pytest.raises(BenchError, match=r"nowhere is not a folder; a folder of RecBole's holds one NAME\.inter"):
        read(shop.parent / "nowhere")
    (shop / "train.inter").write_text(INTER)
    with pytest.raises(BenchError, match=r"holds shop\.inter, train\.inter; a folder"):
        read(shop)
    (shop / "shop.inter").unlink()
    (shop / "train.inter").unlink()
    with pytest.raises(BenchError, match=r"lacks NAME\.inter"):
        read(shop)


an_id = st.text(st.characters(codec="utf-8", exclude_characters="\t\r\n", exclude_categories=["Z"]), min_size=1)
events = st.lists(st.tuples(an_id, an_id, st.integers(0, 9)), min_size=3, max_size=40)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events)
def test_any_ids_come_back_in_a_stable_order_of_time(tmp_path: Path, events: list[tuple[str, str, int]]) -> None:
    expected: dict[str, list[str]] = {}
    for user, item, _ in sorted(events, key=lambda event: event[2]):
        expected.setdefault(user, []).append(item)
    expected = {user: items for user, items in expected.items() if len(items) >= 3}
    lines = [f"{user}\t{item}\t{time}\n" for user, item, time in events]
    folder = write(tmp_path / "any", "user_id:token\titem_id:token\ttimestamp:float\n" + "".join(lines))
    if expected:
        assert sequences(read(folder)) == expected
    else:
        with pytest.raises(BenchError, match="3 interactions or more"):
            read(folder)


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "users", "items", "interactions"),
    [("amazon-beauty", 22_363, 12_101, 198_502), ("amazon-toys", 19_412, 11_924, 167_597)],
)
def test_real_folders_have_their_published_sizes(
    data_folder: Path, name: str, users: int, items: int, interactions: int
) -> None:
    collection = read(data_folder / name)
    assert (len(collection.queries()), len(collection)) == (users, items)
    assert collection.notes["interactions"] == interactions
    assert sum(map(len, sequences(collection).values())) == interactions
    assert collection.name == name  # its card's, by the digest
