"""The Python face: both snippets of the documentation as they are printed, and what goes in and comes out."""

import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bench
from bench.collections.catalogue import Dataset
from bench.collections.collection import Collection, Query
from bench.errors import BenchError, UnknownName
from bench.face.table import Table
from bench.leaderboard.text import fraction
from bench.retriever import Retriever
from bench.trec import write_run

IMPORTS = """
from bench import Field, Rankings, Retriever
from sklearn.feature_extraction.text import TfidfVectorizer
"""

PLUGIN = '''
class TfIdf(Retriever):
    """Cosine of tf-idf vectors (Salton and Buckley 1988)."""

    family = "sparse"
    min_df: int = Field(1, ge=1, description="drop terms in fewer documents")

    def fit(self, collection):
        self.vectorizer = TfidfVectorizer(min_df=self.min_df)
        self.matrix = self.vectorizer.fit_transform(collection.texts())
        return self

    def retrieve(self, queries, k):
        scores = self.vectorizer.transform(q.text for q in queries) @ self.matrix.T
        return Rankings.from_scores(queries, scores, k)
'''

NOTEBOOK = """
import bench
data = bench.open("pydoc-1k")
bm25 = bench.retriever("bm25", k1=1.5).fit(data)
bm25.search("join two paths", k=5)                      # a table with the text
table = bench.evaluate([bm25, "sbert", TfIdf()], data)  # shows itself; .frame() is pandas, .per_query() too
bench.compare(table["bm25"], table["sbert"])
"""


@pytest.fixture(scope="session")
def notebook() -> dict[str, Any]:
    """The names of a notebook in which the plugin was typed, then the notebook's lines."""
    names: dict[str, Any] = {"__name__": "notebook"}
    exec(IMPORTS + PLUGIN + NOTEBOOK, names)
    return names


@pytest.fixture(scope="session")
def data(notebook: dict[str, Any]) -> Dataset:
    return notebook["data"]


@pytest.fixture(scope="session")
def table(notebook: dict[str, Any]) -> Table:
    return notebook["table"]


@pytest.fixture(scope="session")
def tf_idf(notebook: dict[str, Any]) -> type[Retriever]:
    return notebook["TfIdf"]


def test_the_notebook_runs_as_printed(notebook: dict[str, Any], table: Table) -> None:
    assert [result.name for result in table] == ["bm25", "sbert", "tf-idf"]
    compared = bench.compare(table["bm25"], table["sbert"])
    line = compared["nDCG@10"]
    difference = table["bm25"]["nDCG@10"].value - table["sbert"]["nDCG@10"].value
    assert line.test.difference == pytest.approx(difference)
    assert line.test.low < difference < line.test.high
    assert line.wins + line.losses + line.ties == 179
    assert "nDCG@10" in repr(compared)
    assert "<table>" in compared._repr_html_()
    frame = compared.frame().set_index("measure")
    assert frame.loc["nDCG@10", "difference"] == pytest.approx(difference)
    moved = compared.per_query()
    assert moved["difference"].mean() == pytest.approx(difference)
    assert moved["difference"].is_monotonic_decreasing


def test_the_table_shows_itself_in_text_and_in_a_notebook(table: Table) -> None:
    text, page = repr(table), table._repr_html_()
    assert "mean over 179 judged queries" in text
    assert "randomisation test of all 3 pairs" in text
    by_ndcg = sorted(table, key=lambda result: -result["nDCG@10"].value)
    for form, mark in ((text, "\n{} "), (page, ">{}<")):
        places = [form.index(mark.format(result.name)) for result in by_ndcg]
        assert places == sorted(places)
        for result in table:
            assert fraction(result["nDCG@10"].value) in form
    assert "memory" not in text + page


def test_frames_hold_every_figure_and_every_query(table: Table) -> None:
    frame = table.frame().set_index("system")
    assert frame.loc["bm25", "nDCG@10"] == pytest.approx(table["bm25"]["nDCG@10"].value)
    assert (frame["nDCG@10 low"] < frame["nDCG@10"]).all()
    assert frame["best rank"].min() == 1
    queries = table.per_query()
    assert len(queries) == 3 * 179
    means = queries.groupby("system")["nDCG@10"].mean()
    assert means.to_dict() == pytest.approx(frame["nDCG@10"].to_dict())
    assert {name: len(found) for name, found in table.rankings().items()} == {
        "bm25": 179,
        "sbert": 179,
        "tf-idf": 179,
    }


def test_figures_are_those_that_trec_eval_gives_for_the_rankings(table: Table, data: Dataset) -> None:
    import pytrec_eval

    collection = data.collection
    qrels = collection.qrels()
    judged = {
        query: dict(zip(collection.documents.ids(rows), grades.tolist(), strict=True))
        for query, (rows, grades) in ((q, qrels.of(i)) for i, q in enumerate(qrels.query_ids))
    }
    evaluator = pytrec_eval.RelevanceEvaluator(judged, {"ndcg_cut_10", "recall_100"})
    for result in table:
        frame = result.rankings().frame(collection.documents)
        run: dict[str, dict[str, float]] = {}
        for row in frame.itertuples():
            run.setdefault(row.query, {})[row.document] = -float(row.rank)
        found = evaluator.evaluate(run)
        for ours, theirs in (("nDCG@10", "ndcg_cut_10"), ("Recall@100", "recall_100")):
            mean = sum(values[theirs] for values in found.values()) / len(judged)
            assert result[ours].value == pytest.approx(mean)


def test_a_system_that_was_given_is_fitted_and_can_be_asked_afterwards(
    tf_idf: type[Retriever], data: Dataset
) -> None:
    system = tf_idf()
    bench.evaluate(system, data)
    assert system.fitted
    assert len(system.search("join two paths", k=3)) == 3
    assert [hit.document for hit in bench.search(system, data, "join two paths", k=3)] == [
        hit.document for hit in system.search("join two paths", k=3)
    ]


def test_a_system_that_was_fitted_on_another_collection_is_refused(
    tf_idf: type[Retriever], data: Dataset, make_collection: Callable[..., Collection]
) -> None:
    elsewhere = tf_idf().fit(make_collection({"a": "the ship", "b": "the harbour"}))
    for ask in (lambda: bench.evaluate(elsewhere, data), lambda: bench.search(elsewhere, data, "ship")):
        with pytest.raises(BenchError, match="was fitted on small, not on pydoc-1k"):
            ask()


def test_answers_made_elsewhere_are_scored_as_the_system_that_gave_them(
    table: Table, data: Dataset, tmp_path: Path
) -> None:
    documents = data.collection.documents
    rankings = table["tf-idf"].rankings()
    frame = rankings.frame(documents)
    mapping = {
        query: dict(zip(rows["document"], rows["score"], strict=True)) for query, rows in frame.groupby("query")
    }
    write_run(tmp_path / "mine.trec.gz", rankings, documents, "mine")
    expected = table["tf-idf"]["nDCG@10"]
    together = bench.evaluate({"mapping": mapping, "frame": frame, "file": tmp_path / "mine.trec.gz"}, data)
    for result in together:
        assert result["nDCG@10"] == expected
    assert [result.name for result in bench.evaluate([str(tmp_path / "mine.trec.gz"), mapping], data)] == [
        "mine",
        "answers",
    ]
    assert bench.evaluate(mapping, data)["answers"]["nDCG@10"] == expected
    assert bench.evaluate(frame, data)["answers"]["nDCG@10"] == expected


def test_a_query_without_an_answer_counts_zero(data: Dataset) -> None:
    query = data.collection.queries()[0]
    rows, _ = data.collection.qrels().of(0)
    (right,) = data.collection.documents.ids(rows)
    assert bench.evaluate({query.id: {right: 1.0}}, data)["answers"]["nDCG@10"].value == pytest.approx(1 / 179)


@pytest.mark.parametrize(
    ("systems", "complaint"),
    [
        ("bm52", "unknown retriever 'bm52': did you mean bm25.*no run file of that name"),
        ({"mine": 3}, "the answers are int 3; give Rankings"),
        ([3], "the answers are int 3; give Rankings"),
        (["bm25", "bm25"], "two systems are called 'bm25'; name them"),
        ([], "there is no system to evaluate"),
        ({}, "there is no system to evaluate"),
    ],
)
def test_what_is_no_system_is_refused(data: Dataset, systems: Any, complaint: str) -> None:
    with pytest.raises(BenchError, match=complaint):
        bench.evaluate(systems, data)


def test_answers_to_no_question_are_refused_as_score_refuses_them(letters: Collection) -> None:
    for none in ({}, {"1": {}}):
        with pytest.raises(
            BenchError, match=r"mine answers none of the 2 questions of the task search .* leave it out"
        ):
            bench.evaluate({"mine": none}, letters)


def test_a_device_that_is_none_is_refused_also_for_a_system_without_one(letters: Collection) -> None:
    with pytest.raises(BenchError, match="there is no device 'tpu'"):
        bench.evaluate("bm25", letters, device="tpu")


def test_names_that_are_not_there_get_the_nearest(table: Table, data: Dataset) -> None:
    for ask, complaint in (
        (lambda: table["bm52"], "unknown system 'bm52': did you mean bm25"),
        (lambda: table["bm25"]["nDCG@11"], r"unknown measure 'nDCG@11': did you mean nDCG@10"),
        (lambda: table.per_query("serch"), "unknown task 'serch': did you mean search"),
        (lambda: bench.compare(table["bm25"], table["sbert"], "nDCG@3"), "unknown measure 'nDCG@3'"),
        (lambda: bench.evaluate("bm25", data, "serch"), "unknown task 'serch': did you mean search"),
        (lambda: bench.retriever("bm25", k2=1), "unknown option of bm25 'k2': did you mean"),
    ):
        with pytest.raises(UnknownName, match=complaint):
            ask()


class FirstDocument(Retriever):
    """The first document, whatever is asked, as a list of pairs."""

    first: str = "a"

    def fit(self, collection: Collection) -> None:
        self.known = collection.documents.ids()

    def retrieve(self, queries: Sequence[Query], k: int) -> Any:
        return [[(self.first, 1.0)] for _ in queries]


@pytest.fixture
def letters(make_collection: Callable[..., Collection]) -> Collection:
    return make_collection({"a": "alpha", "b": "beta"}, {"1": "first", "2": "second"}, {"1": {"a": 1}, "2": {"b": 1}})


def test_a_system_may_answer_with_lists_and_its_mistakes_are_told(letters: Collection) -> None:
    assert bench.evaluate(FirstDocument, letters)["first-document"]["Hits@1"].value == 0.5
    with pytest.raises(BenchError, match="query '1': the unknown document 'z' was returned"):
        bench.evaluate(FirstDocument(first="z"), letters)


def test_one_question_has_figures_without_intervals(make_collection: Callable[..., Collection]) -> None:
    found = {"1": {"b": 2.0, "a": 1.0}}
    one = make_collection({"a": "alpha", "b": "beta"}, {"1": "first"}, {"1": {"a": 1}})
    table = bench.evaluate({"mine": found, "theirs": {"1": {"a": 1.0}}}, one)
    assert repr(table["mine"]).endswith("nDCG@10 0.6309 (–)")
    compared = bench.compare(table["mine"], table["theirs"])
    assert np.isnan(compared["nDCG@10"].test.low)
    assert "nan" not in repr(compared) + compared._repr_html_() + repr(table) + table._repr_html_()
    assert np.isnan(table.frame().set_index("system")["nDCG@10 low"]["mine"])


def test_options_may_follow_the_names_of_systems_and_tasks(letters: Collection) -> None:
    table = bench.evaluate(["bm25", "bm25?k1=0.9"], letters, ["search?depth=300"])
    assert [result.name for result in table] == ["bm25", "bm25 k1=0.9"]
    assert table["bm25 k1=0.9"].cell.identity.options["k1"] == 0.9
    assert table["bm25"].exam().depth == 300


def test_a_recommender_is_asked_what_comes_next(make_sequences: Callable[..., Collection]) -> None:
    walks = make_sequences({f"u{u}": [f"i{(u + t) % 5}" for t in range(5)] for u in range(6)})
    table = bench.evaluate("popularity", walks)
    assert table["popularity"].record().result.task == "next_item"


def test_tasks_take_options(letters: Collection) -> None:
    table = bench.evaluate(FirstDocument(), letters, {"task": "search", "options": {"measured": ["P@1"]}})
    assert table["first-document"].record().result.figures[0].measure == "P@1"
    assert table["first-document"]["P@1"].value == 0.5


def test_a_task_may_be_asked_twice_with_other_options(data: Dataset) -> None:
    table = bench.evaluate("bm25", data, ["exclusivity?sample=2", "exclusivity?sample=4"])
    result = table["bm25"]
    few, many = (result.record(f"exclusivity?sample={size}").result for size in (2, 4))
    alone = bench.evaluate("bm25", data, "exclusivity?sample=2")["bm25"].record().result
    assert few.figures == alone.figures != many.figures
    assert len(result.rankings("exclusivity?sample=2")) == few.queries < many.queries
    assert table.frame()["task"].tolist() == ["exclusivity?sample=2", "exclusivity?sample=4"]
    with pytest.raises(BenchError, match=r"2 tasks are exclusivity; give one of .*sample=2, exclusivity\?sample=4"):
        table.per_query("exclusivity")
    with pytest.raises(BenchError, match=r"no task is exclusivity\?sample=3; give one of"):
        result.exam("exclusivity?sample=3")


def test_what_is_no_result_is_not_compared(table: Table) -> None:
    for wrong in ("sbert", 3, table):
        with pytest.raises(BenchError, match=f"{type(wrong).__name__} is no result; give two of a table"):
            bench.compare(table["bm25"], wrong)  # type: ignore[arg-type]


def test_results_on_different_questions_are_not_compared(letters: Collection, table: Table) -> None:
    other = bench.evaluate(FirstDocument(), letters)
    with pytest.raises(BenchError, match="first-document was asked on small, bm25 on pydoc-1k"):
        bench.compare(other["first-document"], table["bm25"])


def test_equal_systems_do_not_differ(table: Table) -> None:
    same = bench.compare(table["bm25"], table["bm25"])["nDCG@10"]
    assert (same.test.difference, same.test.p, same.wins, same.losses) == (0.0, 1.0, 0, 0)


BROKEN = """
from bench import Retriever

class Broken(Retriever):
    def fit(self, collection):
        raise ValueError("no luck")

    def retrieve(self, queries, k):
        pass
"""


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory, beir_folder: Path) -> Path:
    """A suite of two systems, one of which fails, beside the plugin that it needs."""
    folder = tmp_path_factory.mktemp("suite")
    (folder / "broken.py").write_text(BROKEN)
    systems = '[[systems]]\nretriever = "bm25"\n\n[[systems]]\nretriever = "broken"\n'
    (folder / "small.toml").write_text(f'datasets = ["beir:{beir_folder}"]\n\n{systems}')
    return folder


@pytest.fixture(scope="session")
def ran(folder: Path) -> Table:
    return bench.run(str(folder / "small.toml"), out=folder / "runs", plugins=[folder / "broken.py"])


def test_one_name_stands_for_a_list_of_one(beir_folder: Path, tmp_path: Path) -> None:
    table = bench.run(datasets=beir_folder, retrievers="bm25", out=tmp_path)  # type: ignore[arg-type]
    assert [result.name for result in table] == ["bm25"]


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        (
            {"datasets": "limit", "retrievers": [Retriever]},
            r"a retriever is given as .*; name it, with its file in pl",
        ),
        ({"datasets": [3], "retrievers": "bm25"}, "a dataset is given as int; give its name or path"),
    ],
)
def test_what_is_no_name_is_told(choice: dict[str, Any], told: str) -> None:
    with pytest.raises(BenchError, match=told):
        bench.run(**choice)


def test_a_suite_is_run_and_a_system_that_fails_is_a_row_with_its_reason(ran: Table, beir_folder: Path) -> None:
    assert [result.name for result in ran] == ["bm25", "broken"]
    assert "no luck" in repr(ran)
    assert "no luck" in ran._repr_html_()
    assert "no luck" in repr(ran["broken"])
    with pytest.raises(BenchError, match="broken failed: .*no luck"):
        ran["broken"].rankings()
    assert ran.frame().set_index("system").loc["broken", "problem"] == "ValueError: no luck"
    here = bench.evaluate("bm25", f"beir:{beir_folder}")["bm25"]
    assert here["nDCG@10"] == ran["bm25"]["nDCG@10"]
    assert here.rankings().rows.tolist() == ran["bm25"].rankings().rows.tolist()
    assert bench.compare(here, ran["bm25"])["nDCG@10"].wins == 0


def test_a_suite_is_published_from_its_cells(ran: Table, folder: Path) -> None:
    published = bench.publish(
        str(folder / "small.toml"), folder / "results", [folder / "runs"], plugins=[folder / "broken.py"]
    )
    assert (folder / "results" / "small" / "index.html").is_file()
    assert published["bm25"]["nDCG@10"] == ran["bm25"]["nDCG@10"]


def test_bench_retriever_constructs_whether_or_not_the_module_was_imported() -> None:
    for first in ("", "import bench.retriever; "):
        code = f"import bench; {first}print(bench.retriever('bm25', k1=0.9)); from bench.retriever import Retriever"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout == "BM25(k1=0.9)\n"


def test_importing_bench_imports_nothing_else() -> None:
    code = (
        "import sys; before = set(sys.modules); import bench; new = set(sys.modules) - before;"
        "print(*sorted(name for name in new if name.partition('.')[0] not in sys.stdlib_module_names))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "bench\n"


def test_every_name_of_the_face_is_there_and_others_are_not() -> None:
    for name in bench.__all__:
        assert getattr(bench, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'evalute'"):
        bench.evalute  # type: ignore[attr-defined]  # noqa: B018


def test_collections_show_what_they_hold(data: Dataset) -> None:
    expected = r"pydoc-1k: 1,000 documents, \d+ dev queries, 179 test queries, \d+ train queries, fingerprint \w{7}"
    for shown in (repr(data), repr(data.collection)):
        assert re.fullmatch(expected, shown)
