"""The embedding engine: order, batches, tokenizing ahead, and memory that runs out."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from m2m_adapters.errors import UserError
from m2m_adapters.models.batching import batches, overhead
from m2m_adapters.models.text_encoder import (
    TOKENS_PER_BATCH,
    TokenEncoder,
    checked,
    piece_by_piece,
    token_budget,
)
from m2m_adapters.testing import toy_sentences

SENTENCES = [*toy_sentences(1500), "", "a", "long " * 60]


class Bytes(TokenEncoder):
    """Means of byte vectors; a batch above ``most`` padded tokens does not fit."""

    dim, max_tokens = 16, 80

    def __init__(self, most: int | None = None) -> None:
        self.device = torch.device("cpu")
        self.table = torch.randn(256, self.dim, generator=torch.Generator().manual_seed(0))
        self.most, self.sizes, self.failed = most, [], 0  # type: ignore[var-annotated]
        self.threads: set[str] = set()

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        self.threads.add(threading.current_thread().name)
        return [[2, *text.encode()][: self.max_tokens] for text in texts]

    def collate(self, tokens: list[list[int]]) -> dict[str, torch.Tensor]:
        longest = max(len(some) for some in tokens)
        ids = torch.zeros(len(tokens), longest, dtype=torch.long)
        mask = torch.zeros(len(tokens), longest)
        for row, some in enumerate(tokens):
            ids[row, : len(some)] = torch.tensor(some)
            mask[row, : len(some)] = 1
        return {"ids": ids, "mask": mask}

    def forward(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        size = batch["ids"].numel()
        if self.most is not None and size > self.most:
            self.failed += 1
            raise torch.OutOfMemoryError("it is full")
        self.sizes.append(size)
        mask = batch["mask"][..., None]
        return (self.table[batch["ids"]] * mask).sum(1) / mask.sum(1)


ALONE = np.concatenate([Bytes().encode([text]) for text in SENTENCES])


@pytest.mark.parametrize("options", [{}, {"tokens_per_batch": 100}, {"batch_size": 7},
                                     {"tokens_per_batch": 1 << 20}])  # fmt: skip
def test_a_text_has_its_vector_whatever_stands_beside_it(options: dict[str, int]) -> None:
    encoder = Bytes()
    np.testing.assert_allclose(encoder.encode(SENTENCES, **options), ALONE, atol=1e-5)
    assert encoder.tokens_encoded == sum(len(t) for t in encoder.tokenize(SENTENCES))
    turned = Bytes().encode(SENTENCES[::-1], **options)
    np.testing.assert_allclose(turned[::-1], ALONE, atol=1e-5)


def test_batches_keep_within_the_budget_and_are_nearly_full() -> None:
    encoder = Bytes()
    encoder.encode(SENTENCES)
    assert max(encoder.sizes) <= TOKENS_PER_BATCH
    total = sum(len(t) for t in encoder.tokenize(SENTENCES))
    assert sum(encoder.sizes) < 1.1 * total  # little padding
    assert len(encoder.sizes) < 1.25 * total / TOKENS_PER_BATCH + 2  # and no needless small batch


def test_texts_are_tokenized_ahead_on_another_thread_but_not_a_lone_query() -> None:
    encoder = Bytes()
    encoder.encode(SENTENCES)
    assert threading.main_thread().name not in encoder.threads
    lone = Bytes()
    lone.encode(["a dog"])
    assert lone.threads == {threading.main_thread().name}


def test_the_next_piece_is_tokenized_while_the_model_runs() -> None:
    """The model waits inside its first batch until a later piece has been tokenized."""
    later = threading.Event()

    class Waiting(Bytes):
        pieces = 0

        def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
            self.pieces += 1
            if self.pieces > 1:
                later.set()
            return super().tokenize(texts)

        def forward(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
            assert later.wait(30)
            return super().forward(batch)

    np.testing.assert_allclose(Waiting().encode(SENTENCES), ALONE, atol=1e-5)


def test_a_full_device_halves_the_batches_and_that_is_remembered() -> None:
    encoder = Bytes(most=300)
    np.testing.assert_allclose(encoder.encode(SENTENCES), ALONE, atol=1e-5)
    assert 0 < encoder.failed <= 4
    before = encoder.failed
    np.testing.assert_allclose(encoder.encode(SENTENCES), ALONE, atol=1e-5)
    assert encoder.failed == before
    with pytest.raises(UserError, match="enough memory for a text of"):
        Bytes(most=10).encode(SENTENCES)


def test_an_error_of_the_tokenizer_is_not_swallowed() -> None:
    class Broken(Bytes):
        def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
            if "" in texts:
                raise RuntimeError("no empty texts")
            return super().tokenize(texts)

    with pytest.raises(RuntimeError, match="no empty texts"):
        Broken().encode(SENTENCES)


def test_batches_of_rows() -> None:
    tokens = [[0] * n for n in (5, 5, 4, 1)]
    assert batches([0, 1, 2, 3], tokens, 10) == [[0, 1], [2, 3]]
    assert batches([0, 1, 2, 3], tokens, 100, 3) == [[0, 1, 2], [3]]
    assert batches([3, 1, 2, 0], tokens, 100) == [[1, 0, 2, 3]]  # longest first
    assert batches([0, 1], tokens, 2) == [[0], [1]]  # a text longer than the budget is alone
    assert batches([], tokens, 10) == []


@pytest.mark.parametrize(("budget", "longest"), [(30, 30), (60, 30), (400, 200), (1000, 200)])
def test_batches_cost_least_of_all_ways_to_cut(budget: int, longest: int) -> None:
    tokens = [[0] * int(n) for n in np.random.default_rng(0).integers(1, longest, 11)]
    found = batches(range(len(tokens)), tokens, budget)
    lengths = sorted(map(len, tokens), reverse=True)

    def cost(sizes: tuple[int, ...]) -> float:
        starts = np.cumsum((0, *sizes[:-1]))
        padded = [size * lengths[at] for size, at in zip(sizes, starts, strict=True)]
        if any(p > budget and size > 1 for p, size in zip(padded, sizes, strict=True)):
            return float("inf")
        return sum(padded) + len(sizes) * overhead(budget)

    ways = (
        tuple(np.diff([0, *cuts, len(lengths)]))
        for k in range(len(lengths))
        for cuts in itertools.combinations(range(1, len(lengths)), k)
    )
    assert cost(tuple(map(len, found))) == pytest.approx(min(map(cost, ways)))
    assert sorted(row for some in found for row in some) == list(range(len(tokens)))


class Pure(Bytes):
    """Keeps no account of its batches, which would make every one of them another program."""

    def forward(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        mask = batch["mask"][..., None]
        return (self.table[batch["ids"]] * mask).sum(1) / mask.sum(1)


def compiled() -> Pure:
    torch._dynamo.reset()
    encoder = Pure()
    encoder.compile()
    return encoder


def test_a_compiled_model_gives_the_same_vectors() -> None:
    texts = list(toy_sentences(40))
    found = compiled().encode(texts, tokens_per_batch=256)
    np.testing.assert_allclose(found, Pure().encode(texts), atol=1e-5)


def test_without_a_compiler_one_line_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import torch._inductor.config as config

    monkeypatch.setattr(config.cpp, "cxx", (None, "/nonexistent/g++"))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    with pytest.raises(UserError, match=r"cannot be compiled here .*leave --compile out"):
        compiled().encode(["a", "bc"])


@pytest.mark.parametrize("texts", [SENTENCES, [*SENTENCES[:40], *("犬" * n for n in range(1, 20))]],
                         ids=["many", "of other scripts"])  # fmt: skip
def test_batches_run_longest_first(texts: list[str]) -> None:
    """A batch that is too large for the device fails at once, not after an hour."""

    class Recorded(Bytes):
        def collate(self, tokens: list[list[int]]) -> dict[str, torch.Tensor]:
            self.lengths.append([len(some) for some in tokens])
            return super().collate(tokens)

    model = Recorded()
    model.lengths: list[list[int]] = []
    model.encode(texts, tokens_per_batch=2048 if len(texts) > 99 else 200)
    longest = [max(some) for some in model.lengths]
    assert len(longest) > 5 and longest == sorted(longest, reverse=True)
    assert longest[0] == max(len(some) for some in model.tokenize(texts))
    assert all(some == sorted(some, reverse=True) for some in model.lengths)


def test_the_text_whose_vector_is_no_number_is_named() -> None:
    rows = np.ones((3, 16), np.float32)
    np.testing.assert_array_equal(checked(rows, Bytes(), ["a", "b", "c"], "source"), rows)
    rows[1, 4] = np.nan
    with pytest.raises(UserError, match=r"gave NaN or infinity for 'b'"):
        checked(rows, Bytes(), ["a", "b", "c"], "source")


def test_a_text_above_what_the_device_held_so_far_is_still_tried() -> None:
    model = Bytes()
    model._budget = 3
    rows = model.encode(["long " * 60, "a"])
    np.testing.assert_allclose(rows, np.concatenate([Bytes().encode([t]) for t in ("long " * 60, "a")]),
                               atol=1e-6)  # fmt: skip


@pytest.mark.parametrize(("free", "budget"), [(0, 1024), (1 << 29, 2048), (1 << 40, 16_384)])
def test_batches_on_a_gpu_suit_its_free_memory(
    free: int, budget: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 1 << 40))
    assert token_budget(torch.device("cuda")) == budget
    assert token_budget(torch.device("cpu")) == TOKENS_PER_BATCH


def test_layers_of_texts_in_the_order_of_the_texts() -> None:
    class Layered(Bytes):
        def layer_states(self, batch: dict[str, torch.Tensor]) -> list[torch.Tensor]:
            return [self.table[batch["ids"]], 2 * self.table[batch["ids"]]]

    texts = ["a", "long " * 12, "", "some words"]
    first, second = Layered().encode_layers(texts)
    expected = [Bytes().table[[2, *text.encode()][:80]].mean(0).numpy() for text in texts]
    np.testing.assert_allclose(first, expected, atol=1e-5)
    np.testing.assert_allclose(second, 2 * first, atol=1e-5)


def test_pieces_are_put_together_in_order() -> None:
    texts, seen = [str(n) for n in range(7)], []
    rows = piece_by_piece(
        lambda piece: np.array([[float(text)] for text in piece], np.float32), texts, 1, 3,
        lambda done, of: seen.append((done, of)),
    )  # fmt: skip
    assert rows[:, 0].tolist() == list(range(7)) and seen == [(3, 7), (6, 7), (7, 7)]
