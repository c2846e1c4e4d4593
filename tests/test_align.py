"""Alignment end to end on toy encoders: quality, determinism, and what it refuses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import m2m_adapters as m2m
from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import TextEncoder, Vectors
from m2m_adapters.testing import AffineTarget, ToySource, toy_sentences

SENTENCES = list(toy_sentences(20_000))


def quick(recipe: str = "closed-form", n: int = 1500, **options: Any) -> m2m.Adapter:
    target = options.pop("target", "toy-target")
    source = options.pop("source", "toy-source")
    return m2m.align(source, target, SENTENCES[:n], recipe=recipe, progress=False, **options)


@pytest.mark.parametrize(("recipe", "floor"), [("closed-form", 0.99), ("auto", 0.99), ("refined", 0.99),
                                               ("paper", 0.97)])  # fmt: skip
def test_a_hidden_affine_map_is_found(recipe: str, floor: float) -> None:
    adapter = quick(recipe, 20_000)
    assert adapter.record.held_out.top1 >= floor
    assert adapter.record.held_out.sentences == 2000


def test_a_hidden_rotation_is_found_to_be_one() -> None:
    target = AffineTarget(64, rotation=True, noise=0.005)
    adapter = quick(target=target, n=8000)
    assert adapter.record.held_out.top1 >= 0.99
    assert adapter.record.held_out.orthogonality_deviation < 0.05
    exact = quick(target=target, n=8000, procrustes=True)
    assert exact.record.held_out.orthogonality_deviation < 1e-4
    assert quick(n=8000).record.held_out.orthogonality_deviation > 0.2


@pytest.mark.parametrize("recipe", ["closed-form", "auto", "refined", "paper"])
def test_two_runs_are_byte_identical(recipe: str, tmp_path: Path) -> None:
    for name in ("a", "b"):
        quick(recipe, 600, epochs=3).save(tmp_path / name)
    for file in ("adapter.safetensors", "adapter.json", "README.md"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    other = quick(recipe, 600, epochs=3, seed=1)
    assert other.digest != m2m.load_adapter(tmp_path / "a").digest


@pytest.mark.parametrize(("d_in", "d_out"), [(64, 48), (16, 64), (64, 64)])
@pytest.mark.parametrize("recipe", ["closed-form", "auto", "refined", "paper"])
def test_any_pair_of_dimensions(d_in: int, d_out: int, recipe: str) -> None:
    adapter = quick(recipe, 400, source=ToySource(d_in), target=AffineTarget(d_out), epochs=2)
    assert adapter.encode(["a dog"]).shape == (1, d_out)


@pytest.mark.parametrize("changes", [
    {"layers": 4}, {"layers": 2, "residual": True}, {"loss": "mse"}, {"ridge": 0.1},
    {"loss": "1*cosine + 0.1*contrastive"}, {"head": "none"}, {"procrustes": True},
    {"head": "layernorm"},
])  # fmt: skip
def test_parameters_of_recipes(changes: dict[str, Any]) -> None:
    adapter = quick("auto", 400, epochs=2, **changes)
    for key, value in changes.items():
        if key != "loss":
            assert getattr(adapter.record.recipe, key) == value or key == "procrustes"
    assert adapter.record.held_out.top1 > 0.3


def test_refinement_never_makes_it_worse() -> None:
    closed, refined = quick("closed-form", 3000), quick("refined", 3000)
    assert refined.record.held_out.loss <= closed.record.held_out.loss


def test_the_best_epoch_is_kept_not_the_last() -> None:
    adapter = quick("paper", 200, lr=30.0, epochs=4)
    losses = [step.held_out_loss for step in adapter.record.curve]
    assert adapter.record.held_out.loss == pytest.approx(min(losses), rel=1e-4)


class _Raw(TextEncoder):
    """A space where magnitude matters."""

    dim, normalized = 48, False

    def __init__(self) -> None:
        self.inner = AffineTarget(48).text

    def encode(self, texts: Sequence[str], **options: Any) -> Vectors:
        scale = np.array([1 + len(t) % 7 for t in texts], np.float32)[:, None]
        return self.inner.encode(texts) * scale if len(texts) else np.zeros((0, 48), np.float32)


class _RawTarget(m2m.ModalityModel):
    modality = "words"

    def __init__(self, text: TextEncoder | None = None) -> None:
        self._text = text or _Raw()

    @property
    def text(self) -> TextEncoder:
        return self._text

    def encode_items(self, items: Sequence[Any], **options: Any) -> Vectors:
        return self._text.encode(items)


@pytest.mark.parametrize("recipe", ["closed-form", "auto", "paper-generation"])
def test_magnitude_is_kept_where_it_matters(recipe: str) -> None:
    adapter = quick(recipe, 800, target=_RawTarget(), epochs=2)
    lengths = np.linalg.norm(adapter.encode(SENTENCES[:50]), axis=1)
    assert adapter.record.recipe.head == ("layernorm" if "gen" in recipe else "none")
    assert adapter.record.target.normalized is False
    assert not np.allclose(lengths, 1, atol=0.1)


class _Broken(ToySource):
    """Misbehaves in one chosen way from the second sentence on."""

    def __init__(self, way: str) -> None:
        super().__init__(64)
        self.way = way

    def encode(self, texts: Sequence[str], **options: Any) -> Any:
        good = super().encode(texts)
        if len(good) and self.way == "nan":
            good[-1, 0] = np.nan
        if len(good) and self.way == "inf":
            good[-1, 0] = np.inf
        if len(good) and self.way == "zero":
            good[-1] = 0
        if self.way == "width":
            return good[:, :5]
        if self.way == "rows":
            return good[:-1]
        if self.way == "integers":
            return good.astype(np.int64)
        if self.way == "same":
            good[:] = good[:1]
        return good


@pytest.mark.parametrize(("way", "told"), [
    ("nan", "NaN or infinity"), ("inf", "NaN or infinity"), ("zero", "zero vectors"),
    ("width", "returned shape"), ("rows", "returned shape"), ("integers", "int64"),
    ("same", "same vector"),
])  # fmt: skip
def test_bad_vectors_are_named(way: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        quick(n=100, source=_Broken(way))


@pytest.mark.parametrize(("arguments", "told"), [
    ({"n": 20}, "too few"), ({"recipe": "closd-form"}, "did you mean 'closed-form'"),
    ({"lyers": 2}, "did you mean 'layers'"), ({"lr": -1.0}, "lr must be above zero"),
    ({"epochs": 0}, "epochs must be above zero"), ({"loss": "mze"}, "did you mean 'mse'"),
    ({"ridge": -1.0}, "ridge must be"), ({"head": "big"}, "unknown head"),
    ({"activation": "gelu", "layers": 2}, "no closed form"), ({"source": 3}, "not a TextEncoder"),
    ({"target": ToySource()}, "not a ModalityModel"), ({"layers": 2, "hidden": 3}, "narrower"),
    ({"recipe": "paper", "procrustes": True}, "closed form"), ({"max_sentences": 0}, "at least 1"),
])  # fmt: skip
def test_bad_arguments(arguments: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match=told):
        quick(**{"n": 200, **arguments})


def test_the_card_shows_how_the_loss_fell_with_more_sentences() -> None:
    from m2m_adapters.artifact.card import card

    adapter = quick(n=3000)
    growth = adapter.record.growth
    assert [row.sentences for row in growth] == [1024, 1536, 2304, 2700][: len(growth)]
    assert len(growth) >= 2 and growth[1].held_out_loss < growth[0].held_out_loss
    for row in growth:
        assert f"| {row.sentences:,} | {row.held_out_loss:.5f} |" in card(adapter.record)
