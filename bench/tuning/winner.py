"""The outcome of a search as a suite file, which `bench run` takes."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.durations import duration
from bench.settings import merge, nest
from bench.store import write_text
from bench.tuning.study import Budget, Study, best_first
from bench.tuning.trials import Trial
from bench.visible import plural

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def write_winner(path: Path, study: Study, trials: Sequence[Trial], budget: Budget) -> None:
    """A suite of the best system and the same system as it stood, with what was searched.

    Raises BenchError if no trial is done.
    """
    won = best_first(study, trials)[0]
    systems = [_system(study, f"{study.subject.entry.label} tuned", won.options)]
    if won.options:
        systems.append(_system(study, study.subject.entry.label, {}))
    space = {name: str(dimension) for name, dimension in study.space.items()}
    head = [
        f"title = {_value(f'{study.subject.entry.label}, tuned on {study.collection.name}')}",
        f"datasets = {_value([study.spec])}",
        f"findings = {_value(told(study, trials, budget))}",
        f"tune = {_value({study.subject.entry.retriever: space})}",
    ]
    task = ["[[tasks]]", f"task = {_value(study.subject.task.task)}", f"options = {_value(_changed(study.task))}"]
    write_text(path, "\n\n".join("\n".join(part) for part in [head, *systems, task]) + "\n")


def told(study: Study, trials: Sequence[Trial], budget: Budget) -> str:
    """What was searched and what came of it, in a sentence."""
    done, first = best_first(study, trials), trials[0]
    won = done[0]
    seconds = sum(trial.seconds for trial in trials)
    name = study.measure.name
    begun = f", as it stood {first.figures[name]:.4f}" if first.outcome == "done" else ""
    return (
        f"Chosen by {name} on the split {study.subject.split} among {plural(len(done), 'trial')} "
        f"(budget: {plural(budget.trials, 'trial')}, {duration(budget.seconds)}; {seconds:.0f} s were used; seed "
        f"{study.subject.seed}): {won.figures[name]:.4f}{begun}."
    )


def _typed(given: Mapping[str, Any], all_options: Mapping[str, Any]) -> dict[str, Any]:
    """Options, nested, with their values as the system has them."""
    return {
        name: _typed(value, all_options[name]) if isinstance(value, Mapping) else all_options[name]
        for name, value in given.items()
    }


def _changed(task: Any) -> dict[str, Any]:
    fields = type(task).model_fields
    return {
        name: value
        for name, value in task.options().items()
        if getattr(task, name) != fields[name].get_default(call_default_factory=True)
    }


def _system(study: Study, name: str, options: Mapping[str, Any]) -> list[str]:
    """The system with the options of a trial."""
    given = merge(nest(study.subject.entry.options), nest(options))
    return [
        "[[systems]]",
        f"retriever = {_value(study.subject.entry.retriever)}",
        f"name = {_value(name)}",
        f"options = {_value(_typed(given, study.subject.system(options).options()))}",
    ]


def _value(value: Any) -> str:
    """A value of JSON as TOML writes it; what stands for none there is a word that options read as none."""
    match value:
        case dict():
            return f"{{ {', '.join(_pairs(value))} }}" if value else "{}"
        case list():
            return f"[{', '.join(map(_value, value))}]"
        case None:
            return '"none"'
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _pairs(table: Mapping[str, Any]) -> Iterator[str]:
    for name, value in table.items():
        yield f"{name if _BARE.fullmatch(name) else json.dumps(name)} = {_value(value)}"
