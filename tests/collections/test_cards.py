"""The dataset cards, and what a broken one says."""

from dataclasses import replace
from pathlib import Path

import pytest

from bench import registry
from bench.collections.cards import Card, cards, cards_folder, find_card, read_card
from bench.collections.catalogue import _parse, open_dataset
from bench.collections.collection import Rules
from bench.digests import digest_data
from bench.errors import BenchError, UnknownName

WANTED = {
    *("pydoc", "pydoc-1k", "pydoc-large", "limit", "limit-full", "limit-negations"),
    *("scifact", "nfcorpus", "arguana", "fiqa", "vaswani", "cranfield", "natural-questions", "msmarco-passage"),
}
MINIMAL = 'title = "t"\nsource = "limit"\ndescription = "d"\nlicence = "l"\ncitation = "c"\n'


def test_every_dataset_that_the_readme_promises_has_a_card() -> None:
    assert set(cards()) >= WANTED


@pytest.mark.parametrize("card", cards().values(), ids=lambda card: card.name)
def test_a_card_names_a_known_source_with_valid_options(card: Card) -> None:
    request = _parse(card.name)
    assert request.source_name in registry.plugins("source")
    assert request.source_name == card.source.partition(":")[0].partition("?")[0]


@pytest.mark.parametrize("card", cards().values(), ids=lambda card: card.name)
def test_a_card_has_valid_rules_and_no_empty_field(card: Card) -> None:
    assert Rules.from_options(card.name, card.rules).options().keys() >= card.rules.keys()
    for text in (card.title, card.source, card.description, card.licence, card.citation, card.url):
        assert text.strip()
    for text in (card.title, card.licence, card.citation):
        assert "\n" not in text


@pytest.mark.parametrize("card", cards().values(), ids=lambda card: card.name)
def test_digests_are_by_source_and_shared_by_no_other_card(card: Card) -> None:
    assert card.digests.keys() <= registry.plugins("source").keys()
    for source, digest in card.digests.items():
        assert len(digest) == 64
        assert int(digest, 16) >= 0
        assert [other.name for other in cards().values() if other.digests.get(source) == digest] == [card.name]


def test_a_list_tells_size_language_and_what_is_needed() -> None:
    assert find_card("scifact").summary() == "SciFact (5,183 documents, english, needs a download)"
    assert find_card("limit").summary() == "LIMIT, 46 documents (46 documents, english)"
    assert all(card.size for card in cards().values())


def test_a_card_may_name_the_measure_to_read() -> None:
    plain = Rules()
    named = {name for name, card in cards().items() if card.rules.get("primary")}
    assert named == {"limit", "limit-full", "limit-negations"}
    limit = open_dataset("limit").collection
    assert limit.rules.primary == "Recall@2"
    assert replace(limit, rules=plain).fingerprint != limit.fingerprint
    assert replace(limit, rules=plain).fingerprint == digest_data(
        {
            "content": limit.digest,
            "rules": {k: v for k, v in plain.options().items() if k not in ("primary", "mixed")},
        }
    )


def test_there_is_no_python_beside_the_cards() -> None:
    """A package called `datasets` would hide the library of that name."""
    assert not list(cards_folder().rglob("*.py"))


def test_the_example_in_the_readme_is_a_valid_card(tmp_path: Path) -> None:
    page = (cards_folder() / "README.md").read_text(encoding="utf-8")
    example = page.partition("```toml\n")[2].partition("```")[0]
    path = tmp_path / "my.toml"
    path.write_text(example, encoding="utf-8")
    card = read_card(path)
    assert card.name == "my"
    assert card.rules == Rules().options()  # it says that these are the defaults


def test_limit_has_the_content_that_its_card_tells() -> None:
    dataset = open_dataset("limit")
    assert dataset.collection.digest == find_card("limit").digests["limit"]
    assert dataset.card == find_card("limit")


def test_a_card_file_is_opened_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(MINIMAL.replace("limit", "limit?seed=3") + '[rules]\ntext = "{text}"\n', encoding="utf-8")
    dataset = open_dataset(str(path))
    assert dataset.collection.name == "mine"
    assert dataset.collection.rules.text == "{text}"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (('title = "t"', ""), "title is missing"),
        (('title = "t"', "title = 3"), "title must be text"),
        (('title = "t"', 'titel = "t"\ntitle = "t"'), "titel is not a known key"),
        (('title = "t"', 'title = "t'), "not TOML"),
        (('title = "t"', 'name = "t"'), "name"),
    ],
)
def test_a_broken_card_names_file_and_field(change: tuple[str, str], named: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.toml"
    path.write_text(MINIMAL.replace(*change), encoding="utf-8")
    with pytest.raises(BenchError, match=r"broken\.toml") as caught:
        read_card(path)
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_card_that_is_not_there_is_told() -> None:
    with pytest.raises(BenchError, match=r"nowhere\.toml"):
        read_card(Path("nowhere.toml"))


def test_a_mistyped_dataset_gets_the_nearest_names() -> None:
    with pytest.raises(UnknownName, match="did you mean scifact"):
        find_card("scifcat")


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("spec", "name"),
    [("beir:{}/scifact", "scifact"), ("beir:{}/nfcorpus", "nfcorpus"), ("trec:{}/cranfield", "cranfield-graded")],
)
def test_a_folder_with_known_content_is_read_by_its_card(spec: str, name: str, data_folder: Path) -> None:
    dataset = open_dataset(spec.format(data_folder))
    assert dataset.card == find_card(name)
    assert dataset.collection.name == name
    assert dataset.collection.rules == Rules(**find_card(name).rules)
