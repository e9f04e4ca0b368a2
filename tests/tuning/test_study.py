"""A search for options: what judges, what is kept, how it goes on, and what it leaves to run."""

import math
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import bench
from bench.cli import app
from bench.collections.catalogue import open_dataset
from bench.errors import BenchError
from bench.face.tuning import Tuned, tune
from bench.suite import read_suite
from bench.tasks.next_item import NextItem
from bench.tuning.study import judging_split
from bench.tuning.trials import Trial, ranked, read_trials
from retrievers.recommenders.item_knn import ItemKNN

Tune = Callable[..., Tuned]


@pytest.fixture(scope="module")
def questions(beir_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Docstrings, half of whose summaries are the split `dev`."""
    folder = tmp_path_factory.mktemp("with-dev") / "docstrings"
    shutil.copytree(beir_folder, folder)
    header, *lines = (folder / "qrels" / "test.tsv").read_text().splitlines()
    for split, part in (("test", lines[::2]), ("dev", lines[1::2])):
        (folder / "qrels" / f"{split}.tsv").write_text("\n".join([header, *part, ""]))
    return f"beir:{folder}"


class Watch:
    """What a search told."""

    def __init__(self) -> None:
        self.started_trials: list[int] = []
        self.finished_trials: list[Trial] = []

    def started(self, number: int, options: Mapping[str, Any]) -> None:
        self.started_trials.append(number)

    def progressed(self, number: int, phase: str, done: int, total: int) -> None: ...

    def finished(self, trial: Trial) -> None:
        self.finished_trials.append(trial)


def test_the_first_trial_is_the_system_as_it_stands_and_the_best_wins(walks: str, tmp_path: Path) -> None:
    tuned = tune("item-knn", walks, ["decay=0.1..1", "latest=1..9"], trials=5, out=tmp_path)
    first = tuned.trials[0]
    assert (first.number, first.options) == (0, {})
    assert [trial.number for trial in tuned.trials] == [0, 1, 2, 3, 4]
    figures = [trial.figures[tuned.measure] for trial in tuned.trials]
    assert tuned.best.figures[tuned.measure] == max(figures) > figures[0] - 1e-12
    assert {trial.outcome for trial in tuned.trials} == {"done"}


def test_a_trial_is_judged_by_valid_and_fitted_as_for_the_published_figure(walks: str, tmp_path: Path) -> None:
    tuned = tune("item-knn", walks, ["decay=0.1..1"], trials=1, out=tmp_path)
    judged = open_dataset(f"{walks}?split=valid").collection
    exam = NextItem().on(judged)  # counting learns from `train` alone, whichever split is asked
    system = ItemKNN().fit(judged)
    evaluation = exam.evaluate(system.retrieve(exam.queries, exam.reach))
    assert tuned.best.figures == {figure.measure: figure.value for figure in evaluation.figures}
    assert next(iter(tuned.best.figures)) == tuned.measure == "Recall@10"


def test_a_dataset_may_be_open_already(walks: str, tmp_path: Path) -> None:
    given = [walks, open_dataset(walks)]
    named, opened = (bench.tune("item-knn", data, ["decay=0.1..1"], trials=1, out=tmp_path) for data in given)
    assert opened == named
    with pytest.raises(BenchError, match="dict is no dataset; give its name, or what bench.open"):
        bench.tune("item-knn", {}, ["decay=0.1..1"])  # type: ignore[arg-type]


def test_search_systems_are_judged_by_dev(questions: str, tmp_path: Path) -> None:
    tuned = tune("bm25", questions, ["k1=0.2..3", "b=0..1"], trials=4, out=tmp_path)
    assert tuned.measure == "nDCG@10"
    assert "on the split dev" in tuned.told


@pytest.mark.parametrize("split", ["test", "dev"])
def test_nothing_is_chosen_by_what_is_published(questions: str, split: str) -> None:
    asked = open_dataset(f"{questions}?split={split}").collection
    with pytest.raises(BenchError, match=f"--split {split}: published figures are of it"):
        judging_split(asked, split)
    with pytest.raises(BenchError, match="has no split train to judge by"):
        judging_split(asked, "train")


@pytest.mark.parametrize(
    "task", ["exclusivity", "completeness?selector=tf-idf&second_selector=none", "dynamic?parts=2"]
)
def test_nothing_is_chosen_by_questions_that_are_the_same_whatever_the_split(
    questions: str, task: str, tmp_path: Path
) -> None:
    with pytest.raises(BenchError, match=f"--task {task.partition('?')[0]} asks the same whatever the split"):
        tune("bm25", questions, ["k1=0.2..3"], task=task, trials=1, out=tmp_path)


def test_no_system_is_chosen_by_its_own_judgement(questions: str, tmp_path: Path) -> None:
    own = "relevance?judge=splade&second_judge=none&sample=5"
    with pytest.raises(BenchError, match="splade would be chosen by its own judgement"):
        tune("splade", questions, ["max_tokens=64,128"], task=own, trials=1, out=tmp_path)


def test_nothing_is_chosen_by_a_diagnostic(questions: str, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="--measure Judged@10 is a diagnostic"):
        tune("bm25", questions, ["k1=0.2..3"], measure="Judged@10", trials=1, out=tmp_path)


def test_a_trial_without_a_figure_never_wins() -> None:
    trials = [
        Trial(number=n, options={}, figures={"nDCG@10": value}, seconds=1.0, outcome="done")
        for n, value in enumerate([0.5, math.nan, 0.7])
    ]
    assert [trial.number for trial in ranked(trials, "nDCG@10", higher_is_better=True)] == [2, 0]
    assert [trial.number for trial in ranked(trials, "nDCG@10", higher_is_better=False)] == [0, 2]


def test_a_collection_without_such_a_split_says_so(beir_folder: Path) -> None:
    with pytest.raises(BenchError, match="has no split valid or dev to judge by; tune on another collection"):
        judging_split(open_dataset(f"beir:{beir_folder}").collection)


@pytest.mark.parametrize("budget", [{"trials": 0}, {"jobs": 0}])
def test_a_search_needs_a_trial_and_a_process(walks: str, budget: dict[str, int]) -> None:
    with pytest.raises(BenchError, match=f"--{next(iter(budget))} 0: give 1 or more"):
        tune("item-knn", walks, ["decay=0.1..1"], **budget)  # type: ignore[arg-type]


def test_the_same_search_goes_on_with_its_trials(walks: str, tmp_path: Path) -> None:
    space = ["decay=0.1..1"]
    few = tune("item-knn", walks, space, trials=2, out=tmp_path)
    watch = Watch()
    more = tune("item-knn", walks, space, trials=4, out=tmp_path, watcher=watch)
    assert watch.started_trials == [2, 3]
    assert list(more.trials[:2]) == list(few.trials)
    assert read_trials(more.record) == list(more.trials)
    other = tune("item-knn", walks, space, trials=1, seed=1, out=tmp_path)
    assert other.record != more.record


def test_a_smaller_budget_ranks_and_tells_of_its_own_trials_alone(walks: str, tmp_path: Path) -> None:
    space = ["decay=0.1..1", "latest=1..9"]
    more = tune("item-knn", walks, space, trials=4, out=tmp_path)
    few = tune("item-knn", walks, space, trials=2, out=tmp_path)
    assert list(few.trials) == list(more.trials[:2])
    assert {trial.number for trial in few.ranked} == {0, 1}
    assert "among 2 trials (budget: 2 trials," in few.told
    assert f"{sum(trial.seconds for trial in few.trials):.0f} s were used" in few.told
    assert read_suite(str(few.suite)).findings == few.told
    assert read_trials(few.record) == list(more.trials)


def test_the_seed_decides_the_trials(walks: str, tmp_path: Path) -> None:
    first, same, other = (
        [trial.options for trial in tune("item-knn", walks, ["decay=0.1..1"], trials=3, seed=seed, out=out).trials]
        for seed, out in ((3, tmp_path / "a"), (3, tmp_path / "b"), (4, tmp_path / "c"))
    )
    assert first == same != other


def test_a_trial_that_fails_is_kept_with_its_problem(walks: str, tmp_path: Path) -> None:
    training = ["sasrec.training.epochs=1", "sasrec.dimension=16"]
    tuned = tune("sasrec", walks, ["training.learning_rate=0.01,1e30"], settings=training, trials=3, out=tmp_path)
    assert [trial.outcome for trial in tuned.trials].count("failed") == 1
    failed = next(trial for trial in tuned.trials if trial.outcome == "failed")
    assert "the training diverged" in failed.problem
    with pytest.raises(BenchError, match="less than or equal to 1"):
        tune("item-knn?decay=7", walks, ["latest=1..3"], trials=1, out=tmp_path)


def test_options_that_do_not_go_together_are_no_trial(walks: str, tmp_path: Path) -> None:
    training = ["sasrec.training.epochs=1", "sasrec.dimension=16"]
    tuned = tune("sasrec", walks, ["heads=2,3,4,5"], settings=training, trials=5, out=tmp_path)
    assert {trial.outcome for trial in tuned.trials} == {"done"}
    assert [trial.number for trial in tuned.trials] == [0, 1, 2]
    assert {trial.options.get("heads") for trial in tuned.trials} == {None, "2", "4"}
    with pytest.raises(BenchError, match=r"--space: 100 points in a row are refused, the last one: .*no multiple of"):
        tune("sasrec?heads=1&dimension=15", walks, ["heads=16..4000"], trials=2, out=tmp_path)


def test_what_can_only_fail_is_told_before_anything_is_tried(walks: str, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"--space decay=0.5,7: ItemKNN.decay: give a number .* \(given '7'\)"):
        tune("item-knn", walks, ["decay=0.5,7"], out=tmp_path / "runs")
    for name, remedy in (("weird name.toml", "use letters, digits, - and _ alone"), ("x.txt", "ends in .toml")):
        with pytest.raises(BenchError, match=f"{name}.*{remedy}"):
            tune("item-knn", walks, ["decay=0.1..1"], trials=1, out=tmp_path / "runs", to=tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_the_budget_of_time_stops_the_trial_at_work_which_more_time_lets_go_on(walks: str, tmp_path: Path) -> None:
    training = ["sasrec.training.epochs=4", "sasrec.dimension=16", "sasrec.training.training_batch=8"]
    choice: dict[str, Any] = {"settings": training, "trials": 2, "out": tmp_path}
    with pytest.raises(BenchError, match="the budget ended before a trial was done; give more --time"):
        tune("sasrec", walks, ["dropout=0..0.5"], time=0.001, **choice)
    record = next(tmp_path.glob("tuning/*/trials.jsonl"))
    (stopped,) = read_trials(record)
    assert (stopped.outcome, stopped.figures) == ("stopped", {})
    watch = Watch()
    tuned = tune("sasrec", walks, ["dropout=0..0.5"], time="10m", watcher=watch, **choice)
    assert watch.started_trials == [0, 1]
    assert tuned.trials[0].seconds > stopped.seconds
    assert {trial.outcome for trial in tuned.trials} == {"done"}


def test_what_an_interrupted_search_took_counts(walks: str, tmp_path: Path) -> None:
    class Impatient(Watch):
        def progressed(self, number: int, phase: str, done: int, total: int) -> None:
            raise KeyboardInterrupt

    training = ["sasrec.training.epochs=4", "sasrec.dimension=16", "sasrec.training.training_batch=8"]
    watch = Impatient()
    with pytest.raises(KeyboardInterrupt):
        tune("sasrec", walks, ["dropout=0..0.5"], settings=training, trials=2, out=tmp_path, watcher=watch)
    (stopped,) = read_trials(next(tmp_path.glob("tuning/*/trials.jsonl")))
    assert (stopped.outcome, stopped.number) == ("stopped", 0)
    assert stopped.seconds > 0


def test_the_winner_is_a_suite_beside_the_system_as_it_stood(walks: str, tmp_path: Path) -> None:
    target = tmp_path / "mine.toml"
    tuned = tune("item-knn?latest=3", walks, ["decay=0.1..1"], trials=4, out=tmp_path, to=target)
    suite = read_suite(str(target))
    assert suite.datasets == [walks]
    assert suite.findings == tuned.told
    options = {entry.label: entry.options for entry in suite.systems}
    assert options["item-knn latest=3 tuned"] == {"latest": 3, **tuned.best.options}
    assert [task.task for task in suite.tasks] == ["next_item"]
    assert suite.tune == {"item-knn": {"decay": "0.1..1"}}
    table = bench.run(str(target), out=tmp_path / "runs")
    assert {result.name for result in table} == set(options)


def test_a_suite_brings_systems_datasets_and_spaces(walks: str, tmp_path: Path) -> None:
    suite = tmp_path / "mine.toml"
    suite.write_text(
        f'datasets = ["{walks}"]\n[tune.item-knn]\ndecay = "0.1..1"\n[[systems]]\nretriever = "item-knn"\n'
        'name = "knn of three"\noptions = { latest = 3 }\n[[systems]]\nretriever = "item-knn"\n'
    )
    tuned = tune("knn of three", suite=str(suite), trials=2, out=tmp_path)
    assert set(tuned.trials[1].options) == {"decay"}
    assert tune("item-knn", suite=str(suite), trials=1, out=tmp_path).trials[0].options == {}
    with pytest.raises(BenchError, match="give --dataset, or a --suite that has one"):
        tune("item-knn", trials=1)


def test_trials_that_cannot_be_read_are_told_with_their_line(tmp_path: Path) -> None:
    path = tmp_path / "trials.jsonl"
    path.write_text('{"number": 0}\n')
    with pytest.raises(BenchError, match=r"trials.jsonl:1: the trial's options is missing"):
        read_trials(path)


def test_the_command_prints_trials_and_winner(walks: str, tmp_path: Path) -> None:
    words = ["tune", "item-knn", "--dataset", walks, "--space", "decay=0.1..1", "--trials", "2", "--time", "5m"]
    done = CliRunner().invoke(app, [*words, "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert "item-knn 1/2: as it stands Recall@10" in done.output
    assert "Chosen by Recall@10 on the split valid among 2 trials (budget: 2 trials, 5 min;" in done.output
