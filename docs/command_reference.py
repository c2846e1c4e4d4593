"""Writes docs/cli.md from the commands themselves; --check only compares.

python docs/command_reference.py [--check]
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import typer
from m2m_cli.commands import COMMANDS
from m2m_cli.main import app

PAGE = Path(__file__).with_name("cli.md")
HEAD = """# The command line

Every command has `--help` and `--json`, which prints exactly one JSON value on stdout; notes, bars
and whatever a plugin prints go to stderr.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | failed: a plugin or a library, or `doctor` or `cache verify` found something wrong |
| 2 | bad input, or what else you can correct (network, disk, memory): one line says how |
| 130 | stopped by Ctrl-C |

With `--json` a failure is also a JSON value, `{"error": ..., "remedy": ...}`. `--debug`, anywhere
on the line, or `M2M_DEBUG=1` shows the traceback.

Ctrl-C leaves nothing half-written. While `m2m align` encodes, it keeps what was encoded: the best
adapter so far is fitted and written to `--out`, its record says `interrupted by the user`, and the
exit code is 130 as well. In any later stage no adapter is written; run the same command again, and
it continues from the stored vectors and the last training checkpoint.

Shell completion: `m2m --install-completion`. Plugins may add commands of their own.

This page is written by `docs/command_reference.py`.
"""


def described(name: str, command: Any) -> list[str]:
    """One command as Markdown."""
    text = re.sub(r"\[/?dim\]", "`", command.help or "").replace("\\[", "[")
    lines = [f"## m2m {name}", "", *(line.strip() for line in text.strip().splitlines()), ""]
    if hasattr(command, "commands"):
        for inner, sub in command.commands.items():
            lines += [line.replace("## ", "### ", 1) if line.startswith("## ") else line
                      for line in described(f"{name} {inner}", sub)]  # fmt: skip
        return lines
    rows = []
    for parameter in command.params:
        if parameter.name == "help":
            continue
        shown = ", ".join((*parameter.opts, *parameter.secondary_opts))
        if parameter.param_type_name == "argument":
            shown = parameter.name.upper()
        default = parameter.default
        note = "" if default in (None, False, ...) or callable(default) else f" (default {default})"
        note = " (required)" if parameter.required else note
        help_ = " ".join((getattr(parameter, "help", "") or "").split()).replace("|", "\\|")
        rows.append(f"| `{shown}` | {help_}{note} |")
    return [*lines, "| | |", "|---|---|", *rows, ""] if rows else lines


def page() -> str:
    group: Any = typer.main.get_command(app)
    lines = [HEAD]
    for name in COMMANDS:
        lines += described(name, group.get_command(None, name))
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(0 if PAGE.exists() and PAGE.read_text(encoding="utf-8") == page() else 1)
    PAGE.write_text(page(), encoding="utf-8")
