"""The docstring collection: on a small package written here, and on the real standard library."""

import json
import subprocess
import sys
import sysconfig
from collections import Counter
from pathlib import Path

import pytest

from bench.collections.catalogue import open_dataset
from bench.collections.collection import Collection
from bench.collections.sources import pydoc
from bench.collections.sources.pydoc import (
    Docstring,
    Pydoc,
    module_name,
    parse_docstrings,
    source_files,
    split_summary,
    unambiguous,
)
from bench.errors import BenchError

BODY = (
    "The iterator stops when the shortest argument is exhausted. With a single argument it returns pairs of one "
    "element, and with no argument at all it returns an iterator that is empty from the start, as zip does."
)


def module(text: str, tmp_path: Path) -> list[Docstring]:
    path = tmp_path / "module.py"
    path.write_text(text.replace("BODY", BODY), encoding="utf-8")
    return list(parse_docstrings(path, "package.module"))


def names(found: list[Docstring]) -> list[str]:
    return [docstring.name for docstring in found]


@pytest.fixture(scope="module")
def json_docstrings() -> list[Docstring]:
    root = Path(sysconfig.get_path("stdlib"))
    return [
        found
        for path in source_files(root / "json")
        for found in parse_docstrings(path, module_name(path, root / "json", "json"))
    ]


@pytest.fixture(scope="module")
def sample(own_cache: Path) -> Collection:
    return open_dataset("pydoc?sample=300").collection


# --- what is a summary, what is a body ------------------------------------------------------------


def test_the_summary_is_the_first_paragraph_on_one_line() -> None:
    assert split_summary(f"Pair the elements\nof several iterables.\n\n{BODY}", {"zip"}) == (
        "Pair the elements of several iterables.",
        BODY,
    )


def test_of_a_long_first_paragraph_only_the_first_sentence_is_the_summary() -> None:
    summary, body = split_summary(f"Pair the elements, e.g. of lists. Nothing\nis copied.\n\n{BODY}", set())
    assert summary == "Pair the elements, e.g. of lists."
    assert body == f"Nothing is copied.\n\n{BODY}"


@pytest.mark.parametrize(
    "call",
    [
        "zip(a, b)",
        "zip(a, b) -> iterator",
        "builtins.zip(a,\n    b=(1, 2),\n    strict=False)",
        "Z.zip(a[, b]) -> iterator of pairs",
    ],
)
def test_the_line_that_shows_the_call_is_neither_summary_nor_body(call: str) -> None:
    expected = ("Pair the elements of iterables.", BODY)
    assert split_summary(f"{call}\n\nPair the elements of iterables.\n\n{BODY}", {"zip"}) == expected
    assert split_summary(f"{call}\nPair the elements of iterables.\n\n{BODY}", {"zip"}) == expected


def test_a_summary_that_begins_with_another_call_stays() -> None:
    summary, _ = split_summary(f"print(x) writes x to the stream.\n\n{BODY}", {"zip"})
    assert summary == "print(x) writes x to the stream."


def test_rulers_around_a_heading_belong_to_nothing() -> None:
    text = f"=====================\nMasked array routines\n=====================\n\n{BODY}"
    assert split_summary(text, set()) == ("Masked array routines", BODY)


def test_a_list_or_an_example_after_the_first_line_is_body() -> None:
    for rest in (">>> zip('ab', 'cd')", "- first, an iterable", "    indented code", ":param a: an iterable"):
        summary, body = split_summary(f"Pair the elements of iterables\n{rest}\n\n{BODY}", set())
        assert summary == "Pair the elements of iterables"
        assert body.startswith(rest.strip())


@pytest.mark.parametrize(
    "text",
    [
        f"Pair elements.\n\n{BODY}",  # summary of two words
        "Pair the elements of iterables.\n\nStops at the shortest.",  # short body
        f"Pair the elements as follows:\n\n{BODY}",
        f"Pair {'very ' * 50}long iterables\n\n{BODY}",
        f"The iterator stops when the\nshortest argument is exhausted\n\n{BODY}",  # repeated in the body
        "",
    ],
)
def test_what_makes_no_query_and_document_is_left_out(text: str) -> None:
    assert split_summary(text, set()) is None


# --- what is documented ---------------------------------------------------------------------------


def test_modules_classes_methods_and_functions_are_named_by_their_path(tmp_path: Path) -> None:
    found = module(
        '"""Tools for pairing elements.\n\nBODY"""\n'
        'class Pairs:\n    """An iterator over pairs.\n\n    BODY"""\n'
        '    def send(self):\n        """Return the next pair.\n\n        BODY"""\n'
        'async def gather():\n    """Wait for all pairs.\n\n    BODY"""\n',
        tmp_path,
    )
    assert names(found) == [
        "package.module",
        "package.module:Pairs",
        "package.module:Pairs.send",
        "package.module:gather",
    ]


def test_of_several_definitions_the_first_with_a_docstring_counts(tmp_path: Path) -> None:
    found = module(
        "try:\n    def pair(): pass\n"
        'except ImportError:\n    def pair():\n        """Pair them in Python.\n\n        BODY"""\n'
        'if True:\n    def pair():\n        """Pair them once more.\n\n        BODY"""\n',
        tmp_path,
    )
    assert [(d.name, d.summary) for d in found] == [("package.module:pair", "Pair them in Python.")]


def test_private_names_are_left_out_and_special_ones_kept(tmp_path: Path) -> None:
    found = module(
        'class Pairs:\n    def __next__(self):\n        """Return the next pair.\n\n        BODY"""\n'
        '    def _peek(self):\n        """Look at the next pair.\n\n        BODY"""\n'
        'class _Hidden:\n    def show(self):\n        """Show all the pairs.\n\n        BODY"""\n',
        tmp_path,
    )
    assert names(found) == ["package.module:Pairs.__next__"]


def test_a_file_for_another_python_has_no_docstrings(tmp_path: Path) -> None:
    assert module('"""Tools for pairing elements.\n\nBODY"""\nprint "pairs"\n', tmp_path) == []


def test_nothing_is_run(tmp_path: Path) -> None:
    trap = tmp_path / "was-run"
    found = module(f'"""Tools for pairing elements.\n\nBODY"""\nopen({str(trap)!r}, "w")\n', tmp_path)
    assert len(found) == 1
    assert not trap.exists()


def test_test_suites_and_packages_beside_the_library_are_skipped(tmp_path: Path) -> None:
    kept, skipped = ["a.py", "b/__init__.py"], ["site-packages/x.py", "b/tests/test_b.py", "b/conftest.py"]
    for name in kept + skipped:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert source_files(tmp_path) == [tmp_path / name for name in kept]
    assert module_name(tmp_path / "b/__init__.py", tmp_path, "package") == "package.b"
    assert module_name(tmp_path / "a.py", tmp_path, "") == "a"


def test_ambiguous_summaries_and_bodies_are_left_out_on_every_side() -> None:
    clear = Docstring("m:clear", "Remove all items.", "body of clear")
    same_summary = [
        Docstring("m:A.pop", "Remove one item.", "of A"),
        Docstring("m:B.pop", "remove one\nitem", "of B"),
    ]
    same_body = [Docstring("m:copy", "Copy this list.", "shared"), Docstring("m:dup", "Copy that list.", "Shared ")]
    assert unambiguous([*same_summary, clear, *same_body]) == [clear]


# --- the real standard library --------------------------------------------------------------------


def test_json_is_found_with_its_decoder(json_docstrings: list[Docstring]) -> None:
    found = {docstring.name: docstring for docstring in json_docstrings}
    assert found["json:dumps"].summary == "Serialize ``obj`` to a JSON formatted ``str``."
    assert "``skipkeys``" in found["json:dumps"].body
    assert found["json.decoder:JSONDecoder"].summary == "Simple JSON <https://json.org> decoder"


def test_no_document_holds_its_summary(sample: Collection) -> None:
    queries = {query.id: query for split in sample.splits for query in sample.queries(split)}
    for split in sample.splits:
        qrels = sample.qrels(split)
        for position, query_id in enumerate(qrels.query_ids):
            document = sample.documents[int(qrels.of(position)[0][0])]
            assert queries[query_id].text not in " ".join(document.body.split())


def test_every_query_has_one_relevant_document_and_every_document_one_query(sample: Collection) -> None:
    judged: Counter[int] = Counter()
    for split in sample.splits:
        qrels = sample.qrels(split)
        assert (qrels.offsets[1:] - qrels.offsets[:-1] == 1).all()
        assert (qrels.grades == 1).all()
        judged.update(qrels.rows.tolist())
    assert judged == Counter(range(300))


def test_neither_titles_nor_query_ids_give_the_answer_away(sample: Collection) -> None:
    ids = set(sample.documents.ids())
    assert all(document.title == "" for document in sample.documents)
    assert not ids & {query.id for split in sample.splits for query in sample.queries(split)}


def test_all_splits_are_filled_about_as_promised(sample: Collection) -> None:
    assert sample.splits == ["dev", "test", "train"]
    assert 40 <= len(sample.queries("test")) <= 85
    assert 15 <= len(sample.queries("dev")) <= 50


def test_a_sample_is_part_of_a_larger_sample_with_the_same_splits(sample: Collection) -> None:
    smaller = open_dataset("pydoc?sample=100").collection
    assert set(smaller.documents.ids()) < set(sample.documents.ids())
    for split in smaller.splits:
        assert set(smaller.queries(split)) <= set(sample.queries(split))


def test_a_sample_does_not_depend_on_what_else_is_there() -> None:
    everything = [Docstring(f"module:f{number}", f"Summary {number}", f"body {number}") for number in range(100)]
    source = Pydoc(sample=20)
    chosen = source._sampled(everything)
    others = [docstring for docstring in everything if docstring not in chosen]
    assert source._sampled(chosen + others[:40]) == chosen


def test_a_sample_larger_than_the_collection_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pydoc, "source_files", lambda root: [])
    with pytest.raises(BenchError, match="has 0 documents here, fewer than the sample of 5; choose a smaller"):
        open_dataset("pydoc?sample=5")


def test_the_state_tells_the_versions_of_what_is_read() -> None:
    assert Pydoc().state().keys() == {"python", "numpy", "scipy"}
    assert Pydoc(packages="large").state().keys() > {"python", "numpy", "sklearn", "transformers"}


def test_parsing_imports_none_of_the_packages() -> None:
    """In a process of its own, since this one may have imported anything."""
    code = (
        "import json, sys\n"
        "from bench.collections.sources.pydoc import Pydoc\n"
        "before = set(sys.modules)\n"
        "source = Pydoc()\n"
        "source.state()\n"
        "count = sum(1 for _ in source._parsed(lambda *progress: None))\n"
        "print(json.dumps([count, sorted(set(sys.modules) - before)]))\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    count, imported = json.loads(run.stdout)
    assert count > 2000
    assert not [name for name in imported if name.partition(".")[0] in ("scipy", "tkinter", "antigravity", "turtle")]


def test_near_copies_are_counted_or_left_out() -> None:
    """An earlier docstring stays, and nothing else changes."""
    whole, without = open_dataset("pydoc").collection, open_dataset("pydoc?near_copies=leave-out").collection
    assert set(without.documents.ids()) < set(whole.documents.ids())
    assert without.notes["near copies left out"] == len(whole) - len(without) > 0
    share = whole.notes["test queries with a near copy"] / len(whole.queries())
    assert 0.05 < share < 0.15
    assert open_dataset("pydoc?sample=1000").collection.notes["test queries with a near copy"] < 10
