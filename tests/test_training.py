"""Gradient refinement: it goes on where it was killed, to the same bytes; its curves are shown."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

import m2m_adapters as m2m
from m2m_adapters.alignment import batches
from m2m_adapters.alignment import pairs as pairs_module
from m2m_adapters.alignment.checkpoint import Checkpoint
from m2m_adapters.alignment.losses import parse_loss
from m2m_adapters.alignment.pairs import Pairs, in_memory
from m2m_adapters.alignment.recipes import Recipe
from m2m_adapters.alignment.train import Refinement, Resume, enough, refine
from m2m_adapters.errors import UserError
from m2m_adapters.projectors.affine import AffineProjector, AffineShape
from m2m_adapters.testing import toy_sentences

SCHEDULE = Recipe("trained", "gradient", epochs=6, batch_size=32, warmup_steps=5, patience=None)


def some_pairs() -> Pairs:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((700, 12)).astype(np.float32)
    y = (x @ rng.standard_normal((12, 8))).astype(np.float32)
    return in_memory(x[:600], y[:600], x[600:], y[600:])


class Stop(Exception):
    pass


def trained(
    resume: Resume | None, stop_at: int | None = None, seed: int = 0, schedule: Recipe = SCHEDULE
) -> tuple[AffineProjector, Refinement, list[int]]:
    pairs = some_pairs()
    torch.manual_seed(seed)
    projector = AffineProjector(AffineShape(12, 8, 2, None, False, "none", "l2"))
    loss = parse_loss("48*mse + 1*structure")
    xh, yh = torch.from_numpy(pairs.x_held), torch.from_numpy(pairs.y_held)
    epochs: list[int] = []

    def progress(epoch: int, total: int, held_out: float) -> None:
        epochs.append(epoch)
        if epoch == stop_at:
            raise Stop

    def score(p: AffineProjector) -> float:
        with torch.inference_mode():
            return float(loss(p(xh), yh))

    result = refine(
        projector, pairs, score, loss, schedule, seed=seed, progress=progress, resume=resume
    )
    return projector, result, epochs


def weights(projector: AffineProjector) -> bytes:
    return b"".join(v.numpy().tobytes() for v in projector.state_dict().values())


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("stops", [[1], [2], [5, 6], [2, 3, 4, 6]])
def test_an_interrupted_training_ends_in_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stops: list[int], streamed: bool
) -> None:
    if streamed:
        monkeypatch.setattr(pairs_module, "RESIDENT_BYTES", 1)
        monkeypatch.setattr(batches, "BLOCK", 100)
    whole, result, _ = trained(None)
    resume = Resume(tmp_path, "these pairs", every=0)
    for stop in stops:
        with pytest.raises(Stop):
            trained(resume, stop)
    again, resumed, epochs = trained(resume)
    assert weights(again) == weights(whole) and resumed == result
    assert epochs[0] == max(stops[-1], 1) and epochs[-1] == SCHEDULE.epochs
    assert not list(tmp_path.iterdir()), "a finished training leaves nothing behind"


def test_a_training_that_had_enough_is_not_continued(tmp_path: Path) -> None:
    impatient = Recipe("trained", "gradient", epochs=20, batch_size=32, lr=5.0, patience=1)
    whole, result, _ = trained(None, schedule=impatient)
    assert len(result.losses) < 21
    resume = Resume(tmp_path, "these pairs", every=0)
    with pytest.raises(Stop):
        trained(resume, len(result.losses) - 1, schedule=impatient)
    again, resumed, _ = trained(resume, schedule=impatient)
    assert weights(again) == weights(whole) and resumed == result


def test_checkpoints_of_others_and_damaged_ones_are_not_used(tmp_path: Path) -> None:
    resume = Resume(tmp_path, "these pairs", every=0)
    with pytest.raises(Stop):
        trained(resume, 4)
    for other in ({"resume": Resume(tmp_path, "other pairs", every=0)}, {"resume": resume, "seed": 1},
                  {"resume": resume, "schedule": Recipe("trained", "gradient", epochs=6, batch_size=32, lr=1e-3)}):  # fmt: skip
        assert trained(**other)[2] == list(range(1, 7))  # type: ignore[arg-type]
    (path,) = tmp_path.glob("*.pt")
    whole = path.read_bytes()
    for place in range(0, len(whole), max(1, len(whole) // 200)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        checkpoint = Checkpoint(tmp_path, "x")
        checkpoint.path = path
        assert checkpoint.load() is None
    path.write_bytes(whole[: len(whole) // 2])
    assert trained(resume)[2] == list(range(1, 7))


def test_short_trainings_write_nothing_and_old_leftovers_go(tmp_path: Path) -> None:
    trained(Resume(tmp_path / "new", "these pairs"))
    assert not (tmp_path / "new").exists()
    old, foreign = tmp_path / f"{'0f' * 16}.pt", tmp_path / "model.pt"
    for path in (old, foreign):
        path.touch()
        os.utime(path, (1, 1))
    with pytest.raises(Stop):
        trained(Resume(tmp_path, "these pairs", every=0), 3)
    assert not old.exists() and foreign.exists() and len(list(tmp_path.glob("*.pt"))) == 2


def test_a_full_disk_does_not_end_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, _, _ = trained(None)

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.warns(UserWarning, match="No space left"):
        again, _, _ = trained(Resume(tmp_path, "these pairs", every=0))
    assert weights(again) == weights(whole) and not list(tmp_path.iterdir())


SCRIPT = """
import functools, sys, time
import m2m_adapters as m2m
from m2m_adapters.alignment import train
train.Checkpoint = functools.partial(train.Checkpoint, every=0)
from m2m_adapters.testing import ToySource, toy_sentences
from m2m_adapters._internal.progress import Progress
class Told(Progress):
    def _begin(self, name, total, unit):
        self.name = name
        return super()._begin(name, total, unit)
    def note(self, text):
        if self.name == "refine":
            open(sys.argv[2], "a").write(text + chr(10))
            time.sleep(0.05)
adapter = m2m.align("toy-source", "toy-target", list(toy_sentences(800)), recipe="paper",
                    epochs=10, progress=Told())
adapter.save(sys.argv[1])
"""


def test_an_alignment_killed_while_it_trains_ends_as_an_undisturbed_one(tmp_path: Path) -> None:
    (tmp_path / "run.py").write_text(SCRIPT)

    def run(name: str, *, kills: int) -> tuple[bytes, int]:
        env = {**os.environ, "M2M_CACHE": str(tmp_path / f"cache-{name}"), "OMP_NUM_THREADS": "1"}
        log, out = tmp_path / f"log-{name}", tmp_path / name
        log.touch()
        for number in range(kills + 1):
            lines = len(log.read_text().splitlines())
            process = subprocess.Popen(
                [sys.executable, "run.py", str(out), str(log)], cwd=tmp_path, env=env
            )
            if number < kills:
                while process.poll() is None and len(log.read_text().splitlines()) < lines + 3:
                    time.sleep(0.01)
                process.send_signal(signal.SIGKILL)
            assert process.wait(timeout=300) == (-signal.SIGKILL if number < kills else 0)
        return (out / "adapter.safetensors").read_bytes(), len(log.read_text().splitlines())

    whole, once = run("whole", kills=0)
    again, often = run("killed", kills=2)
    assert again == whole
    assert once == 10 and 10 <= often <= 10 + 2  # the epoch in flight at each kill


@pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("accelerate", "tensorboard")),
    reason="accelerate and tensorboard are not installed",
)
def test_losses_are_shown_in_tensorboard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    monkeypatch.chdir(tmp_path)
    adapter = m2m.align("toy-source", "toy-target", list(toy_sentences(300)), recipe="paper",
                        epochs=4, track="tensorboard", progress=False)  # fmt: skip
    losses = {}
    for folder in {path.parent for path in (tmp_path / "runs").rglob("events.*")}:
        events = EventAccumulator(str(folder))
        events.Reload()
        if "held_out_loss" in events.Tags()["scalars"]:
            losses.update({e.step: e.value for e in events.Scalars("held_out_loss")})
    told = {row.epoch: row.held_out_loss for row in adapter.record.curve[1:]}
    assert losses == pytest.approx(told, rel=1e-5) and len(losses) == 4


def test_a_tracker_that_cannot_be_had_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="did you mean 'tensorboard'"):
        m2m.align("toy-source", "toy-target", ["a"] * 40, track="tensorbord")
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "wandb" else found(name, *a)
    )
    with pytest.raises(UserError, match="pip install"):
        m2m.align("toy-source", "toy-target", ["a"] * 40, track="wandb")


def test_patience_counts_epochs_that_bring_too_little() -> None:
    losses = [1.0, 0.9, 0.899, 0.898, 0.897]
    assert not enough(losses, Recipe("trained", "gradient", patience=3))
    assert enough(losses, Recipe("trained", "gradient", patience=3, least_gain=0.005))
    assert not enough(losses, Recipe("trained", "gradient", patience=4, least_gain=0.005))
    assert not enough(losses, Recipe("trained", "gradient", patience=None, least_gain=0.005))
    # Small gains add up to one that counts.
    assert not enough(
        [1.0, 0.996, 0.992], Recipe("trained", "gradient", patience=2, least_gain=0.005)
    )
