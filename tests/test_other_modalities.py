"""Tables of a modality that is neither image nor audio."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import m2m_adapters as m2m
from m2m_adapters.evaluation.datasets import table
from m2m_adapters.interfaces import Vectors
from m2m_adapters.testing import AffineTarget, toy_sentences


class Videos(AffineTarget):
    """Takes ``.npy`` files, as a plugin for video might."""

    modality = "video"

    def encode_items(self, items: Sequence[Any], **options: Any) -> Vectors:
        return np.stack([np.load(item) for item in items])


def test_files_are_found_beside_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target, captions = Videos(), list(toy_sentences(20))
    folder = tmp_path / "set"
    folder.mkdir()
    with open(folder / "captions.jsonl", "w") as file:
        for number, caption in enumerate(captions):
            np.save(folder / f"v{number}.npy", target.text.encode([caption])[0])
            row = {"item": f"v{number}.npy", "language": "en", "caption": caption}
            file.write(json.dumps(row) + "\n")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    benchmark = table.read(folder, modality="video")
    assert next(iter(benchmark.items)) == folder / "v0.npy"
    adapter = m2m.align("toy-source", target, list(toy_sentences(300)))
    assert adapter.encode_items(list(benchmark.items)).shape == (20, 48)


def test_names_that_no_file_can_have_stay_names(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    long = "a dog barks " * 50
    path.write_text(json.dumps({"item": long, "language": "en", "caption": "a dog"}) + "\n")
    assert list(table.read(path, modality="words").items) == [long.strip()]
