"""The interface: what a system is handed, when it may be asked, and which mistakes it tells at once."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import Field

import bench
from bench.collections.catalogue import Dataset
from bench.collections.collection import Collection, Query
from bench.errors import BenchError, CannotAdd, NotFittedError, UnusableClass
from bench.protocols import Embeds, GeneratesIdentifiers, Saves, ScoresDocuments, SharesIdentifiers, identifier_groups
from bench.rankings import Rankings
from bench.retriever import Retriever

PORT = {
    "arrival": "The ship reached the harbour at dawn.",
    "berth": "A berth had been kept free beside the grain silo.",
    "cargo": "Her cargo was timber and dried fish.",
}


class Words(Retriever):
    """Counts words in common."""

    least: int = Field(1, ge=1, le=5, description="words in common, at least")
    unit: str = Field("word", description="what is counted")

    def fit(self, collection: Collection) -> None:
        self.seen = collection.splits
        self.words = [set(text.lower().split()) for text in collection.texts()]

    def retrieve(self, queries: Sequence[Query], k: int) -> Rankings:
        self.asked = len(queries)
        common = [[len(words & set(query.text.lower().split())) for words in self.words] for query in queries]
        scores = np.array(common, dtype=float).reshape(len(queries), len(self.words))
        return Rankings.from_scores(queries, np.where(scores < self.least, -np.inf, scores), k)

    def save(self, folder: Path) -> None:
        (folder / "words").write_text("\n".join(" ".join(words) for words in self.words))

    def load(self, folder: Path) -> None:
        self.words = [set(line.split()) for line in (folder / "words").read_text().splitlines()]


@pytest.fixture
def port(make_collection: Callable[..., Collection]) -> Collection:
    return make_collection(PORT, {"q": "the ship at dawn"}, {"q": {"arrival": 1}})


def test_fit_hands_over_the_training_view_by_itself_and_returns_the_system(port: Collection, tmp_path: Path) -> None:
    dataset = Dataset("port", port, tmp_path, None)
    for data in (port, dataset, port.training_view()):
        system = Words()
        assert system.fit(data) is system
        assert system.seen == []
        assert system.fitted_on is not None
        assert system.fitted_on.fingerprint == port.fingerprint
    assert port.splits == ["test"]


def test_fit_refuses_what_is_no_collection() -> None:
    with pytest.raises(BenchError, match=r"fit takes a collection, not str; open one with bench\.open"):
        Words().fit("scifact")


def test_an_unfitted_system_that_is_asked_says_what_to_do(port: Collection, tmp_path: Path) -> None:
    asked = port.queries()
    for ask in (
        lambda: Words().retrieve(asked, 1),
        lambda: Words().rankings(asked),
        lambda: Words().search("dawn"),
        lambda: Words().save(tmp_path),
    ):
        with pytest.raises(NotFittedError, match=r"Words is not fitted; call fit\(collection\)"):
            ask()


def test_a_fit_that_failed_leaves_the_system_unfitted(port: Collection) -> None:
    class Once(Words):
        def fit(self, collection: Collection) -> None:
            if hasattr(self, "words"):
                raise ValueError("only once")
            super().fit(collection)

    system = Once().fit(port)
    with pytest.raises(ValueError, match="only once"):
        system.fit(port)
    with pytest.raises(NotFittedError):
        system.retrieve(port.queries(), 1)


def test_what_was_saved_answers_alike_after_load(port: Collection, tmp_path: Path) -> None:
    fitted = Words().fit(port)
    fitted.save(tmp_path)
    loaded = Words()
    loaded.load(tmp_path)
    first, second = (system.retrieve(port.queries(), 3) for system in (fitted, loaded))
    assert first.rows.tolist() == second.rows.tolist()
    with pytest.raises(BenchError, match=r"loaded without its documents; ask by bench\.search"):
        loaded.search("dawn")


def test_documents_that_were_refused_are_none_of_the_systems(port: Collection) -> None:
    class Full(Words):
        def add(self, documents: Collection) -> None:
            raise CannotAdd("there is no room")

    system = Full().fit(port)
    with pytest.raises(CannotAdd):
        system.add(port)
    assert system.fitted_on is not None
    assert len(system.fitted_on) == len(port)


def test_an_option_is_validated_when_it_is_assigned() -> None:
    system = Words()
    with pytest.raises(BenchError, match=r"Words\.least"):
        system.least = -5
    assert system.least == 1
    system.least = 2
    assert system.options()["least"] == 2


def test_a_typo_in_an_option_is_an_error_and_names_the_nearest(port: Collection) -> None:
    system = Words().fit(port)
    with pytest.raises(BenchError, match="unknown option of Words 'leest': did you mean least"):
        system.leest = 3  # type: ignore[attr-defined]
    with pytest.raises(BenchError, match="'leest'.*did you mean least"):
        Words(leest=3)  # type: ignore[call-arg]


def test_what_fit_and_retrieve_set_may_be_set(port: Collection) -> None:
    system = Words().fit(port)
    system.retrieve(port.queries(), 1)
    assert system.asked == 1
    system.words = []


def test_a_class_that_cannot_work_is_told_in_one_sentence() -> None:
    class Silent(Retriever):
        def fit(self, collection: Collection) -> None:
            pass

    class Own(Words):
        def __init__(self, words: int) -> None:
            pass

    for cls, complaint in (
        (Silent, "Silent has no retrieve; define it"),
        (Own, "Own has an __init__ of its own: declare its options as fields"),
    ):
        with pytest.raises(UnusableClass, match=complaint):
            cls(words=3)
        with pytest.raises(UnusableClass, match=complaint):
            cls.from_options("mine", {})


def test_an_option_that_would_pass_for_what_a_system_can_do_is_refused() -> None:
    with pytest.raises(BenchError, match="Hides: the option 'candidates' .*ChoosesCandidates; give it another name"):

        class Hides(Retriever):
            candidates: int = 20


def test_methods_of_a_mixin_are_guarded_as_those_of_the_class(port: Collection) -> None:
    class Everything:
        def fit(self, collection: Collection) -> None:
            self.size = len(collection)

        def retrieve(self, queries: Sequence[Query], k: int) -> Rankings:
            return Rankings.from_scores(queries, np.ones((len(queries), self.size)), k)

    class Mixed(Everything, Retriever):  # type: ignore[misc]
        pass

    with pytest.raises(NotFittedError):
        Mixed().retrieve([], 1)
    assert len(Mixed().fit(port).search("anything", k=2)) == 2


def test_what_a_system_can_do_beyond_answering_is_told_by_its_methods(port: Collection) -> None:
    class Named(Words):
        def docids(self) -> list[tuple[str, ...]]:
            return [(name,) for name in PORT]

        def identifier_groups(self) -> np.ndarray:
            return np.array([0, 0, 1])

    assert isinstance(Words(), Saves)
    for protocol in (Embeds, GeneratesIdentifiers, SharesIdentifiers, ScoresDocuments):
        assert not isinstance(Words(), protocol)
    named = Named().fit(port)
    assert isinstance(named, GeneratesIdentifiers)
    assert identifier_groups(Words()) is None
    groups: Any = identifier_groups(named)
    assert groups.tolist() == [0, 0, 1]


def test_search_shows_the_text_of_what_was_found(port: Collection) -> None:
    hits = Words(seed=3).fit(port).search("the ship at dawn", k=2)
    assert [(hit.rank, hit.document, hit.text) for hit in hits] == [
        (1, "arrival", PORT["arrival"]),
        (2, "berth", PORT["berth"]),
    ]
    assert "The ship reached the harbour" in str(hits)
    assert list(hits.frame()["document"]) == ["arrival", "berth"]
    assert "<td" in hits._repr_html_()
    with pytest.raises(BenchError, match="the question is empty"):
        Words().fit(port).search("  ")


def test_a_search_asks_one_text_for_one_document_or_more(port: Collection) -> None:
    words = Words().fit(port)
    several: Any = ["dawn", "timber"]
    with pytest.raises(BenchError, match="a question is one text, not list; ask one at a time"):
        words.search(several)
    for k in (0, -1):
        with pytest.raises(BenchError, match=f"k = {k}, but k must be at least 1"):
            words.search("dawn", k=k)
        with pytest.raises(BenchError, match="k must be at least 1"):
            words.rankings(["dawn"], k=k)
        with pytest.raises(BenchError, match="k must be at least 1"):
            bench.search(words, port, "dawn", k=k)


def test_what_documents_say_steers_neither_terminal_nor_page(make_collection: Callable[..., Collection]) -> None:
    hostile = make_collection({"bell": "dawn \x1b[2J\x07 <script>alert(1)</script>"})
    hits = Words().fit(hostile).search("dawn")
    assert "\x1b" not in str(hits)
    assert "\x07" not in str(hits)
    assert "<script>" not in hits._repr_html_()


def test_rankings_of_texts_are_canonical_and_numbered(port: Collection) -> None:
    ranked = Words().fit(port).rankings(["dawn harbour ship", "timber"], k=1)
    assert list(ranked.query_ids) == ["1", "2"]
    assert port.documents.ids(ranked.rows) == ["arrival", "cargo"]


def test_a_system_shows_its_name_and_the_options_that_differ() -> None:
    assert repr(Words()) == "Words()"
    assert str(Words(least=2, seed=7)) == "Words(seed=7, least=2)"
