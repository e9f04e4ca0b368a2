"""The catalogue: names, card files and specifications become collections, each parsed once."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.collections.cards import cards, read_card
from bench.collections.catalogue import open_dataset, with_source
from bench.collections.collection import read_collection
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
        ("?spilt=dev", r"unknown option of source beir 'spilt': did you mean split\?"),
        ("?xyz=dev", r"unknown option of source beir 'xyz': known: .*folder, gains, .*minimum_relevance.*split"),
        ("?gains=binary&gains=linear", "'gains' is given 2 times; give it once"),
        ("?minimum_relevance=0", "minimum_relevance: give a whole number greater than or equal to 1"),
        ("?gains=cubic", r"^dataset [^?]*[.]gains: give one of linear, exponential, binary [(]given 'cubic'"),
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
    with pytest.raises(
        UnknownName,
        match=r"unknown dataset 'roes': did you mean ores\? \(or give a folder, a \.zip, or a source, as beir:",
    ):
        open_dataset("roes")
    with pytest.raises(UnknownName, match="unknown source 'bier': did you mean beir"):
        open_dataset(f"bier:{folder}")


def test_a_path_that_is_no_folder_is_no_unknown_name(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"^there is no folder .*/absent; correct the path"):
        open_dataset(str(tmp_path / "absent"))
    archive = tmp_path / "ores.tar"
    archive.touch()
    with pytest.raises(BenchError, match=r"ores\.tar is a file; .* a \.zip of one.*'table\?documents="):
        open_dataset(str(archive))


def test_a_bad_card_is_refused_with_its_field(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(BenchError, match=r"absent\.toml cannot be read"):
        open_dataset(str(tmp_path / "absent.toml"))
    with pytest.raises(BenchError, match=r"ores\.toml: licence_name is not a known key"):
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


def test_a_bare_folder_is_read_by_the_source_that_recognises_it(folder: Path, tmp_path: Path) -> None:
    opened = open_dataset(f"{folder}?split=dev")
    assert opened.collection.name == opened.spec == f"beir:{folder}?split=dev"
    assert opened.remarks == (f"{folder}?split=dev is read as beir:{folder}?split=dev",)
    assert open_dataset(f"beir:{folder}").remarks == ()


def test_a_folder_that_has_the_name_of_a_source_is_written_as_a_path(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(folder, tmp_path / "hf")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BenchError, match=r"folder is required.*; if you mean the folder of that name, write \./hf"):
        open_dataset("hf")
    assert open_dataset("./hf").collection.digest == open_dataset(f"beir:{folder}").collection.digest


@pytest.mark.parametrize(
    ("file", "source"), [("corpus.jsonl.gz", "beir"), ("documents.trec", "trec"), ("ml.inter", "recbole")]
)
def test_each_layout_is_known_by_its_main_file(file: str, source: str, tmp_path: Path) -> None:
    (tmp_path / file).touch()
    with pytest.raises(BenchError) as caught:
        open_dataset(str(tmp_path))
    assert "no source knows" not in str(caught.value)
    assert with_source(str(tmp_path)) == f"{source}:{tmp_path}"


def test_a_folder_that_no_source_or_more_than_one_knows_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"no source knows: .*a BEIR folder holds.*; name the source, as in beir:"):
        open_dataset(str(tmp_path))
    (tmp_path / "corpus.jsonl").touch()
    (tmp_path / "a.inter").touch()
    with pytest.raises(BenchError, match=r"more than one source can read \(beir, recbole\); name the source"):
        open_dataset(str(tmp_path))


FILES = ["documents.arrow", "queries.arrow", "qrels.arrow", "digest", "dropped"]


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("damage", ["bit", "truncated", "absent"])
def test_a_damaged_copy_is_told_and_made_again(folder: Path, file: str, damage: str) -> None:
    first = open_dataset(f"beir:{folder}")
    path = first.folder / file
    content = path.read_bytes()
    _damage(path, damage)
    _as_a_new_process(first.folder)
    with pytest.raises(BenchError, match=rf"damaged: {file} has changed; delete the folder and run again"):
        read_collection(first.folder, "metals", first.collection.rules)
    again = open_dataset(f"beir:{folder}")
    assert again.remarks == (
        f"the parsed copy of beir:{folder} was damaged ({file} has changed) and has been made again",
    )
    assert path.read_bytes() == content
    assert again.collection.fingerprint == first.collection.fingerprint
    assert open_dataset(f"beir:{folder}").remarks == ()


def _damage(path: Path, damage: str) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    if damage == "absent":
        path.unlink()
    else:
        path.write_bytes(content if damage == "bit" else content[: len(content) // 2])


def _as_a_new_process(folder: Path) -> None:
    """A process checks a copy once; to check it again it must look like another."""
    os.utime(folder / "files.json")


def test_a_copy_whose_seal_is_lost_or_damaged_is_made_again(folder: Path) -> None:
    opened = open_dataset(f"beir:{folder}")
    (opened.folder / "files.json").unlink()
    assert "files.json is missing" in open_dataset(f"beir:{folder}").remarks[0]
    (opened.folder / "files.json").write_text("[]")
    assert "files.json has changed" in open_dataset(f"beir:{folder}").remarks[0]


def test_a_whole_copy_is_read_without_writing_anything(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a cache on a read-only disk can be used."""
    first = open_dataset(f"beir:{folder}")

    def lock(*args: object) -> None:
        raise AssertionError("wrote a lock")

    monkeypatch.setattr("bench.collections.catalogue.locked", lock)
    assert open_dataset(f"beir:{folder}").folder == first.folder
