"""Spoken questions on the page of the demonstration: what was said, and what it finds."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

import numpy as np

from m2m_adapters._internal.languages import language
from m2m_adapters._internal.progress import Progress
from m2m_adapters.alignment.align import align
from m2m_adapters.errors import UserError
from m2m_adapters.evaluation.find import load_benchmark
from m2m_adapters.registry.names import load_source
from m2m_adapters.registry.plugins import catalogue
from m2m_adapters.report.media import media


@dataclass(frozen=True)
class Spoken:
    """What the demonstration asks aloud, by name."""

    source: str = "tiny-speech"
    target: str = "tiny-clip"
    corpus: str = "tiny-scene-captions"
    questions: str = "tiny-spoken-examples"
    gallery: str = "tiny-scenes"
    sentences: int = 6_000


def spoken_questions(spoken: Spoken | None = None, progress: Progress | None = None) -> str:
    """A row for each question: its sound, the five nearest pictures; empty without the source."""
    chosen = spoken or Spoken()
    if catalogue().find("source", chosen.source) is None:
        return ""
    try:
        source = load_source(chosen.source)
    except UserError as missing:
        return f"<h2>Asked aloud</h2><p class='note'>Left out: {escape(str(missing))}</p>"
    questions, gallery = load_benchmark(chosen.questions), load_benchmark(chosen.gallery)
    adapter = align(
        source, chosen.target, chosen.corpus, max_sentences=chosen.sentences,
        progress=progress or Progress(),
    )  # fmt: skip
    scores = adapter.encode_speech(questions.items) @ adapter.encode_items(gallery.items).T
    rows = []
    for code, captions in questions.captions.items():
        place = int(questions.owners[code][0])
        nearest = [int(item) for item in np.argsort(-scores[place])[:5]]
        figures = "".join(
            f'<figure class="other">{media(gallery.items[item], gallery.modality)}</figure>'
            for item in nearest
        )
        rows.append(
            f'<div class="query"><p class="said" lang="{escape(code)}">{escape(captions[0])}</p>'
            f'<p class="lang">{escape(language(code).name)} '
            f"{media(questions.items[place], questions.modality)}</p>"
            f'<div class="found">{figures}</div></div>'
        )
    return (
        f"<h2>Asked aloud: {escape(adapter.name)}</h2>"
        "<p>The same kind of map, learned from English <em>text</em>. The source also hears: it "
        "places a spoken sentence where it places the written one. Only the sound is used below; "
        "the words are shown for the reader. Ask with a file of your own: <code>m2m search INDEX "
        "--speech question.wav</code>.</p>" + "".join(rows)
    )
