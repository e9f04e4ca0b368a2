"""The interface that a retriever plugin implements."""

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, Self

from pydantic import Field, PrivateAttr

from bench import registry
from bench.collections.collection import Collection, Query, with_more
from bench.errors import BenchError, NotFittedError, UnknownName
from bench.hits import Hits
from bench.options import Options
from bench.progress import Progress, no_progress
from bench.protocols import METHODS, evidence_of
from bench.rankings import Rankings, as_rankings
from bench.workplace import Workplace


class Retriever(Options, ABC):
    """A system under test.

    A subclass declares its options as typed fields and implements `fit` and `retrieve`. Constructing one does no
    work. What it can do beyond that are the protocols of `bench.protocols`: it simply has their methods, such as
    `save` and `load`.

    Inside `fit`, `load` and `retrieve` a subclass may set any attribute of its own; outside, only options can be
    set: each is validated, and a name that is none is an error.
    """

    name: ClassVar[str] = ""
    """How tables call it; empty: by its entry point, or by the name of its class."""

    family: ClassVar[str] = "other"
    """Kind of system, for the leaderboard: sparse, dense, late interaction, generative, ..."""

    remote: ClassVar[bool] = False
    """Whether another machine computes the answers, so that what they cost is not known here."""

    recorded: ClassVar[bool] = False
    """Whether its answers were made before, so that the time that it takes to look them up tells nothing."""

    seed: int = Field(0, ge=0, lt=2**31, description="feeds every random choice")

    _progress: Progress = PrivateAttr(default_factory=lambda: no_progress)
    _workplace: Workplace | None = PrivateAttr(None)
    _calls: int = PrivateAttr(0)
    _fitted: bool = PrivateAttr(False)
    _fitted_on: Collection | None = PrivateAttr(None)

    @classmethod
    def __pydantic_init_subclass__(cls, **named: Any) -> None:
        super().__pydantic_init_subclass__(**named)
        for name in cls.model_fields.keys() & METHODS.keys():
            raise BenchError(
                f"{cls.__name__}: the option '{name}' would pass for the method of bench.protocols.{METHODS[name]}; "
                "give it another name"
            )
        for name, guard in _GUARDS.items():
            method = getattr(cls, name, None)
            if method is None or getattr(method, "__isabstractmethod__", False):
                continue
            if not hasattr(method, "unguarded"):
                guarded = guard(method)
                guarded.unguarded = method  # type: ignore[attr-defined]
                setattr(cls, name, guarded)

    def __setattr__(self, name: str, value: Any) -> None:
        known = type(self).model_fields
        own = name in known or name.startswith("_") or name in vars(self) or hasattr(type(self), name)
        if not own and not self._calls:
            raise UnknownName(f"option of {type(self).__name__}", name, known)
        super().__setattr__(name, value)

    def __repr__(self) -> str:
        fields = type(self).model_fields.items()
        chosen = {
            name: getattr(self, name)
            for name, field in fields
            if getattr(self, name) != field.get_default(call_default_factory=True)
        }
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in chosen.items())})"

    __str__ = __repr__

    @abstractmethod
    def fit(self, collection: Any) -> Self:
        """Build the index or train on a Collection, or on what `bench.open` gives, and return the retriever.

        Whoever calls it, a subclass is handed the view without the test queries and their judgements.
        """

    @abstractmethod
    def retrieve(self, queries: Sequence[Query], k: int) -> Rankings:
        """Answer each query with at most k documents (ties with the k-th may be added), in any order.

        Raises NotFittedError before `fit` or `load`.
        """

    @property
    def fitted(self) -> bool:
        """Whether it can be asked."""
        return self._fitted

    @property
    def fitted_on(self) -> Collection | None:
        """The view of the collection that `fit` was handed; None before, and after `load`."""
        return self._fitted_on

    def rankings(self, queries: Sequence[str | Query], k: int = 10) -> Rankings:
        """The k best documents for each query, in the canonical order; a text is asked as the query `1`, `2`, ..."""
        _check_number(k)
        asked = [query if isinstance(query, Query) else Query(str(n), query) for n, query in enumerate(queries, 1)]
        documents = self._collection().documents
        return as_rankings(self.retrieve(asked, k), asked, documents, k).canonical(asked, documents, k)

    def search(self, text: str, k: int = 10, explain: bool = False) -> Hits:
        """The k best documents for a question, with their text, and with what they were found by.

        Raises BenchError where that is asked of a system that does not tell.
        """
        check_question(text, k)
        query, collection = Query("1", text), self._collection()
        ranked = self.rankings([query], k)
        return Hits.of(text, ranked, collection, evidence_of(self, query, ranked, collection) if explain else ())

    def _collection(self) -> Collection:
        if not self._fitted:
            raise NotFittedError(type(self).__name__)
        if self._fitted_on is None:
            raise BenchError(
                f"{type(self).__name__} was loaded without its documents; ask by bench.search(system, data, text)"
            )
        return self._fitted_on

    def weights(self) -> list[str]:
        """Names or paths of the model weights that the options choose, e.g. for the manifest."""
        return []

    def files(self) -> list[Path]:
        """Files that the options choose, e.g. word vectors: their content is part of what a result depends on."""
        return []

    def facts(self) -> dict[str, Any]:
        """After `fit`: what was decided at run time (device, precision, truncation), for the manifest."""
        return {}

    @property
    def trained(self) -> bool:
        """Whether `fit` learns from the training queries or interactions. Options may decide it."""
        return False

    @property
    def deterministic(self) -> bool:
        """Whether the seed changes nothing, so that one fit stands for all seeds. Options may decide it."""
        return False

    def components(self) -> "Sequence[Retriever]":
        """The systems that this one is composed of, unfitted; their code, options and weights are part of its own."""
        return ()

    def answer_facts(self) -> dict[str, Any]:
        """What the last `retrieve` has to tell of its answers, e.g. how many identifiers were invalid."""
        return {}

    @property
    def workplace(self) -> Workplace:
        """Folders for what `fit` keeps beside its index; temporary ones unless the runner gives lasting ones."""
        if self._workplace is None:
            self._workplace = Workplace.temporary()
        return self._workplace

    def work_in(self, workplace: Workplace) -> None:
        """Have `fit` keep its checkpoints and shared work there."""
        self._workplace = workplace

    def report_to(self, progress: Progress) -> None:
        """Have `fit` and `retrieve` tell their progress."""
        self._progress = progress

    def progress(self, phase: str, done: int, total: int) -> None:
        """Tell how far a long step is."""
        self._progress(phase, done, total)

    @contextmanager
    def _inside(self) -> Iterator[bool]:
        """A method of the subclass runs. Gives whether nobody but the user called it."""
        self._calls += 1
        try:
            yield self._calls == 1
        finally:
            self._calls -= 1


def check_question(text: Any, k: int) -> None:
    """Raise BenchError for what is no question, and for fewer hits than one."""
    if not isinstance(text, str):
        raise BenchError(f"a question is one text, not {type(text).__name__}; ask one at a time")
    if not text.strip():
        raise BenchError("the question is empty; ask something")
    _check_number(k)


def _check_number(k: int) -> None:
    if k < 1:
        raise BenchError(f"k = {k}, but k must be at least 1; ask for one document or more")


def training_view(data: Any) -> Collection:
    """What `fit` may see of a Collection or an opened Dataset. Raises BenchError for anything else."""
    from bench.collections.catalogue import Dataset

    collection = data.collection if isinstance(data, Dataset) else data
    if not isinstance(collection, Collection):
        raise BenchError(f"fit takes a collection, not {type(data).__name__}; open one with bench.open(NAME)")
    return collection.training_view()


def _fits(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def fit(self: Retriever, collection: Any) -> Retriever:
        view = training_view(collection)
        with self._inside() as outermost:
            if outermost:
                self._fitted, self._fitted_on = False, None
            method(self, view)
            if outermost:
                self._fitted, self._fitted_on = True, view
        return self

    return fit


def _loads(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def load(self: Retriever, folder: Path) -> None:
        with self._inside():
            self._fitted, self._fitted_on = False, None
            method(self, folder)
            self._fitted = True

    return load


def _answers(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def answer(self: Retriever, *arguments: Any, **named: Any) -> Any:
        with self._inside() as outermost:
            if outermost and not self._fitted:
                raise NotFittedError(type(self).__name__)
            return method(self, *arguments, **named)

    return answer


def _grows(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def add(self: Retriever, documents: Collection) -> None:
        with self._inside() as outermost:
            if outermost and not self._fitted:
                raise NotFittedError(type(self).__name__)
            before = self._fitted_on
            if outermost and before is not None:
                self._fitted_on = with_more(before, documents)
            try:
                method(self, documents)
            except BaseException:
                self._fitted_on = before
                raise

    return add


_GUARDS = {
    "add": _grows,
    "fit": _fits,
    "load": _loads,
    **dict.fromkeys(
        (
            "retrieve",
            "retrieve_among",
            "traces",
            "save",
            "docids",
            "vocabularies",
            "identifier_groups",
            "score",
            "explain",
        ),
        _answers,
    ),
}


def construct(name: str, options: Mapping[str, Any]) -> Retriever:
    """A registered system with options. Raises BenchError for an unknown name or option."""
    made: Retriever = registry.find("retriever", name).load().from_options(name, options)
    return made


class _CallableModule(ModuleType):
    """`bench.retriever("bm25")` constructs a system. Python puts this module in that function's place when it is
    imported, so the module answers as the function does."""

    def __call__(self, name: str, **options: Any) -> Retriever:
        return construct(name, options)


sys.modules[__name__].__class__ = _CallableModule
