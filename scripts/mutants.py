"""Changes the core in small ways, one at a time, and counts how many changes a test notices.

Works with cosmic-ray on a copy in build/mutants/: ``python scripts/mutants.py [--sample 12]
[--seed 0] [PART ...]``. A sample of mutants for each part; the survivors are printed. Every
survivor is a missing test or a change without effect.

A mutant meets the tests that run its line first, and all tests of the part only if none of those
fails.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shlex
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from cosmic_ray.mutating import mutate_and_test
from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import MutationSpec, TestOutcome
from coverage import CoverageData

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
        ["test_solve.py", "test_stretched.py", "test_losses.py", "test_prior.py", "test_align.py",
         "test_starts.py", "test_training.py"],
    ),
    "artifact": (
        ["artifact/untrusted.py", "artifact/codec.py", "artifact/load.py", "artifact/licenses.py"],
        ["test_record.py", "test_adapter.py", "test_hostile.py", "test_licenses.py"],
    ),
    "embeddings": (
        ["embeddings/store.py", "embeddings/shard.py", "models/text_encoder.py"],
        ["test_store.py", "test_embedding.py", "test_embed.py", "test_speed.py",
         "test_plugin_kit.py", "test_plugin_failures.py", "test_token_projector.py",
         "test_analysis.py"],
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
    settings, session = COPY / "mutants.toml", COPY / "session.sqlite"
    settings.write_text(
        f"[cosmic-ray]\nmodule-path = {json.dumps(paths)}\ntimeout = {SECONDS}.0\n"
        'excluded-modules = []\ntest-command = ""\n[cosmic-ray.distributor]\nname = "local"\n'
    )
    subprocess.run(["cosmic-ray", "init", settings, session], cwd=COPY, check=True)
    keep_some(session, sample, seed)
    every = [f"tests/{name}" for name in tests]
    runners = tests_of_lines(every)
    os.chdir(COPY)
    with use_db(session, WorkDB.Mode.open) as db:
        for job in list(db.pending_work_items):
            (mutation,) = job.mutations
            near = runners(mutation)
            for chosen in [near, every] if near else [every]:
                result = mutate_and_test(job.mutations, shlex.join(pytest(chosen)), SECONDS)
                if result.test_outcome != TestOutcome.SURVIVED:
                    break
            db.set_result(job.job_id, result)
    return survivors(session)


def pytest(arguments: Sequence[str]) -> list[str]:
    """The command that runs tests of the copy."""
    return ["env", "OMP_NUM_THREADS=1", "HF_HUB_OFFLINE=1", "PYTHONDONTWRITEBYTECODE=1",
            f"PYTHONPATH={COPY}:{COPY / 'cli'}", sys.executable, "-m", "pytest", "-q", "-x",
            "-p", "no:cacheprovider", *arguments]  # fmt: skip


def tests_of_lines(tests: Sequence[str]) -> Callable[[MutationSpec], list[str]]:
    """Run all tests once; says of a mutant which of them run its line."""
    measured = ["--cov=m2m_adapters", "--cov-context=test", "--cov-report="]
    subprocess.run(pytest([*tests, *measured]), cwd=COPY, check=True, stdout=subprocess.DEVNULL)
    data = CoverageData(str(COPY / ".coverage"))
    data.read()
    every = sorted(name.rpartition("|")[0] for name in data.measured_contexts() if name)

    def runners(mutation: MutationSpec) -> list[str]:
        lines = data.contexts_by_lineno(str(COPY / mutation.module_path))
        chosen: set[str] = set()
        for context in filter(None, lines.get(mutation.start_pos[0], ())):
            name, _, when = context.rpartition("|")
            # What a fixture runs may serve every test of its file.
            same = name.partition("::")[0] + "::"
            chosen.update([name] if when == "run" else (n for n in every if n.startswith(same)))
        return sorted(chosen)

    return runners


def fresh_copy() -> None:
    shutil.rmtree(COPY, ignore_errors=True)
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        (COPY / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, COPY / name)


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
