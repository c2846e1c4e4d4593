"""What the benchmark scripts share: repeated timing, peak memory, and one form of report."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).with_name("RESULTS.md")


def machine() -> str:
    """CPU, cores, accelerator and versions in one line."""
    import torch

    model = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    except OSError:
        pass
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "no accelerator"
    libraries = ", ".join(
        f"{name} {version(name)}" for name in ("torch", "transformers", "sentence-transformers")
    )
    return (
        f"{model}, {torch.get_num_threads()} threads, {device}; "
        f"Python {platform.python_version()}, {libraries}"
    )


def seconds(run: Callable[[], Any], repeats: int = 3, warm: bool = True) -> list[float]:
    """Wall-clock seconds of each repeat, after one that does not count."""
    if warm:
        run()
    found = []
    for _ in range(repeats):
        began = time.perf_counter()
        run()
        found.append(time.perf_counter() - began)
    return found


def spread(values: Sequence[float]) -> str:
    """Median and range."""
    return f"{statistics.median(values):.3g} [{min(values):.3g}, {max(values):.3g}]"


@dataclass
class Report:
    """A table of results under a title."""

    title: str
    command: str
    header: Sequence[str]
    rows: list[Sequence[Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, *cells: Any) -> None:
        self.rows.append(cells)
        print("  ".join(str(cell) for cell in cells), flush=True)

    def text(self) -> str:
        lines = [f"## {self.title}", "", f"`{self.command}`, {date.today()}: {machine()}", ""]
        lines += ["| " + " | ".join(self.header) + " |", "|" + "---|" * len(self.header)]
        lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in self.rows]
        lines += ["", *(f"- {note}" for note in self.notes)]
        return "\n".join(lines).rstrip() + "\n"

    def finish(self, arguments: argparse.Namespace) -> None:
        """Print; with --write also put the section into RESULTS.md, over an older one."""
        print("\n" + self.text())
        if arguments.json:
            print(json.dumps({"title": self.title, "rows": [list(map(str, r)) for r in self.rows]}))
        if arguments.write:
            write_section(self.title, self.text())


def write_section(title: str, text: str) -> None:
    """Replace or append one section of RESULTS.md."""
    whole = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else "# Results\n\n"
    sections = whole.split("\n## ")
    kept = [s for s in sections[1:] if not s.startswith(title + "\n")]
    kept.append(text.removeprefix("## "))
    body = "\n## ".join([sections[0].rstrip() + "\n", *(s.rstrip() + "\n" for s in sorted(kept))])
    RESULTS.write_text(body, encoding="utf-8")


def forked(work: Callable[[], object]) -> int:
    """The process id of a fork that does the work in silence, to be waited for or killed."""
    if pid := os.fork():
        return pid
    code = 1
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        work()
        code = 0
    except SystemExit as ended:
        code = int(ended.code or 0)
    finally:
        os._exit(code)


def arguments(doc: str | None, **extra: dict[str, Any]) -> argparse.Namespace:
    """--write and --json, and what a script adds."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true", help="put the table into RESULTS.md")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON, too")
    for name, options in extra.items():
        parser.add_argument(f"--{name.replace('_', '-')}", **options)
    return parser.parse_args()
