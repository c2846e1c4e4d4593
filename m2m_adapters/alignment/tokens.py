"""Alignment at the level of tokens: source token states -> the target's whole sequence.

The same English sentences, the same artifact; only the map is another. The target's text tower
must say which part of its vectors is a sequence (``shape`` and ``pooled_dim``).
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np

from m2m_adapters._internal.progress import Progress
from m2m_adapters.alignment.pairs import held_out_rows
from m2m_adapters.alignment.recipes import Recipe
from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import ModalityModel, TextEncoder, Vectors
from m2m_adapters.models.text_encoder import embed

if TYPE_CHECKING:
    from torch import Tensor

    from m2m_adapters.artifact.adapter import Adapter
    from m2m_adapters.corpus.sentences import Corpus
    from m2m_adapters.projectors.tokens import TokenProjector

BYTES = 4 << 30
"""For states and sequences in memory, in half precision."""

RECIPE = Recipe(
    "token", "gradient", loss="1*mse", head="none", layers=2, hidden=128, lr=1.5e-3,
    weight_decay=0.01, batch_size=64, epochs=18, warmup_steps=50, patience=3,
)  # fmt: skip
CHANGEABLE = ("layers", "hidden", "lr", "weight_decay", "batch_size", "epochs", "patience")
LEFT_OUT = 0.15
"""Share of a sentence's tokens that training does without, others every time: no single English
word may be relied on, and other languages say things with other tokens."""


def align_tokens(
    encoder: TextEncoder,
    model: ModalityModel,
    names: tuple[str | None, ...],
    corpus: Corpus,
    level: str,
    recipe: str,
    changes: dict[str, Any],
    seed: int,
    bar: Progress,
    options: dict[str, Any],
) -> Adapter:
    """Fit a :class:`TokenProjector`; called by :func:`m2m_adapters.align`."""
    import torch

    from m2m_adapters.alignment.align import corpus_record
    from m2m_adapters.artifact.adapter import Adapter
    from m2m_adapters.artifact.describe import describe_source, describe_target
    from m2m_adapters.artifact.record import HeldOut, RecipeRecord
    from m2m_adapters.artifact.weights import new_record
    from m2m_adapters.projectors.tokens import TokenProjector, TokenShape

    chosen = _recipe(level, recipe, changes)
    tokens, width = _sequence(model)
    sentences = list(corpus.sentences)
    pooled = model.space.dim - tokens * width
    first = encoder.encode_tokens(sentences[:1])[0]
    row_bytes = 2 * (model.space.dim + 32 * first.shape[1])
    room = max(64, BYTES // row_bytes)
    stopped = "every sentence was used" if len(sentences) <= room else "memory was full"
    keep, held = held_out_rows(min(len(sentences), room), seed)
    torch.manual_seed(seed)
    projector = TokenProjector(
        TokenShape(first.shape[1], pooled, tokens, width, chosen.hidden or 128, 4, chosen.layers)
    )
    with bar.stage("source", len(keep) + len(held)) as done:
        states = _states(encoder, [sentences[i] for i in [*keep, *held]], done)
    with bar.stage("target", len(keep) + len(held)) as done:
        wanted = [sentences[i] for i in [*keep, *held]]
        y = torch.cat([
            torch.from_numpy(embed(model.text, wanted[i : i + 2048], what="target")).half()
            for i in range(0, len(wanted), 2048)
        ])  # fmt: skip
        done(len(wanted))
    n = len(keep)
    with bar.stage("refine", chosen.epochs, "epochs") as done:
        losses, best = _fit(projector, states, y, n, pooled, chosen, seed, done, bar)
    made: Any = projector
    record = new_record(
        made,
        source=describe_source(encoder, names[0], False, options),
        target=describe_target(model, names[1], options),
        recipe=RecipeRecord(**chosen.to_dict(), level="token", seed=seed, left_out=LEFT_OUT),
        corpus=corpus_record(corpus, n + len(held), stopped),
        held_out=HeldOut(
            sentences=len(held),
            loss=losses[best],
            top1=_top1(projector, states, y, n),
            top1_before=None,
            orthogonality_deviation=None,
            parameters=projector.parameter_count,
            epochs=len(losses) - 1,
            best_epoch=best,
        ),
    )
    adapter = Adapter(made, record, source=encoder, target=model)
    adapter.seconds = dict(bar.seconds)
    return adapter


def _recipe(level: str, recipe: str, changes: dict[str, Any]) -> Recipe:
    from dataclasses import replace

    if level != "token":
        raise UserError(f"there is no level '{level}'", "use sentence or token")
    if recipe not in ("auto", "token"):
        raise UserError(f"recipe '{recipe}' is for sentences", "leave --recipe out at token level")
    told = {key: value for key, value in changes.items() if value is not None}
    if odd := sorted(set(told) - set(CHANGEABLE)):
        raise UserError(f"'{odd[0]}' means nothing at token level", f"use {', '.join(CHANGEABLE)}")
    return replace(RECIPE, **told)


def _sequence(model: ModalityModel) -> tuple[int, int]:
    shape = getattr(model.text, "shape", None)
    if shape is None:
        raise UserError(
            f"the space of {type(model).__name__} has no token sequence",
            "align at the level of sentences (Stable Diffusion 1.5, 2.1 and XL have one)",
        )
    return int(shape[0]), int(shape[1])


def _states(encoder: TextEncoder, texts: list[str], done: Any) -> list[Vectors]:
    found: list[Vectors] = []
    for start in range(0, len(texts), 1024):
        some = encoder.encode_tokens(texts[start : start + 1024])
        found += [one.astype(np.float16) for one in some]
        done(len(found))
    return found


def _fit(
    projector: TokenProjector,
    states: list[Vectors],
    y: Tensor,
    n: int,
    pooled: int,
    chosen: Recipe,
    seed: int,
    done: Any,
    bar: Progress,
) -> tuple[list[float], int]:
    """Held-out losses (before the first epoch at 0) and the best epoch, which is kept."""
    import torch

    from m2m_adapters.projectors.rows import DeviceStates, TokenStates

    mean = y[:n].float().mean(0)
    parts = [slice(0, pooled), slice(pooled, None)] if pooled else [slice(0, None)]
    spreads = [float((y[:n, part].float() - mean[part]).std()) or 1.0 for part in parts]
    projector.mean.data.copy_(mean)
    projector.spread.data.fill_(spreads[-1])
    projector.mean.requires_grad_(False)
    projector.spread.requires_grad_(False)

    def loss(rows: Any) -> Tensor:
        some, mask = DeviceStates(TokenStates.join([states[i] for i in rows])).take(slice(None))
        if projector.training:
            mask = _some_left_out(mask)
        away = projector(some, mask) - y[rows].float()
        # Each part in units of its own spread: a pooled vector is few columns among many.
        each = [(away[:, p] / s).square().mean() for p, s in zip(parts, spreads, strict=True)]
        return torch.stack(each).mean()

    def judged() -> float:
        held = np.arange(n, len(y))
        projector.eval()
        with torch.inference_mode():
            found = [float(loss(held[i : i + 256])) * len(held[i : i + 256])
                     for i in range(0, len(held), 256)]  # fmt: skip
        projector.train()
        return sum(found) / len(held)

    learned = [p for p in projector.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(learned, lr=chosen.lr, weight_decay=chosen.weight_decay)
    size = min(chosen.batch_size, n)
    total, step = chosen.epochs * (n // size), 0
    random_state = np.random.default_rng(seed)
    losses, best = [judged()], 0
    kept = copy.deepcopy(projector.state_dict())
    for epoch in range(1, chosen.epochs + 1):
        order = random_state.permutation(n)
        for start in range(0, n - size + 1, size):
            rate = min(1.0, (step + 1) / chosen.warmup_steps) * (1 - step / total)
            for group in optimizer.param_groups:
                group["lr"] = chosen.lr * rate
            optimizer.zero_grad(set_to_none=True)
            loss(order[start : start + size]).backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(learned, 1.0)
            optimizer.step()
            step += 1
        losses.append(judged())
        if losses[-1] < losses[best]:
            best, kept = epoch, copy.deepcopy(projector.state_dict())
        bar.note(f"loss {losses[-1]:.4f}")
        done(epoch)
        if chosen.patience is not None and epoch - best >= chosen.patience:
            break
    projector.load_state_dict(kept)
    projector.eval().requires_grad_(False)
    return losses, best


def _some_left_out(mask: Tensor) -> Tensor:
    """The mask without a random share of its tokens; every row keeps one at least."""
    import torch

    kept = mask & (torch.rand(mask.shape) >= LEFT_OUT)
    return torch.where(kept.any(1, keepdim=True), kept, mask)


def _top1(projector: TokenProjector, states: list[Vectors], y: Tensor, n: int) -> float:
    """Held-out sentences whose sequence is nearest to their own, among the held-out ones."""
    import torch

    from m2m_adapters.alignment.fit import top1
    from m2m_adapters.projectors.rows import DeviceStates, TokenStates

    with torch.inference_mode():
        found = torch.cat([
            projector(*DeviceStates(TokenStates.join(states[i : i + 256])).take(slice(None)))
            for i in range(n, len(y), 256)
        ])  # fmt: skip
    mean = projector.mean.detach()
    return top1((found - mean).numpy(), (y[n:].float() - mean).numpy())
