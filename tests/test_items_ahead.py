"""Items are made ready ahead of the model, in order, and progress is told."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import ModalityModel
from m2m_adapters.models.items import BadItem, ItemTarget, Skipped, encode_prepared, item_name
from m2m_adapters.testing import ToySource

torch = pytest.importorskip("torch")


def vector(item: int) -> Any:
    return torch.tensor([float(item), 1.0])


def test_the_next_items_are_decoded_while_the_model_works() -> None:
    made: set[int] = set()
    third = threading.Event()

    def ready(item: int) -> Any:
        made.add(item)
        if item == 2:
            third.set()
        return vector(item)

    def forward(batch: list[Any]) -> Any:
        # The first batch is items 0 and 1: item 2 must come without anyone asking for it.
        assert third.wait(30)
        return torch.stack(batch)

    found = encode_prepared(range(5), ready, forward, 2, batch_size=2, workers=1)
    np.testing.assert_array_equal(found[:, 0], np.arange(5))


def test_memory_does_not_fill_with_what_is_ready() -> None:
    made, used = [0], [0]
    most = [0]

    def ready(item: int) -> Any:
        made[0] += 1
        most[0] = max(most[0], made[0] - used[0])
        return vector(item)

    def forward(batch: list[Any]) -> Any:
        used[0] += len(batch)
        return torch.stack(batch)

    encode_prepared(range(200), ready, forward, 2, batch_size=4, workers=2)
    assert most[0] <= 4 + 4 + 2 + 2  # a batch, and as many ahead as the queue holds


@pytest.mark.parametrize("workers", [1, 7])
def test_order_is_kept_however_long_each_takes(workers: int) -> None:
    rng = np.random.default_rng(0)
    naps = rng.uniform(0, 0.004, 60)

    def ready(item: int) -> Any:
        threading.Event().wait(naps[item])
        return vector(item)

    found = encode_prepared(range(60), ready, torch.stack, 2, batch_size=7, workers=workers)
    np.testing.assert_array_equal(found[:, 0], np.arange(60))


def test_progress() -> None:
    told: list[tuple[int, int]] = []
    encode_prepared(
        range(7), vector, torch.stack, 2, batch_size=3,
        progress=lambda done, total: told.append((done, total)),
    )  # fmt: skip
    assert told == [(3, 7), (6, 7), (7, 7)]


def test_long_names_are_shortened_and_shapeless_items_numbered() -> None:
    assert item_name("a/b.png", 3) == "a/b.png"
    assert len(item_name("x" * 5000, 3)) < 200
    assert item_name(np.zeros(3), 3) == "item 3 (ndarray)"


def test_an_interrupted_caller_leaves_no_thread() -> None:
    def forward(batch: list[Any]) -> Any:
        raise KeyboardInterrupt

    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        encode_prepared(range(50), vector, forward, 2)
    assert threading.active_count() == before
    with pytest.raises(UserError, match="on_error"):
        encode_prepared(range(2), vector, torch.stack, 2, on_error="")


class Numbers(ItemTarget):
    """A third party's target: two steps of its own, the rest inherited."""

    modality = "numbers"
    text = ToySource(2)
    batch_size = 3

    def __init__(self) -> None:
        self.loaded = 0
        self.sizes: list[int] = []

    def load_items(self) -> None:
        assert threading.current_thread() is threading.main_thread()
        self.loaded += 1

    def prepare(self, item: int, *, add: int = 0, **_: Any) -> Any:
        assert self.loaded
        if item == 4:
            raise ValueError("four is odd here")
        return vector(item + add)

    def forward(self, batch: list[Any]) -> Any:
        self.sizes.append(len(batch))
        return torch.stack(batch)


def test_a_target_of_two_steps() -> None:
    target = Numbers()
    assert target.can("encode_items") and not target.can("generate")
    assert target.encode_items([]).shape == (0, 2) and not target.loaded
    found = target.encode_items(iter([0, 1, 2, 3]), add=1, of_no_use=5)
    np.testing.assert_allclose(found, [[v / np.hypot(v, 1), 1 / np.hypot(v, 1)] for v in (1, 2, 3, 4)],
                               rtol=1e-6)  # fmt: skip
    assert target.loaded == 1 and target.sizes == [3, 1]
    target.encode_items(range(4), batch_size=2)
    assert target.sizes == [3, 1, 2, 2]
    with pytest.raises(BadItem, match="four is odd"):
        target.encode_items(range(6))
    skipped: list[Skipped] = []
    assert len(target.encode_items(range(6), on_error="skip", skipped=skipped)) == 5
    assert [one.index for one in skipped] == [4]


def test_lengths_are_kept_where_magnitude_matters() -> None:
    target = Numbers()
    target.text = ToySource(2)
    target.text.normalized = False
    np.testing.assert_array_equal(target.encode_items([3])[0], [3, 1])


def test_the_tower_is_not_optional() -> None:
    class Half(ItemTarget):
        modality = "numbers"
        text = ToySource(2)

    with pytest.raises(TypeError, match="abstract"):
        Half()  # type: ignore[abstract]
    assert issubclass(ItemTarget, ModalityModel)
