"""tiny-speech: spoken captions find the pictures that the written ones find."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from m2m_tiny import benchmarks, spoken
from m2m_tiny.family import MODELS
from m2m_tiny.hearing import heard_phones
from m2m_tiny.phones import NAMES
from m2m_tiny.speaking import why_silent
from m2m_tiny.words import Lexicon, read_lexicons, recognized

import m2m_adapters as m2m
from m2m_adapters.errors import UserError
from m2m_adapters.testing import TextEncoderSuite

silent = why_silent()
needs_voice = pytest.mark.skipif(bool(silent), reason=silent)
TREE = [sys.executable, "-m", "m2m_cli.main"]


class TestTinySpeech(TextEncoderSuite):
    def make(self) -> Any:
        return m2m.load_source("tiny-speech", precision="fp32")

    def speech(self) -> list[Any]:
        return list(spoken.examples().items)


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """From tiny-speech to tiny-clip, aligned on English text alone."""
    made = m2m.align(
        "tiny-speech", "tiny-clip", "tiny-scene-captions", max_sentences=6_000, progress=False
    )
    return made.save(tmp_path_factory.mktemp("spoken") / "adapter")


def test_texts_are_tiny_texts(adapter: Path) -> None:
    lines = ["a red ring", "ein roter Ring"]
    source = m2m.load_source("tiny-speech")
    np.testing.assert_array_equal(source.encode(lines), m2m.load_source("tiny-text").encode(lines))
    assert source.fingerprint != m2m.load_source("tiny-text").fingerprint
    assert source.item_modality == "audio"


def test_the_ear_is_a_plain_model_of_transformers() -> None:
    from transformers import AutoModelForCTC

    ear = AutoModelForCTC.from_pretrained(MODELS / "tiny-speech" / "ear")
    assert type(ear).__name__ == "Wav2Vec2BertForCTC"
    size = sum(path.stat().st_size for path in MODELS.rglob("*") if path.is_file())
    assert size < 45e6  # of the whole family


def test_what_the_ear_heard_as_phones() -> None:
    import torch

    rows = torch.full((1, 7, 4), -9.0)
    for frame, name in enumerate((0, 2, 2, 0, 2, 3, 3)):  # silence, b, b, silence, b, c, c
        rows[0, frame, name] = 9.0
    [phones] = heard_phones(rows, [6])  # the seventh frame is padding
    assert (phones.argmax(1) + 1).tolist() == [2, 2, 3]
    [nothing] = heard_phones(torch.eye(4)[None, :1].repeat(1, 5, 1), [5])
    assert len(nothing) == 1


def test_the_examples_are_understood_in_languages_never_heard(adapter: Path) -> None:
    loaded, bench = m2m.load_adapter(adapter), spoken.examples()
    heard = loaded.encode_speech(bench.items)
    understood = loaded.source.transcribe(bench.items)  # type: ignore[attr-defined]
    for code, lines in bench.captions.items():
        place = int(bench.owners[code][0])
        assert understood[place][0] == code
        assert heard[place] @ loaded.encode(lines)[0] > 0.7, understood[place]


def test_words_are_found_among_what_sounds_alike() -> None:
    told = {"spaced": True, "words": ["bat", "pat", "sun"],
            "sounds": [[0, _phones("bat")], [1, _phones("pat")], [2, _phones("san")]],
            "follows": {"-1": {"0": 5, "2": 5}, "0": {"2": 5, "-1": 5}, "2": {"-1": 9}}}  # fmt: skip
    lexicons = {"en": Lexicon.from_dict(told)}
    assert recognized(_heard("batsan"), lexicons) == ("en", "bat sun")
    # One phone is heard as its neighbor, one is lost, one is added; what follows what decides.
    assert recognized(_heard("patsan"), lexicons) == ("en", "bat sun")
    assert recognized(_heard("btsan"), lexicons) == ("en", "bat sun")
    assert recognized(_heard("batsian"), lexicons) == ("en", "bat sun")


def _phones(word: str) -> list[int]:
    return [NAMES.index(letter) for letter in word]


def _heard(word: str) -> np.ndarray:
    likely = np.full((len(word), len(NAMES) - 1), 1e-3, np.float32)
    likely[np.arange(len(word)), np.array(_phones(word)) - 1] = 1
    return likely


def test_bad_sounds_are_named(tmp_path: Path) -> None:
    source = m2m.load_source("tiny-speech")
    (tmp_path / "bad.wav").write_bytes(b"RIFF")
    with pytest.raises(UserError, match=r"bad\.wav"):
        source.encode_items([tmp_path / "bad.wav"])
    good = spoken.examples().items[0]
    rows = source.encode_items([tmp_path / "bad.wav", good], on_error="skip")
    assert rows.shape == (1, 256)
    assert source.encode_items([(np.zeros(10, np.float32), 8000)]).shape == (1, 256)


def test_layers_of_the_ear_and_of_tiny_text() -> None:
    source, items = m2m.load_source("tiny-speech"), spoken.examples().items
    widths = [layer.shape for layer in source.encode_item_layers(items[:2])]
    assert widths == [(2, 144)] * 5 + [(2, 256)] * 4  # the ear's, tiny-text's


def test_a_spoken_question_from_the_shell(adapter: Path, tmp_path: Path) -> None:
    pytest.importorskip("faiss")
    Image = pytest.importorskip("PIL.Image")
    bench, scenes = spoken.examples(), benchmarks.scenes()
    (tmp_path / "photos").mkdir()
    for place in range(0, 1000, 25):
        Image.fromarray(scenes.items[place]).save(tmp_path / "photos" / f"{place:03d}.png")
    m2m.build_index(str(adapter), tmp_path / "photos", tmp_path / "index")
    english = next(item for item in bench.items if "en-" in Path(item).name)
    done = subprocess.run(
        [*TREE, "search", str(tmp_path / "index"), "--speech", str(english), "--json", "-k", "3"],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    [answer] = json.loads(done.stdout)
    assert answer["query"] == str(english) and len(answer["hits"]) == 3
    done = subprocess.run(
        [*TREE, "encode", str(adapter), "--speech", str(english), "--json"],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    [row] = json.loads(done.stdout)
    own = m2m.load_adapter(adapter).encode_speech(english)[0]
    np.testing.assert_allclose(row["vector"], own, atol=1e-5)
    assert row["speech"] == str(english)


@needs_voice
def test_the_demand_english_and_languages_never_heard() -> None:
    """Full figures are in the model's card; here a part of them, with room for chance."""
    found = spoken.image_recall(m2m.load_source("tiny-speech"), ["en", "it"], queries=40)
    assert found["en"][0] >= 0.85 * found["en"][1], found
    assert found["it"][0] >= 0.6 * found["it"][1], found


@needs_voice
def test_the_spoken_benchmark_and_the_study_of_speech_against_text(tmp_path: Path) -> None:
    bench = m2m.load_benchmark("tiny-spoken")
    samples, rate = bench.items[3]
    assert len(samples) / rate > 0.5 and bench.modality == "audio"
    texts = m2m.parallel_texts(bench.only(["de"]), limit=24)
    study = m2m.analyze("tiny-speech", "gaps", texts, measures=["cka"], store=m2m.Store(tmp_path))
    assert any("speech gap" in finding for finding in study.findings)


def test_the_demonstration_asks_aloud(monkeypatch: pytest.MonkeyPatch) -> None:
    from m2m_adapters.report import spoken as section

    html = section.spoken_questions(section.Spoken(sentences=1_000))
    assert html.count("<audio") == 4 and html.count("<img") == 20
    assert 'lang="ko"' in html and "Asked aloud: tiny-speech" in html
    assert section.spoken_questions(section.Spoken(source="nobody-hears")) == ""

    def absent(name: str) -> Any:
        raise UserError("no weights", "fetch them")

    monkeypatch.setattr(section, "load_source", absent)
    assert "Left out: no weights; fetch them" in section.spoken_questions()


def test_what_an_ear_never_heard_is_in_the_lexicon_as_it_may_hear_it() -> None:
    """French: "cœur" without its r, "grande" without n or r; English has nothing of the kind."""
    from m2m_tiny.phones import NAMES
    from m2m_tiny.zoo.speech_words import half_heard

    def named(phones: tuple[int, ...]) -> str:
        return "".join(NAMES[place] for place in phones)

    assert {named(one) for one in half_heard("k_ˈœ_ʁ")} == {"kør", "kø"}
    assert {named(one) for one in half_heard("ɡ_ʁ_ˈɑ̃_d")} == {"grad", "gand", "gad"}
    assert {named(one) for one in half_heard("ɹ_ˈɛ_d")} == {"red"}
    french = read_lexicons(MODELS / "tiny-speech" / "words.json")["fr"]
    word = french.words.index("grande")
    sounds = {named(tuple(place for place in row if place >= 0))
              for row, number in zip(french.phones, french.word, strict=True) if number == word}  # fmt: skip
    assert {"grand", "gad"} <= sounds
