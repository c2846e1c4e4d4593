"""The closed form at token level: least squares over pairs of tokens that belong together.

Which of the target's tokens a token of the source stands for is not known at first. Both read the
same English sentence, so the first guess is the place in it; then map and matches improve each
other by turns, as in word alignment.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from m2m_adapters.alignment.closed_form import AffineMap, Moments, ridge_path
from m2m_adapters.alignment.matching import apart, matches
from m2m_adapters.alignment.pairs import Chunk, Pairs, in_memory
from m2m_adapters.alignment.recipes import Recipe
from m2m_adapters.alignment.solve import Solved, solve
from m2m_adapters.errors import UserError
from m2m_adapters.projectors.device_rows import on_device
from m2m_adapters.projectors.token_level import mean_state
from m2m_adapters.projectors.tokenwise import TokenwiseProjector

ROUNDS = 6
MATCHED_ON = 1000
"""Sentences on which map and matches improve each other; the last map is fitted on all."""
RIDGE = 1e-4
"""Of the maps on the way."""
TINY = 1e-12
AT_ONCE = 128
"""Sentences whose tokens are matched together; sequences can be wide."""

Part = tuple[Tensor, Tensor]
"""What an affine map reads, and what it should give."""


def solve_tokens(projector: TokenwiseProjector, pairs: Pairs, recipe: Recipe) -> Solved:
    """Fit the projector in place; the held-out loss is a share of the states' own variance."""
    some = replace(pairs, n=min(pairs.n, MATCHED_ON))
    held_out = [(pairs.x_held, pairs.y_held)]
    if not all(any(_parts(projector, chunks, True)) for chunks in (some.chunks(), held_out)):
        raise UserError(
            f"nearly every sentence fills the {projector.shape.tokens} tokens that the target "
            "reads, so that their ends may be missing",
            "give shorter sentences too, or use --recipe token",
        )
    for turn in range(ROUNDS):
        tokens = Moments.empty(2 * pairs.d_in, projector.shape.width)
        for part, _ in _parts(projector, some.chunks(), by_place=turn == 0):
            tokens.add(*part)
        _set(projector.each, next(iter(ridge_path(tokens, [RIDGE]))))
    held = list(_parts(projector, held_out))
    tokens = Moments.empty(2 * pairs.d_in, projector.shape.width)
    texts = Moments.empty(pairs.d_in, projector.shape.pooled)
    for part, whole in _parts(projector, pairs.chunks()):
        tokens.add(*part)
        texts.add(*whole)
    solved = _chosen(projector.each, tokens, [part for part, _ in held], recipe)
    if projector.whole is not None:
        _chosen(projector.whole, texts, [whole for _, whole in held], recipe)
    return solved


def _parts(
    projector: TokenwiseProjector, chunks: Iterable[Chunk], by_place: bool = False
) -> Iterator[tuple[Part, Part]]:
    """(for the map of one token, for that of the whole text), block by block.

    Tokens are matched by what the projector makes of the source's, or by their place alone.
    Texts that fill the target's sequence do not count: it may have been cut.
    """
    shape = projector.shape
    sizes = [shape.pooled, shape.tokens * shape.width, shape.tokens]
    for x, y in chunks:
        rows = on_device(x)
        ends = (y[:, -shape.tokens :] > 0).sum(1)
        whole = np.flatnonzero(ends < shape.tokens)
        for start in range(0, len(whole), AT_ONCE):
            block = whole[start : start + AT_ONCE]
            states, mask = rows.take(torch.from_numpy(block))
            pooled, sequence, _ = torch.from_numpy(y[block]).split(sizes, 1)
            sequence = sequence.unflatten(1, (shape.tokens, shape.width))
            others = torch.from_numpy(ends[block])
            seen, shares = _matched(projector, states, mask, sequence, others, by_place)
            yield (seen[mask], (shares @ sequence)[mask]), (mean_state(states, mask)[:, 0], pooled)


def _matched(
    projector: TokenwiseProjector,
    states: Tensor,
    mask: Tensor,
    sequence: Tensor,
    others: Tensor,
    by_place: bool,
) -> tuple[Tensor, Tensor]:
    """(what the map reads of each token ``[B, n, 2d]``, shares of its matches ``[B, n, m]``)."""
    lengths = mask.sum(1)
    with torch.inference_mode():
        seen = projector.seen(states, mask)
        if by_place:
            costs = apart(lengths, others, mask.shape[1], sequence.shape[1])
        else:
            costs = torch.cdist(projector.each(seen), sequence).square()
    return seen, matches(costs, lengths, others)


def _chosen(layer: nn.Linear, moments: Moments, held: list[Part], recipe: Recipe) -> Solved:
    """The map of least loss on held-out rows, of those the recipe allows."""
    x, y = (torch.cat(part).numpy() for part in zip(*held, strict=True))
    mixed = np.random.default_rng(0).permutation(len(x))  # the first ones judge: not of one text
    x, y = x[mixed], y[mixed]
    solved = solve(in_memory(x, y, x, y), moments, recipe, normalized=False)
    _set(layer, solved.map)
    return replace(solved, held_out_loss=solved.held_out_loss / max(float(y.var(0).mean()), TINY))


def _set(layer: nn.Linear, found: AffineMap) -> None:
    with torch.no_grad():
        layer.weight.copy_(found.weight)
        layer.bias.copy_(found.bias)
