"""What the trainers of the tiny family share: one resumable loop, one loss, one score.

Everything random is drawn from (seed, step), so a run that is killed and started again goes on
as if nothing had happened.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

CHECKPOINT_EVERY = 250


@dataclass(frozen=True)
class Plan:
    """How long and how fast; AdamW with warm-up and cosine decay."""

    steps: int
    lr: float
    warmup: int = 200
    weight_decay: float = 0.05
    seed: int = 0

    def rate(self, step: int) -> float:
        """Learning rate at a step."""
        grown = min(1.0, (step + 1) / self.warmup)
        return self.lr * grown * (0.5 + 0.5 * math.cos(math.pi * step / self.steps))


def step_rng(seed: int, step: int) -> random.Random:
    """The randomness of one step."""
    return random.Random(seed * 1_000_003 + step)


def train(
    model: nn.Module,
    loss_of: Callable[[int], Tensor],
    plan: Plan,
    work: Path,
    *,
    score: Callable[[], str] | None = None,
) -> None:
    """Minimise ``loss_of(step)``; progress and checkpoints go to the folder ``work``."""
    work.mkdir(parents=True, exist_ok=True)
    saved = work / "checkpoint.pt"
    optimizer = _optimizer(model, plan)
    first = 0
    if saved.exists():
        state = torch.load(saved, weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        first = int(state["step"])
        print(f"going on at step {first}", flush=True)
    model.train()
    began, average = time.perf_counter(), 0.0
    for step in range(first, plan.steps):
        for group in optimizer.param_groups:
            group["lr"] = plan.rate(step)
        torch.manual_seed(plan.seed * 1_000_003 + step)
        loss = loss_of(step)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        value = float(loss.detach())
        average = value if step == first else 0.98 * average + 0.02 * value
        done = step + 1
        if done % CHECKPOINT_EVERY == 0 or done == plan.steps:
            _save(saved, {"model": model.state_dict(), "optimizer": optimizer.state_dict(),
                          "step": done})  # fmt: skip
            scored = done % (4 * CHECKPOINT_EVERY) == 0 or done == plan.steps
            figures = _scored(model, score) if score is not None and scored else ""
            minutes = (time.perf_counter() - began) / 60
            print(f"step {done}/{plan.steps}  loss {average:.3f}  {minutes:.1f} min  {figures}",
                  flush=True)  # fmt: skip
    model.eval()


def _optimizer(model: nn.Module, plan: Plan) -> torch.optim.AdamW:
    """Weight decay for matrices alone, not for biases and norms."""
    learned = [p for p in model.parameters() if p.requires_grad]
    decayed = [p for p in learned if p.ndim > 1]
    others = [p for p in learned if p.ndim <= 1]
    return torch.optim.AdamW(
        [{"params": decayed, "weight_decay": plan.weight_decay},
         {"params": others, "weight_decay": 0.0}],
        lr=plan.lr, betas=(0.9, 0.98), fused=True,
    )  # fmt: skip


def _scored(model: nn.Module, score: Callable[[], str]) -> str:
    model.eval()
    figures = score()
    model.train()
    return figures


def _save(path: Path, state: dict[str, object]) -> None:
    temporary = path.with_suffix(".part")
    torch.save(state, temporary)
    os.replace(temporary, path)


def recall(queries: Tensor, items: Tensor, ks: tuple[int, ...] = (1, 5, 10)) -> list[float]:
    """R@k in percent, row i of queries belonging to row i of items; a tie counts against."""
    scores = queries @ items.T
    own = scores.diagonal()[:, None]
    ahead = (scores >= own).sum(1) - 1
    return [round(100 * float((ahead < k).float().mean()), 1) for k in ks]


def both_ways(texts: Tensor, items: Tensor) -> str:
    """R@1/5/10 from text to item and from item to text, in one line."""
    return f"text to item {recall(texts, items)}  item to text {recall(items, texts)}"


def work_folder(out: Path) -> Path:
    """Where a run keeps its checkpoint: beside what it makes."""
    return out.with_name(out.name + ".work")


def save_halved(model: Any, processor: Any, out: Path) -> None:
    """Half-precision weights on disk; the config asks for float32, so loading widens them."""
    model.half().save_pretrained(out)
    processor.save_pretrained(out)
    widen(out)


def widen(folder: Path) -> None:
    """Make loading give float32, whatever the weights on disk are."""
    config = json.loads((folder / "config.json").read_text())
    config["dtype"] = "float32"
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")


def run(main: Callable[..., str], doc: str | None, steps: int) -> None:
    """``--out FOLDER [--steps N]`` on the command line."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=steps)
    arguments = parser.parse_args()
    print(main(arguments.out, arguments.steps))
