"""What is to be run, from the words of a command line: a suite, and what is changed in it."""

from collections.abc import Sequence
from typing import Any

from bench import registry
from bench.durations import seconds_of
from bench.errors import BenchError, UnknownName
from bench.needs import needs_of
from bench.options import known_part
from bench.settings import merge, nest, parse_query, parse_setting, parse_settings
from bench.suite import Suite, SystemEntry, TaskEntry, read_suite

_SET = "SYSTEM.OPTION=VALUE, as in bm25.k1=0.9"
_NEEDS = "NAME=VALUE, as in cpus=4"


def choose(
    suite: str = "",
    datasets: Sequence[str] = (),
    retrievers: Sequence[str] = (),
    settings: Sequence[str] = (),
    seeds: Sequence[int] = (),
    tasks: Sequence[str] = (),
    measures: Sequence[str] = (),
    depth: int | None = None,
    time_limit: str = "",
    needs: Sequence[str] = (),
) -> Suite:
    """A suite with changes, or one made of datasets and retrievers alone.

    datasets and seeds stand in place of the suite's, and so do tasks, each `NAME?OPTION=VALUE`. retrievers are
    explained at `with_retrievers`, settings at `with_settings`. measures and depth are given to every task that has
    them, time_limit to every system, needs (`cpus=4`) to every one that does not say. Raises BenchError for what is
    unknown, malformed, or named twice.
    """
    if suite:
        chosen = with_retrievers(read_suite(suite), retrievers) if retrievers else read_suite(suite)
    elif datasets and retrievers:
        chosen = Suite(name="custom", datasets=list(datasets), systems=_added(retrievers))
    else:
        raise BenchError("nothing to run: give --suite NAME, or --dataset and --retriever (see `bench run --help`)")
    known = [name for name in chosen.datasets if name in datasets]
    changes = {
        "datasets": [*known, *(name for name in datasets if name not in known)],
        "seeds": list(seeds),
        "tasks": [TaskEntry(task=name, options=options) for name, options in map(parse_query, tasks)],
    }
    # Checked before they are merged, so that what is named twice is not lost in the order of the suite.
    chosen.model_copy(update={"datasets": list(datasets)}).check()
    chosen = chosen.model_copy(update={name: value for name, value in changes.items() if value}).check()
    chosen = _with_needs(_with_time_limit(chosen, time_limit), needs)
    return with_settings(_with_task_options(chosen, measures, depth), settings)


def _with_time_limit(suite: Suite, given: str) -> Suite:
    """The suite with one limit for all of its systems, also for those that have their own."""
    if not given:
        return suite
    try:
        limit = seconds_of(given)
    except ValueError as error:
        raise BenchError(f"--time-limit {error}") from None
    systems = [entry.model_copy(update={"time_limit": None}) for entry in suite.systems]
    return suite.model_copy(update={"time_limit": limit, "systems": systems})


def _with_needs(suite: Suite, given: Sequence[str]) -> Suite:
    """The suite with needs of its own, which those of a system go before."""
    needs = needs_of(parse_settings(list(given), _NEEDS, "--needs"))
    return suite.model_copy(update={"needs": needs.over(suite.needs)})


def with_retrievers(suite: Suite, wanted: Sequence[str]) -> Suite:
    """The systems of the suite that are named, and what else is named as further systems.

    A name of the suite's selects, that of a system this one alone, that of a retriever all of its systems. A
    retriever that the suite lacks, or one with options as in `bm25?k1=0.9`, is added. Where nothing of the suite is
    named all of it stays. Raises BenchError for unknown names and for equal systems.
    """
    from bench.parts import with_rows

    names = suite.names
    for name in wanted:
        if wanted.count(name) > 1:
            raise BenchError(f"--retriever {name} is given {wanted.count(name)} times; give it once")
        if name not in names and parse_query(name)[0] not in (plugins := registry.plugins("retriever")):
            remedy = "(a file of your own is loaded with --plugin FILE)"
            raise UnknownName(f"system of suite {suite.name}", name, {*names, *plugins}, remedy)
    selected = [entry for name in wanted for entry in suite.named(name)]
    kept = [entry for entry in suite.systems if not selected or entry in selected]
    left_out = [entry for entry in suite.systems if entry not in kept]
    added = _added([name for name in wanted if name not in names])
    return suite.model_copy(update={"systems": [*with_rows(kept, left_out), *added]}).check()


def _added(specs: Sequence[str]) -> list[SystemEntry]:
    """A system for each retriever; of one retriever they are called after the options that tell them apart."""
    parsed = [parse_query(spec) for spec in specs]
    entries = []
    for spec, (name, options) in zip(specs, parsed, strict=True):
        registry.find("retriever", name)
        if parsed.count((name, options)) > 1:
            raise BenchError(f"--retriever {spec} is given {parsed.count((name, options))} times; give it once")
        others = [other for retriever, other in parsed if retriever == name and other != options]
        told = [
            f"{option}={value}"
            for option, value in options.items()
            if not others or any(other.get(option) != value for other in others)
        ]
        label = f"{name} {', '.join(told)}" if told else name
        entries.append(SystemEntry(retriever=name, name=label, options=nest(options)))
    return entries


def with_settings(suite: Suite, settings: Sequence[str]) -> Suite:
    """The suite with options changed by `SYSTEM.OPTION=VALUE`, where SYSTEM is a system or a retriever.

    One that is both is the system alone.

    Raises BenchError for a malformed setting, one that fits no system, and an option that is set twice.
    """
    systems = {entry.label: entry for entry in suite.systems}
    names = suite.names
    done = set()
    for setting in settings:
        system = max((name for name in names if setting.startswith(f"{name}.")), key=len, default="")
        assignment = setting.removeprefix(f"{system}.")
        unknown, dot, _ = assignment.partition("=")[0].partition(".")
        if "=" not in assignment or not (system or dot):
            raise BenchError(f"--set {setting}: write {_SET}")
        option, value = parse_setting(assignment, _SET)
        if not system:
            raise UnknownName("system", unknown, names, f"(in --set {setting})")
        if (system, option) in done:
            raise BenchError(f"--set {setting}: {system}.{option} is set twice; set it once")
        done.add((system, option))
        for label in [entry.label for entry in suite.named(system)]:
            changed = merge(nest(systems[label].options), nest({option: value}))
            systems[label] = systems[label].model_copy(update={"options": changed})
    return suite.model_copy(update={"systems": list(systems.values())})


def _with_task_options(suite: Suite, measures: Sequence[str], depth: int | None) -> Suite:
    for measure in measures:
        if measures.count(measure) > 1:
            raise BenchError(f"--measure {measure} is given {measures.count(measure)} times; give it once")
    given: dict[str, Any] = {"measured": list(measures)} if measures else {}
    given |= {"depth": depth} if depth is not None else {}
    fitting = [known_part(registry.find("task", entry.task).load(), given) for entry in suite.tasks]
    for name, flag in (("measured", "--measure"), ("depth", "--depth")):
        if name in given and not any(name in part for part in fitting):
            asked = ", ".join(entry.task for entry in suite.tasks)
            raise BenchError(f"{flag} fits none of the tasks ({asked}); leave it out, or add --task search")
    tasks = [
        entry.model_copy(update={"options": {**entry.options, **part}})
        for entry, part in zip(suite.tasks, fitting, strict=True)
    ]
    return suite.model_copy(update={"tasks": tasks})
