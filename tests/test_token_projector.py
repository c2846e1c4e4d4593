"""The projector at token level, against the same arithmetic written out for one text at a time."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from m2m_adapters.errors import UserError
from m2m_adapters.projectors.rows import TokenStates, between, concatenate, width_of
from m2m_adapters.projectors.token_level import LIMIT
from m2m_adapters.projectors.tokens import TokenProjector, TokenShape

SHAPE = TokenShape(6, 5, 3, 4, hidden=8, heads=2, layers=2, mask=True)
TEXTS = [np.random.default_rng(n).standard_normal((n, 6)).astype(np.float32) for n in (1, 2, 7, 3)]
STATES = TokenStates.join(TEXTS)


def projector(shape: TokenShape = SHAPE) -> TokenProjector:
    torch.manual_seed(3)
    return TokenProjector(shape).eval()


def attention(part, x: torch.Tensor, memory: torch.Tensor) -> torch.Tensor:
    """One text's ``[Q, hidden]``, head by head, without torch's own attention."""
    width = x.shape[1] // part.heads
    q, k, v = part.query(x), part.key(memory), part.value(memory)
    found = []
    for head in range(part.heads):
        own = slice(head * width, (head + 1) * width)
        weights = (q[:, own] @ k[:, own].T / width**0.5).softmax(1)
        found.append(weights @ v[:, own])
    return part.out(torch.cat(found, 1))


def by_hand(one: TokenProjector, states: torch.Tensor) -> torch.Tensor:
    """The result for one text's states ``[T, d_in]``, before anything is cut."""
    memory = torch.cat([one.whole(states.mean(0, keepdim=True)), one.take(states)])
    z = one.queries
    for layer in one.layers:
        own = layer.norm_self(z)
        z = z + attention(layer.attend_self, own, own)
        z = z + attention(layer.attend, layer.norm(z), memory)
        z = z + layer.narrow(F.gelu(layer.widen(layer.norm_widen(z))))
    z = one.norm(z)
    parts = [one.give_pooled(z[0])] if one.give_pooled is not None else []
    parts.append(one.give(z[1:]).flatten())
    parts += [one.give_mask(z[1:])[:, 0]] if one.give_mask is not None else []
    return one.mean + one.spread * torch.cat(parts)


@pytest.mark.parametrize("changes", [{}, {"mask": False}, {"pooled": 0}, {"layers": 1, "heads": 4}])
def test_the_forward_pass_written_out(changes: dict) -> None:
    one = projector(dataclasses.replace(SHAPE, **changes))
    with torch.no_grad():
        one.mean.normal_()
        one.spread.fill_(2.5)
        lengths = torch.tensor([len(text) for text in TEXTS])
        mask = torch.arange(9)[None] < lengths[:, None]
        padded = torch.full((len(TEXTS), 9, 6), 1e3)  # what is padding must not matter
        for row, text in enumerate(TEXTS):
            padded[row, : len(text)] = torch.from_numpy(text)
        result = one(padded, mask)
        for row, text in enumerate(TEXTS):
            expected = by_hand(one, torch.from_numpy(text))
            torch.testing.assert_close(result[row], expected, rtol=1e-4, atol=1e-4)
        assert result.shape == (len(TEXTS), one.shape.d_out)


def test_encode_takes_each_text_by_itself() -> None:
    one = projector()
    rows = one.encode(one.checked(STATES))
    assert rows.dtype == np.float32 and rows.shape == (4, SHAPE.d_out)
    with torch.inference_mode():
        expected = [one.cut(by_hand(one, torch.from_numpy(text))[None])[0] for text in TEXTS]
    np.testing.assert_allclose(rows, torch.stack(expected).numpy(), atol=1e-5)
    assert one.encode(TokenStates.join([], width=6)).shape == (0, SHAPE.d_out)


def test_a_result_is_cut_after_its_last_token() -> None:
    one = projector()
    rows = torch.arange(1.0, 1 + SHAPE.d_out).repeat(4, 1)
    # Predicted masks: two tokens; none, of which one is kept; more than there are; 1.6 is two.
    rows[:, -3:] = torch.tensor([[1, 1, 0], [-3, 0.2, 0], [2, 5, 1], [0.9, 0.7, 0.0]])
    result = one.cut(rows)
    for row, length in enumerate((2, 1, 3, 2)):
        assert torch.equal(result[row, :5], rows[row, :5]), "the pooled vector stays"
        sequence = result[row, 5:-3].unflatten(0, (3, 4))
        assert torch.equal(sequence[:length], rows[row, 5:-3].unflatten(0, (3, 4))[:length])
        assert not sequence[length:].any()
        assert result[row, -3:].tolist() == [1.0] * length + [0.0] * (3 - length)
    plain = projector(dataclasses.replace(SHAPE, mask=False))
    assert torch.equal(plain.cut(rows[:, :-3]), rows[:, :-3])
    assert torch.equal(one.for_ranking(rows), result)
    with torch.no_grad():
        one.mean.fill_(0.5)
    assert torch.equal(one.for_ranking(rows), result - 0.5)


@pytest.mark.parametrize("mask", [True, False])
@pytest.mark.parametrize("pooled", [5, 0])
def test_it_starts_from_the_mean_and_weighs_parts_by_their_spread(pooled: int, mask: bool) -> None:
    one = projector(dataclasses.replace(SHAPE, pooled=pooled, mask=mask))
    shape = one.shape
    mean = np.arange(shape.d_out, dtype=np.float32)
    spreads = {"pooled": (pooled, 2.0), "sequence": (12, 3.0), "mask": (3 * mask, 0.5)}
    variance = np.concatenate([np.full(size, spread**2) for size, spread in spreads.values()])
    one.start_from(lambda: (mean, variance.astype(np.float32)))
    assert torch.equal(one.mean, torch.from_numpy(mean))
    assert one.spread.item() == 3.0, "the sequence's own"
    y = torch.zeros(2, shape.d_out)
    if mask:
        y[0, -3:], y[1, -3:] = torch.tensor([1.0, 1, 0]), torch.tensor([1.0, 0, 0])
    weights = one.loss_weights()(y).expand(2, -1)
    present = [(size, spread) for size, spread in spreads.values() if size]
    expected = torch.cat([
        torch.full((size,), (shape.d_out / (len(present) * size)) ** 0.5 / spread)
        for size, spread in present
    ]).repeat(2, 1)  # fmt: skip
    if mask:
        expected[0, pooled + 8 : pooled + 12] = 0  # the third token of the first is not there
        expected[1, pooled + 4 : pooled + 12] = 0
    torch.testing.assert_close(weights, expected)


def test_a_part_without_spread_does_not_divide_by_zero() -> None:
    one = projector()
    one.start_from(lambda: (np.zeros(20, np.float32), np.zeros(20, np.float32)))
    weights = one.loss_weights()(torch.ones(1, 20))
    assert weights.isfinite().all() and 0 < one.spread.item() < 1e-6


def test_shapes() -> None:
    assert SHAPE.d_out == 5 + 3 * 5 and dataclasses.replace(SHAPE, mask=False).d_out == 5 + 3 * 4
    one = projector()
    assert SHAPE.tensors() == {k: tuple(v.shape) for k, v in one.state_dict().items()}
    assert TokenShape(**SHAPE.to_dict()) == SHAPE
    assert not one.mean.requires_grad and not one.spread.requires_grad
    assert not one.mean.any() and one.spread.item() == 1
    for name in ("d_in", "tokens", "width", "hidden", "heads", "layers"):
        for wrong in (0, -1, LIMIT, 2.0, True):
            with pytest.raises(UserError, match=f"{name} must be positive, not {wrong!r}"):
                dataclasses.replace(SHAPE, **{name: wrong})
    with pytest.raises(UserError, match="pooled must be positive, not -1"):
        dataclasses.replace(SHAPE, pooled=-1)
    assert TokenShape(LIMIT - 1, 0, 4096, 1, hidden=2, heads=1, layers=64).tokens == 4096
    for wrong in ({"hidden": 9}, {"layers": 65}, {"tokens": 4097}):
        with pytest.raises(UserError, match="not a possible token projector"):
            dataclasses.replace(SHAPE, **wrong)
    with pytest.raises(UserError, match="no head 'l2'"):
        dataclasses.replace(SHAPE, head="l2")
    with pytest.raises(UserError, match="mask must be true or false, not 1"):
        dataclasses.replace(SHAPE, mask=1)


def test_what_it_cannot_read_is_refused() -> None:
    one = projector()
    with pytest.raises(UserError, match="states of tokens, not vectors"):
        one.checked(np.zeros((2, 6), np.float32))
    with pytest.raises(UserError, match="7 columns; the adapter takes 6"):
        one.checked(TokenStates.join([np.zeros((2, 7), np.float32)]))


def test_token_states_of_several_texts() -> None:
    assert len(STATES) == 4 and STATES.width == 6 == width_of(STATES)
    for row, text in enumerate(TEXTS):
        assert np.array_equal(STATES[row], text)
    middle = STATES.between(1, 3)
    assert middle.ends.tolist() == [2, 9] and middle.values.base is STATES.values
    assert np.array_equal(middle[0], TEXTS[1]) and np.array_equal(middle[1], TEXTS[2])
    assert len(STATES.between(2, 2)) == 0 and len(STATES.between(2, 2).values) == 0
    assert len(STATES.between(0, 0)) == 0 and STATES.between(0, 1).ends.tolist() == [1]
    again = concatenate([between(STATES, 0, 1), between(STATES, 1, 4)])
    assert isinstance(again, TokenStates)
    assert np.array_equal(again.values, STATES.values) and again.ends.tolist() == [1, 3, 10, 13]
    assert concatenate([STATES]) is STATES
    rows = np.arange(12.0, dtype=np.float32).reshape(4, 3)
    assert width_of(rows) == 3 and np.array_equal(between(rows, 1, 3), rows[1:3])
    assert np.array_equal(concatenate([rows[:1], rows[1:]]), rows)
    empty = TokenStates.join([], width=6)
    assert len(empty) == 0 and empty.width == 6


def test_what_a_record_need_not_say() -> None:
    """Adapters that leave these out are read with them for ever."""
    shape = TokenShape(6, 5, 3, 4)
    assert (shape.hidden, shape.heads, shape.layers) == (128, 4, 2)
    assert shape.head == "none" and shape.mask is False
