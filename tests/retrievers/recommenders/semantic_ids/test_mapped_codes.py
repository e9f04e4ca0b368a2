"""Identifiers from a file: a row like any other tokenizer's, and ours come back as they were written."""

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.cells.key import weights_of
from bench.collections.collection import Collection
from bench.errors import BenchError
from bench.mappings import write_mapping
from bench.measures.identifiers import numbered
from retrievers.recommenders.semantic_ids.options import TokenizerOptions
from retrievers.recommenders.sid import SID

MakeSequences = Callable[..., Collection]

TRIPS = {
    "ada": ["oslo", "bergen", "tromso", "narvik", "oslo"],
    "bo": ["bergen", "oslo", "narvik", "hamar", "bergen"],
    "cleo": ["oslo", "narvik", "bergen", "tromso", "hamar"],
}
CODES = {"oslo": (0, 1), "bergen": (0, 2), "tromso": (3, 0), "narvik": (3, 1), "hamar": (2, 2)}


def system(path: Path, **options: object) -> SID:
    chosen = {"tokenizer.kind": "mapping", "tokenizer.mapping": str(path), "training.epochs": 1, **options}
    return SID.from_options("sid", {"device": "cpu", **chosen})


def test_items_are_named_by_the_file(make_sequences: MakeSequences, tmp_path: Path) -> None:
    path = tmp_path / "codes.json"
    write_mapping(path, {**CODES, "atlantis": (1, 1)})
    collection = make_sequences(TRIPS)
    fitted = system(path).fit(collection)
    named = dict(zip(collection.documents.ids(), numbered(fitted.docids()).tolist(), strict=True))
    assert {item: tuple(codes) for item, codes in named.items()} == CODES
    assert fitted.facts()["tokenizer"]["unknown_items"] == 1
    assert fitted.files() == [path]
    assert fitted.weights() == []
    assert fitted.retrieve(collection.queries("test"), 3).lengths.tolist() == [3, 3, 3]


def test_other_codes_are_another_system(make_sequences: MakeSequences, tmp_path: Path) -> None:
    path = tmp_path / "codes.jsonl"
    digests = []
    for codes in (CODES, {**CODES, "oslo": (1, 1)}):
        write_mapping(path, codes)
        digests.append(weights_of(system(path)))
    assert digests[0] != digests[1]


def test_items_that_share_codes_are_told_apart_by_one_more(make_sequences: MakeSequences, tmp_path: Path) -> None:
    path = tmp_path / "codes.npy"
    write_mapping(path, {**CODES, "oslo": (0, 2)})
    fitted = system(path).fit(make_sequences(TRIPS))
    assert fitted.facts()["extra_token"]
    assert len(set(fitted.docids())) == 5
    assert len(set(fitted.identifier_groups().tolist())) == 4


@pytest.mark.parametrize(
    ("codes", "complaint"),
    [
        ({"oslo": (0, 1)}, r"no codes for 4 of 5 items, such as bergen, hamar, narvik; give each"),
        ({**CODES, "hamar": (2, 65536)}, r"item 'hamar' has the codes \(2, 65536\), beyond 8 levels of 65,536 codes"),
        ({**CODES, "hamar": (1,) * 9}, r"item 'hamar' has the codes \(.*\), beyond 8 levels of 65,536 codes; number"),
        ({**CODES, "hamar": (0,)}, r"codes\.jsonl: the codes of item 'hamar' begin those of item 'oslo'"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(
    make_sequences: MakeSequences,
    tmp_path: Path,
    codes: dict[str, tuple[int, ...]],
    complaint: str,
) -> None:
    path = tmp_path / "codes.jsonl"
    write_mapping(path, codes)
    with pytest.raises(BenchError, match=complaint):
        system(path).fit(make_sequences(TRIPS))


def test_a_file_may_have_more_levels_and_codes_than_ours(make_sequences: MakeSequences, tmp_path: Path) -> None:
    path = tmp_path / "codes.jsonl"
    write_mapping(
        path, {item: (*codes, 0, number, 700 + number) for number, (item, codes) in enumerate(CODES.items())}
    )
    fitted = system(path).fit(make_sequences(TRIPS))
    assert fitted.vocabularies() == (256, 256, 256, 256, 705)
    assert len(set(fitted.docids())) == 5


def test_text_is_a_kind_or_a_file() -> None:
    made = [SID.from_options("sid", {"tokenizer": text}).tokenizer for text in ("fsq", "mapping:my codes.json")]
    assert [(one.kind, one.mapping) for one in made] == [("fsq", ""), ("mapping", "my codes.json")]
    with pytest.raises(BenchError, match="residual-k-means"):
        SID.from_options("sid", {"tokenizer": "k-means"})


def test_the_tokenizer_and_its_file_go_together() -> None:
    for options in ({"kind": "mapping"}, {"mapping": "codes.json"}):
        with pytest.raises(BenchError, match="the tokenizer `mapping` and the option mapping=FILE go together"):
            TokenizerOptions(**options)


def test_a_catalogue_without_text_has_no_codes_of_its_text(tmp_path: Path) -> None:
    from bench.collections.catalogue import open_dataset

    lines = [f"{user}\t{item}\t{time}\n" for user, items in TRIPS.items() for time, item in enumerate(items)]
    (tmp_path / "trips.inter").write_text("user_id:token\titem_id:token\ttimestamp:float\n" + "".join(lines))
    collection = open_dataset(f"recbole:{tmp_path}").collection
    with pytest.raises(BenchError, match="has any text to read; give its documents titles or texts"):
        SID(device="cpu").fit(collection)
