"""What was encoded is counted, sentences and tokens, and told beside the adapter, never in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import m2m_adapters as m2m
from m2m_adapters._internal.progress import Progress
from m2m_adapters.embeddings.store import Store
from m2m_adapters.embeddings.stored import Speed
from m2m_adapters.interfaces import Vectors
from m2m_adapters.testing import AffineTarget, ToySource, toy_sentences

SENTENCES = list(toy_sentences(300))


class Counting(ToySource):
    """Words are its tokens."""

    fingerprint = "test:counting"
    tokens_encoded = 0

    def encode(self, texts: Sequence[str], **options: Any) -> Vectors:
        self.tokens_encoded += sum(len(text.split()) for text in texts)
        return super().encode(texts)


class Notes(Progress):
    def __init__(self) -> None:
        super().__init__()
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def aligned(store: Store, source: ToySource, bar: Notes | bool = False) -> m2m.Adapter:
    return m2m.align(source, AffineTarget(), SENTENCES, recipe="closed-form", store=store,
                     progress=bar)  # fmt: skip


def test_sentences_and_tokens_are_counted_once(tmp_path: Path) -> None:
    store, bar = Store(tmp_path / "cache"), Notes()
    source = Counting()
    source.encode(["what was encoded before does not count"])
    first = aligned(store, source, bar)
    told = first.encoding["source"]
    assert told["sentences"] == len(SENTENCES)
    assert told["tokens"] == sum(len(text.split()) for text in SENTENCES)
    per_sentence = told["tokens_per_second"] / told["sentences_per_second"]
    assert per_sentence == pytest.approx(told["tokens"] / told["sentences"])
    assert first.encoding["target"]["sentences"] == len(SENTENCES)
    assert "tokens" not in first.encoding["target"], "that tower does not tell its tokens"
    assert any(n.startswith("source ") and "tokens/s" in n and "loss" in n for n in bar.notes)
    again = aligned(store, Counting())
    assert again.encoding["source"] == {"sentences": 0, "seconds": 0}
    for name, adapter in (("first", first), ("again", again)):
        adapter.save(tmp_path / name)
    for path in (tmp_path / "first").iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()


def test_a_rate_needs_time() -> None:
    assert Speed(3, 9, 0.0).to_dict() == {"sentences": 3, "seconds": 0.0}
    assert Speed(3, 9, 0.5).to_dict() == {"sentences": 3, "seconds": 0.5, "tokens": 9,
                                          "sentences_per_second": 6, "tokens_per_second": 18}  # fmt: skip
