"""How soon the command line answers, against importing the libraries that it is written with."""

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

    bare = timed([sys.executable, "-c", "import typer, rich.console"])
    report.add("python -c 'import typer, rich.console'", spread(bare), "1.0x")
    for command in COMMANDS:
        found = timed([sys.executable, "-m", "m2m_cli.main", *command])
        report.add(f"m2m {' '.join(command)}", spread(found),
                   f"{statistics.median(found) / statistics.median(bare):.1f}x")  # fmt: skip
    report.finish(told)


if __name__ == "__main__":
    main()
