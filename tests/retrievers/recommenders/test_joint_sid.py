"""One model for questions in words and for users: that it learns both, and from what it is given alone."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from merging import merged

from bench.collections.collection import Collection, Document, Query, Rules, read_collection
from bench.collections.sources.protocols import leave_one_out
from bench.collections.sources.recbole import RecBole
from bench.collections.sources.sequences import InWords, Item
from bench.collections.writer import CollectionWriter
from bench.errors import BenchError
from bench.tasks.next_item import NextItem
from bench.tasks.search import Search
from retrievers.recommenders.joint_sid import JointSID
from retrievers.recommenders.semantic_ids.asked import AskedDecoderOnly
from retrievers.recommenders.semantic_ids.joint_data import Searches

TEXTS = {
    "join": ("Join path components with a slash.", "put parts of a path together", "glue folders into one path"),
    "split": ("Split a path into head and tail.", "take a path apart", "cut a path in two"),
    "open": ("Open a file for reading or writing.", "get at the bytes of a file", "begin to read a file"),
    "close": ("Close a file, after which it is not read.", "end the use of a file", "be done with a file"),
    "sort": ("Sort a list in ascending order.", "put numbers in order", "arrange a list from low to high"),
    "reverse": ("Reverse a list in place.", "turn a list around", "last element of a list first"),
}

TINY: dict[str, Any] = {
    "tokenizer": {"codes": 4, "levels": 2},
    "collisions": "nearest-unused",
    "decoder": {"dimension": 32, "layers": 1, "heads": 2, "feed_forward": 64, "dropout": 0.0},
    "training": {"training_batch": 8, "epochs": 30, "learning_rate": 0.01},
    "beams": {"width": 6},
}


def made(folder: Path, asked: bool = True) -> Collection:
    """Six functions, walked through in a circle, each asked for in words: once in training, once in test."""
    folder.mkdir(exist_ok=True)
    names = list(TEXTS)
    walks = {f"u{n}": [names[(n + step) % 6] for step in range(5 + n % 5)] for n in range(24)}
    items = [Item(Document(name, name, text), name) for name, (text, _, _) in TEXTS.items()]
    words = [
        InWords(split, f"q {name} {split}", question, name)
        for name, (_, first, second) in TEXTS.items()
        for split, question in (("train", first), ("test", second))
    ]
    with CollectionWriter(folder) as writer:
        RecBole(folder=folder).ask(writer, items, leave_one_out(walks), in_words=words if asked else ())
    return read_collection(folder, "functions", Rules(mixed=asked))


@pytest.fixture(scope="module")
def functions(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    return made(tmp_path_factory.mktemp("functions"))


def fitted(collection: Collection, **options: Any) -> JointSID:
    return JointSID(**merged(TINY, options)).fit(collection.training_view())


def figures(system: JointSID, collection: Collection) -> tuple[float, float]:
    """MRR@10 of search and of next_item."""
    found = []
    for task in (Search(measured=("MRR@10",)), NextItem(measured=("MRR@10",), mask_history="no")):
        exam = task.on(collection)
        values = exam.evaluate(system.retrieve(exam.queries, exam.reach)).values
        found.append(float(values["MRR@10"].mean()))
    return found[0], found[1]


@pytest.mark.parametrize(
    "vectors", ["text", "search", "recommendation", "concatenated", "averaged", "joint", "separate"]
)
def test_one_model_learns_both_tasks_whatever_names_the_items(functions: Collection, vectors: str) -> None:
    search, next_item = figures(fitted(functions, tokenizer={"vectors": vectors}), functions)
    assert search > 0.6  # of six items in any order .41, as for next_item
    assert next_item > 0.75


def test_nothing_that_is_asked_in_test_is_read_while_fitting(
    functions: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def text_vectors(_: JointSID, texts: Sequence[str]) -> np.ndarray:
        read.extend(texts)
        return np.ones((len(texts), 4), dtype=np.float32)

    monkeypatch.setattr(JointSID, "text_vectors", text_vectors)
    system = JointSID(**merged(TINY, {"training": {"epochs": 0}}))
    system.fit(functions)  # is handed the training view
    asked = {
        split: {query.text for query in functions.asking("questions").queries(split)} for split in ("train", "test")
    }
    assert asked["train"] <= set(read)
    assert not asked["test"] & set(read)


def test_what_is_not_learned_is_not_known(functions: Collection) -> None:
    search, next_item = figures(fitted(functions, questions={"share": 0}), functions)
    assert search < 0.6
    assert next_item > 0.75


def test_items_alone_can_be_asked_for_without_training_queries(tmp_path: Path) -> None:
    system = fitted(made(tmp_path, asked=False))
    first, _ = system.retrieve([Query("q", "cut a path in two"), Query("nothing", " ")], 6).of(0)
    assert len(first) == 6
    with pytest.raises(BenchError, match="no training queries in words, which tokenizer.vectors=search learns from"):
        fitted(made(tmp_path / "again", asked=False), tokenizer={"vectors": "search"})
    with pytest.raises(BenchError, match="no training queries in words; raise questions.sentences"):
        fitted(made(tmp_path / "third", asked=False), questions={"sentences": 0})


def test_a_query_with_nothing_known_gets_no_answer(functions: Collection) -> None:
    system = fitted(functions, training={"epochs": 1})
    asked = [
        Query("stranger", "words", ("unknown",)),
        Query("mute", ""),
        Query("q", "a path"),
        Query("u", "", ("join",)),
    ]
    assert system.retrieve(asked, 5).lengths.tolist() == [0, 0, 5, 5]


def test_an_answer_does_not_depend_on_what_is_asked_beside_it(functions: Collection) -> None:
    system = fitted(functions, training={"epochs": 2})
    asked = [*functions.asking("questions").queries()[:3], *functions.asking("users").queries()[:3]]
    together = system.retrieve(asked, 6)
    for place, query in enumerate(asked):
        rows, scores = system.retrieve([query], 6).of(0)
        of_all, scores_of_all = together.of(place)
        np.testing.assert_array_equal(rows, of_all)
        np.testing.assert_allclose(scores, scores_of_all, rtol=1e-5)


def test_the_loss_is_that_of_users_and_of_questions_in_one_pass(functions: Collection) -> None:
    """The mean over all codes of a batch equals those of its users and of its questions, by how many these have."""
    system = fitted(functions, training={"epochs": 0})
    examples = system._examples(functions, [np.array([0, 1, 2]), np.array([3, 4])])
    model = system._model
    assert isinstance(model, AskedDecoderOnly)
    owners, starts, ends = np.array([0, 1, 0, 5]), np.array([0, 0, -1, -1]), np.array([3, 2, 0, 0])
    with torch.no_grad():
        whole, users, questions = (
            model.loss(examples.history((owners[part], starts[part], ends[part])), 0.0).item()
            for part in (slice(None), slice(2), slice(2, None))
        )
    assert whole == pytest.approx((3 * users + 2 * questions) / 5, rel=1e-5)


def test_what_is_written_is_as_likely_as_the_loss_says(functions: Collection) -> None:
    system = fitted(functions, training={"epochs": 3}, beams={"width": 16})
    places = range(len(functions))
    query = functions.asking("questions").queries("train")[0]
    rows, scores = system.retrieve([query], 6).of(0)
    found = dict(zip(rows.tolist(), scores.tolist(), strict=True))
    history = system._read([query])[1]
    assert history.questions is not None
    for row in places:
        rows_of = torch.tensor([[row]], device=history.rows.device)
        with torch.no_grad():
            loss = system._model.loss(history._replace(rows=rows_of), 0.0).item()
        assert -loss * system._identifiers.tokens.shape[1] == pytest.approx(found[row], rel=1e-4)


def test_a_share_of_the_examples_are_searches(functions: Collection) -> None:
    system = fitted(functions, training={"epochs": 0}, questions={"share": 0.25})
    examples = system._examples(functions, [np.arange(3)] * 30)
    batches = examples.batches(np.random.default_rng(0))
    searches = sum(int((starts < 0).sum()) for _, starts, _ in batches)
    assert (searches, len(examples)) == (10, 40)


def test_half_of_the_searches_are_training_queries() -> None:
    searches = Searches(np.zeros((10, 2), np.float32), np.zeros(10, np.int64), asked=3)
    drawn = searches.drawn(20, np.random.default_rng(0))
    assert (drawn < 3).sum() == 10
    assert searches._replace(asked=10).drawn(5, np.random.default_rng(0)).max() < 10
    assert len(searches._replace(asked=0).drawn(5, np.random.default_rng(0))) == 5


def test_a_saved_system_answers_as_before(functions: Collection, tmp_path: Path) -> None:
    system = fitted(functions, training={"epochs": 2})
    system.save(tmp_path)
    again = JointSID(**TINY)
    again.load(tmp_path)
    for asked in (functions.asking(kind).queries() for kind in ("questions", "users")):
        before, after = (one.retrieve(asked, 5) for one in (system, again))
        np.testing.assert_array_equal(before.rows, after.rows)
        np.testing.assert_array_equal(before.scores, after.scores)


@pytest.fixture(scope="module")
def twice_named(functions: Collection) -> JointSID:
    return fitted(functions, tokenizer={"vectors": "separate"})


def test_separate_identifiers_are_those_of_either_task(functions: Collection, twice_named: JointSID) -> None:
    brief = {"epochs": 1}
    alone = [
        fitted(functions, tokenizer={"vectors": task}, training=brief).docids()
        for task in ("recommendation", "search")
    ]
    assert list(twice_named.docids()) == list(alone[0])
    asked = [tuple(str(code - 4) for code in codes) for codes in twice_named._identifiers.tokens[6:].tolist()]
    assert asked == list(alone[1])
    assert twice_named.vocabularies() == [4, 4]
    assert len(set(twice_named.identifier_groups().tolist())) == 6
    assert twice_named.facts()["identifiers"] == 12


def test_each_task_is_answered_with_its_identifiers(functions: Collection, twice_named: JointSID) -> None:
    """Six beams of twelve identifiers find the six of the task, in company of questions of the other one."""
    asked = [Query("a", "glue folders into one path"), Query("b", "", ("open", "close"))]
    answers = twice_named.retrieve(asked, 6)
    assert [sorted(answers.of(place)[0].tolist()) for place in (0, 1)] == [[0, 1, 2, 3, 4, 5]] * 2
    rows = [np.arange(6), np.arange(6)]
    for place, told in enumerate(twice_named.traces(asked, rows, 6)):
        own = {one.row: one.log_prob for one in told}
        found = dict(zip(answers.of(place)[0].tolist(), answers.of(place)[1].tolist(), strict=True))
        assert own == pytest.approx(found, abs=1e-4)


def test_separate_identifiers_come_back(functions: Collection, twice_named: JointSID, tmp_path: Path) -> None:
    twice_named.save(tmp_path)
    again = JointSID(**merged(TINY, {"tokenizer": {"vectors": "separate"}}))
    again.load(tmp_path)
    asked = [*functions.queries("test")]
    before, after = (one.retrieve(asked, 6) for one in (twice_named, again))
    np.testing.assert_array_equal(before.rows, after.rows)
    assert again.docids() == twice_named.docids()


def test_options_that_do_not_fit_are_refused() -> None:
    with pytest.raises(BenchError, match="decoder-only"):
        JointSID(architecture="encoder-decoder")
    with pytest.raises(BenchError, match="vectors=search is for tokenizers that read vectors, not random"):
        JointSID(tokenizer={"kind": "random", "vectors": "search"})
    with pytest.raises(BenchError, match="separate needs collisions=nearest-unused or recursive"):
        JointSID(tokenizer={"vectors": "separate"})
