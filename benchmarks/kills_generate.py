"""Kill `m2m generate` at random instants, again and again, over a file of prompts.

The pipeline is a FLUX of a small config with random weights. The killed runs must leave what
one undisturbed run makes, byte for byte; what is there is never painted again; and nothing
half-written stays.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import Report, arguments

FOLDERS = Path(__file__).resolve().parent.parent / "plugins" / "m2m-diffusion" / "tests"


def main() -> None:
    told = arguments(__doc__, prompts={"type": int, "default": 1000},
                     kills={"type": int, "default": 10})  # fmt: skip
    sys.path.insert(0, str(FOLDERS))
    from pipeline_folders import folder as pipeline

    import m2m_adapters as m2m
    from m2m_adapters.testing import toy_sentences

    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        adapter = m2m.align(
            "toy-source", f"diffusion:{pipeline('flux-no-t5')}", list(toy_sentences(400)),
            recipe="closed-form", store=False, progress=False, model_options={"device": "cpu"},
        ).save(work / "adapter")  # fmt: skip
        prompts = work / "prompts.txt"
        prompts.write_text("".join(f"prompt number {n}\n" for n in range(told.prompts)))

        def command(out: Path) -> list[str]:
            return [sys.executable, "-m", "m2m_cli.main", "generate", str(adapter), "--file",
                    str(prompts), "--out", str(out), "--steps", "1", "--size", "16",
                    "--device", "cpu", "--json"]  # fmt: skip

        whole = work / "whole"
        subprocess.run(command(whole), check=True, stdout=subprocess.DEVNULL)
        out = work / "killed"
        kept, killed, touched = killed_runs(command(out), out, told.prompts, told.kills)
        last = subprocess.run(command(out), check=True, stdout=subprocess.PIPE)
        made = json.loads(last.stdout)["made"]
        touched += changed(kept, out)
        same = sum(
            file.read_bytes() == (out / file.name).read_bytes()
            for file in whole.iterdir() if (out / file.name).is_file()
        )  # fmt: skip
        extra = len(list(out.iterdir())) - len(list(whole.iterdir()))
        report = Report("Kills while generating",
                        f"python benchmarks/kills_generate.py --kills {told.kills}",
                        ("prompts", "kills", "files the same", "made in the last run",
                         "written twice", "files too many"))  # fmt: skip
        report.add(told.prompts, killed, f"{same} of {2 * told.prompts}", made, touched, extra)
        report.finish(told)
        if same != 2 * told.prompts or touched or extra:
            raise SystemExit(1)


def killed_runs(
    command: list[str], out: Path, prompts: int, kills: int, seed: int = 0
) -> tuple[dict[str, tuple[int, int]], int, int]:
    """(what is there after the last kill, kills that came in time, files written again)."""
    rng = random.Random(seed)
    kept: dict[str, tuple[int, int]] = {}
    touched = killed = 0
    while killed < kills:
        running = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=dict(os.environ)
        )
        # After a random number of further pictures, at a random instant of the next.
        more = rng.randint(1, max(1, (prompts - pictures(out)) // max(2, kills - killed)))
        enough = pictures(out) + more
        while pictures(out) < enough and running.poll() is None:
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.03))
        in_time = running.poll() is None
        running.send_signal(signal.SIGKILL)
        running.wait()
        touched += changed(kept, out)
        kept = stamps(out)
        if not in_time:
            break
        killed += 1
    return kept, killed, touched


def pictures(out: Path) -> int:
    return sum(1 for _ in out.glob("*.png"))


def stamps(out: Path) -> dict[str, tuple[int, int]]:
    """File -> (inode, time of writing): a file written again has another."""
    return {p.name: (p.stat().st_ino, p.stat().st_mtime_ns) for p in out.glob("*.png")}


def changed(kept: dict[str, tuple[int, int]], out: Path) -> int:
    now = stamps(out)
    return sum(now.get(name) != stamp for name, stamp in kept.items())


if __name__ == "__main__":
    main()
