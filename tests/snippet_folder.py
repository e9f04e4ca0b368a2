"""A folder that holds the files of which the pages' commands speak, as a reader would have them."""

import csv
import json
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from snippets import blocks

from bench.collections.catalogue import open_dataset
from bench.collections.collection import Collection
from bench.rankings import Rankings
from bench.runner.plan import open_task
from bench.trec import write_run

SUITE = """
title = "Two forms of BM25"
datasets = ["limit"]
seeds = [0, 1]
systems = [{ retriever = "bm25" }, { retriever = "bm25", name = "bm25 long", options = { b = 0.2 } }]
"""

FUNCTION = '''
def search(text, k):
    """One and the same document."""
    return ["DOCUMENT"]
'''

PAIRS = """score	sentence1	sentence2
5	A cat sits.	A cat is sitting.
0	It rains.	Join two paths.
2	A dog.	Dogs.
"""

TREC = """<DOC>
<DOCNO>A-1</DOCNO>
<HEADLINE>Joining</HEADLINE>
<TEXT>Join two paths into one.</TEXT>
</DOC>
<DOC>
<DOCNO>A-2</DOCNO>
<HEADLINE>Splitting</HEADLINE>
<TEXT>Split a path at the last separator.</TEXT>
</DOC>
"""
TOPICS = "<top>\n<num> Number: 1\n<title> join\n<desc> Description:\nHow are paths joined?\n</top>\n"

USERS, STEPS = 12, 8

MTEB = {
    "task_name": "SciFact",
    "mteb_version": "2.1.0",
    "scores": {"test": [{"hf_subset": "default", "ndcg_at_10": 0.71, "mrr_at_10": 0.68, "main_score": 0.71}]},
}


def write_files(folder: Path, beir: Path) -> None:
    """Everything but what the commands write themselves. `beir` is a BEIR folder with the split `test`."""
    _beir(folder / "FOLDER", beir)
    _trec(folder / "TREC")
    _notes(folder / "NOTES")
    _ratings(folder / "ml-1m")
    _shop(folder)
    collection = open_dataset("pydoc-1k").collection
    _plugins(folder, collection)
    _runs(folder, collection)
    (folder / "mine.toml").write_text(SUITE)
    (folder / "pairs.tsv").write_text(PAIRS)
    (folder / "SciFact.json").write_text(json.dumps(MTEB))


def _beir(folder: Path, beir: Path) -> None:
    """With grades, and with the split `dev` beside `test`."""
    shutil.copytree(beir, folder)
    head, *lines = (folder / "qrels" / "test.tsv").read_text().splitlines()
    graded = [line[:-1] + str(1 + number % 2) for number, line in enumerate(lines)]
    for split in ("test", "dev"):
        (folder / "qrels" / f"{split}.tsv").write_text("\n".join([head, *graded]) + "\n")


def _trec(folder: Path) -> None:
    folder.mkdir()
    (folder / "documents.trec").write_text(TREC)
    (folder / "topics.trec").write_text(TOPICS)
    (folder / "qrels.txt").write_text("1 0 A-1 2\n1 0 A-2 0\n")


def _notes(folder: Path) -> None:
    folder.mkdir()
    for title, body in {"bread": "Flour and water.", "soup": "Water and leeks.", "tea": "Leaves."}.items():
        (folder / f"{title}.txt").write_text(f"How to make {title}\n{body}\n")


def _ratings(folder: Path) -> None:
    """RecBole's form; user u watches films u, u + 1, ... one after the other."""
    folder.mkdir()
    start = 978_300_000  # seconds since 1970, at the end of 2000
    seen = [
        (f"u{u}", f"m{(u + step) % USERS}", start + 100 * step + u) for u in range(USERS) for step in range(STEPS)
    ]
    head = "user_id:token\titem_id:token\ttimestamp:float\n"
    (folder / "ml-1m.inter").write_text(head + "".join(f"{u}\t{m}\t{t}\n" for u, m, t in seen))
    titles = "".join(f"m{number}\tFilm number {number}\n" for number in range(USERS))
    (folder / "ml-1m.item").write_text("item_id:token\tmovie_title:token_seq\n" + titles)


def _shop(folder: Path) -> None:
    """The same tables twice: with the usual names in a folder, and with others beside it."""
    (folder / "shop").mkdir()
    items = [("7", "Kettle", "Boils water."), ("8", "Pan", "For eggs.")]
    asked = [("id", "text"), ("1", "water"), ("2", "eggs")]
    judged = [("query-id", "corpus-id", "score"), ("1", "7", "1"), ("2", "8", "1")]
    for key, names in {
        "id": ("shop/documents.csv", "shop/queries.csv", "shop/qrels.csv"),
        "sku": ("items.csv", "asked.csv", "judged.csv"),
    }.items():
        for name, rows in zip(names, ([(key, "title", "text"), *items], asked, judged), strict=True):
            _csv(folder / name, rows)


def _csv(path: Path, rows: Iterable[Sequence[str]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)


def _plugins(folder: Path, collection: Collection) -> None:
    """Those of the README, and those of the page on plugins in one file."""
    readme, *_ = (block.text for block in blocks("README.md", "python"))
    page = [block.text for block in blocks("docs/plugins.md", "python") if "class " in block.text and not block.mark]
    (folder / "my_package.py").write_text(readme)
    (folder / "mine.py").write_text("\n".join([*page, FUNCTION.replace("DOCUMENT", collection.documents[0].id)]))


def _runs(folder: Path, collection: Collection) -> None:
    """Runs on the collection; the right document's rank differs from query to query and from run to run."""
    for name, turn in {"mine": 1, "theirs": 2, "one": 1, "two": 3}.items():
        for end in (".trec", ".trec.gz", ".run", ".run.gz"):
            write_run(folder / f"{name}{end}", _answers(collection, turn), collection.documents, tag=name)
    lines = (folder / "mine.run").read_text()
    (folder / "repeating.run").write_text(lines[: lines.index("\n") + 1] + lines)
    asked = open_task("exclusivity", {"sample": 40}).on(collection).queries
    same = Rankings.from_hits(asked, [(np.array([0]), np.array([1.0]))] * len(asked))
    write_run(folder / "answers.trec", same, collection.documents, tag="mine")
    (folder / "mine.json").write_text(json.dumps({"q1": {"d1": 2.0, "d2": 1.0}, "q2": {"d2": 1.0}}))
    (folder / "qrels.txt").write_text("q1 0 d1 2\nq1 0 d2 1\nq2 0 d2 2\n")


def _answers(collection: Collection, turn: int) -> Rankings:
    """Four documents for each query, the relevant one at rank 1 + (the query's number mod (turn + 1))."""
    asked, hits = [], []
    for number, (query, relevant) in enumerate(collection.relevant("test")):
        rows = [row for row in range(number, number + 5) if row != relevant[0]][:3]
        rows.insert(number % (turn + 1), int(relevant[0]))
        asked.append(query)
        hits.append((np.array(rows), np.array([4.0, 3.0, 2.0, 1.0])))
    return Rankings.from_hits(asked, hits)
