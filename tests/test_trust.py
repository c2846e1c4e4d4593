"""The trust report: English before and after, agreement, mixed queries, false friends."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_dist import run_m2m

import m2m_adapters as m2m
from m2m_adapters.corpus.code_switch import mixed
from m2m_adapters.errors import UserError
from m2m_adapters.evaluation import Benchmark, Evaluation, LazyItems, evaluate
from m2m_adapters.evaluation.false_friends import (
    check_languages,
    chosen_pairs,
    false_friends,
    pairs,
    wilson,
)
from m2m_adapters.evaluation.intervals import Figures
from m2m_adapters.evaluation.metrics import FIGURES
from m2m_adapters.evaluation.trust import english_check
from m2m_adapters.interfaces import ModalityModel, TextEncoder, Vectors
from m2m_adapters.testing import AffineTarget, ToySource, toy_sentences

SENTENCES = list(toy_sentences(400))


@pytest.fixture(scope="module")
def adapter() -> m2m.Adapter:
    return m2m.align(ToySource(), AffineTarget(48), SENTENCES, recipe="closed-form",
                     progress=False)  # fmt: skip


def bench(n: int = 60) -> Benchmark:
    texts = list(toy_sentences(n, seed=5))
    return Benchmark(
        "words", "words", LazyItems(n, lambda i: texts[i]),
        {"en": texts, "de": [" ".join(reversed(t.split())) for t in texts],
         "ja": [f"x{i}" for i in range(n)]},
    )  # fmt: skip


@pytest.fixture(scope="module")
def found(adapter: m2m.Adapter) -> Evaluation:
    return evaluate(adapter, bench(), trust=True)


# --- English before and after --------------------------------------------------------------


def figures(mean: float, drawn: Sequence[float]) -> Figures:
    width = len(FIGURES)
    return Figures(np.full(width, mean), np.repeat(np.array(drawn)[:, None], width, axis=1))


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        (figures(0.5, [0.4, 0.5, 0.6]), figures(0.6, [0.5, 0.6, 0.7]), "no loss"),
        (figures(0.5, [0.4, 0.5, 0.6]), figures(0.5, [0.4, 0.5, 0.6]), "no loss"),
        (figures(0.6, [0.5, 0.6, 0.7]), figures(0.5, [0.4, 0.5, 0.6]), "loss"),
        # As good on the whole, but the interval holds a loss: nothing may be claimed.
        (figures(0.5, [0.6, 0.5, 0.4]), figures(0.5, [0.4, 0.5, 0.6]), "undecided"),
    ],
)
def test_no_loss_only_if_the_interval_says_so(
    before: Figures, after: Figures, verdict: str
) -> None:
    checked: Any = english_check(after, before)
    assert checked["R@1"]["verdict"].startswith(verdict)
    assert checked["R@1"]["difference"] == round(100 * float(after.means[0] - before.means[0]), 2)


def test_the_own_tower_is_encoded_where_no_baseline_did(adapter: m2m.Adapter) -> None:
    alone = evaluate(adapter, bench(), trust=True).to_dict()["trust"]
    beside = evaluate(adapter, bench(), baselines=["native"], trust=True).to_dict()["trust"]
    assert alone == beside
    value = evaluate(adapter, bench(), baselines=["native"]).value("native", "en")
    assert alone["English before and after"]["R@10"]["own tower"][0] == value


# --- mixed queries -------------------------------------------------------------------------


def test_mixed_queries_are_ranked_as_written(adapter: m2m.Adapter, found: Evaluation) -> None:
    captions = found.benchmark.captions
    items = found.items / np.linalg.norm(found.items, axis=1, keepdims=True)
    told: Any = found.to_dict()["trust"]["code-switched"]["languages"]
    for code in ("de", "ja"):
        for name, pair in (("English first", ("en", code)), ("English last", (code, "en"))):
            texts = [mixed(a, b) for a, b in zip(*(captions[c] for c in pair), strict=True)]
            vectors = adapter.encode(texts)
            scores = vectors / np.linalg.norm(vectors, axis=1, keepdims=True) @ items.T
            hits = [(row >= row[i] - 1e-6).sum() <= 10 for i, row in enumerate(scores)]
            assert told[code][name][0] == pytest.approx(100 * np.mean(hits), abs=0.01)
        alone = (found.value("adapter", "en") + found.value("adapter", code)) / 2
        assert told[code]["each alone"][0] == pytest.approx(alone, abs=0.02)
        both = (told[code]["English first"][0] + told[code]["English last"][0]) / 2
        less = told[code]["mixed, less each alone"]
        assert less[0] == pytest.approx(both - alone, abs=0.03) and less[1] <= less[0] <= less[2]


def test_agreement_has_intervals(found: Evaluation) -> None:
    told: Any = found.to_dict()["trust"]["agreement"]
    assert told["items"] == 60 and "2406.18254" in told["measure"]
    own = found.to_dict()["systems"]["adapter"]["consistency"]
    assert told["first ten in common"][0] == pytest.approx(own["all pairs"], abs=0.01)
    assert told["with English"]["de"][0] == pytest.approx(own["with English"]["de"], abs=0.01)
    for values in (told["first ten in common"], told["mean rank variance"]):
        assert values[1] <= values[0] <= values[2]


def test_one_language_is_not_applicable(adapter: m2m.Adapter) -> None:
    texts = list(toy_sentences(20, seed=5))
    german = Benchmark("b", "words", texts, {"de": texts})
    told: Any = evaluate(adapter, german, trust=True).to_dict()["trust"]
    for part in ("English before and after", "agreement", "code-switched"):
        assert "not applicable" in told[part], part


# --- false friends -------------------------------------------------------------------------


def test_the_probe_set() -> None:
    every = pairs()
    assert len(every) >= 150 and len({p.language for p in every}) == 12
    assert len({(p.language, p.sentence) for p in every}) == len(every)
    for pair in every:
        assert pair.right != pair.wrong
        assert pair.right_word in pair.right and pair.wrong_word in pair.wrong
        assert all(text == text.strip() and text for text in vars(pair).values())
    assert {p.language for p in chosen_pairs(["German", "ja"])} == {"de", "ja"}
    with pytest.raises(UserError, match="no false friends in Czech"):
        check_languages(["cs"])


class Dictionary(TextEncoder):
    """Knows the probe: every English phrase and sentence has its vector; German reads falsely."""

    dim = 32

    def encode(self, texts: Sequence[str], **options: Any) -> Vectors:
        return np.stack([self._vector(text) for text in texts])

    def _vector(self, text: str) -> Vectors:
        meaning = {p.sentence: p.wrong if p.language == "de" else p.right for p in pairs()}
        rng = np.random.default_rng(zlib.crc32(meaning.get(text, text).encode()))
        row = rng.standard_normal(self.dim).astype(np.float32)
        return np.asarray(row / np.linalg.norm(row), np.float32)


class Same(ModalityModel):
    """A target whose tower is the source itself: the map is the identity."""

    modality = "words"

    def __init__(self) -> None:
        self._text: TextEncoder = Dictionary()

    @property
    def text(self) -> TextEncoder:
        return self._text


def test_the_right_reading_must_win() -> None:
    phrases = [text for p in pairs() for text in (p.right, p.wrong)]
    adapter = m2m.align(Dictionary(), Same(), list(dict.fromkeys(phrases)), recipe="closed-form",
                        progress=False)  # fmt: skip
    told: Any = false_friends(adapter, ["de", "fr"])
    assert set(told["languages"]) == {"de", "fr"} and told["English phrases"] == 100
    assert told["languages"]["fr"]["right"][0] == told["languages"]["fr"]["source"][0] == 100
    assert told["languages"]["de"]["right"][0] == told["languages"]["de"]["source"][0] == 0
    assert told["all"]["control"][0] > 90 or told["languages"]["fr"]["control"][0] == 100
    assert told["pairs"] == told["all"]["pairs"] == len(chosen_pairs(["de", "fr"]))
    german = [mistake for mistake in told["mistakes"] if mistake["language"] == "de"]
    assert len(german) == len(chosen_pairs(["de"]))


def test_words_that_nobody_knows_are_not_applicable(adapter: m2m.Adapter) -> None:
    class Constant(TextEncoder):
        """Takes every text for the same."""

        dim = 48

        def encode(self, texts: Sequence[str], **options: Any) -> Vectors:
            return np.ones((len(texts), self.dim), np.float32)

    class Deaf(Same):
        def __init__(self) -> None:
            self._text = Constant()

    deaf = m2m.Adapter(adapter.projector, adapter.record, source=ToySource())
    deaf.__dict__["target"] = Deaf()
    told: Any = false_friends(deaf)
    assert set(told) == {"not applicable"} and "0%" in told["not applicable"]
    assert "no pair in these languages" in str(false_friends(adapter, ["en"]))


def test_wilson() -> None:
    assert wilson(0, 10)[0] == 0 and wilson(0, 10)[1] == 0 and wilson(0, 10)[2] > 20
    assert wilson(16, 20) == pytest.approx([80.0, 58.4, 91.9], abs=0.1)


# --- from the shell ------------------------------------------------------------------------


def test_from_the_shell(tmp_path: Path) -> None:
    adapter = m2m.align("toy-source", "toy-target", SENTENCES, recipe="closed-form",
                        progress=False)  # fmt: skip
    adapter.save(tmp_path / "a")
    table = tmp_path / "own" / "captions.csv"
    table.parent.mkdir()
    rows = [f"{t},{t},{' '.join(reversed(t.split()))}" for t in toy_sentences(30, seed=5)]
    table.write_text("\n".join(["item,en,de", *rows]), encoding="utf-8")
    command = ("evaluate", str(tmp_path / "a"), "-b", str(table.parent))
    report = ("--report", str(tmp_path / "r.html"), "--report", str(tmp_path / "r.md"))
    done = run_m2m(*command, *report)
    assert done.returncode == 0, done.stderr
    for text in (done.stdout, *(Path(p).read_text("utf-8") for p in report[1::2])):
        for words in ("English before and after", "Agreement between languages",
                      "Queries in two languages", "False friends", "By script and family",
                      "Germanic"):  # fmt: skip
            assert words in text, words
    told = json.loads(run_m2m(*command, "--json").stdout)
    assert set(told["trust"]) == {
        "summary", "English before and after", "agreement", "code-switched", "false friends"}  # fmt: skip
    assert "trust" not in json.loads(run_m2m(*command, "--json", "--no-trust").stdout)
    kept = run_m2m(*command, "--keep", "--json")
    assert kept.returncode == 0, kept.stderr
    card = (tmp_path / "a" / "README.md").read_text("utf-8")
    assert "against the target's own tower" in card and "False friends read rightly" in card
    assert m2m.load_adapter(tmp_path / "a").record.evaluation[0].trust == told["trust"]["summary"]
    alone = run_m2m("evaluate", str(tmp_path / "a"), "--false-friends", "--langs", "de", "--json")
    assert alone.returncode == 0, alone.stderr
    assert json.loads(alone.stdout)["pairs"] == len(chosen_pairs(["de"]))
    refused = run_m2m("evaluate", str(tmp_path / "a"), "--false-friends", "--langs", "cs")
    assert refused.returncode == 2 and "no false friends in Czech" in refused.stderr
