"""Conformance suites: what every plugin promises, as tests to inherit.

Subclass one in a test file and say how to make your object::

    class TestMine(TextEncoderSuite):
        def make(self):
            return MyEncoder()

A check may be left out only by an xfail that says why::

    xfail = {"test_batch_invariance": "the model normalizes over the batch"}
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import pytest

from m2m_adapters.errors import AbilityMissing
from m2m_adapters.interfaces import ModalityModel, Space, TextEncoder, Vectors

TEXTS = [
    "a dog barks",
    "two red squares above a small circle",
    "rain on a tin roof",
    "a",
    "the quick brown fox jumps over the lazy dog while a train passes by in the distance",
]
UNICODE = [
    "ein Hund bellt",
    "犬が吠えています",
    "كلب ينبح",
    "🐕 woof",
    "Ünïcödé",
    " spaced ",
    "e\u0301",
]


def _check_rows(vectors: object, rows: int, dim: int, call: str) -> None:
    """What every result promises: a finite float32 array ``[rows, dim]``."""
    assert isinstance(vectors, np.ndarray), f"{call} gave a {type(vectors).__name__}, not an array"
    assert vectors.shape == (rows, dim), f"{call} gave shape {vectors.shape}, not {(rows, dim)}"
    assert vectors.dtype == np.float32, f"{call} gave {vectors.dtype}; add .astype(np.float32)"
    assert np.isfinite(vectors).all(), f"{call} gave NaN or infinity"


def _check_empty(call: Callable[[], object], dim: int, what: str) -> None:
    remedy = f"return np.zeros((0, {dim}), np.float32) when there is nothing to encode"
    try:
        vectors = call()
    except Exception as error:
        raise AssertionError(f"{what} raised {type(error).__name__}: {error}; {remedy}") from error
    shape = getattr(vectors, "shape", None)
    assert shape == (0, dim), f"{what} gave shape {shape}; {remedy}"


class _Suite:
    """Applies ``xfail``, refuses silent overrides, and makes one object for all checks."""

    xfail: ClassVar[dict[str, str]] = {}
    tolerance: float = 1e-5
    _shared: ClassVar[Any] = None

    def make(self) -> Any:
        raise NotImplementedError

    def _made_once(self) -> Any:
        # Not a class-scoped fixture: pytest 10 refuses those as instance methods.
        if type(self)._shared is None:
            type(self)._shared = self.make()
        return type(self)._shared

    @classmethod
    def teardown_class(cls) -> None:
        cls._shared = None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if cls.__module__ == __name__:
            return
        for name in vars(cls):
            if name.startswith("test_") and any(name in vars(base) for base in cls.__mro__[1:]):
                raise TypeError(
                    f"{cls.__name__} overrides {name}: use xfail = {{{name!r}: reason}}"
                )
        unknown = [n for n, why in cls.xfail.items() if not hasattr(cls, n) or not why.strip()]
        if unknown:
            raise TypeError(f"{cls.__name__}.xfail needs a known check and a reason: {unknown}")

    @pytest.fixture(autouse=True)
    def _apply_xfail(self, request: pytest.FixtureRequest) -> None:
        reason = self.xfail.get(request.node.originalname)
        if reason:
            request.applymarker(pytest.mark.xfail(reason=reason, strict=True))


class TextEncoderSuite(_Suite):
    """What a :class:`~m2m_adapters.TextEncoder` promises. Implement ``make``.

    For an encoder that takes speech implement ``speech`` too.
    """

    def make(self) -> TextEncoder:
        raise NotImplementedError("return a fresh encoder")

    def speech(self) -> list[Any]:
        """At least three different sounds; unused when the encoder takes none."""
        return []

    @pytest.fixture
    def encoder(self) -> TextEncoder:
        encoder: TextEncoder = self._made_once()
        return encoder

    def test_is_a_text_encoder(self, encoder: TextEncoder) -> None:
        assert isinstance(encoder, TextEncoder)
        assert isinstance(encoder.dim, int) and encoder.dim > 0
        assert encoder.max_tokens is None or encoder.max_tokens > 0

    def test_shape_and_dtype(self, encoder: TextEncoder) -> None:
        _check_rows(encoder.encode(TEXTS), len(TEXTS), encoder.dim, "encode(texts)")

    def test_empty_input(self, encoder: TextEncoder) -> None:
        _check_empty(lambda: encoder.encode([]), encoder.dim, "encode([])")

    def test_order_is_kept(self, encoder: TextEncoder) -> None:
        forward, backward = encoder.encode(TEXTS), encoder.encode(TEXTS[::-1])
        np.testing.assert_allclose(forward, backward[::-1], atol=self.tolerance)

    def test_deterministic(self, encoder: TextEncoder) -> None:
        np.testing.assert_array_equal(encoder.encode(TEXTS), encoder.encode(TEXTS))

    def test_batch_invariance(self, encoder: TextEncoder) -> None:
        together = encoder.encode(TEXTS)
        alone = np.concatenate([encoder.encode([text]) for text in TEXTS])
        np.testing.assert_allclose(together, alone, atol=self.tolerance)

    def test_different_texts_differ(self, encoder: TextEncoder) -> None:
        vectors = encoder.encode(TEXTS[:3])
        assert not np.allclose(vectors[0], vectors[1], atol=1e-6)
        assert not np.allclose(vectors[1], vectors[2], atol=1e-6)

    def test_unicode(self, encoder: TextEncoder) -> None:
        assert np.isfinite(encoder.encode(UNICODE)).all()

    def test_very_long_text(self, encoder: TextEncoder) -> None:
        assert np.isfinite(encoder.encode(["a dog barks and " * 3000])).all()

    def test_lengths_match_what_it_says(self, encoder: TextEncoder) -> None:
        if encoder.normalized:
            lengths = np.linalg.norm(encoder.encode(TEXTS), axis=1)
            np.testing.assert_allclose(lengths, 1, atol=1e-3)

    def test_unknown_options_are_ignored(self, encoder: TextEncoder) -> None:
        assert encoder.encode(TEXTS[:2], an_option_nobody_knows=1).shape == (2, encoder.dim)

    def test_fingerprint(self, encoder: TextEncoder) -> None:
        assert isinstance(encoder.fingerprint, str) and encoder.fingerprint
        assert encoder.fingerprint == self.make().fingerprint
        assert encoder.space == Space(encoder.dim, encoder.normalized, encoder.fingerprint)

    def test_items_or_an_honest_absence(self, encoder: TextEncoder) -> None:
        assert not encoder.can("fly")
        assert encoder.can("encode_items") == (encoder.item_modality is not None), (
            "an encoder of items sets item_modality and implements encode_items, others neither"
        )
        if not encoder.can("encode_items"):
            with pytest.raises(AbilityMissing):
                encoder.encode_items(["anything"])
            return
        sounds = self.speech()
        assert len(sounds) >= 3, "give at least three sounds in speech()"
        vectors = encoder.encode_items(sounds)
        _check_rows(vectors, len(sounds), encoder.dim, "encode_items(sounds)")
        _check_empty(lambda: encoder.encode_items([]), encoder.dim, "encode_items([])")
        if encoder.normalized:
            np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)
        np.testing.assert_array_equal(vectors, encoder.encode_items(sounds))
        alone = np.concatenate([encoder.encode_items([sound]) for sound in sounds[::-1]])
        np.testing.assert_allclose(vectors, alone[::-1], atol=self.tolerance)


class ModalityModelSuite(_Suite):
    """What a :class:`~m2m_adapters.ModalityModel` promises. Implement ``make`` and ``items``."""

    def make(self) -> ModalityModel:
        raise NotImplementedError("return a fresh model")

    def items(self) -> list[Any]:
        """At least three different items; unused when the model encodes none."""
        return []

    @pytest.fixture
    def model(self) -> ModalityModel:
        model: ModalityModel = self._made_once()
        return model

    def test_is_a_modality_model(self, model: ModalityModel) -> None:
        assert isinstance(model, ModalityModel)
        assert isinstance(model.modality, str) and model.modality
        assert isinstance(model.text, TextEncoder)
        assert model.space == model.text.space

    def test_text_tower(self, model: ModalityModel) -> None:
        dim = model.space.dim
        _check_rows(model.text.encode(TEXTS), len(TEXTS), dim, "text.encode(texts)")
        _check_empty(lambda: model.text.encode([]), dim, "text.encode([])")

    def test_honest_absence(self, model: ModalityModel) -> None:
        assert not model.can("fly")
        if not model.can("encode_items"):
            with pytest.raises(AbilityMissing):
                model.encode_items(["anything"])
        if not model.can("generate"):
            with pytest.raises(AbilityMissing):
                model.generate(np.zeros((1, model.space.dim), np.float32))
        assert model.can("encode_items") or model.can("generate"), (
            "a target encodes items or generates them: implement encode_items or generate"
        )

    def _encoded(self, model: ModalityModel) -> tuple[list[Any], Vectors]:
        if not model.can("encode_items"):
            pytest.skip("this model does not encode items, and says so")
        items = self.items()
        assert len(items) >= 3, "give at least three items"
        return items, model.encode_items(items)

    def test_items_shape_and_dtype(self, model: ModalityModel) -> None:
        items, vectors = self._encoded(model)
        _check_rows(vectors, len(items), model.space.dim, "encode_items(items)")
        if model.space.normalized:
            np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)

    def test_no_items(self, model: ModalityModel) -> None:
        self._encoded(model)
        _check_empty(lambda: model.encode_items([]), model.space.dim, "encode_items([])")

    def test_items_deterministic_and_in_order(self, model: ModalityModel) -> None:
        items, vectors = self._encoded(model)
        np.testing.assert_array_equal(vectors, model.encode_items(items))
        backward = model.encode_items(items[::-1])
        np.testing.assert_allclose(vectors, backward[::-1], atol=self.tolerance)

    def test_items_batch_invariance(self, model: ModalityModel) -> None:
        items, vectors = self._encoded(model)
        alone = np.concatenate([model.encode_items([item]) for item in items])
        np.testing.assert_allclose(vectors, alone, atol=self.tolerance)
