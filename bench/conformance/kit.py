"""Runs the kit on a plugin, one check after another."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from bench import registry
from bench.conformance.checks import CHECKS, Broken, Check, NotConcerned
from bench.conformance.subject import Subject, told
from bench.errors import BenchError
from bench.retriever import Retriever


@dataclass(frozen=True)
class Outcome:
    """What a check found: the clause is `kept`, `broken` (with what was seen) or `skipped` (with the reason)."""

    check: Check
    verdict: Literal["kept", "broken", "skipped"]
    seen: str = ""

    def __str__(self) -> str:
        return self.check.name

    def require(self) -> None:
        """Raise AssertionError, with what was seen and how to mend it, if the clause is broken."""
        if self.verdict == "broken":
            raise AssertionError(f"{self.check.clause}: {self.seen}; {self.check.remedy}")


def check_retriever(name: str, options: Mapping[str, Any]) -> Iterator[Outcome]:
    """Every check of a registered retriever with some options, in order. Raises BenchError for an unknown one."""
    yield from check_class(registry.find("retriever", name).load(), name, options)


def check_class(kind: type[Retriever], name: str, options: Mapping[str, Any]) -> Iterator[Outcome]:
    """Every check of a class, registered or not. Raises BenchError for one that cannot be made with the options."""
    with Subject(name, kind, options) as subject:
        try:
            subject.made()
        except BenchError:
            raise
        except Exception as error:
            raise BenchError(f"{name} cannot be constructed: {told(error)}; leave all work to `fit`") from error
        subject.try_kinds()
        for one in CHECKS:
            yield _outcome(one, subject)


def _outcome(one: Check, subject: Subject) -> Outcome:
    try:
        one.run(subject)
    except NotConcerned as reason:
        return Outcome(one, "skipped", str(reason))
    except Broken as broken:
        return Outcome(one, "broken", str(broken))
    except Exception as error:
        return Outcome(one, "broken", f"it ends in {told(error)}")
    return Outcome(one, "kept")
