"""Bias on the target's own lines: planted associations, phrases in order, bad input."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fake_dist import run_m2m

import m2m_adapters as m2m
from m2m_adapters.analysis.bias import Line, bias_study, correlation
from m2m_adapters.analysis.people import (
    CHECK,
    FEMININE,
    GENDER_NOTES,
    KINDS,
    MASCULINE,
    ONE,
    chosen,
    directions,
    languages,
    phrases,
)
from m2m_adapters.analysis.skew import read_labels, skew, with_skew
from m2m_adapters.errors import UserError


def test_phrases_are_there_in_every_language() -> None:
    assert (
        len(languages()) == 13 and languages()[0] == "en" and set(GENDER_NOTES) == set(languages())
    )
    keys = {(one.kind, one.key) for one in phrases("en")}
    assert len(keys) == len(phrases("en")) == 30
    for code in languages():
        mine = phrases(code)
        assert {(one.kind, one.key) for one in mine} == keys
        assert {one.kind for one in mine} == {*KINDS, CHECK}
        assert all(one.text == one.text.strip() and one.text for one in mine)
        by_key: dict[str, list[str]] = {}
        for one in mine:
            by_key.setdefault(one.key, []).append(one.form)
        assert all(forms in ([ONE], [MASCULINE, FEMININE]) for forms in by_key.values())
    for code in ("en", "tr", "zh", "ja", "ko"):
        assert all(one.form == ONE for one in phrases(code))
    assert sum(one.form == FEMININE for one in phrases("de")) == 18


def test_places_on_a_line() -> None:
    line = Line(np.array([1.0, 0]), np.array([0, 1.0]))
    np.testing.assert_allclose(
        line.place(np.array([[2.0, 0], [0, 5], [1, 1]])), [-1, 1, 0], atol=1e-12
    )


def _encoder(lean: dict[str, float]):
    """Texts -> vectors: a text's own direction, and "woman" to the amount that is planted."""

    def encode(texts: list[str]) -> np.ndarray:
        rows = []
        for text in texts:
            noise = np.random.default_rng(abs(hash_of(text))).standard_normal(40)
            woman = (
                1.0
                if text in directions()[0].high
                else -1.0
                if text in directions()[0].low
                else 0.0
            )
            rows.append(np.concatenate([[3 * woman + lean.get(text, 0)], 0.3 * noise, [4.0]]))
        return np.array(rows)

    return encode


def hash_of(text: str) -> int:
    import zlib

    return zlib.crc32(text.encode())


def test_a_planted_association_is_found() -> None:
    """German feminine forms lean to woman, masculine ones to man; Turkish leans nowhere."""
    lean = {one.text: {FEMININE: 2.0, MASCULINE: -2.0}.get(one.form, 0.0) for one in phrases("de")}
    lean |= {
        "eine Frau": 3.0,
        "ein Mann": -3.0,
        "bir kadın": 3.0,
        "bir erkek": -3.0,
        "a nurse": 1.5,
    }
    study = bias_study(_encoder(lean), _encoder(lean), ["de", "tr"], model="m")
    rows = {(row["language"], row["form"]): row for row in study.rows
            if row["direction"] == "gender: man to woman"}  # fmt: skip
    assert rows["de", FEMININE]["minus low"] > 0 > rows["de", MASCULINE]["minus high"]
    assert rows["tr", ONE]["minus low"] < 0 < rows["tr", ONE]["minus high"]
    assert rows["de", FEMININE]["check"] == pytest.approx(1, abs=0.1)
    assert rows["en", ONE]["minus English"] == 0 and rows["en", ONE]["phrases"] == 26
    assert "highest nurse" in study.findings[0]
    assert "higher in de (f)" in study.findings[1] and "lower in de (m)" in study.findings[1]
    # Nothing is planted for age, so the words for young and old lie together in both languages.
    assert "not read: de, tr" in study.findings[3]
    assert any("It cannot show" in line for line in study.warnings)
    assert any("always feminine" in line for line in study.warnings)


def test_differences_agree_with_a_direct_computation() -> None:
    encode = _encoder({"a nurse": 2.0, "ein Arzt": -1.0})
    study = bias_study(encode, encode, ["de"], model="m")
    direction = directions()[1]

    def unit(x: np.ndarray) -> np.ndarray:
        return x / np.linalg.norm(x, axis=-1, keepdims=True)

    low, high = (unit(encode(list(t))).mean(0) for t in (direction.low, direction.high))

    def place(text: str) -> float:
        x = unit(encode([text])[0])
        return float(2 * (x - (low + high) / 2) @ (high - low) / ((high - low) @ (high - low)))

    english = {one.key: place(one.text) for one in phrases("en")}
    mine = [one for one in phrases("de") if one.form == MASCULINE]
    here = np.array([place(one.text) for one in mine])
    there = np.array([english[one.key] for one in mine])
    row = next(row for row in study.rows if row["direction"] == direction.name
               and row["language"] == "de" and row["form"] == MASCULINE)  # fmt: skip
    assert row["association"] == pytest.approx(here.mean(), abs=1e-4)
    assert row["minus English"] == pytest.approx((here - there).mean(), abs=1e-4)
    assert row["correlation with English"] == pytest.approx(
        np.corrcoef(here, there)[0, 1], abs=1e-4
    )
    assert correlation(np.ones(5), here[:5]) is None


def test_skew_is_the_published_formula() -> None:
    everything = ["m"] * 5 + ["f"] * 5
    assert skew(["m", "m", "f", "m"], everything, "m") == pytest.approx(np.log(0.75 / 0.5))
    assert skew(["m"] * 4, everything, "f") == pytest.approx(np.log(0.125 / 0.5))


def test_pictures_that_are_preferred_show_in_the_skew() -> None:
    """Pictures labeled f lie where the phrases do, the others elsewhere."""
    encode = _encoder({})
    texts = [one.text for one in phrases("en")]
    pictures = np.concatenate([encode(texts[:20]), -encode(texts[:20])])
    study = bias_study(encode, encode, [], model="m")
    labels = {"gender": ["f"] * 20 + ["m"] * 20}
    found = [line for line in with_skew(study, encode, pictures, labels, ["en"]).findings
             if line.startswith("skew at 10")]  # fmt: skip
    assert found[0].startswith(f"skew at 10, en, gender = f: {np.log(2):+.3f}")
    with pytest.raises(UserError, match="too few for the first 10"):
        with_skew(study, encode, pictures[:9], labels, ["en"])


def test_an_adapter_and_labeled_pictures(tmp_path: Path) -> None:
    from PIL import Image

    lines = ["file\tgender"]
    for number in range(12):
        Image.new("RGB", (32, 32), (20 * number, 80, 200)).save(tmp_path / f"{number}.png")
        lines.append(f"{number}.png\t{'f' if number % 2 else 'm'}")
    (tmp_path / "labels.tsv").write_text("\n".join(lines))
    texts = [f"a {color} circle {n}" for n in range(40) for color in ("red", "blue")]
    m2m.align("tiny-text", "tiny-clip", texts=texts, recipe="closed-form").save(tmp_path / "a")
    arguments = ["analyze", str(tmp_path / "a"), "--study", "bias", "--langs", "de"]
    done = run_m2m(*arguments, "--labels", str(tmp_path / "labels.tsv"))
    assert done.returncode == 0, done.stderr
    assert "skew at 10, de, gender = f" in done.stdout and "gender: man to woman" in done.stdout


@pytest.mark.parametrize(("text", "message"), [
    ("file\tgender\n", "has no labels"),
    ("file\tgender\na.png\t\n", "line 2: a cell is missing"),
    ("file\tgender\na.png\tf\n", "1 files of"),
])  # fmt: skip
def test_tables_of_labels_that_cannot_be_read(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "labels.tsv").write_text(text)
    with pytest.raises(UserError, match=message):
        read_labels(tmp_path / "labels.tsv")


def test_languages_without_phrases_are_refused() -> None:
    assert chosen(["de"]) == ["en", "de"]
    with pytest.raises(UserError, match="no phrases in 'sw'"):
        chosen(["sw"])
    done = run_m2m("analyze", "tiny-text", "--study", "bias", "--langs", "sw")
    assert done.returncode == 2 and "no phrases in 'sw'" in done.stderr
