"""FLEURS as published: tables without a header, several recordings of a sentence, gaps."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from fake_dist import run_m2m

import m2m_adapters as m2m
from m2m_adapters.errors import UserError
from m2m_adapters.evaluation.find import load_benchmark


def fleurs(folder: Path, sentences: int = 5, *, sounds: bool = True) -> Path:
    """English, German and Chinese; sentence 1 was not recorded in German, 2 twice in English."""
    import soundfile

    for code, name in (("en_us", "en"), ("de_de", "de"), ("cmn_hans_cn", "zh")):
        rows = []
        for number in range(sentences):
            if (code, number) == ("de_de", 1):
                continue
            for take in range(2 if (code, number) == ("en_us", 2) else 1):
                file = f"{code}{number}{take}.wav"
                text = f'{name} "{number}"'
                rows.append(f"{1000 + number}\t{file}\t{text}\t{text.lower()}\t{' '.join(text)} |\t"
                            f"16000\tFEMALE\n")  # fmt: skip
                if sounds and code == "en_us":
                    path = folder / code / "audio" / "test" / file
                    path.parent.mkdir(parents=True, exist_ok=True)
                    samples = np.sin(np.arange(800) * (0.1 + 0.01 * number))
                    soundfile.write(path, samples, 16_000, subtype="PCM_16")
        table = folder / code / "test.tsv"
        table.parent.mkdir(parents=True, exist_ok=True)
        table.write_text("".join(rows), encoding="utf-8")
    return folder


def test_sentences_and_their_english_recordings(tmp_path: Path) -> None:
    found = load_benchmark("fleurs", data=fleurs(tmp_path))
    assert found.languages == ["en", "de", "zh"] and found.modality == "audio"
    assert [Path(item).name for item in found.items] == [
        f"en_us{number}0.wav" for number in range(5)
    ]
    assert found.captions["en"][2] == 'en "2"' and len(found.captions["en"]) == 5
    assert found.owners["de"].tolist() == [0, 2, 3, 4]
    assert found.captions["zh"] == [f'zh "{number}"' for number in range(5)]


def test_text_alone_is_read_without_recordings(tmp_path: Path) -> None:
    folder = fleurs(tmp_path, 30, sounds=False)
    with pytest.raises(UserError, match="30 of 30 items of 'fleurs"):
        load_benchmark("fleurs", data=folder)
    texts = m2m.parallel_texts(load_benchmark("fleurs", data=folder, allow_missing="by name"))
    assert texts.rows == 29 and texts.others == ["de", "zh"]
    arguments = ["--benchmark", "fleurs", "--data", str(folder), "--halves", "0", "--json"]
    done = run_m2m("analyze", "tiny-text", *arguments)
    assert done.returncode == 0 and json.loads(done.stdout)["data"] == "fleurs (test)", done.stderr


@pytest.mark.parametrize(("change", "message"), [
    (lambda folder: (folder / "en_us" / "test.tsv").unlink(), "does not hold en_us/test.tsv"),
    (lambda folder: (folder / "de_de" / "test.tsv").write_text("12\ta.wav\ttext\n"),
     "line 1: 3 columns, not the 7"),
])  # fmt: skip
def test_folders_that_are_not_fleurs(tmp_path: Path, change, message: str) -> None:
    change(fleurs(tmp_path))
    with pytest.raises(UserError, match=message):
        load_benchmark("fleurs", data=tmp_path)
    with pytest.raises(UserError, match="has no split 'validation'"):
        load_benchmark("fleurs", data=tmp_path, split="validation")


def _claims(near: dict[str, float]) -> m2m.Study:
    """Layers whose distance from the meaning is planted: name -> noise."""
    from m2m_adapters.analysis.cross_lingual import Precision
    from m2m_adapters.analysis.speech_text import speech_text_study

    draw = np.random.default_rng(0).standard_normal
    meaning = draw((400, 6))

    def at(noise: float) -> np.ndarray:
        return meaning + noise * draw((400, 6))

    text = {code: [at(near["text first"]), at(0.3), at(near["text"])] for code in ("en", "de")}
    speech = {code: [at(near["speech first"]), at(near["before"]), at(near["after"]),
                     at(near["after"])] for code in ("en", "de")}  # fmt: skip
    return speech_text_study(text, speech, model="m", data="d", adaptor=True,
                             precision=Precision(1, 2))  # fmt: skip


def test_claims_are_judged_by_what_is_measured() -> None:
    published = {"text first": 2.0, "speech first": 3.0, "before": 2.0, "after": 0.5, "text": 0.2}
    found = _claims(published).findings
    assert len(found) == 8 and all("; as published" in line for line in found), found
    assert "in 2 of 2 languages" in found[0] and "in 1 of 1 languages" in found[4]
    turned = {"text first": 0.1, "speech first": 0.1, "before": 0.1, "after": 1.0, "text": 2.0}
    assert all("not as published" in line for line in _claims(turned).findings)


def test_sentences_spoken_in_every_language(tmp_path: Path) -> None:
    from m2m_adapters.evaluation.datasets.fleurs import spoken

    folder = fleurs(tmp_path, 30)
    with pytest.raises(UserError, match=r"0 sentences of .* are recorded in all of en, zh, de"):
        spoken(folder)
    for code in ("de_de", "cmn_hans_cn"):
        for number in range(30):
            place = folder / code / "audio" / "test" / f"{code}{number}0.wav"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(b"RIFF")
    texts, files = spoken(folder)
    assert list(texts) == ["en", "zh", "de"] and len(texts["zh"]) == 29
    assert texts["de"][1] == 'de "2"' and files["en"][1].name == "en_us20.wav"
    assert list(spoken(folder, languages=["de"], limit=25)[0]) == ["en", "de"]
    with pytest.raises(UserError, match=r"has no test\.tsv in 'fr'"):
        spoken(folder, languages=["fr"])


def test_the_command_lists_the_claims() -> None:
    done = run_m2m("reproduce", "speech-text")
    assert done.returncode == 0 and "arXiv 2411.17666" in done.stdout, done.stderr
    assert len(json.loads(run_m2m("reproduce", "speech-text", "--json").stdout)["claims"]) == 4
    done = run_m2m("reproduce", "speech-text", "--data", "nowhere")
    assert done.returncode == 2 and "does not hold en_us/test.tsv" in done.stderr
