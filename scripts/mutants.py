"""Changes the core in small ways, one at a time, and counts how many changes a test notices.

Runs cosmic-ray on a copy in build/mutants/: ``python scripts/mutants.py [--sample 12] [--seed 0]
[PART ...]``. A sample of mutants for each part; the survivors are printed. Every survivor is a
missing test or a change without effect.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COPY = ROOT / "build" / "mutants"
SECONDS = 180
"""For the tests of one mutant; one that takes longer hangs, and counts as noticed."""

# part -> (its modules, the tests that should notice)
PARTS = {
    "projectors": (
        ["projectors/affine.py", "projectors/tokens.py", "projectors/rows.py",
         "projectors/decoder.py"],
        ["test_projector.py", "test_token_projector.py"],
    ),
    "alignment": (
        ["alignment/closed_form.py", "alignment/losses.py", "alignment/solve.py",
         "alignment/prior.py"],
        ["test_solve.py", "test_losses.py", "test_prior.py", "test_align.py"],
    ),
    "artifact": (
        ["artifact/untrusted.py", "artifact/codec.py", "artifact/load.py", "artifact/licenses.py"],
        ["test_record.py", "test_adapter.py", "test_hostile.py", "test_licenses.py"],
    ),
    "embeddings": (
        ["embeddings/store.py", "embeddings/shard.py", "models/text_encoder.py"],
        ["test_store.py", "test_embedding.py"],
    ),
    "metrics": (
        ["evaluation/metrics.py", "evaluation/ranking.py", "evaluation/intervals.py"],
        ["test_metrics.py"],
    ),
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--sample", type=int, default=12, help="mutants of each part")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    noticed = tried = 0
    for part in chosen.parts or PARTS:
        survivors, count = judged(part, chosen.sample, chosen.seed)
        tried, noticed = tried + count, noticed + count - len(survivors)
        print(f"{part}: {count - len(survivors)} of {count} noticed", flush=True)
        for survivor in survivors:
            print(f"  survived: {survivor}", flush=True)
    print(f"together: {noticed} of {tried} noticed ({100 * noticed / max(1, tried):.0f} %)")


def judged(part: str, sample: int, seed: int) -> tuple[list[str], int]:
    """(the mutants that no test noticed, how many were tried)."""
    fresh_copy()
    modules, tests = PARTS[part]
    paths = [f"m2m_adapters/{name}" for name in modules if (ROOT / "m2m_adapters" / name).is_file()]
    command = " ".join(
        ["env", "OMP_NUM_THREADS=1", "HF_HUB_OFFLINE=1", "PYTHONDONTWRITEBYTECODE=1",
         f"PYTHONPATH={COPY}:{COPY / 'cli'}", sys.executable, "-m", "pytest", "-q", "-x",
         "-p", "no:cacheprovider", *(f"tests/{name}" for name in tests)]
    )  # fmt: skip
    settings = COPY / "mutants.toml"
    settings.write_text(
        f"[cosmic-ray]\nmodule-path = {json.dumps(paths)}\ntimeout = {SECONDS}.0\n"
        f"excluded-modules = []\ntest-command = {json.dumps(command)}\n"
        '[cosmic-ray.distributor]\nname = "local"\n'
    )
    session = COPY / "session.sqlite"
    cosmic_ray("init", settings, session)
    keep_some(session, sample, seed)
    subprocess.run(command, shell=True, cwd=COPY, check=True, stdout=subprocess.DEVNULL)
    cosmic_ray("exec", settings, session)
    return survivors(session)


def fresh_copy() -> None:
    shutil.rmtree(COPY, ignore_errors=True)
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        (COPY / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, COPY / name)


def cosmic_ray(*arguments: str | Path) -> None:
    subprocess.run(["cosmic-ray", *map(str, arguments)], cwd=COPY, check=True)


def keep_some(session: Path, sample: int, seed: int) -> None:
    """Forget all mutants but a random sample."""
    with sqlite3.connect(session) as db:
        # A | in an annotation is never run, and hardly any other stands in the core.
        wanted = "select job_id from mutation_specs where operator_name not like '%BitOr%'"
        jobs = [job for (job,) in db.execute(wanted)]
        # Nothing depends on a dataclass being frozen.
        declared = {
            job
            for job, path, row in db.execute(
                "select job_id, module_path, start_pos_row from mutation_specs"
            )
            if (COPY / path).read_text().splitlines()[row - 1].startswith("@dataclass(")
        }
        jobs = [job for job in jobs if job not in declared]
        places = dict(db.execute(
            "select job_id, module_path || start_pos_row || operator_name || occurrence "
            "from mutation_specs"))  # fmt: skip
        jobs.sort(key=lambda job: str(places.get(job)))  # job ids are random
        kept = set(random.Random(seed).sample(jobs, min(sample, len(jobs))))
        every = db.execute("select job_id from work_items").fetchall()
        gone = [(job,) for (job,) in every if job not in kept]
        db.executemany("delete from mutation_specs where job_id = ?", gone)
        db.executemany("delete from work_items where job_id = ?", gone)


def survivors(session: Path) -> tuple[list[str], int]:
    with sqlite3.connect(session) as db:
        rows = db.execute(
            "select module_path, start_pos_row, operator_name, test_outcome from mutation_specs "
            "join work_results using (job_id) where output not like '%SyntaxError%'"
        ).fetchall()
    alive = [f"{path}:{line} {operator}" for path, line, operator, outcome in rows
             if str(outcome).upper().endswith("SURVIVED")]  # fmt: skip
    return sorted(alive), len(rows)


if __name__ == "__main__":
    main()
