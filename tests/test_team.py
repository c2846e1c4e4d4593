"""Processes that torchrun started: one adapter, as near to a single process's as sums allow."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import m2m_adapters as m2m
from m2m_adapters._internal.processes import Team, is_first, launched
from m2m_adapters.alignment.losses import parse_loss
from m2m_adapters.alignment.train import Objective, fastest
from m2m_adapters.errors import UserError
from m2m_adapters.projectors.affine import AffineProjector, AffineShape
from m2m_adapters.testing import AffineTarget, toy_sentences

needs_accelerate = pytest.mark.skipif(
    importlib.util.find_spec("accelerate") is None, reason="accelerate is not installed"
)


def torchrun(folder: Path, *arguments: str) -> str:
    """Standard output of two processes on this machine's CPU."""
    told = {"M2M_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
         *arguments],
        cwd=folder, env={**os.environ, **told}, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@needs_accelerate
def test_the_command_line_in_two_processes(tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_text("\n".join(toy_sentences(300)))
    options = ["--recipe", "paper", "--epochs", "3", "--batch-size", "61"]  # an odd batch: 30 + 31
    if tracked := importlib.util.find_spec("tensorboard") is not None:
        options += ["--track", "tensorboard"]
    told = json.loads(torchrun(
        tmp_path, "-m", "m2m_cli.main", "align", "-s", "toy-source", "-t", "toy-target",
        "--texts", "c.txt", "--out", "two", "--json", *options,
    ))  # fmt: skip
    alone = m2m.align("toy-source", "toy-target", tmp_path / "c.txt", recipe="paper", epochs=3,
                      batch_size=61, store=False, progress=False)  # fmt: skip
    together = m2m.load_adapter(tmp_path / "two").projector.state_dict()
    for name, value in alone.projector.state_dict().items():
        torch.testing.assert_close(together[name], value, atol=1e-6, rtol=1e-5)
        assert (
            float((value - AffineProjector(alone.projector.shape).state_dict()[name]).abs().max())
            > 0
        )
    losses = [row["held_out_loss"] for row in told["curve"]]
    assert losses == pytest.approx([row.held_out_loss for row in alone.record.curve], rel=1e-5)
    assert len(list(tmp_path.rglob("events.*"))) > 0 if tracked else True


SCRIPT = """
import functools, os, sys
import m2m_adapters as m2m
from m2m_adapters.embeddings import stored
from m2m_adapters.alignment import encode
from m2m_adapters.alignment import train
from m2m_adapters._internal.processes import is_first
from m2m_adapters._internal.progress import Progress
from m2m_adapters.testing import AffineTarget, ToySource
stored.WINDOW = encode.WINDOW = 100
train.Checkpoint = functools.partial(train.Checkpoint, every=0)

class Counted(ToySource):
    fingerprint = "counted"
    def encode(self, texts, **options):
        with open("log-" + os.environ["RANK"], "a") as log:
            log.writelines(text + chr(10) for text in texts)
        return super().encode(texts)

class Impatient(Progress):
    def note(self, text):
        if sys.argv[2] == "stop" and len(os.listdir("cache/training")) and os.environ["RANK"] == "1":
            os._exit(3)

adapter = m2m.align(Counted(), AffineTarget(), "c.txt", recipe="paper", epochs=4, batch_size=512, progress=Impatient())
if is_first():
    adapter.save(sys.argv[1])
"""


@needs_accelerate
def test_sentences_are_divided_and_a_killed_training_goes_on(tmp_path: Path) -> None:
    sentences = list(toy_sentences(800))
    (tmp_path / "c.txt").write_text("\n".join(sentences))
    (tmp_path / "run.py").write_text(SCRIPT)
    (tmp_path / "cache" / "training").mkdir(parents=True)
    with pytest.raises(AssertionError):
        torchrun(tmp_path, "run.py", "two", "stop")
    assert len(list((tmp_path / "cache" / "training").glob("*.pt"))) == 1
    torchrun(tmp_path, "run.py", "two", "go-on")
    assert not list((tmp_path / "cache" / "training").glob("*.pt"))
    shares = [(tmp_path / f"log-{rank}").read_text().splitlines() for rank in (0, 1)]
    assert sorted(shares[0] + shares[1]) == sorted(sentences), "each sentence was encoded once"
    assert min(map(len, shares)) > 250
    from m2m_adapters.testing import ToySource

    alone = m2m.align(ToySource(), AffineTarget(), sentences, recipe="paper", epochs=4,
                      batch_size=512, store=False, progress=False)  # fmt: skip
    from safetensors.torch import load_file

    together = load_file(tmp_path / "two" / "adapter.safetensors")
    for name, value in alone.projector.state_dict().items():
        torch.testing.assert_close(together[name], value, atol=1e-6, rtol=1e-5)


TOKENS = """
import sys
import numpy as np
import m2m_adapters as m2m
from m2m_adapters._internal.processes import is_first
from m2m_adapters.testing import AffineTarget, ToySource, toy_sentences

class Words(ToySource):
    fingerprint = "words"
    def encode_tokens(self, texts):
        return [self.encode(text.split()) for text in texts]

target = AffineTarget(48)
type(target.text).shape = (4, 12)
adapter = m2m.align(Words(), target, list(toy_sentences(200)), level="token", epochs=2,
                    batch_size=33, progress=False, store=m2m.Store(sys.argv[1] + "-store"))
if is_first():
    adapter.save(sys.argv[1])
"""


@needs_accelerate
def test_token_level_in_two_processes(tmp_path: Path) -> None:
    (tmp_path / "run.py").write_text(TOKENS)
    torchrun(tmp_path, "run.py", "two")
    subprocess.run([sys.executable, "run.py", "one"], cwd=tmp_path, check=True, timeout=600)
    together, alone = (m2m.load_adapter(tmp_path / name) for name in ("two", "one"))
    curves = [[point.held_out_loss for point in one.record.curve] for one in (together, alone)]
    assert curves[0] == pytest.approx(curves[1], rel=1e-5) and curves[0][2] < curves[0][0]
    weights = alone.projector.state_dict()
    for name, value in together.projector.state_dict().items():  # Adam magnifies the last bits
        torch.testing.assert_close(weights[name], value, atol=1e-3, rtol=0)


def test_shares_are_whole_and_apart() -> None:
    for size in (1, 2, 3, 7):
        for n in (0, 1, 5, 64):
            rows: list[int] = []
            for rank in range(size):
                one = Team()
                one.rank, one.size = rank, size
                rows += range(n)[one.share(n)]
            assert rows == list(range(n))


def test_what_is_launched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.setenv("WORLD_SIZE", "2")  # some clusters set this in every job
    assert not launched() and is_first()
    for rank, first in (("0", True), ("1", False)):
        monkeypatch.setenv("RANK", rank)
        assert launched() and is_first() == first
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert not launched() and is_first()


@pytest.mark.parametrize("change", [{"texts": "-"}, {"model_options": {"device": "cuda:1"}}])
def test_what_several_processes_cannot_do(
    change: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from m2m_adapters._internal import processes as team

    several = Team()
    several.size = 2
    monkeypatch.setattr(team, "_team", None if "model_options" in change else several)
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UserError, match="several processes"):
        m2m.align("toy-source", "toy-target", **{"texts": ["a"] * 40, **change})


def test_refining_in_bf16_comes_near() -> None:
    texts = list(toy_sentences(500))
    found = {
        precision: m2m.align("toy-source", "toy-target", texts, recipe="paper", epochs=6, lr=3e-3,
                             precision=precision, progress=False).record.held_out.loss
        for precision in ("fp32", "bf16")
    }  # fmt: skip
    assert found["bf16"] != found["fp32"]
    assert found["bf16"] == pytest.approx(found["fp32"], rel=0.1)
    with pytest.raises(UserError, match="fp32 or bf16"):
        m2m.align("toy-source", "toy-target", texts, precision="fp8")


def test_half_precision_stays_inside_the_projector() -> None:
    seen = []

    def loss(p: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        seen.append((p.dtype, torch.is_autocast_enabled("cpu")))
        return (p - y).square().mean()

    projector = AffineProjector(AffineShape(6, 4))
    for precision in ("fp32", "bf16"):
        objective = Objective(projector, loss, precision)  # type: ignore[arg-type]
        objective(torch.randn(5, 6), torch.randn(5, 4)).backward()
    assert seen == [(torch.float32, False)] * 2
    assert all(p.grad is not None and p.grad.dtype == torch.float32 for p in projector.parameters())


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_without_graphs_the_objective_is_used_as_it_is() -> None:
    objective = Objective(AffineProjector(AffineShape(6, 4)), parse_loss("mse"))
    assert fastest(objective, 8, torch.device("cpu")) is objective


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_graphs_give_the_same_gradients(precision: str) -> None:
    device = torch.device("cuda")
    projector = AffineProjector(AffineShape(32, 16, 2)).to(device)
    loss = parse_loss("48*mse + 1*structure")
    plain, graphed = Objective(projector, loss, precision), Objective(projector, loss, precision)
    step = fastest(graphed, 64, device)
    assert "forward" in vars(graphed), "the graphs are what is called"
    for _ in range(3):
        x, y = torch.randn(64, 32, device=device), torch.randn(64, 16, device=device)
        slopes = []
        for objective in (plain, step):
            projector.zero_grad(set_to_none=True)
            objective(x, y).backward()
            slopes.append([p.grad.clone() for p in projector.parameters()])
        for one, other in zip(*slopes):
            torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)
