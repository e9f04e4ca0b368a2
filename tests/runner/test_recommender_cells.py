"""Recommenders and text systems as cells of one suite."""

from pathlib import Path

from conftest import run

from bench.collections.catalogue import open_dataset
from bench.runner.plan import make_plan
from bench.suite import Suite, SystemEntry, TaskEntry

TRIPS = {
    "ada": ["oslo", "bergen", "tromso", "narvik"],
    "bo": ["bergen", "oslo", "narvik", "hamar"],
    "cleo": ["oslo", "narvik", "bergen"],
}


def test_text_systems_and_recommenders_share_a_table(tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    shop.mkdir()
    lines = [f"{user}\t{item}\t{time}\n" for user, items in TRIPS.items() for time, item in enumerate(items)]
    (shop / "shop.inter").write_text("user_id:token\titem_id:token\ttimestamp:float\n" + "".join(lines))
    places = sorted({item for items in TRIPS.values() for item in items})
    described = [f"{place}\tA town called {place}\tNorway\n" for place in places]
    (shop / "shop.item").write_text("item_id:token\ttitle:token_seq\tland:token\n" + "".join(described))
    suite = Suite(
        name="trips",
        datasets=[f"recbole:{shop}"],
        systems=[SystemEntry(retriever=name) for name in ("bm25", "item-knn", "popularity", "markov")],
        tasks=[TaskEntry(task="next_item")],
    )
    records, _ = run(make_plan(suite, [open_dataset(suite.datasets[0])], tmp_path))
    assert [record.problem for record in records] == [""] * 4
    assert [record.identity.trained for record in records] == [False, True, True, True]
    recall = [
        next(figure.value for figure in record.tasks[0].result.figures if figure.measure == "Recall@10")
        for record in records
    ]
    assert all(0 <= value <= 1 for value in recall)
    assert recall[2] == 1  # nothing else is left
