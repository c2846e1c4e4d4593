"""Items are made ready ahead of the model, in order, and progress is told."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from m2m_adapters.errors import UserError
from m2m_adapters.items import encode_ready, item_name

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

    found = encode_ready(range(5), ready, forward, 2, batch_size=2, workers=1)
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

    encode_ready(range(200), ready, forward, 2, batch_size=4, workers=2)
    assert most[0] <= 4 + 4 + 2 + 2  # a batch, and as many ahead as the queue holds


@pytest.mark.parametrize("workers", [1, 7])
def test_order_is_kept_however_long_each_takes(workers: int) -> None:
    rng = np.random.default_rng(0)
    naps = rng.uniform(0, 0.004, 60)

    def ready(item: int) -> Any:
        threading.Event().wait(naps[item])
        return vector(item)

    found = encode_ready(range(60), ready, torch.stack, 2, batch_size=7, workers=workers)
    np.testing.assert_array_equal(found[:, 0], np.arange(60))


def test_progress() -> None:
    told: list[tuple[int, int]] = []
    encode_ready(
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
        encode_ready(range(50), vector, forward, 2)
    assert threading.active_count() == before
    with pytest.raises(UserError, match="on_error"):
        encode_ready(range(2), vector, torch.stack, 2, on_error="")
