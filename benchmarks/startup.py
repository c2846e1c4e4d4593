"""How soon the command line answers, against the bare interpreter."""

from __future__ import annotations

import statistics
import subprocess
import sys

from measure import Report, arguments, seconds, spread

COMMANDS = (["--help"], ["--version"], ["align", "--help"], ["list", "--sources"])


def main() -> None:
    told = arguments(__doc__)
    report = Report("Start-up", "python benchmarks/startup.py", ("command", "seconds", "ratio"))

    def timed(command: list[str]) -> list[float]:
        return seconds(lambda: subprocess.run(command, capture_output=True, check=True), 7)

    bare = timed([sys.executable, "-c", "pass"])
    report.add("python -c pass", spread(bare), "1x")
    for command in COMMANDS:
        found = timed([sys.executable, "-m", "m2m_cli.main", *command])
        report.add(f"m2m {' '.join(command)}", spread(found),
                   f"{statistics.median(found) / statistics.median(bare):.1f}x")  # fmt: skip
    report.finish(told)


if __name__ == "__main__":
    main()
