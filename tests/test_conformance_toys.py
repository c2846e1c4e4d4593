"""The conformance suites pass on the toys, and fail on encoders that break a promise."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from m2m_adapters.interfaces import ModalityModel, TextEncoder, Vectors
from m2m_adapters.registry.fusion import Fusion, fuse
from m2m_adapters.registry.names import load_source
from m2m_adapters.testing import AffineTarget, ModalityModelSuite, TextEncoderSuite, ToySource


class TestToySource(TextEncoderSuite):
    def make(self) -> TextEncoder:
        return ToySource()


class TestFusionOfToys(TextEncoderSuite):
    def make(self) -> TextEncoder:
        return Fusion([ToySource(32), ToySource(16, salt=2)], [0.7, 0.3])


class TestToyTarget(ModalityModelSuite):
    def make(self) -> ModalityModel:
        return AffineTarget()

    def items(self) -> list[str]:
        return ["dog", "cat", "violin"]


def test_fusion_by_name() -> None:
    fused = fuse("toy-source+2*toy-source", load_source)
    rows = fused.encode(["a dog"])
    assert fused.dim == 128
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(2 * rows[:, :64], rows[:, 64:], atol=1e-6)
    assert fuse("toy-source+toy-source", load_source).fingerprint != fused.fingerprint


class _Cheat(ToySource):
    def __init__(self, way: str) -> None:
        super().__init__()
        self.way = way
        self.calls = 0

    def encode(self, texts: Sequence[str], **options: Any) -> Vectors:
        self.calls += 1
        rows = super().encode(texts)
        if self.way == "float64":
            return rows.astype(np.float64)  # type: ignore[return-value]
        if self.way == "sorted":
            return rows[np.argsort([len(t) for t in texts], kind="stable")]
        if self.way == "random" and len(rows):
            return rows + np.float32(self.calls)
        if self.way == "batch" and len(rows):
            return rows - rows.mean(0)
        if self.way == "empty" and not len(rows):
            return np.zeros(0, np.float32)
        if self.way == "long":
            return 2 * rows
        if self.way == "constant" and len(rows):
            return np.tile(super().encode(["x"]), (len(texts), 1))
        return rows


@pytest.mark.parametrize(("way", "check"), [
    ("float64", "test_shape_and_dtype"), ("sorted", "test_order_is_kept"),
    ("random", "test_deterministic"), ("batch", "test_batch_invariance"),
    ("empty", "test_empty_input"), ("long", "test_lengths_match_what_it_says"),
    ("constant", "test_different_texts_differ"),
])  # fmt: skip
def test_the_suite_catches_cheats(way: str, check: str) -> None:
    with pytest.raises(AssertionError):
        getattr(TextEncoderSuite(), check)(_Cheat(way))


def test_a_silent_override_is_refused() -> None:
    with pytest.raises(TypeError, match="use xfail"):
        type("Sly", (TextEncoderSuite,), {"test_unicode": lambda self: None, "__module__": "x"})
    with pytest.raises(TypeError, match="a reason"):
        type("Sly", (TextEncoderSuite,), {"xfail": {"test_unicode": " "}, "__module__": "x"})


class _Raises(ToySource):
    def encode(self, texts: Sequence[str], **options: Any) -> Vectors:
        return np.stack([super(_Raises, self).encode([text])[0] for text in texts])


def test_no_texts_fail_with_words_that_say_what_to_return() -> None:
    wanted = r"encode\(\[\]\) raised ValueError.*return np\.zeros\(\(0, 64\), np\.float32\)"
    with pytest.raises(AssertionError, match=wanted):
        TextEncoderSuite().test_empty_input(_Raises())
    with pytest.raises(AssertionError, match=r"encode\(\[\]\) gave shape \(0,\); return"):
        TextEncoderSuite().test_empty_input(_Cheat("empty"))


def test_the_suites_raise_no_warnings(tmp_path: Path) -> None:
    file = tmp_path / "test_it.py"
    file.write_text(
        "from m2m_adapters.testing import *\n"
        "class TestSource(TextEncoderSuite):\n"
        "    def make(self): return ToySource()\n"
        "class TestTarget(ModalityModelSuite):\n"
        "    def make(self): return AffineTarget()\n"
        "    def items(self): return ['a', 'b', 'c']\n"
    )
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-W", "error", str(file)],
                          cwd=tmp_path, capture_output=True, text=True, timeout=120)  # fmt: skip
    assert done.returncode == 0 and "warning" not in done.stdout, done.stdout
