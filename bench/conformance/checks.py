"""The clauses of the retriever's contract, each a check that raises Broken where it is not kept.

A check that does not concern a retriever raises NotConcerned. Any other error of the plugin's code is a broken clause
too: who uses it would meet a traceback.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bench.collections.collection import Query
from bench.conformance.opened import opened_files
from bench.conformance.subject import Subject, World, told
from bench.conformance.worlds import (
    duplicates_world,
    one_document_world,
    rejudged_world,
    renamed_world,
    search_world,
    unlearnt_world,
)
from bench.errors import BenchError, NotFittedError
from bench.models import find_weights
from bench.protocols import can_be_saved
from bench.rankings import Rankings, as_rankings
from bench.retriever import Retriever
from bench.runner.first_answers import alike


class Broken(Exception):
    """A clause that is not kept: what was seen."""


class NotConcerned(Exception):
    """A clause that says nothing of this retriever, and why."""


class Check(NamedTuple):
    """A clause, what whoever breaks it should do, and how it is found out."""

    name: str
    clause: str
    remedy: str
    run: Callable[[Subject], None]


CHECKS: list[Check] = []

WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".npy", ".npz", ".gguf", ".onnx", ".vec", ".model")
"""How files that hold a model end."""


def check(name: str, clause: str, remedy: str) -> Callable[[Callable[[Subject], None]], Callable[[Subject], None]]:
    """Add a function to the kit."""

    def add(run: Callable[[Subject], None]) -> Callable[[Subject], None]:
        CHECKS.append(Check(name, clause, remedy, run))
        return run

    return add


@check(
    "options",
    "every option has a description, and a default that is valid or none",
    "write `name: type = Field(default, ge=..., description=...)` for each",
)
def options_are_documented(subject: Subject) -> None:
    silent = [option.name for option in subject.type.describe_options() if not option.description]
    if silent:
        raise Broken(f"no description: {', '.join(silent)}")
    json.dumps(subject.made().options(), allow_nan=False)


@check("constructor", "constructing one does no work", "leave reading, drawing and computing to `fit`")
def the_constructor_does_no_work(subject: Subject) -> None:
    subject.made()  # what is imported once is imported now
    with opened_files() as opened:
        made = subject.made()
    if opened:
        raise Broken(f"it opens {_some(sorted(map(str, opened)))}")
    own = vars(made).keys() - type(made).model_fields.keys()
    if own:
        raise Broken(f"it sets {_some(sorted(own))}")


@check("collections", "it answers on a collection of texts or of sequences", "mend its `fit` and `retrieve`")
def some_collection_is_answered(subject: Subject) -> None:
    world = subject.home
    subject.answers(subject.fitted(world), world)


@check(
    "refusals",
    "a kind of collection that it does not take is refused in one line that says why",
    "raise bench.BenchError with what is missing and what to do",
)
def other_collections_are_refused_clearly(subject: Subject) -> None:
    for kind, error in subject.refusals.items():
        if not isinstance(error, BenchError):
            raise Broken(f"a collection for {kind} ends in {told(error)}")


@check("unfitted", "asked before `fit` it raises NotFittedError", "do not override how `retrieve` is called")
def it_is_not_asked_before_it_is_fitted(subject: Subject) -> None:
    try:
        subject.made().retrieve(subject.questions(subject.home), 3)
    except NotFittedError:
        return
    raise Broken("it answers")


@check(
    "depth",
    "it gives at most k documents and those that tie with the k-th, and all it has where k is larger than the "
    "collection",
    "cut at k, or build the answer with Rankings.from_scores",
)
def the_depth_is_kept(subject: Subject) -> None:
    world = subject.home
    size = len(subject.world(world))
    deepest = subject.answers(subject.fitted(world), world, k=10 * size)
    for k in (1, 3):
        given = _given(subject, world, k)
        for position in range(len(given)):
            scores = np.sort(given.of(position)[1])[::-1]
            if len(scores) > k and scores[k] < scores[k - 1]:
                raise Broken(f"{len(scores)} documents for k = {k}, query '{given.query_ids[position]}'")
        short = given.lengths < np.minimum(k, deepest.lengths)
        if short.any():
            raise Broken(f"fewer documents for k = {k} than it has, query '{given.query_ids[int(np.argmax(short))]}'")


@check(
    "batches",
    "a question is answered alike alone, in company, and in another order",
    "let nothing of one question, such as padding or a draw, reach another's answer",
)
def company_changes_nothing(subject: Subject) -> None:
    world = subject.home
    retriever, queries = subject.fitted(world), list(subject.questions(world))
    together = subject.answers(retriever, world)
    alone = Rankings.concatenate([subject.answers(retriever, world, [query]) for query in queries])
    _compare(together, alone, "alone and in company")
    turned = subject.answers(retriever, world, queries[::-1]).take(range(len(queries))[::-1])
    _compare(together, turned, "in one order and in another")


@check(
    "repetition",
    "the same question gets the same answer each time",
    "keep no state between calls of `retrieve`, and draw nothing there",
)
def asking_again_changes_nothing(subject: Subject) -> None:
    world = subject.home
    retriever = subject.fitted(world)
    first = subject.answers(retriever, world)
    subject.answers(retriever, world, k=1)
    _compare(first, subject.answers(retriever, world), "the first time and later")


@check(
    "seed",
    "two fits with one seed answer alike, and with any seed if it says `deterministic`",
    "draw from np.random.default_rng(self.seed) or a torch.Generator with that seed, not from a global generator",
)
def the_seed_decides(subject: Subject) -> None:
    world = subject.home
    first = subject.answers(subject.fit(world, noise=1), world)
    _compare(first, subject.answers(subject.fit(world, noise=2), world), "with one seed, fitted twice")
    if subject.made().deterministic:
        other = subject.answers(subject.fit(world, seed=1), world)
        _compare(first, other, "with another seed, although it says `deterministic`")


@check(
    "saving",
    "what `load` reads answers as what `save` wrote, and a folder without an index is refused",
    "write all that `retrieve` uses, and read every option from the object, not from the folder",
)
def a_loaded_index_answers_alike(subject: Subject) -> None:
    world = subject.home
    fitted, folder = subject.fitted(world), subject.folder()
    if not can_be_saved(fitted):
        raise NotConcerned("it has no `save` and `load`")
    fitted.save(folder)
    loaded = subject.made()
    assert can_be_saved(loaded)
    loaded.load(folder)
    _compare(subject.answers(fitted, world), subject.answers(loaded, world), "fitted and loaded")
    try:
        loaded.load(subject.folder())
    except Exception:
        return
    raise Broken("`load` takes an empty folder for an index")


@check(
    "ids",
    "ids are names: what a document is called changes nothing",
    "use rows, or ids as they are; never parse, split or order by them",
)
def ids_are_names(subject: Subject) -> None:
    if "search" not in subject.kinds:
        raise NotConcerned("it does not search")
    plain = subject.answers(subject.fitted(search_world), search_world, k=4)
    odd = subject.answers(subject.fit(renamed_world), renamed_world, k=4)
    _compare(plain, odd, "under plain and under odd ids")


@check(
    "small collections",
    "one document, copies, a text without a word and an empty one are answered, or refused in one line",
    "look at sizes before dividing by them or asking for more clusters or neighbours than there are",
)
def small_collections_are_answered(subject: Subject) -> None:
    if "search" not in subject.kinds:
        raise NotConcerned("it does not search")
    for world in (one_document_world, duplicates_world):
        _answered_or_refused(partial(_fit_and_ask, subject, world), f"the collection {subject.world(world).name}")


@check(
    "questions",
    "a question of unknown words, a very long one and one without any word are answered, with nothing if need be",
    "truncate what is too long, and give no hit where nothing matches",
)
def odd_questions_are_answered(subject: Subject) -> None:
    world = subject.home
    history = subject.questions(world)[0].history
    texts = ("zyxwv qponm", "path " * 5000, "?!", "日本語 नदी 🙂 \x00\x1b[31m", "word")
    asked = [Query(f"odd {number}", text, history) for number, text in enumerate(texts)]
    _answered_or_refused(lambda: subject.answers(subject.fitted(world), world, asked), "an odd question")


@check(
    "judgements",
    "the judgements of the split `test` change nothing",
    "learn from collection.relevant('train'); what `fit` is handed has no other",
)
def test_judgements_are_not_read(subject: Subject) -> None:
    if "search" not in subject.kinds:
        raise NotConcerned("it does not search")
    plain = subject.answers(subject.fitted(search_world), search_world)
    _compare(plain, subject.answers(subject.fit(rejudged_world), rejudged_world), "with other test judgements")


@check(
    "learning",
    "one that is not `trained` does not learn from the training questions",
    "have `trained` give True",
)
def learning_is_declared(subject: Subject) -> None:
    if subject.made().trained:
        raise NotConcerned("it says that it learns")
    if "search" not in subject.kinds:
        raise NotConcerned("it does not search")
    queries = subject.questions(unlearnt_world)
    learnt = subject.answers(subject.fitted(search_world), search_world, queries)
    without = subject.answers(subject.fit(unlearnt_world), unlearnt_world, queries)
    _compare(learnt, without, "with and without training questions")


@check(
    "weights",
    "every model and file that it reads is named by `weights()` or `files()`, so that it is part of the key",
    "return the model's name from `weights()`, the file's path from `files()`",
)
def weights_are_declared(subject: Subject) -> None:
    world = subject.home
    with opened_files() as opened:
        fitted = subject.fit(world)
        subject.answers(fitted, world)
    declared = list(_declared(fitted))
    own = [subject.root.resolve(), fitted.workplace.common.parent.resolve()]
    hidden = [path for path in _models(opened) if not any(path.is_relative_to(one) for one in [*declared, *own])]
    if hidden:
        raise Broken(f"it reads {_some(sorted(map(str, hidden)))}")


@check("facts", "what `facts` and `answer_facts` tell can be written as JSON", "give texts, numbers, lists, mappings")
def facts_can_be_written(subject: Subject) -> None:
    fitted = subject.fitted(subject.home)
    json.dumps([fitted.facts(), fitted.answer_facts()], allow_nan=False)


def _given(subject: Subject, world: World, k: int) -> Rankings:
    """What `retrieve` gives itself, before anything is cut."""
    queries, retriever = subject.questions(world), subject.fitted(world)
    return as_rankings(retriever.retrieve(queries, k), queries, subject.world(world).documents, k)


def _fit_and_ask(subject: Subject, world: World) -> Rankings:
    return subject.answers(subject.fit(world), world)


def _compare(first: Rankings, second: Rankings, when: str) -> None:
    for position, query_id in enumerate(first.query_ids):
        if not alike(first.of(position), second.of(position)):
            raise Broken(f"query '{query_id}' is answered otherwise {when}")


def _answered_or_refused(answer: Callable[[], object], what: str) -> None:
    try:
        answer()
    except BenchError:
        return
    except Exception as error:
        raise Broken(f"{what} ends in {told(error)}") from error


def _declared(retriever: Retriever) -> Iterator[Path]:
    """The folders and files that a retriever and its parts name."""
    yield from (find_weights(name).folder.resolve() for name in retriever.weights())
    yield from (path.resolve() for path in retriever.files())
    for part in retriever.components():
        yield from _declared(part)


def _models(opened: Iterable[Path]) -> list[Path]:
    """Of files that were opened, those that hold a model or stand beside one that does."""
    existing = (path.resolve() for path in opened if path.is_file())
    return [path for path in existing if path.suffix in WEIGHTS or _beside_a_model(path)]


def _beside_a_model(path: Path) -> bool:
    return path.name == "config.json" and any(other.suffix in WEIGHTS for other in path.parent.iterdir())


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
