"""Every figure of an evaluation against slow, plain code that shares nothing with it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import m2m_adapters as m2m
from m2m_adapters._internal.languages import language, normalize_tag
from m2m_adapters.artifact.results import PLAIN
from m2m_adapters.errors import UserError
from m2m_adapters.evaluation import Benchmark, LazyItems, System, evaluate
from m2m_adapters.evaluation.agreement import agreement, consistency
from m2m_adapters.evaluation.corrections import csls, inverted_softmax, without_language
from m2m_adapters.evaluation.intervals import Figures, Resampler, average, difference
from m2m_adapters.evaluation.metrics import FIGURES, item_to_text, text_to_item
from m2m_adapters.evaluation.ranking import Penalty, rank
from m2m_adapters.testing import toy_sentences

EPSILON = 1e-6  # the documented width of a tie


# --- the reference: two loops and nothing clever -------------------------------------------


def cosine(a: Any, b: Any) -> float:
    dot = sum(float(x) * float(y) for x, y in zip(a, b, strict=True))
    la = math.sqrt(sum(float(x) ** 2 for x in a))
    lb = math.sqrt(sum(float(x) ** 2 for x in b))
    return dot / (la * lb) if la and lb else 0.0


def ranks_of(scores: list[float], right: list[int]) -> list[int]:
    """Ranks of the right answers; every wrong one that ties comes before them."""
    found = []
    best_first = sorted(right, key=lambda j: -scores[j])
    for place, j in enumerate(best_first):
        wrong = sum(1 for i, s in enumerate(scores) if i not in right and s >= scores[j] - EPSILON)
        found.append(wrong + place + 1)
    return found


def figures_of(queries: list[list[int]]) -> dict[str, float]:
    """Each query's ranks of right answers -> the figures."""
    told = {f"R@{k}": 0.0 for k in (1, 5, 10)} | {"MRR": 0.0, "nDCG@10": 0.0}
    for ranks in queries:
        for k in (1, 5, 10):
            told[f"R@{k}"] += any(r <= k for r in ranks)
        told["MRR"] += 1 / min(ranks)
        gain = sum(1 / math.log2(r + 1) for r in ranks if r <= 10)
        ideal = sum(1 / math.log2(r + 1) for r in range(1, min(10, len(ranks)) + 1))
        told["nDCG@10"] += gain / ideal
    told = {name: value / len(queries) for name, value in told.items()}
    told["mean recall"] = (told["R@1"] + told["R@5"] + told["R@10"]) / 3
    return told


def reference(texts: Any, items: Any, owners: Sequence[int]) -> tuple[Any, Any, float, float]:
    scores = [[cosine(t, v) for v in items] for t in texts]
    asked = [ranks_of(row, [owner]) for row, owner in zip(scores, owners, strict=True)]
    back = []
    for item in range(len(items)):
        mine = [j for j, owner in enumerate(owners) if owner == item]
        if mine:
            back.append(ranks_of([row[item] for row in scores], mine))
    medians = [float(np.median([min(r) for r in found])) for found in (asked, back)]
    return figures_of(asked), figures_of(back), medians[0], medians[1]


def random_case(seed: int, n: int, per_item: tuple[int, int], d: int = 8) -> Any:
    rng = np.random.default_rng(seed)
    counts = rng.integers(per_item[0], per_item[1] + 1, n)
    counts[0] = max(counts[0], 1)
    owners = rng.permutation(np.repeat(np.arange(n), counts))
    items = rng.standard_normal((n, d)).astype(np.float32)
    texts = items[owners] + 1.2 * rng.standard_normal((len(owners), d)).astype(np.float32)
    return texts.astype(np.float32), items, owners


def tied_case(seed: int, n: int) -> Any:
    """Few directions, many repeats: nearly every comparison is a tie."""
    rng = np.random.default_rng(seed)
    corners = np.eye(4, dtype=np.float32)
    owners = rng.permutation(np.repeat(np.arange(n), rng.integers(1, 4, n)))
    return corners[rng.integers(0, 4, len(owners))] * 3, corners[rng.integers(0, 4, n)], owners


CASES = {
    "one caption each": random_case(0, 40, (1, 1)),
    "several captions": random_case(1, 25, (1, 6)),
    "items without captions": random_case(2, 30, (0, 3)),
    "fewer items than k": random_case(3, 3, (1, 2)),
    "one item": random_case(4, 1, (2, 2)),
    "more than ten captions": random_case(5, 4, (11, 14)),
    "two dimensions": random_case(6, 30, (1, 2), d=2),
    "ties": tied_case(0, 20),
    "ties again": tied_case(1, 7),
    "everything equal": (np.ones((9, 5), np.float32), np.ones((6, 5), np.float32),
                         np.array([0, 1, 2, 3, 4, 5, 0, 0, 3])),
    "duplicated items": (lambda c: (c[0], np.repeat(c[1][:10], 2, 0), c[2]))(
        random_case(7, 20, (1, 2))),
    "zero vectors": (np.zeros((6, 4), np.float32), np.eye(4, dtype=np.float32),
                     np.array([0, 1, 2, 3, 0, 1])),
}  # fmt: skip


@pytest.mark.parametrize("block", [1, 7, 1024])
@pytest.mark.parametrize("name", CASES)
def test_figures_equal_the_double_loop(name: str, block: int) -> None:
    texts, items, owners = CASES[name]
    ranks = rank(texts, items, owners, block=block)
    asked, back, asked_median, back_median = reference(texts, items, owners.tolist())
    for sums, expected, median in (
        (text_to_item(ranks, owners), asked, asked_median),
        (item_to_text(ranks), back, back_median),
    ):
        assert dict(zip(FIGURES, sums.means, strict=True)) == pytest.approx(expected, abs=1e-9)
        assert sums.median == median
    assert ranks.top.shape == (len(texts), min(10, len(items)))


def test_ties_are_pessimistic() -> None:
    """A model that says the same of everything finds nothing; it does not get half."""
    n = 20
    ranks = rank(np.ones((n, 4)), np.ones((n, 4)), np.arange(n))
    assert ranks.text.tolist() == [n] * n and ranks.item.ravel().tolist() == [n] * n


def test_vectors_that_are_no_numbers_are_refused() -> None:
    """A NaN compares false with everything and would count as found."""
    texts, items, owners = random_case(0, 5, (1, 1))
    texts[3, 2] = np.nan
    with pytest.raises(UserError, match="NaN"):
        rank(texts, items, owners)


def test_sums_per_item_add_up() -> None:
    texts, items, owners = CASES["several captions"]
    ranks = rank(texts, items, owners)
    for sums in (text_to_item(ranks, owners), item_to_text(ranks)):
        assert sums.sums.shape == (len(items), len(FIGURES))
        np.testing.assert_allclose(sums.sums.sum(0) / sums.counts.sum(), sums.means)


# --- the frameworks' own numbers -----------------------------------------------------------


def test_clip_benchmark_agrees() -> None:
    torch = pytest.importorskip("torch")
    theirs = pytest.importorskip("clip_benchmark.metrics.zeroshot_retrieval")
    texts, items, owners = random_case(11, 40, (1, 5))
    unit = torch.nn.functional.normalize
    scores = unit(torch.from_numpy(texts)) @ unit(torch.from_numpy(items)).T
    positive = torch.zeros_like(scores, dtype=torch.bool)
    positive[torch.arange(len(scores)), torch.from_numpy(owners)] = True
    asked = np.unique(owners)  # it divides by zero for items without captions
    ranks = rank(texts, items, owners)
    ours = text_to_item(ranks, owners).means, item_to_text(ranks).means
    for column, k in enumerate((1, 5, 10)):
        there = theirs.recall_at_k(scores, positive, k) > 0
        back = theirs.recall_at_k(scores.T[asked], positive.T[asked], k) > 0
        assert ours[0][column] == pytest.approx(there.float().mean().item(), abs=1e-6)
        assert ours[1][column] == pytest.approx(back.float().mean().item(), abs=1e-6)


def test_mteb_agrees() -> None:
    """hit_rate_at_k is ours; its recall_at_k is the share of right answers that were found."""
    metrics = pytest.importorskip("mteb._evaluators.retrieval_metrics")
    texts, items, owners = random_case(12, 40, (1, 5))
    scores = [[cosine(t, v) for v in items] for t in texts]
    ranks = rank(texts, items, owners)
    told = {
        "there": (
            {f"q{i}": {f"d{owner}": 1} for i, owner in enumerate(owners.tolist())},
            {f"q{i}": {f"d{j}": s for j, s in enumerate(row)} for i, row in enumerate(scores)},
            text_to_item(ranks, owners).means,
        ),
        "back": (
            {
                f"q{j}": {f"d{i}": 1 for i in np.flatnonzero(owners == j).tolist()}
                for j in sorted(set(owners.tolist()))
            },
            {
                f"q{j}": {f"d{i}": row[j] for i, row in enumerate(scores)}
                for j in sorted(set(owners.tolist()))
            },
            item_to_text(ranks).means,
        ),
    }
    for qrels, results, ours in told.values():
        found = metrics.calculate_retrieval_scores(results, qrels, [1, 5, 10])
        for column, k in enumerate((1, 5, 10)):
            assert ours[column] == pytest.approx(found.hit_rate[f"HitRate@{k}"], abs=1e-5)
        assert ours[FIGURES.index("nDCG@10")] == pytest.approx(found.ndcg["NDCG@10"], abs=1e-5)


# --- languages and protocols ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "code"),
    [("jp", "ja"), ("arb_Arab", "ar"), ("Japanese", "ja"), ("jpn_Jpan", "ja"), ("pt-BR", "pt"),
     ("cz", "cs"), ("zho_Hans", "zh"), ("zh-TW", "zh-Hant"), ("EN", "en"), ("quz", "qu"),
     ("nob", "no"), ("iw", "he"), ("srp_Latn", "sr-Latn"), ("xx-unknown", "xx")],
)  # fmt: skip
def test_codes_are_normalized(written: str, code: str) -> None:
    assert normalize_tag(written) == code
    made = Benchmark("b", "words", ["x"], {written: ["y"]}, owners={written: [0]})
    assert list(made.captions) == list(made.owners) == [code]


def test_languages_are_told_for_people() -> None:
    assert (language("jp").name, language("arb_Arab").script) == ("Japanese", "Arabic")
    assert language("heb").direction == "rtl" and language("te").family == "Dravidian"


def test_protocols() -> None:
    made = Benchmark("b", "words", ["i0", "i1", "i2"], {"en": ["a", "b", "c", "d"]},
                     owners={"en": [2, 0, 2, 1]})  # fmt: skip
    first = made.under("clip-benchmark")
    assert first.captions["en"] == ["b", "d", "a"] and first.owners["en"].tolist() == [0, 1, 2]
    assert made.under("all") is made
    with pytest.raises(UserError, match="one caption per item"):
        made.under("xtd")
    with pytest.raises(UserError, match="unknown protocol"):
        made.under("mine")


def test_varieties_keep_their_names() -> None:
    made = Benchmark("b", "words", ["i"], {"pt": ["a"], "pt-BR": ["b"], "en": ["c"], "jp": ["d"]})
    assert made.languages == ["en", "ja", "pt", "pt-br"]
    assert made.only(["pt-br", "jpn_Jpan"]).languages == ["en", "ja", "pt-br"]
    assert made.only(["pt-br"]).under("clip-benchmark").captions["pt-br"] == ["b"]
    with pytest.raises(UserError, match=r"has no German \('deu'\)"):
        made.only(["deu"])


# --- intervals -----------------------------------------------------------------------------


def test_the_interval_covers() -> None:
    """Of 150 samples from a known truth, about 95% of the intervals hold it."""
    truth, inside = 0.6, 0
    rng = np.random.default_rng(0)
    for trial in range(150):
        n = 60
        good = rng.random(n) < truth
        # A right answer at rank 1 or at rank n: R@1 is a coin with a known side.
        items = np.eye(n, dtype=np.float32)
        texts = np.where(good[:, None], items, np.roll(items, 1, axis=0))
        sums = text_to_item(rank(texts, items, np.arange(n)), np.arange(n))
        value, low, high = Resampler(n, resamples=300, seed=trial)(sums).to_dict()["R@1"]
        assert low <= value <= high
        inside += low <= 100 * truth <= high
    assert 0.90 <= inside / 150 <= 0.99


def test_differences_are_paired() -> None:
    texts, items, owners = CASES["several captions"]
    resample = Resampler(len(items))
    one = resample(text_to_item(rank(texts, items, owners), owners))
    same = difference(one, one)
    for told in same.values():
        assert told == {"difference": 0.0, "low": 0.0, "high": 0.0, "p": 1.0}
    worse = texts + np.random.default_rng(0).standard_normal(texts.shape).astype(np.float32) * 4
    other = resample(text_to_item(rank(worse, items, owners), owners))
    told = difference(one, other)["MRR"]
    assert told["low"] > 0 and told["p"] < 0.05
    assert difference(other, one)["MRR"]["difference"] == -told["difference"]
    spread = np.std((one.drawn - other.drawn)[:, 3])
    unpaired = math.hypot(np.std(one.drawn[:, 3]), np.std(other.drawn[:, 3]))
    assert spread != pytest.approx(unpaired, rel=1e-3)


def test_captions_of_one_item_are_not_independent() -> None:
    """Five copies of every caption tell nothing new: the interval stays as wide."""
    texts, items, owners = random_case(21, 60, (1, 1))
    once = Resampler(60)(text_to_item(rank(texts, items, owners), owners))
    five = np.repeat(owners, 5)
    often = Resampler(60)(text_to_item(rank(np.repeat(texts, 5, 0), items, five), five))
    np.testing.assert_allclose(once.drawn, often.drawn)


def test_the_average_keeps_what_languages_share() -> None:
    texts, items, owners = random_case(22, 50, (1, 1))
    one = Resampler(50)(text_to_item(rank(texts, items, owners), owners))
    mean = average([one, one])
    np.testing.assert_allclose(mean.drawn, one.drawn)
    np.testing.assert_allclose(mean.means, one.means)


# --- consistency ---------------------------------------------------------------------------


def test_consistency() -> None:
    """Against sets, with a language that lacks items and one with several captions."""
    rng = np.random.default_rng(3)
    owners = {"en": np.arange(15), "de": np.array([3, 3, 5, 1, 9]), "ja": rng.permutation(15)}
    made = Benchmark("b", "words", [f"i{i}" for i in range(15)],
                     {c: [f"{c}{i}" for i in range(len(o))] for c, o in owners.items()},
                     owners=owners)  # fmt: skip
    top = {
        c: np.stack([rng.permutation(15)[:10] for _ in o]).astype(np.int32)
        for c, o in owners.items()
    }
    ranks = {c: rng.integers(1, 15, len(o)).astype(np.int32) for c, o in owners.items()}
    told = consistency(top, ranks, made)
    shares: dict[tuple[str, str], list[float]] = {}
    for item in (1, 3, 5, 9):
        sets = {c: set(top[c][list(o).index(item)].tolist()) for c, o in owners.items()}
        for a, b in (("en", "de"), ("en", "ja"), ("de", "ja")):
            shares.setdefault((a, b), []).append(len(sets[a] & sets[b]) / 10)
    means = {pair: 100 * float(np.mean(values)) for pair, values in shares.items()}
    assert told["items"] == 4
    assert told["all pairs"] == pytest.approx(np.mean(list(means.values())), abs=0.01)
    assert told["with English"]["ja"] == pytest.approx(means["en", "ja"], abs=0.01)
    spreads = []
    for item in (1, 3, 5, 9):
        mine = [float(ranks[c][list(o).index(item)]) for c, o in owners.items()]
        spreads.append(sum((rank - sum(mine) / 3) ** 2 for rank in mine) / 3)
    assert told["mean rank variance"] == pytest.approx(sum(spreads) / 4, abs=0.001)
    same = consistency({"en": top["en"], "ja": top["en"]}, {"en": ranks["en"], "ja": ranks["en"]},
                       Benchmark("b", "words", made.items, {"en": ["x"] * 15, "ja": ["y"] * 15}))  # fmt: skip
    assert same["all pairs"] == 100.0 and same["mean rank variance"] == 0
    assert agreement({"en": top["en"]}, {"en": ranks["en"]}, made) is None


# --- corrections ---------------------------------------------------------------------------


def unit(seed: int, n: int, d: int = 6) -> Any:
    rows = np.random.default_rng(seed).standard_normal((n, d))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_csls() -> None:
    bank, items, texts = unit(0, 50), unit(1, 12), unit(2, 9)
    found = rank(texts, items, np.zeros(9, int), penalty=csls(bank, items)).top
    for q in range(9):
        corrected = []
        for i in range(12):
            near = sorted((cosine(b, items[i]) for b in bank), reverse=True)[:10]
            corrected.append(2 * cosine(texts[q], items[i]) - sum(near) / 10)
        assert found[q].tolist() == sorted(range(12), key=lambda i: -corrected[i])[:10]


def test_query_bank_normalization() -> None:
    bank, items, texts = unit(3, 40), unit(4, 12), unit(5, 30)
    penalty = inverted_softmax(bank, items)
    found = rank(texts, items, np.zeros(30, int), penalty=penalty).top
    hubs = {max(range(12), key=lambda i: cosine(b, items[i])) for b in bank[:]}
    assert penalty.gate is not None and set(np.flatnonzero(penalty.gate).tolist()) == hubs
    for q in range(30):
        scores = [cosine(texts[q], v) for v in items]
        if max(range(12), key=scores.__getitem__) in hubs:
            scores = [
                math.exp(20 * s) / sum(math.exp(20 * cosine(b, v)) for b in bank)
                for s, v in zip(scores, items, strict=True)
            ]
        assert found[q].tolist() == sorted(range(12), key=lambda i: -scores[i])[:10]


def test_a_penalty_of_nothing_changes_nothing() -> None:
    texts, items, owners = CASES["several captions"]
    plain = rank(texts, items, owners)
    same = rank(texts, items, owners, penalty=Penalty(np.zeros(len(items), np.float32)))
    np.testing.assert_array_equal(plain.text, same.text)


def test_language_removal() -> None:
    rng = np.random.default_rng(6)
    vectors = {c: unit(i, 30) + 0.3 * rng.standard_normal(6).astype(np.float32)
               for i, c in enumerate(("en", "de", "ja"))}  # fmt: skip
    units = {c: np.array([r / np.linalg.norm(r) for r in v.astype(float)])
             for c, v in vectors.items()}  # fmt: skip
    means = {c: u.mean(0) for c, u in units.items()}
    overall = sum(means.values()) / 3
    centered = without_language("centered", vectors)
    lir = without_language("lir", vectors)
    lsar = without_language("lsar", vectors)
    spread = np.sum([np.outer(m - overall, m - overall) for m in means.values()], axis=0)
    values, axes = np.linalg.eigh(spread)
    told_apart = axes[:, values > 1e-9 * values.max()]
    assert told_apart.shape[1] == 2
    for c, u in units.items():
        np.testing.assert_allclose(centered[c], u - means[c] + overall, atol=1e-6)
        _, own = np.linalg.eigh(u.T @ u)  # not centered, as published
        first = own[:, -1]
        np.testing.assert_allclose(lir[c], u - np.outer(u @ first, first), atol=1e-5)
        np.testing.assert_allclose(lsar[c], u - u @ told_apart @ told_apart.T, atol=1e-5)
        # What is left tells no language apart.
        np.testing.assert_allclose(lsar[c].mean(0), lsar["en"].mean(0), atol=1e-5)


def test_removing_the_language_helps_where_it_is_the_trouble() -> None:
    """Vectors of a language that all lean one way: each remedy finds more than before."""
    rng = np.random.default_rng(8)
    items = unit(9, 60, 16)
    lean = 2.5 * unit(10, 1, 16)
    texts = {c: items + 0.2 * rng.standard_normal((60, 16)).astype(np.float32)
             + (lean if c == "de" else 0) for c in ("en", "de")}  # fmt: skip

    def r1(vectors: Any) -> float:
        return float(text_to_item(rank(vectors, items, np.arange(60)), np.arange(60)).means[0])

    for name in ("centered", "lir", "lsar"):
        assert r1(without_language(name, texts)["de"]) > r1(texts["de"]) + 0.1, name


# --- the whole -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def adapter() -> m2m.Adapter:
    return m2m.align("toy-source", "toy-target", list(toy_sentences(400)),
                     recipe="closed-form", progress=False)  # fmt: skip


def words(n: int) -> Benchmark:
    texts = list(toy_sentences(n, seed=5))
    shouted = [" ".join(reversed(t.split())) for t in texts]
    return Benchmark("words", "words", LazyItems(n, lambda i: texts[i]),
                     {"en": texts, "jp": shouted})  # fmt: skip


def test_evaluate_end_to_end(adapter: m2m.Adapter) -> None:
    made = words(60)
    found = evaluate(adapter, made, baselines=["native"], corrections=["centered"])
    told = found.to_dict()
    assert set(told["systems"]) == {"adapter", PLAIN, "native", "centered"}
    assert told["ties"] == "pessimistic" and list(told["systems"]["adapter"]["languages"]) == [
        "en", "ja"]  # fmt: skip
    texts = adapter.encode(made.captions["ja"])
    items = adapter.encode_items(list(made.items))
    asked, back, median, _ = reference(texts, items, range(60))
    for direction, expected in (("text_to_item", asked), ("item_to_text", back)):
        figures = told["systems"]["adapter"]["languages"]["ja"][direction]
        for name, value in expected.items():
            assert figures[name][0] == pytest.approx(100 * value, abs=0.006)
    assert told["systems"]["adapter"]["languages"]["ja"]["text_to_item"]["median rank"] == median
    mine = told["systems"]["adapter"]["averages"]
    assert mine["without English"] == {
        d: {k: v for k, v in told["systems"]["adapter"]["languages"]["ja"][d].items()
            if k != "median rank"} for d in ("text_to_item", "item_to_text")}  # fmt: skip
    assert {"script: Latin", "script: Japanese", "family: Germanic"} <= set(mine)


def test_baselines_and_corrections_are_systems_of_their_own(adapter: m2m.Adapter) -> None:
    names = ["native", "unaligned", "procrustes", "ridge"]
    corrections = ["csls", "qb-norm", "centered", "lir", "lsar"]
    found = evaluate(
        adapter, words(40), baselines=names, corrections=corrections, texts=list(toy_sentences(400))
    )
    told = found.to_dict()
    assert list(told["systems"]) == ["adapter", PLAIN, *names, *corrections]
    assert set(told["compared with the adapter"]) == {PLAIN, *names, *corrections}
    for name in ("centered", "lir", "lsar"):
        assert "uses unlabeled foreign text" in told["systems"][name]["what"]
    # A 64-dimensional source cut to 48 has nothing to do with the target; a fitted map has.
    assert found.value("ridge", "en") > 90 > found.value("unaligned", "en")
    with pytest.raises(UserError, match="unknown baseline"):
        evaluate(adapter, words(5), baselines=["magic"])
    with pytest.raises(UserError, match="unknown correction"):
        evaluate(adapter, words(5), corrections=["magic"])


def test_systems_side_by_side(adapter: m2m.Adapter) -> None:
    """The same adapter under another name: no difference, and the interval says so."""
    same = System("twin", "the same", adapter.encode)
    told = evaluate(adapter, words(30), others=[same]).to_dict()
    for groups in told["compared with the adapter"]["twin"].values():
        for direction in groups.values():
            assert direction["R@10"] == {"difference": 0.0, "low": 0.0, "high": 0.0, "p": 1.0}


def test_a_benchmark_of_another_kind_is_refused(adapter: m2m.Adapter) -> None:
    with pytest.raises(UserError, match="holds items of kind image"):
        evaluate(adapter, Benchmark("b", "image", ["x"], {"en": ["y"]}))


def test_a_difference_and_its_p_by_hand() -> None:
    """p is twice the smaller share beyond zero, ties on both sides, at least 2 of n + 1, at most 1."""
    columns = len(FIGURES)
    zero = Figures(np.zeros(columns), np.zeros((99, columns)))
    drawn = np.ones((99, columns))
    drawn[:9, 1] = -1  # 9 of 99 on the far side
    drawn[:49, 2] = -1  # just under half
    drawn[:60, 3] = 0  # ties count on both sides
    drawn[:, 4] *= -1
    compared = difference(Figures(np.full(columns, 0.25), drawn), zero)
    assert [compared[name]["p"] for name in FIGURES[:5]] == [
        2 / 100, round(18 / 99, 4), round(98 / 99, 4), 1.0, 2 / 100,
    ]  # fmt: skip
    assert compared[FIGURES[0]]["difference"] == 25.0
    assert (compared[FIGURES[0]]["low"], compared[FIGURES[0]]["high"]) == (100.0, 100.0)
    both = average([Figures(np.full(columns, 0.25), drawn), zero])
    assert (both.means == 0.125).all() and np.array_equal(both.drawn, drawn / 2)
