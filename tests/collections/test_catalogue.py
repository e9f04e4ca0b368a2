"""The catalogue: names, card files and specifications become collections, each parsed once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.collections.cards import cards, read_card
from bench.collections.catalogue import open_dataset
from bench.collections.sources.beir import Beir
from bench.errors import BenchError, UnknownName

CORPUS = """\
{"_id": "iron", "title": "Iron", "text": "Iron rusts in damp air."}
{"_id": "gold", "title": "Gold", "text": "Gold stays bright."}
"""
QUERIES = '{"_id": "q1", "text": "what rusts"}\n{"_id": "q2", "text": "what stays bright"}\n'
QRELS = "query-id\tcorpus-id\tscore\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "metals"
    (folder / "qrels").mkdir(parents=True)
    (folder / "corpus.jsonl").write_text(CORPUS)
    (folder / "queries.jsonl").write_text(QUERIES)
    (folder / "qrels" / "test.tsv").write_text(QRELS + "q1\tiron\t1\n")
    (folder / "qrels" / "dev.tsv").write_text(QRELS + "q2\tgold\t2\n")
    return folder


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of cards instead of the project's."""
    shelf = tmp_path / "cards"
    shelf.mkdir()
    monkeypatch.setattr("bench.collections.cards.cards_folder", lambda: shelf)
    cards.cache_clear()
    yield shelf
    cards.cache_clear()


def write_card(path: Path, folder: Path, extra: str = "") -> Path:
    path.write_text(
        f'title = "Metals"\nsource = "beir:{folder}"\ndescription = "Two metals."\n'
        f'licence = "CC0-1.0"\ncitation = "None yet."\n{extra}\n'
    )
    return path


def digest_of(folder: Path) -> str:
    return open_dataset(f"beir:{folder}").collection.digest


def test_a_source_is_opened_by_its_specification(folder: Path) -> None:
    opened = open_dataset(f"beir:{folder}")
    assert opened.collection.name == opened.spec == f"beir:{folder}"
    assert opened.card is None
    assert [document.id for document in opened.collection.documents] == ["iron", "gold"]
    assert [query.id for query in opened.collection.queries()] == ["q1"]
    assert (opened.folder / "digest").read_text().strip() == opened.collection.digest


def test_options_after_the_source_change_the_rules(folder: Path) -> None:
    collection = open_dataset(f"beir:{folder}?split=dev&minimum_relevance=2&text={{text}}").collection
    assert [query.id for query in collection.queries()] == ["q2"]
    assert collection.rules.minimum_relevance == 2
    assert collection.texts()[0] == "Iron rusts in damp air."
    assert collection.digest == digest_of(folder)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ("?spilt=dev", "unknown option of source beir 'spilt'"),
        ("?minimum_relevance=0", "minimum_relevance: .*greater than or equal to 1"),
        ("?gains=cubic", "gains: .*'linear'"),
        ("?split", "options are written"),
    ],
)
def test_bad_options_are_refused(folder: Path, options: str, complaint: str) -> None:
    with pytest.raises(BenchError, match=complaint):
        open_dataset(f"beir:{folder}{options}")


def test_a_card_file_is_opened_by_its_path(tmp_path: Path, folder: Path) -> None:
    card = write_card(tmp_path / "ores.toml", folder, 'rules = { split = "dev", text = "{text}" }')
    opened = open_dataset(str(card))
    assert opened.collection.name == "ores"
    assert opened.card == read_card(card)
    assert [query.id for query in opened.collection.queries()] == ["q2"]
    assert opened.collection.texts()[1] == "Gold stays bright."
    assert [query.id for query in open_dataset(f"{card}?split=test").collection.queries()] == ["q1"]


def test_a_card_is_opened_by_its_name(shelf: Path, folder: Path) -> None:
    write_card(shelf / "ores.toml", folder, f'digests = {{ beir = "{digest_of(folder)}" }}')
    cards.cache_clear()
    assert open_dataset("ores").collection.name == "ores"


def test_content_that_a_card_knows_is_read_by_its_rules(shelf: Path, folder: Path) -> None:
    digest = digest_of(folder)
    write_card(shelf / "ores.toml", folder, f'rules = {{ split = "dev" }}\ndigests = {{ beir = "{digest}" }}')
    cards.cache_clear()
    opened = open_dataset(f"beir:{folder}")
    assert opened.collection.name == "ores"
    assert opened.collection.rules.split == "dev"
    assert open_dataset(f"beir:{folder}?split=test").collection.rules.split == "test"


def test_content_with_another_digest_than_the_cards_is_refused(tmp_path: Path, folder: Path) -> None:
    card = write_card(tmp_path / "ores.toml", folder, f'digests = {{ beir = "{"0" * 64}" }}')
    with pytest.raises(BenchError, match=f"has digest {digest_of(folder)[:12]}, its card says 000000000000"):
        open_dataset(str(card))


def test_a_digest_of_another_source_says_nothing(tmp_path: Path, folder: Path) -> None:
    card = write_card(tmp_path / "ores.toml", folder, f'digests = {{ irds = "{"0" * 64}" }}')
    assert open_dataset(str(card)).collection.name == "ores"


def test_unknown_names_get_near_ones(shelf: Path, folder: Path) -> None:
    write_card(shelf / "ores.toml", folder)
    cards.cache_clear()
    with pytest.raises(UnknownName, match=r"unknown dataset 'roes': did you mean ores\? \(or give a source: beir:"):
        open_dataset("roes")
    with pytest.raises(UnknownName, match="unknown source 'bier': did you mean beir"):
        open_dataset(f"bier:{folder}")


def test_a_bad_card_is_refused_with_its_field(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(BenchError, match=r"absent\.toml cannot be read"):
        open_dataset(str(tmp_path / "absent.toml"))
    with pytest.raises(BenchError, match=r"ores\.toml: licence_name: Extra inputs"):
        open_dataset(str(write_card(tmp_path / "ores.toml", folder, 'licence_name = "CC0"')))
    with pytest.raises(BenchError, match=r"ores\.toml: not TOML"):
        open_dataset(str(write_card(tmp_path / "ores.toml", folder, "rules = {")))
    with pytest.raises(BenchError, match=r"unknown option of dataset .*ores\.toml 'spilt': did you mean split"):
        open_dataset(str(write_card(tmp_path / "ores.toml", folder, 'rules = { spilt = "dev" }')))


def test_a_collection_is_parsed_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = open_dataset(f"beir:{folder}")

    def read(*args: object) -> None:
        raise AssertionError("parsed again")

    monkeypatch.setattr(Beir, "read", read)
    again = open_dataset(f"beir:{folder}?split=dev")
    assert again.folder == first.folder
    assert again.collection.digest == first.collection.digest


def test_a_changed_file_is_read_again(folder: Path) -> None:
    first = open_dataset(f"beir:{folder}").collection
    with (folder / "corpus.jsonl").open("a") as file:
        file.write('{"_id": "lead", "title": "Lead", "text": "Lead is soft."}\n')
    second = open_dataset(f"beir:{folder}").collection
    assert (len(first), len(second)) == (2, 3)
    assert first.digest != second.digest
    assert list(first.texts()) == list(second.texts())[:2]


def test_bad_input_leaves_nothing_in_the_cache_and_can_be_mended(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    qrels = folder / "qrels" / "test.tsv"
    qrels.write_text(QRELS + "q1\ttin\t1\n")
    with pytest.raises(BenchError, match=r"test\.tsv:2: a judgement on the unknown document 'tin'"):
        open_dataset(f"beir:{folder}")
    assert [path for path in (tmp_path / "cache").rglob("*") if path.suffix != ".lock" and path.is_file()] == []
    opened = open_dataset(f"beir:{folder}?unknown_judgements=drop")
    assert opened.dropped_judgements == 1
    qrels.write_text(QRELS + "q1\tiron\t1\n")
    assert open_dataset(f"beir:{folder}").dropped_judgements == 0
