"""Two encoders on the same data: against independent formulas, and planted differences."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from fake_dist import run_m2m

import m2m_adapters as m2m
from m2m_adapters.analysis.compare import Side, compare
from m2m_adapters.analysis.cross_lingual import Precision
from m2m_adapters.analysis.ranking import rank_agreement, ranks, same_first, scores
from m2m_adapters.errors import UserError

QUICK = Precision(shuffles=1, halves=2)


def _sides(noise: float) -> tuple[Side, Side]:
    """B is A turned and scaled into more columns, its German with more noise."""
    draw = np.random.default_rng(0).standard_normal
    english = draw((300, 8))
    german = english + 0.2 * draw((300, 8))
    turn = np.linalg.qr(draw((12, 12)))[0][:8]
    a = {"en": english, "de": german, "ja": english + 0.6 * draw((300, 8))}
    b = {code: 3 * x @ turn for code, x in a.items()}
    b["de"] = b["de"] + noise * draw((300, 12))
    return Side("a", a), Side("b", b)


def test_ranks_agree_with_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    draw = np.random.default_rng(1).standard_normal
    a, b = draw((20, 50)), draw((20, 50))
    a[:, 5] = a[:, 6]
    b[3] = np.round(b[3])
    np.testing.assert_allclose(ranks(b[3]), stats.rankdata(b[3]))
    expected = [stats.spearmanr(x, y).statistic for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(rank_agreement(a, b), expected, atol=1e-12)
    assert same_first(a, a).tolist() == [1] * 20


def test_a_rotation_is_no_difference() -> None:
    a, b = _sides(0)
    study = compare(a, b, precision=QUICK)
    for row in study.rows:
        assert row["cka"] == pytest.approx(1) and row["agreement of ranks"] == pytest.approx(1)
        assert row["same first"] == 1
        assert row["B - A"] == (None if row["language"] == "en" else 0)
    assert "in no language" in study.findings[1]


def test_a_planted_difference_is_found_where_it_is() -> None:
    a, b = _sides(4)
    study = compare(a, b, precision=QUICK)
    rows = {row["language"]: row for row in study.rows}
    assert rows["de"]["high"] < 0 and rows["ja"]["B - A"] == 0
    assert study.findings[1] == "A finds more in de"
    expected = {}
    for side in (a, b):
        own = scores(side.vectors["de"], side.vectors["en"])
        expected[side.name] = (own.argmax(1) == np.arange(300)).mean()
    assert rows["de"]["A finds"] == pytest.approx(expected["a"], abs=1e-4)
    assert rows["de"]["B - A"] == pytest.approx(expected["b"] - expected["a"], abs=1e-4)
    assert rows["mean"]["B - A"] == pytest.approx(rows["de"]["B - A"] / 2, abs=1e-4)


def test_adapters_and_targets_rank_items(tmp_path: Path) -> None:
    texts = m2m.parallel_texts(m2m.load_benchmark("tiny-scenes").only(["de"]), limit=60)
    adapter = m2m.align("tiny-text", "tiny-clip", texts=texts.texts["en"], recipe="closed-form")
    adapter.save(tmp_path / "a")
    study = compare(str(tmp_path / "a"), "tiny-clip", texts, items=True, precision=QUICK)
    rows = {row["language"]: row for row in study.rows}
    assert rows["en"]["B finds"] > 0.8 and rows["de"]["A finds"] > rows["de"]["B finds"] + 0.3
    assert "item first" in study.findings[0]
    with pytest.raises(UserError, match="is a source and does not encode items"):
        compare("tiny-text", "tiny-clip", texts, items=True)


def test_the_command_writes_a_page_and_json(tmp_path: Path) -> None:
    for side in _sides(1):
        np.savez(tmp_path / f"{side.name}.npz", **side.vectors)
    files = [str(tmp_path / "a.npz"), str(tmp_path / "b.npz")]
    done = run_m2m("compare", *files, "--out", str(tmp_path / "c.html"))
    assert done.returncode == 0 and "rankings agree" in done.stdout, done.stderr
    page = (tmp_path / "c.html").read_text()
    assert page.count("<svg") == 2 and "de, B" in page
    found = json.loads(run_m2m("compare", *files, "--json").stdout)
    assert found["study"] == "compare" and found["rows"][-1]["language"] == "mean"


@pytest.mark.parametrize(("arguments", "message"), [
    (["tiny-text", "tiny-clip"], "no texts are named"),
    (["a.npz", "b.npz"], "there is no file a.npz"),
    (["tiny-text", "nobody", "--benchmark", "tiny-scenes"], "is called 'nobody'"),
    (["tiny-text", "tiny-clip", "--benchmark", "tiny-scenes", "--limit", "20", "--measures",
      "retrieval"], "is always measured for each side"),
    (["tiny-text", "tiny-clip", "--benchmark", "tiny-scenes", "--out", "c.pdf"],
     "cannot write a study"),
])  # fmt: skip
def test_bad_comparisons_end_in_one_line(arguments: list[str], message: str) -> None:
    done = run_m2m("compare", *arguments)
    assert done.returncode == 2 and message in done.stderr and "Traceback" not in done.stderr


def test_sides_that_do_not_match_are_refused() -> None:
    a, b = _sides(0)
    short = Side("short", {code: x[:50] for code, x in b.vectors.items()})
    with pytest.raises(UserError, match="50 and 300 rows"):
        compare(a, short)
    with pytest.raises(UserError, match="no common languages"):
        compare(a, Side("other", {"en": a.vectors["en"], "fr": a.vectors["en"]}))
    with pytest.raises(UserError, match="only one side has items"):
        compare(a, Side("b", b.vectors, b.vectors["en"]))
