"""How soon the command line answers, against importing the libraries that it is written with.

The commands take turns, so that whatever else the machine does meets all of them; a ratio is the
median over the turns.
"""

from __future__ import annotations

import statistics
import subprocess
import sys

from measure import Report, arguments, seconds, spread

BARE = "python -c 'import typer, rich.console'"
COMMANDS = (["--help"], ["--version"], ["align", "--help"], ["list", "--sources"])
TURNS = 15


def main() -> None:
    options = arguments(__doc__)
    report = Report("Start-up", "python benchmarks/startup.py", ("command", "seconds", "ratio"))
    timed = {BARE: [sys.executable, "-c", "import typer, rich.console"]}
    for command in COMMANDS:
        timed[f"m2m {' '.join(command)}"] = [sys.executable, "-m", "m2m_cli.main", *command]
    durations: dict[str, list[float]] = {name: [] for name in timed}
    for turn in range(TURNS + 1):
        for name, command in timed.items():
            duration = _run(command)
            if turn:  # the first turn fills the caches of the file system
                durations[name].append(duration)
    for name, values in durations.items():
        ratio = statistics.median(v / bare for v, bare in zip(values, durations[BARE]))
        report.add(name, spread(values), f"{ratio:.1f}x")
    report.notes.append(
        "ratios are medians over the turns, each within its turn; seconds depend on what else runs"
    )
    report.finish(options)


def _run(command: list[str]) -> float:
    run = lambda: subprocess.run(command, capture_output=True, check=True)  # noqa: E731
    return seconds(run, 1, warm=False)[0]


if __name__ == "__main__":
    main()
