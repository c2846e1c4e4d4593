"""What commands print: tables for people, one JSON value for machines."""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from typing import Any, TextIO

UNLIMITED = 100_000
"""Columns of a table that is not printed on a terminal: nothing is cut or wrapped."""

_results: TextIO | None = None


def stdout() -> TextIO:
    """Where results go, also while :func:`reserved_stdout` keeps everything else away."""
    return _results or sys.stdout


@contextlib.contextmanager
def reserved_stdout(reserve: bool = True) -> Iterator[None]:
    """Keep stdout for results: what a plugin or library prints goes to stderr."""
    global _results
    if not reserve:
        yield
        return
    outer, _results = _results, stdout()
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        _results = outer


def print_json(value: Any) -> None:
    """One JSON value on stdout, non-ASCII text as it is."""
    stdout().write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def table(rows: Sequence[Sequence[Any]], header: Sequence[str], width: int | None = None) -> str:
    """Rows under a header, fitted to the terminal's width; None is a dash, floats are short.

    The first column is never wrapped, so that names can be copied. width: in characters.
    """
    import io

    from rich.box import Box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    blank = "    \n"
    rule = Box(blank * 2 + " -- \n" + blank * 5, ascii=True)
    shown = Table(box=rule, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="")
    columns = list(zip(*rows)) or [()] * len(header)
    for index, (name, cells) in enumerate(zip(header, columns, strict=True)):
        numeric = bool(cells) and all(_is_number(cell) or cell is None for cell in cells)
        shown.add_column(
            Text(name),
            justify="right" if numeric and index else "left",
            no_wrap=index == 0,
            overflow="fold",
        )
    for row in rows:
        shown.add_row(*(Text(_cell(value)) for value in row))
    page = io.StringIO()
    Console(
        file=page, width=width or terminal_width(), color_system=None, legacy_windows=False
    ).print(shown)
    return "\n".join(line.rstrip() for line in page.getvalue().rstrip("\n").split("\n"))


def terminal_width() -> int:
    """Columns of the terminal; unlimited where stdout is a file or a pipe."""
    if not stdout().isatty():
        return UNLIMITED
    return max(shutil.get_terminal_size().columns, 40)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _cell(value: Any) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    return printable(" ".join(str(value).split()))


def printable(text: str) -> str:
    """``text`` without what a terminal would obey: control characters and the like are escaped."""
    harmless = "\n\t\u200c\u200d"  # the last two join and part letters of many scripts
    return "".join(
        c if c.isprintable() or c in harmless else c.encode("unicode_escape").decode() for c in text
    )
