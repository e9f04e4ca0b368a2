import math
import re
from collections import Counter
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import bm25s
import pytest
import Stemmer
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.collections.catalogue import open_dataset
from bench.collections.collection import Collection, Query
from bench.errors import BenchError
from retrievers.lexical.bm25 import BM25
from retrievers.lexical.engines import Bm25sEngine, Formula

VARIANTS = ("lucene", "robertson", "atire", "bm25+", "bm25l")
TREES = ("oak", "elm", "ash", "fir", "yew")
RECIPES = {
    "bread": "Knead the dough for ten minutes, then let the dough rise in a warm place.",
    "pasta": "Boil the pasta in salted water until it is firm to the bite.",
    "soup": "Simmer the onions in butter, pour in the stock and boil the soup for an hour.",
    "tea": "Pour boiling water over the leaves.",
    "rest": "Let it rest.",
}

MakeCollection = Callable[..., Collection]
Docstrings = Mapping[str, tuple[str, str]]


def ask(retriever: BM25, collection: Collection, *texts: str, k: int = 10) -> list[dict[str, float]]:
    """The canonical answers as dictionaries from document id to score, best first."""
    queries = [Query(f"q{i}", text) for i, text in enumerate(texts)]
    answers = retriever.retrieve(queries, k).canonical(queries, collection.documents, k)
    return [dict(zip(collection.documents.ids(rows), scores.tolist(), strict=True)) for _, rows, scores in answers]


def fitted(collection: Collection, **options: Any) -> BM25:
    retriever = BM25(**options)
    retriever.fit(collection)
    return retriever


def share(variant: str, tf: int, df: int, n: int, length: float, k1: float, b: float, delta: float) -> float:
    """What a term adds to a document's score, as Kamphuis et al. 2020 and Lv and Zhai 2011 write it."""
    norm = 1 - b + b * length
    saturated = tf / (k1 * norm + tf)
    if variant == "lucene":
        return math.log(1 + (n - df + 0.5) / (df + 0.5)) * saturated
    if variant == "robertson":
        return max(0.0, math.log((n - df + 0.5) / (df + 0.5))) * saturated
    if variant == "atire":
        return math.log(n / df) * saturated * (k1 + 1)
    if variant == "bm25+":
        return math.log((n + 1) / df) * (saturated * (k1 + 1) + delta)
    c = tf / norm + delta
    return math.log((n + 1) / (df + 0.5)) * (k1 + 1) * c / (k1 + c)


def by_hand(documents: list[list[str]], query: list[str], variant: str, **parameters: float) -> dict[int, float]:
    """Score of every document that holds a term of the query."""
    n, mean = len(documents), sum(map(len, documents)) / len(documents)
    df = Counter(term for terms in documents for term in set(terms))
    return {
        row: sum(
            share(variant, terms.count(term), df[term], n, len(terms) / mean, **parameters)
            for term in query
            if term in df
        )
        for row, terms in enumerate(documents)
        if set(terms) & set(query)
    }


@pytest.mark.parametrize("variant", VARIANTS)
@given(
    documents=st.lists(st.lists(st.sampled_from(["oak", "elm", "ash", "fir", "yew"])), min_size=1, max_size=7).filter(
        any
    ),
    query=st.lists(st.sampled_from(["oak", "elm", "ash", "fir", "yew", "box"]), max_size=4),
    k1=st.floats(0.001, 3),
    b=st.floats(0, 1),
)
@settings(max_examples=40, deadline=None)
def test_scores_are_those_of_the_published_formula(
    variant: Any, documents: list[list[str]], query: list[str], k1: float, b: float
) -> None:
    numbers = {term: i for i, term in enumerate(dict.fromkeys(term for terms in documents for term in terms))}
    engine = Bm25sEngine(Formula(variant, k1, b, delta=0.7, epsilon=0))
    engine.index([[numbers[term] for term in terms] for terms in documents], len(numbers))
    found = engine.scores([[numbers[term] for term in query if term in numbers]], 0)
    expected = by_hand(documents, query, variant, k1=k1, b=b, delta=0.7)
    assert dict(zip(found.indices.tolist(), found.data.tolist(), strict=True)) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("variant", VARIANTS)
def test_ten_best_scores_are_those_of_calling_bm25s_by_hand(
    variant: str, docstrings: Docstrings, make_collection: MakeCollection
) -> None:
    collection = make_collection({name: rest for name, (_, rest) in docstrings.items()})
    summaries = [summary for summary, _ in docstrings.values()]
    english: dict[str, Any] = {"stopwords": "en", "stemmer": Stemmer.Stemmer("english"), "show_progress": False}
    english["token_pattern"] = r"(?u)\b\w+\b"
    library = bm25s.BM25(k1=1.2, b=0.75, delta=0.5, method=variant)
    library.index(bm25s.tokenize(list(collection.texts()), **english), show_progress=False)
    _, scores = library.retrieve(bm25s.tokenize(summaries, **english), k=10, show_progress=False)
    answers = ask(fitted(collection, variant=variant, delta=0.5), collection, *summaries)
    assert len(answers) > 100
    for answer, expected in zip(answers, scores, strict=True):
        assert list(answer.values()) == pytest.approx(expected[: len(answer)], rel=1e-5, abs=1e-5)


@pytest.mark.parametrize(("variant", "other", "factor"), [("bm25+", "bm25+", 1.0), ("robertson", "okapi", 2.2)])
def test_both_engines_rank_alike_where_their_formula_is_the_same(
    variant: str, other: str, factor: float, docstrings: Docstrings, make_collection: MakeCollection
) -> None:
    collection = make_collection({name: rest for name, (_, rest) in docstrings.items()})
    summaries = [summary for summary, _ in docstrings.values()]
    everything = len(collection)
    quick = ask(fitted(collection, variant=variant), collection, *summaries, k=everything)
    slow = ask(fitted(collection, engine="rank-bm25", variant=other), collection, *summaries, k=everything)
    compared = 0
    for first, second in zip(quick, slow, strict=True):
        assert {name: factor * score for name, score in first.items()} == pytest.approx(second, rel=1e-5, abs=1e-5)
        best = list(second.values())[:11]
        if all(above - below > 1e-4 for above, below in pairwise(best)):
            assert list(first)[:10] == list(second)[:10]
            compared += 1
    assert compared > 100


def test_bm25l_of_the_two_libraries_differs(make_collection: MakeCollection) -> None:
    collection = make_collection(RECIPES)
    answers = [
        ask(fitted(collection, engine=engine, variant="bm25l"), collection, "the dough")[0]["bread"]
        for engine in ("bm25s", "rank-bm25")
    ]
    assert answers[1] > 1.5 * answers[0]


@pytest.mark.parametrize("variant", VARIANTS)
def test_documents_without_a_term_of_the_query_are_not_returned(
    variant: str, make_collection: MakeCollection
) -> None:
    collection = make_collection(RECIPES)
    answers = ask(fitted(collection, variant=variant), collection, "boiling the stock", "quantum physics", "?", k=5)
    assert [set(answer) for answer in answers] == [{"pasta", "soup", "tea"}, set(), set()]


@pytest.mark.parametrize("options", [{"engine": "rank-bm25", "variant": v} for v in ("okapi", "bm25+", "bm25l")])
def test_rank_bm25_returns_only_documents_with_a_term_of_the_query(
    options: dict[str, Any], make_collection: MakeCollection
) -> None:
    collection = make_collection(RECIPES)
    answers = ask(fitted(collection, **options), collection, "boiling the stock", "quantum physics", k=5)
    assert [set(answer) for answer in answers] == [{"pasta", "soup", "tea"}, set()]


@pytest.mark.parametrize("variant", ["robertson", "atire"])
def test_a_match_that_weighs_nothing_is_still_a_match(variant: str, make_collection: MakeCollection) -> None:
    collection = make_collection({"a": "salt and water", "b": "salt and pepper", "c": "salted butter"})
    retriever = fitted(collection, variant=variant)
    assert ask(retriever, collection, "salt") == [{"a": 0.0, "b": 0.0, "c": 0.0}]
    assert ask(retriever, collection, "salt salt water")[0]["b"] == 0.0


def test_a_repeated_term_counts_as_often(make_collection: MakeCollection) -> None:
    collection = make_collection(RECIPES)
    once, twice = ask(fitted(collection), collection, "dough", "dough dough")
    assert twice["bread"] == 2 * once["bread"]


def test_words_of_one_letter_are_kept_unless_the_pattern_drops_them(make_collection: MakeCollection) -> None:
    collection = make_collection({"c": "vitamin C is in lemons", "d": "vitamin D is made by the skin"})
    assert list(ask(fitted(collection), collection, "C")[0]) == ["c"]
    assert ask(fitted(collection, token_pattern=r"(?u)\b\w\w+\b"), collection, "C") == [{}]


def test_k_may_exceed_the_corpus(make_collection: MakeCollection) -> None:
    collection = make_collection(RECIPES)
    assert len(ask(fitted(collection, stop_words="none"), collection, "the", k=1000)[0]) == 4


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_order_of_the_corpus_does_not_matter(
    variant: str, docstrings: Docstrings, make_collection: MakeCollection
) -> None:
    texts = {f"{name} {copy}": rest for copy in "ab" for name, (_, rest) in list(docstrings.items())[:150]}
    questions = [summary for summary, _ in list(docstrings.values())[:150]]
    forwards = make_collection(texts)
    backwards = make_collection(dict(reversed(texts.items())))
    answers = [
        ask(fitted(collection, variant=variant), collection, *questions, k=5) for collection in (forwards, backwards)
    ]
    assert [list(a.items()) for a in answers[0]] == [list(a.items()) for a in answers[1]]


def test_batches_do_not_change_the_answers(
    docstrings: Docstrings, make_collection: MakeCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    collection = make_collection({name: rest for name, (_, rest) in docstrings.items()})
    questions = [summary for summary, _ in list(docstrings.values())[:50]]
    retriever = fitted(collection)
    whole = ask(retriever, collection, *questions)
    monkeypatch.setattr(BM25, "cells", 7 * len(collection))
    assert ask(retriever, collection, *questions) == whole


@pytest.mark.parametrize(
    "options", [{}, {"variant": "bm25l"}, {"variant": "robertson"}, {"engine": "rank-bm25", "variant": "okapi"}]
)
def test_a_saved_index_answers_as_before(
    options: dict[str, Any], make_collection: MakeCollection, tmp_path: Path
) -> None:
    collection = make_collection({**RECIPES, "empty": "...", "salz": "Brühe mit Salz 塩"})
    before = fitted(collection, stop_words="none", **options)
    before.save(tmp_path)
    after = BM25(stop_words="none", **options)
    after.load(tmp_path)
    questions = ["boil the water", "Brühe", "塩", "unknown"]
    assert ask(after, collection, *questions) == ask(before, collection, *questions)
    assert after.facts() == before.facts()
    assert {path.suffix for path in tmp_path.iterdir()} == {".npy", ".json"}


def test_stop_words_and_stemmer_follow_the_language_of_the_collection(make_collection: MakeCollection) -> None:
    texts = {"haus": "Die Häuser stehen und die Bäume blühen.", "baum": "Ein Baum steht am Haus."}
    german = make_collection(texts, language="german")
    retriever = fitted(german)
    assert [set(answer) for answer in ask(retriever, german, "und die", "Häusern")] == [set(), {"haus", "baum"}]
    assert retriever.facts()["stemmer"] == "german"
    assert set(ask(fitted(german, stop_words="none", stemmer="none"), german, "und die")[0]) == {"haus"}


HINDI = {
    "h1": "भारत की राजधानी दिल्ली है",
    "h2": "हिन्दी भाषा का साहित्य बहुत पुराना है",
    "h3": "नदी के किनारे बसा हुआ गाँव",
    "h4": "किताब पढ़ना अच्छी आदत है",
    "h6": "हनद दलल",
    "h7": "नद",
    "h8": "कताब",
}
ARABIC = {
    "a1": "كَتَبَ الوَلَدُ الدَّرْسَ",
    "a2": "المدينة القديمة جميلة",
    "a3": "البحر هادئ اليوم",
    "a4": "ذهب الولد إلى المدرسة",
    "a5": "كتب المعلم على السبورة",
}
CHINESE = {
    "z1": "床前明月光，疑是地上霜",
    "z2": "举头望明月，低头思故乡",
    "z4": "夜来风雨声，花落知多少",
    "z5": "红豆生南国",
}
JAPANESE = {"j1": "東京タワーはとても高い塔です", "j2": "京都のお寺を見ました", "j3": "コーヒーを飲みます"}
THAI = {"t1": "กรุงเทพเป็นเมืองหลวงของประเทศไทย", "t2": "แม่น้ำเจ้าพระยาไหลผ่านเมือง", "t3": "ข้าวผัดอร่อยมาก"}
KHMER = {"k1": "ភ្នំពេញជារាជធានីនៃកម្ពុជា", "k2": "ទន្លេមេគង្គហូរកាត់ទីក្រុង"}


@pytest.mark.parametrize("language", ["english", "its own"])
@pytest.mark.parametrize(
    ("own", "texts", "question", "found"),
    [
        ("hindi", HINDI, "हिन्दी", "h2"),
        ("hindi", HINDI, "दिल्ली", "h1"),
        ("arabic", ARABIC, "الدرس", "a1"),
        ("arabic", ARABIC, "البَحْر", "a3"),
        ("chinese", CHINESE, "明月 故乡", "z2"),
        ("chinese", CHINESE, "风雨", "z4"),
        ("chinese", CHINESE, "红豆", "z5"),
        ("japanese", JAPANESE, "東京", "j1"),
        ("japanese", JAPANESE, "ｺｰﾋｰ", "j3"),
        ("thai", THAI, "แม่น้ำ", "t2"),
        ("thai", THAI, "ข้าวผัด", "t3"),
        ("khmer", KHMER, "ទន្លេ", "k2"),
    ],
)
def test_words_are_found_in_every_script(
    language: str, own: str, texts: Mapping[str, str], question: str, found: str, make_collection: MakeCollection
) -> None:
    collection = make_collection(texts, language=own if language == "its own" else language)
    (answer,) = ask(fitted(collection), collection, question)
    assert next(iter(answer)) == found


def test_marks_part_no_words(make_collection: MakeCollection) -> None:
    collection = make_collection(HINDI)
    assert [set(answer) for answer in ask(fitted(collection), collection, "नदी", "नद")] == [{"h3"}, {"h7"}]


def test_single_characters_and_longer_runs_are_an_option(make_collection: MakeCollection) -> None:
    collection = make_collection(CHINESE)
    by_characters, by_pairs = (
        [a["z2"] for a in ask(fitted(collection, ngram=n), collection, "明月", "月明")] for n in (1, 2)
    )
    assert by_characters[0] == by_characters[1]
    assert by_pairs[0] > by_pairs[1]


@pytest.mark.parametrize(
    ("language", "stop_words", "stemmer"),
    [
        ("finnish", "none", "finnish"),
        ("hindi", "none", "hindi"),
        ("arabic", "none", "arabic"),
        ("chinese", "chinese", "none"),
        ("thai", "none", "none"),
        ("none", "none", "none"),
    ],
)
def test_what_a_language_lacks_is_left_out_and_told(
    language: str, stop_words: str, stemmer: str, make_collection: MakeCollection
) -> None:
    facts = fitted(make_collection(RECIPES, language=language)).facts()
    assert (facts["stop_words"], facts["stemmer"]) == (stop_words, stemmer)


def test_stop_words_are_written_like_the_texts(make_collection: MakeCollection) -> None:
    german = make_collection({"a": "Daß der Fluß groß ist", "b": "das Schloß"}, language="german")
    assert [set(answer) for answer in ask(fitted(german), german, "daß", "SCHLOSS", "fluss")] == [set(), {"b"}, {"a"}]


@pytest.mark.parametrize(
    ("options", "language", "message"),
    [
        ({}, "englsih", "unknown language 'englsih': did you mean english.*language=none: words as they stand"),
        ({"stop_words": "klingon"}, "english", "unknown language of stop words 'klingon'"),
        ({"stop_words": "hindi"}, "hindi", "unknown language of stop words 'hindi'.*set stop_words=none"),
        ({"stemmer": "chinese"}, "chinese", "unknown language of the stemmer 'chinese'.*set stemmer=none"),
    ],
)
def test_an_unknown_language_is_refused_with_the_remedy(
    options: dict[str, Any], language: str, message: str, make_collection: MakeCollection
) -> None:
    with pytest.raises(BenchError, match=message):
        fitted(make_collection(RECIPES, language=language), **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"engine": "rank-bm25"}, "bm25.variant.*rank-bm25 has only okapi, bm25\\+, bm25l"),
        ({"variant": "okapi"}, "bm25s has only lucene, robertson, atire, bm25\\+, bm25l"),
        ({"variant": "tfidf"}, "bm25.variant.*lucene"),
        ({"k1": -1}, "bm25.k1.*greater than 0"),
        ({"b": 1.5}, "bm25.b.*less than or equal to 1"),
        ({"delta": 0}, "bm25.delta.*greater than 0"),
        ({"token_pattern": "(a"}, "bm25.token_pattern.*not a regular expression"),
        ({"token_pattern": "(a)(b)"}, "bm25.token_pattern.*more than one group"),
        ({"stopwords": "none"}, "did you mean stop_words"),
    ],
)
def test_bad_options_are_refused_in_one_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(BenchError, match=message) as raised:
        BM25.from_options("bm25", options)
    assert "\n" not in str(raised.value)


def test_a_corpus_without_terms_is_refused(make_collection: MakeCollection) -> None:
    with pytest.raises(BenchError, match="no document of small holds a term"):
        fitted(make_collection({"a": "of the", "b": "?"}))


def test_terms_are_those_of_bm25s(docstrings: Docstrings) -> None:
    from retrievers.lexical.terms import Analyser

    texts = [rest for _, rest in docstrings.values()]
    for pattern, theirs in ((BM25().token_pattern, r"(?u)\b\w+\b"), (r"\w\w+", r"(?u)\b\w\w+\b")):
        analyser = Analyser(pattern, "english", "english", "english", ngram=2)
        options = {"stemmer": Stemmer.Stemmer("english"), "token_pattern": theirs, "return_ids": False}
        expected = bm25s.tokenize(texts, **options, show_progress=False)
        assert [analyser.terms(text) for text in texts] == expected
    assert not re.search(r"\bthe\b", " ".join(analyser.terms(texts[0])))


@pytest.mark.real_data
@pytest.mark.parametrize(("name", "published"), [("scifact", 0.6789), ("nfcorpus", 0.3218)])
def test_published_ndcg_is_reached(name: str, published: float, data_folder: Path) -> None:
    import ir_measures
    from ir_measures import nDCG

    collection = open_dataset(f"beir:{data_folder / name}").collection
    queries, qrels, ids = collection.queries(), collection.qrels(), collection.documents.ids()
    answers = fitted(collection, k1=0.9, b=0.4).retrieve(queries, 100).canonical(queries, collection.documents, 100)
    run = {query: {ids[r]: float(s) for r, s in zip(rows, scores, strict=True)} for query, rows, scores in answers}
    judged = {
        query.id: {ids[r]: int(g) for r, g in zip(*qrels.of(i), strict=True)} for i, query in enumerate(queries)
    }
    assert ir_measures.calc_aggregate([nDCG @ 10], judged, run)[nDCG @ 10] == pytest.approx(published, abs=0.005)
