"""Fuzzing guided by coverage: atheris feeds the strategies of ``tests/test_fuzz_*.py``.

    python scripts/guided_fuzz.py [--seconds 60] [KIND ...]

A kind is a test there, without ``test_``; by default all that need nothing but a folder. Each runs
in a process of its own. Inputs that reached new code stay in ``build/fuzz/KIND``, where the next
run begins; one that fails ends the run and is printed with its traceback.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FILES = ("test_fuzz_texts", "test_fuzz_models")


def kinds() -> dict[str, Callable[..., None]]:
    """The fuzz tests that take at most a folder from pytest."""
    sys.path.insert(0, str(ROOT / "tests"))
    found = {}
    for file in FILES:
        for name, test in vars(importlib.import_module(file)).items():
            if name.startswith("test_") and hasattr(test, "hypothesis"):
                if set(inspect.signature(test).parameters) <= {"place"}:
                    found[name.removeprefix("test_")] = test
    return found


def fuzz(kind: str, seconds: int) -> None:
    """Run one kind in this process, to its end."""
    import atheris

    with atheris.instrument_imports(include=["m2m_adapters"]):
        test: Any = kinds()[kind]
    if "place" in inspect.signature(test).parameters:
        inner, place = test.hypothesis.inner_test, Path(tempfile.mkdtemp())

        def placed(*args: Any, **drawn: Any) -> None:
            inner(*args, place=place, **drawn)

        test.hypothesis.inner_test = placed
        test.__signature__ = inspect.Signature()  # nothing is left for pytest to give
    corpus = ROOT / "build" / "fuzz" / kind
    corpus.mkdir(parents=True, exist_ok=True)
    atheris.Setup(
        [sys.argv[0], str(corpus), f"-max_total_time={seconds}", "-max_len=4096", "-timeout=20",
         "-verbosity=0", "-print_final_stats=1", f"-artifact_prefix={corpus}/failed-"],
        test.hypothesis.fuzz_one_input,
    )  # fmt: skip
    atheris.Fuzz()


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("kind", nargs="*")
    parser.add_argument("--seconds", type=int, default=60, help="for each kind")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.here:
        fuzz(given.kind[0], given.seconds)
    names = list(kinds())
    if odd := sorted(set(given.kind) - set(names)):
        parser.error(f"no kind is called {odd[0]}; there are {', '.join(names)}")
    failed = []
    for name in given.kind or names:
        command = [sys.executable, __file__, "--here", name, "--seconds", str(given.seconds)]
        done = subprocess.run(command, capture_output=True, text=True)
        units = [line for line in done.stderr.splitlines() if "number_of_executed_units" in line]
        print(name, units[-1].split()[-1] if units else "?", "inputs", flush=True)
        if done.returncode:
            failed.append(name)
            print(done.stdout[-3000:] + done.stderr[-3000:], flush=True)
    print(f"{len(failed)} of {len(given.kind or names)} kinds failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
