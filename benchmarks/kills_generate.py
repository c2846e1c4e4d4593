"""Kill `m2m generate` at random instants, again and again, over a file of prompts.

The pipeline is a FLUX of a small config with random weights. The killed runs must leave what
one undisturbed run makes, byte for byte; what is there is never painted again; and nothing
half-written stays. Every run is a fork of this process, which has imported everything and
computed nothing: kills fall into the work and not into the start.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import diffusers
import torch
import transformers
from m2m_cli import main as command_line
from measure import Report, arguments, forked

import m2m_adapters as m2m

sys.path.insert(
    0, str(Path(__file__).resolve().parent.parent / "plugins" / "m2m-diffusion" / "tests")
)
import pipeline_folders
from m2m_cli import generate  # noqa: F401  (imported before the forks)
from m2m_diffusion import target  # noqa: F401

IMPORTED = (  # lazily otherwise, in every fork anew
    diffusers.FluxPipeline, diffusers.FluxTransformer2DModel, diffusers.AutoencoderKL,
    diffusers.FlowMatchEulerDiscreteScheduler, transformers.CLIPTextModel,
    transformers.AutoTokenizer,
)  # fmt: skip


def main() -> None:
    told = arguments(__doc__, prompts={"type": int, "default": 1000},
                     kills={"type": int, "default": 50})  # fmt: skip
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        os.environ["M2M_CACHE"] = str(work / "cache")
        prompts = work / "prompts.txt"
        prompts.write_text("".join(f"prompt number {n}\n" for n in range(told.prompts)))
        finish(start(lambda: aligned(work / "adapter")))

        def run(out: Path) -> int:
            words = ["generate", work / "adapter", "--file", prompts, "--out", out, "--steps", 1,
                     "--size", 16, "--device", "cpu"]  # fmt: skip
            return start(lambda: command_line.run([str(word) for word in words]))

        whole, out = work / "whole", work / "killed"
        finish(run(whole))
        killed, again = killed_runs(run, out, told.prompts, told.kills)
        files = sorted(path.name for path in whole.iterdir())
        found = sorted(path.name for path in out.iterdir())
        same = sum((whole / n).read_bytes() == (out / n).read_bytes() for n in files if n in found)
        report = Report("Kills while generating",
                        f"python benchmarks/kills_generate.py --prompts {told.prompts} "
                        f"--kills {told.kills}",
                        ("prompts", "kills", "files", "the same bytes", "painted again",
                         "half-written"))  # fmt: skip
        report.add(told.prompts, killed, len(files), same, again, len(set(found) - set(files)))
        report.finish(told)
        if found != files or same != len(files) or again or len(files) != 2 * told.prompts:
            raise SystemExit(1)


def aligned(folder: Path) -> None:
    from m2m_adapters.testing import toy_sentences

    name = f"diffusion:{pipeline_folders.folder('flux-no-t5')}"
    m2m.align("toy-source", name, list(toy_sentences(400)), recipe="closed-form", store=False,
              progress=False, model_options={"device": "cpu"}).save(folder)  # fmt: skip


def start(work: Callable[[], object]) -> int:
    """The process id of a fork that does the work; its progress is not shown."""

    def silently() -> None:
        os.dup2(1, 2)
        work()

    return forked(silently)


def finish(pid: int) -> None:
    if os.waitpid(pid, 0)[1]:
        raise SystemExit("a run failed")


def killed_runs(
    run: Callable[[Path], int], out: Path, prompts: int, kills: int, seed: int = 0
) -> tuple[int, int]:
    """(kills that came while pictures were made, pictures that were painted again)."""
    rng = random.Random(seed)
    kept: dict[str, tuple[int, int]] = {}
    killed = again = 0
    while killed < kills:
        pid = run(out)
        left = prompts - len(kept)
        # After a random number of further pictures, at a random instant of the next.
        enough = len(kept) + rng.randint(0, max(1, 2 * left // (kills - killed + 1)))
        ended = False
        while not ended and pictures(out) < enough:
            ended = os.waitpid(pid, os.WNOHANG)[0] != 0
            time.sleep(0.005)
        time.sleep(rng.uniform(0, 0.05))
        if not ended and not os.waitpid(pid, os.WNOHANG)[0]:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            killed += 1
        now = stamps(out)
        again += sum(now.get(name) != stamp for name, stamp in kept.items())
        kept = now
        if len(kept) == prompts:
            break
    finish(run(out))
    now = stamps(out)
    return killed, again + sum(now.get(name) != stamp for name, stamp in kept.items())


def pictures(out: Path) -> int:
    return sum(name.endswith(".png") for name in os.listdir(out)) if out.exists() else 0


def stamps(out: Path) -> dict[str, tuple[int, int]]:
    """File -> (inode, time of writing): one that was written again has another."""
    return {p.name: (p.stat().st_ino, p.stat().st_mtime_ns) for p in out.glob("*.png")}


if __name__ == "__main__":
    main()
