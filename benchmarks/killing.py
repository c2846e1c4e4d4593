"""What the scripts that kill runs share: a log of what was encoded, rounds of kills, a table."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measure import Report

HEADER = ("killed", "kills", "rounds", "same result", "encoded", "of them again",
          "beyond what was in flight", "seconds of an undisturbed run")  # fmt: skip


def log_of(folder: Path, attempt: int) -> Path:
    """Where the run ``attempt`` of a round writes down what it encodes."""
    return folder / f"log-{attempt:04d}.ended"


def write_log(path: str | Path, names: Sequence[str]) -> None:
    """Add one call of an encoder, in one piece."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(file, json.dumps(list(names)).encode() + b"\n")
    os.close(file)


def wait(pid: int) -> None:
    """Until a run that is not killed has ended."""
    check(os.waitpid(pid, 0)[1])


def check(status: int) -> None:
    """Refuse the status of a run that failed by itself."""
    if status:
        raise SystemExit("a run that was not killed has failed")


@dataclass(frozen=True)
class Victim:
    """A command that is killed.

    prepare: what lies in a round's folder before its first run. start: the process id of a run,
    which logs into ``log_of(folder, attempt)``. result: what the runs of a round have left.
    """

    start: Callable[[Path, int], int]
    result: Callable[[Path], Mapping[str, Any]]
    prepare: Callable[[Path], object] = lambda folder: None


@dataclass
class Outcome:
    """kills, rounds, those with the same result; names encoded twice, and without excuse."""

    kills: int = 0
    rounds: int = 0
    same: int = 0
    encoded: int = 0
    again: int = 0
    unexcused: int = 0
    seconds: float = 0.0

    @property
    def good(self) -> bool:
        return self.same == self.rounds and not self.unexcused

    def count(self, folder: Path) -> None:
        """What the runs of one round encoded."""
        seen: Counter[str] = Counter()
        in_flight: set[str] = set()  # of runs that were killed
        for log in sorted(folder.glob("log-*")):
            calls = [json.loads(line) for line in log.read_text().splitlines()]
            for names in calls:
                repeated = [name for name in names if seen[name]]
                self.encoded += len(names)
                self.again += len(repeated)
                self.unexcused += sum(name not in in_flight for name in repeated)
                seen.update(names)
            if log.suffix == ".killed" and calls:
                in_flight.update(calls[-1])

    def cells(self) -> list[str]:
        """The row under :data:`HEADER`, after the name."""
        counts = [self.kills, self.rounds, f"{self.same} of {self.rounds}", f"{self.encoded:,}",
                  f"{self.again:,}", self.unexcused, f"{self.seconds:.1f}"]  # fmt: skip
        return [str(count) for count in counts]


def survive(victim: Victim, kills: int, rng: random.Random, place: Path) -> Outcome:
    """Kill runs until there were as many kills; every round ends with a run that is not killed."""

    def fresh(name: str) -> Path:
        folder = place / name
        folder.mkdir(parents=True)
        victim.prepare(folder)
        return folder

    whole = fresh("whole")
    began = time.perf_counter()
    wait(victim.start(whole, 0))
    outcome = Outcome(seconds=time.perf_counter() - began)
    wanted = victim.result(whole)
    while outcome.kills < kills:
        folder, attempt = fresh(str(outcome.rounds)), 0
        while outcome.kills < kills:
            pid = victim.start(folder, attempt)
            time.sleep(rng.uniform(0, outcome.seconds))
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                check(status)
                break
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            if (log := log_of(folder, attempt)).exists():
                log.rename(log.with_suffix(".killed"))
            outcome.kills, attempt = outcome.kills + 1, attempt + 1
        wait(victim.start(folder, attempt + 1))
        outcome.rounds += 1
        left = victim.result(folder)
        outcome.same += left == wanted
        if left != wanted:
            names = sorted({*left, *wanted})
            print("differs in", [name for name in names if left.get(name) != wanted.get(name)])
        outcome.count(folder)
        shutil.rmtree(folder)
    return outcome


def survive_all(
    victims: Mapping[str, Victim], kills: int, place: Path, report: Report, seed: int = 0
) -> bool:
    """A row for each victim, the kills shared among them; whether nothing was lost or repeated."""
    rng = random.Random(seed)
    good = True
    for number, (name, victim) in enumerate(victims.items()):
        share = (kills + len(victims) - 1 - number) // len(victims)
        outcome = survive(victim, share, rng, place / name)
        report.add(name, *outcome.cells())
        good &= outcome.good
    return good
